// One connection of the HTTP server. Internal to net.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/intrusive/list.hpp>

#include "net/core/byte_channel.h"
#include "net/core/deadlines.h"
#include "net/http/http_parser.h"
#include "net/http/http_server.h"
#include "net/http/response_text.h"

namespace entente::net {

// What a connection needs of the server it belongs to.
struct ServerContext {
  HttpHandler& handler;
  const HttpServerOptions& options;
  ParseLimits limits;
  Deadlines& deadlines;
  bool draining = false;
  size_t connections = 0;
  DateField date;
  // Called when a connection has closed.
  void (*on_closed)(void* server);
  void* server;
};

using ServerHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// Reads one request at a time. While one is being answered the next may already arrive: it waits in
// the input buffer, up to a bound, past which the socket is not read. Kept alive by its pending
// operations and by the Responder or ResponseStream of its request; the context is not used once
// closed.
class ServerConnection final : public ByteChannel, public Deadline, public ServerHook {
 public:
  ServerConnection(ServerContext& context, Socket socket);
  // Takes over what another server's connection had, but for the request.
  ServerConnection(ServerContext& context, boost::asio::io_context& io, MovedConnection& moved);
  ~ServerConnection() override;

  // Begins to serve.
  void Start();
  // Serves the request that it was moved with, and no other.
  void HandleMoved(HttpServerRequest request);
  // Answers `status` and closes: for a connection past the limit, after ServerLoad::MayRefuse.
  void Refuse(int status, std::string_view code, const std::string& detail);
  // Closes if no request is in flight; else when it has been answered.
  void Drain();
  // Since when it is served and owes nothing: no request has begun, as far as was read.
  [[nodiscard]] std::optional<Deadline::Clock::time_point> idle_since() const {
    return idle_since_;
  }
  // Whether bytes have come that were not read yet.
  [[nodiscard]] bool has_unread_input();
  // Closes now. What waits for the answer is not told.
  void Abandon();

  // For Responder and ResponseStream.
  void Respond(HttpServerResponse response);
  void RespondNothing();  // The responder was let go of.
  void MoveTo(std::shared_ptr<HttpEntrance> to, HttpServerRequest request);
  void BeginStream(int status, const HttpHeaders& headers);
  bool WriteStream(std::string_view piece);
  void EndStream();
  [[nodiscard]] bool stream_open() const { return phase_ == Phase::kStreaming; }
  [[nodiscard]] bool peer_gone() const { return peer_gone_ || phase_ == Phase::kClosed; }
  [[nodiscard]] size_t buffered_bytes() const { return output_bytes(); }
  void OnGone(UniqueFunction<void()> gone) { on_gone_ = std::move(gone); }

 private:
  enum class Phase {
    kHandshake,  // TLS.
    kReading,    // A request, or nothing yet.
    kHandling,   // The handler owes an answer.
    kMoving,     // Another server is to answer, once nothing is being read any more.
    kStreaming,  // The answer goes out piece by piece.
    kFlushing,   // The answer is complete; the kernel has not taken all of it.
    kLingering,  // Done; input is dropped until the client closes, so that it can read the answer.
    kClosed,
  };

  void OnInput() override;
  void OnEnd(const boost::system::error_code& error) override;
  void OnFlushed() override;
  void OnWriteFailed(const boost::system::error_code& error) override;
  void OnTls(const Status& status) override;
  void OnDetached(DetachedChannel detached) override;
  void OnDeadline() override;

  void BeginIdle();
  void EndIdle();
  void AwaitRequest();
  void ParseInput();
  void RejectRequest(const boost::system::error_code& error);
  void RefuseHead(const Status& refusal);
  // Accounts for what the request that is being read holds. False: there is no room for it.
  [[nodiscard]] bool HoldRequest();
  void ReleaseRequest(size_t kept = 0);
  // The same for the answer, until the kernel has taken it.
  [[nodiscard]] bool HoldAnswer(size_t bytes);
  void ReleaseAnswer();
  void Dispatch();
  void SendProblem(int status, std::string_view code, const std::string& detail);
  void SendWhole(const HttpServerResponse& response, bool with_body);
  void AnswerSent();
  void AwaitFlush();
  void NextRequest();
  void Linger();
  void PeerGone();
  void Shut();
  void SetDeadline(Duration from_now);

  struct Move {
    std::shared_ptr<HttpEntrance> to;
    HttpServerRequest request;
  };

  ServerContext& context_;
  Phase phase_ = Phase::kReading;
  std::optional<RequestParser> parser_;
  std::string peer_;
  PeerNames client_names_;
  uint64_t bytes_taken_before_ = 0;  // When the write deadline was set.
  size_t held_bytes_ = 0;            // Of the request, as accounted for.
  size_t held_answer_bytes_ = 0;
  std::optional<Deadline::Clock::time_point> idle_since_;
  bool refused_ = false;  // Never served.
  bool request_begun_ = false;
  bool continue_sent_ = false;
  bool is_head_ = false;
  bool is_safe_ = false;  // Asking changed nothing (RFC 9110, 9.2.1).
  bool keep_alive_ = false;
  bool chunked_ = false;
  bool peer_gone_ = false;
  bool parsing_ = false;  // Guards against recursion when an answer is given at once.
  UniqueFunction<void()> on_gone_;
  std::unique_ptr<Move> move_;  // In kMoving.
};

}  // namespace entente::net
