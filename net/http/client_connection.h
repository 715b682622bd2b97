// One connection of the HTTP client and the call it carries. Internal to net.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "net/core/byte_channel.h"
#include "net/core/deadlines.h"
#include "net/http/http_client.h"
#include "net/http/http_parser.h"

namespace entente::net {

class ClientConnection;

using UnlinkingHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct IdleTag>>;
using OpenHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct OpenTag>>;

// The connections of one origin, place and quota: those without a call, the latest used first.
struct ConnectionPool {
  // `its_own` is a policy beside the client's, or null.
  ConnectionPool(Origin its_origin, Origin its_place, std::shared_ptr<ConnectionQuota> its_quota,
                 const AddressPolicy& policy, std::shared_ptr<const AddressPolicy> its_own)
      : origin(std::move(its_origin)),
        place(std::move(its_place)),
        quota(std::move(its_quota)),
        own(std::move(its_own)),
        host_field(origin.HostField()),
        allowed(policy.CheckOrigin(place, AddressPolicy::Protocol::kHttp)) {
    if (allowed.ok() && own != nullptr) {
      allowed = own->CheckOrigin(place, AddressPolicy::Protocol::kHttp);
    }
  }

  // Whether it may be connected to.
  [[nodiscard]] Status CheckAddress(const AddressPolicy& policy, const std::string& address) const {
    Status checked = policy.CheckAddress(address, place.port);
    return checked.ok() && own != nullptr ? own->CheckResolved(place, address) : checked;
  }

  Origin origin;                           // As the Host field and the certificate say.
  Origin place;                            // Where connections go: mostly the same.
  std::shared_ptr<ConnectionQuota> quota;  // Null: none.
  std::shared_ptr<const AddressPolicy> own;
  std::string host_field;
  Status allowed;          // By the policy, which does not change.
  size_t connections = 0;  // Open ones, idle or not.
  size_t idle_count = 0;
  boost::intrusive::list<ClientConnection, boost::intrusive::base_hook<UnlinkingHook>,
                         boost::intrusive::constant_time_size<false>>
      idle;
};

// Asks for places in quotas for connections of one client.
class PlaceSeeker {
 public:
  virtual ~PlaceSeeker() = default;
  // True if one was taken at once; else the connection's OnPlace follows when one was.
  [[nodiscard]] virtual bool TakePlace(const std::shared_ptr<ConnectionQuota>& quota,
                                       ClientConnection& connection) = 0;
};

// What a connection needs of the client it belongs to.
struct ClientContext {
  boost::asio::io_context& io;
  const HttpClientOptions& options;
  ParseLimits limits;
  Deadlines& deadlines;
  boost::asio::ip::basic_resolver<boost::asio::ip::tcp, boost::asio::io_context::executor_type>&
      resolver;
  // Where places are asked for, in this client's name.
  PlaceSeeker* places = nullptr;
  size_t calls_in_flight = 0;
  size_t idle_connections = 0;
};

// One HTTP request as the connection takes it.
struct OutgoingCall {
  std::string text;  // Head and body as sent.
  bool is_head = false;
  Deadline::Clock::time_point deadline;
  HttpClient::Done done;
  HttpClient::Piece piece = nullptr;  // Of one that streams.
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

  // Takes the first call; Open waits for a place in each quota, connects and sends it. It does
  // nothing if the call was aborted meanwhile.
  void Assign(OutgoingCall call);
  void Open();
  // The place it waited for is taken. False if it is of no use any more.
  [[nodiscard]] bool OnPlace();
  // Closes it if it is idle.
  void CloseIfIdle();
  // Sends the call at once. Only on an idle connection that IsReusable.
  void Reuse(OutgoingCall call);
  // Whether an idle connection may carry another call. It looks usable: the peer has neither closed
  // it nor sent anything; the reactor may have news that this thread has not come to yet, so the
  // kernel is asked. And it was made with the certificate that is in use: one that was replaced may
  // be over, or be taken for stolen.
  [[nodiscard]] bool IsReusable();

  // Ends the call in flight, if any, with `error`, and closes.
  void Abort(CallError error);
  // Whether bytes of the request have left.
  [[nodiscard]] bool request_sent() const { return request_sent_; }
  [[nodiscard]] const Origin& place() const { return pool_->place; }
  [[nodiscard]] bool has_quota(const ConnectionQuota& quota) const {
    return pool_->quota.get() == &quota;
  }

 private:
  enum class Phase { kWaiting, kConnecting, kSecuring, kExchanging, kIdle, kClosed };

  // Connecting, in order.
  void TakePlaces();
  [[nodiscard]] const std::shared_ptr<ConnectionQuota>& QuotaOf(size_t place) const;
  void Connect();
  void Resolve();
  void OnUnresolved(const boost::system::error_code& error);
  void UseEndpoints(std::vector<boost::asio::ip::tcp::endpoint> endpoints);
  void ConnectNext();
  void OnConnected(const boost::system::error_code& error);
  void OnTls(const Status& status) override;
  void FailConnect(std::string reason, const std::string& why, CallFault fault = CallFault::kPeer);
  void FailLocally(const std::string& what);

  // Exchanging.
  void SendRequest();
  void OnInput() override;
  void OnEnd(const boost::system::error_code& error) override;
  void OnWriteFailed(const boost::system::error_code& error) override;
  void OnDeadline() override;
  void ParseInput();
  void PassOnPieces();
  void RejectResponse(const boost::system::error_code& error);
  void Complete();

  void Finish(CallFailure failure, std::string reason, const std::string& why,
              CallFault fault = CallFault::kPeer);
  void Deliver(HttpOutcome outcome);
  void Retire();
  void EnterIdle();
  void LeaveIdle();
  [[nodiscard]] bool PlaceWanted() const;

  ClientContext& context_;
  ConnectionPool* pool_;
  Phase phase_ = Phase::kWaiting;
  size_t places_ = 0;                      // Taken: of its pool's quota, then of the process's.
  std::shared_ptr<const TlsContext> tls_;  // Shared with who loads it. Null: plain text.

  OutgoingCall call_;
  std::optional<ResponseParser> parser_;
  size_t interim_responses_ = 0;
  bool request_sent_ = false;
  bool response_started_ = false;
  bool streaming_ = false;  // Pieces of the answer have been passed on.
  bool reused_ = false;

  std::vector<boost::asio::ip::tcp::endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  Deadline::Clock::time_point connect_deadline_;
  std::string connect_problem_;  // Why the endpoint before failed.
  std::string local_problem_;    // Of an endpoint before: what this machine had run out of.
};

}  // namespace entente::net
