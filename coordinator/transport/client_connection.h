// One connection of the HTTP client and the call it carries. Internal to transport.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "coordinator/transport/byte_channel.h"
#include "coordinator/transport/deadlines.h"
#include "coordinator/transport/http_client.h"
#include "coordinator/transport/http_parser.h"

namespace entente::transport {

class ClientConnection;

using UnlinkingHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct IdleTag>>;
using OpenHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct OpenTag>>;

// The connections of one origin: those without a call, the latest used first.
struct ConnectionPool {
  ConnectionPool(Origin its_origin, const AddressPolicy& policy)
      : origin(std::move(its_origin)),
        host_field(origin.HostField()),
        allowed(policy.CheckOrigin(origin, AddressPolicy::Protocol::kHttp)) {}

  Origin origin;
  std::string host_field;
  Status allowed;          // By the policy, which does not change.
  size_t connections = 0;  // Open ones, idle or not.
  size_t idle_count = 0;
  boost::intrusive::list<ClientConnection, boost::intrusive::base_hook<UnlinkingHook>,
                         boost::intrusive::constant_time_size<false>>
      idle;
};

// What a connection needs of the client it belongs to.
struct ClientContext {
  boost::asio::io_context& io;
  const HttpClientOptions& options;
  ParseLimits limits;
  Deadlines& deadlines;
  boost::asio::ip::basic_resolver<boost::asio::ip::tcp, boost::asio::io_context::executor_type>&
      resolver;
  size_t calls_in_flight = 0;
  size_t idle_connections = 0;
};

// One HTTP request as the connection takes it.
struct OutgoingCall {
  std::string text;  // Head and body as sent.
  bool is_head = false;
  Deadline::Clock::time_point deadline;
  HttpClient::Done done;
};

// Lives from the first call to an origin until the connection ends; carries one call at a time. The
// client must not be used by it after Detach.
class ClientConnection final : public ByteChannel,
                               public Deadline,
                               public UnlinkingHook,
                               public OpenHook {
 public:
  ClientConnection(ClientContext& context, ConnectionPool& pool);
  ~ClientConnection() override;

  // Takes the first call; Open connects and sends it, and does nothing if it was aborted meanwhile.
  void Assign(OutgoingCall call);
  void Open();
  // Sends the call at once. Only on an idle connection for which StillOpen.
  void Reuse(OutgoingCall call);
  // Whether an idle connection looks usable: the peer has neither closed it nor sent anything. The
  // reactor may have news that this thread has not come to yet, so the kernel is asked.
  [[nodiscard]] bool StillOpen();

  // Ends the call in flight, if any, with `error`, and closes.
  void Abort(CallError error);
  // Whether bytes of the request have left.
  [[nodiscard]] bool request_sent() const { return request_sent_; }
  [[nodiscard]] const Origin& origin() const { return pool_->origin; }

 private:
  enum class Phase { kConnecting, kSecuring, kExchanging, kIdle, kClosed };

  // Connecting, in order.
  void Resolve();
  void UseEndpoints(std::vector<boost::asio::ip::tcp::endpoint> endpoints);
  void ConnectNext();
  void OnConnected(const boost::system::error_code& error);
  void OnTls(const Status& status) override;
  void FailConnect(std::string reason, const std::string& why);

  // Exchanging.
  void SendRequest();
  void OnInput() override;
  void OnEnd(const boost::system::error_code& error) override;
  void OnWriteFailed(const boost::system::error_code& error) override;
  void OnDeadline() override;
  void ParseInput();
  void RejectResponse(const boost::system::error_code& error);
  void Complete();

  void Finish(CallFailure failure, std::string reason, const std::string& why);
  void Deliver(HttpOutcome outcome);
  void Retire();
  void EnterIdle();
  void LeaveIdle();

  ClientContext& context_;
  ConnectionPool* pool_;
  Phase phase_ = Phase::kConnecting;

  OutgoingCall call_;
  std::optional<ResponseParser> parser_;
  size_t interim_responses_ = 0;
  bool request_sent_ = false;
  bool response_started_ = false;
  bool reused_ = false;

  std::vector<boost::asio::ip::tcp::endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  Deadline::Clock::time_point connect_deadline_;
  std::string connect_problem_;  // Why the endpoint before failed.
};

}  // namespace entente::transport
