#include "net/http/client_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include <boost/asio/ip/address.hpp>

#include "base/check.h"
#include "net/core/local_exhaustion.h"

namespace entente::net {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
namespace http = boost::beast::http;
using Clock = Deadline::Clock;

constexpr size_t kMaxInterimResponses = 16;
constexpr size_t kQuotas = 2;  // Of its pool, then of the process.

}  // namespace

ClientConnection::ClientConnection(ClientContext& context, ConnectionPool& pool)
    : ByteChannel(context.io), context_(context), pool_(&pool) {
  ++pool_->connections;
}

ClientConnection::~ClientConnection() = default;

void ClientConnection::Assign(OutgoingCall call) {
  ++context_.calls_in_flight;
  call_ = std::move(call);
}

void ClientConnection::Open() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  context_.deadlines.Set(*this, call_.deadline);
  TakePlaces();
}

const std::shared_ptr<ConnectionQuota>& ClientConnection::QuotaOf(size_t place) const {
  return place == 0 ? pool_->quota : context_.options.quota;
}

void ClientConnection::TakePlaces() {
  while (places_ < kQuotas) {
    const auto& quota = QuotaOf(places_);
    if (quota != nullptr && !context_.places->TakePlace(quota, *this)) {
      return;
    }
    ++places_;
  }
  Connect();
}

bool ClientConnection::OnPlace() {
  if (phase_ != Phase::kWaiting) {
    return false;  // Its call ran out of time meanwhile.
  }
  ++places_;
  TakePlaces();
  return true;
}

void ClientConnection::Connect() {
  phase_ = Phase::kConnecting;
  connect_deadline_ = std::min(call_.deadline, Clock::now() + context_.options.connect_timeout);
  context_.deadlines.Set(*this, connect_deadline_);
  try {
    Resolve();
  } catch (const boost::system::system_error& error) {
    FailLocally(error.code().message());  // The resolver could not start its thread.
  }
}

void ClientConnection::Reuse(OutgoingCall call) {
  ENTENTE_CHECK(phase_ == Phase::kIdle);
  LeaveIdle();
  ++context_.calls_in_flight;
  call_ = std::move(call);
  reused_ = true;
  SendRequest();
}

bool ClientConnection::IsReusable() {
  if (tls_ != nullptr && tls_ != context_.options.tls()) {
    return false;
  }
  char byte = 0;
  const ssize_t count = recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void ClientConnection::Resolve() {
  const Origin& place = pool_->place;
  error_code not_an_address;
  const auto address = boost::asio::ip::make_address(place.host, not_an_address);
  if (!not_an_address) {
    UseEndpoints({tcp::endpoint(address, place.port)});
    return;
  }
  context_.resolver.async_resolve(
      place.host, std::to_string(place.port),
      [self = boost::intrusive_ptr<ClientConnection>(this)](
          const error_code& error, const tcp::resolver::results_type& found) {
        if (self->phase_ != Phase::kConnecting) {
          return;
        }
        if (error) {
          self->OnUnresolved(error);
          return;
        }
        std::vector<tcp::endpoint> endpoints;
        for (const auto& entry : found) {
          endpoints.push_back(entry.endpoint());
        }
        self->UseEndpoints(std::move(endpoints));
      });
}

void ClientConnection::OnUnresolved(const error_code& error) {
  if (IsLocalExhaustion(error) || NoDescriptorLeft()) {
    FailLocally(error.message());
  } else {
    FailConnect("connect.resolve", "its host name could not be resolved (" + error.message() + ")");
  }
}

// The addresses are checked here, and connected to as they are: no second resolution follows that
// could give others.
void ClientConnection::UseEndpoints(std::vector<tcp::endpoint> endpoints) {
  Status blocked;
  for (const tcp::endpoint& endpoint : endpoints) {
    Status allowed = pool_->CheckAddress(context_.options.policy, endpoint.address().to_string());
    if (allowed.ok()) {
      endpoints_.push_back(endpoint);
    } else {
      blocked = std::move(allowed);
    }
  }
  if (endpoints_.empty() && !blocked.ok()) {
    Finish(CallFailure::kInvalidRequest, blocked.reason(), blocked.message());
    return;
  }
  connect_problem_ = "its host name has no address";
  ConnectNext();
}

void ClientConnection::ConnectNext() {
  if (next_endpoint_ == endpoints_.size()) {
    if (local_problem_.empty()) {
      FailConnect("connect.failed", connect_problem_);
    } else {
      FailLocally(local_problem_);
    }
    return;
  }
  // Each address gets its share of the time, so that one that swallows packets does not hide the
  // next, which may work.
  const auto now = Clock::now();
  const auto left = static_cast<Clock::rep>(endpoints_.size() - next_endpoint_);
  context_.deadlines.Set(*this, now + (connect_deadline_ - now) / left);
  const tcp::endpoint endpoint = endpoints_[next_endpoint_++];
  error_code ignored;
  socket().close(ignored);
  socket().async_connect(endpoint, [self = boost::intrusive_ptr<ClientConnection>(this),
                                    attempt = next_endpoint_](const error_code& error) {
    // A connection given up for the next address reports here too, too late.
    if (self->phase_ == Phase::kConnecting && attempt == self->next_endpoint_) {
      self->OnConnected(error);
    }
  });
}

void ClientConnection::OnConnected(const error_code& error) {
  if (error) {
    const tcp::endpoint& endpoint = endpoints_[next_endpoint_ - 1];
    connect_problem_ = endpoint.address().to_string() + " answered: " + error.message();
    if (IsLocalExhaustion(error) || IsPortExhaustion(error, endpoint)) {
      local_problem_ = error.message();
    }
    ConnectNext();
    return;
  }
  Configure();
  context_.deadlines.Set(*this, connect_deadline_);
  if (pool_->origin.tls) {
    phase_ = Phase::kSecuring;
    tls_ = context_.options.tls();
    StartTls(std::make_unique<TlsSession>(*tls_, pool_->origin.host), true);
  } else {
    SendRequest();
  }
}

void ClientConnection::OnTls(const Status& status) {
  if (phase_ != Phase::kSecuring) {
    return;
  }
  if (status.ok()) {
    SendRequest();
  } else {
    FailConnect("connect.tls", status.message());
  }
}

void ClientConnection::FailConnect(std::string reason, const std::string& why, CallFault fault) {
  Finish(CallFailure::kNotSent, std::move(reason), why, fault);
}

void ClientConnection::FailLocally(const std::string& what) {
  FailConnect(std::string(kLocalExhaustion), LocalExhaustionText(what), CallFault::kLocal);
}

void ClientConnection::SendRequest() {
  phase_ = Phase::kExchanging;
  parser_.emplace(context_.limits);
  parser_->skip(call_.is_head);
  interim_responses_ = 0;
  response_started_ = false;
  streaming_ = false;
  request_sent_ = true;
  context_.deadlines.Set(*this, call_.deadline);
  Write(call_.text);
  if (phase_ == Phase::kExchanging) {
    call_.text.clear();
    StartRead();
  }
}

void ClientConnection::OnInput() {
  switch (phase_) {
    case Phase::kExchanging: ParseInput(); break;
    // An answer to no question: whatever it is, the next answer could not be told from it.
    case Phase::kIdle: Retire(); break;
    case Phase::kWaiting:
    case Phase::kConnecting:
    case Phase::kSecuring:
    case Phase::kClosed: break;
  }
}

void ClientConnection::ParseInput() {
  response_started_ = true;
  while (true) {
    error_code error;
    const size_t used = parser_->Parse(input().data(), error);
    input().Consume(used);
    if (error) {
      RejectResponse(error);
      return;
    }
    PassOnPieces();
    if (!parser_->is_done()) {
      if (parser_->is_header_done() && parser_->encoded()) {
        break;
      }
      StartRead();
      return;
    }
    if (!parser_->interim()) {
      break;
    }
    if (parser_->message().status == 101 || ++interim_responses_ > kMaxInterimResponses) {
      Finish(CallFailure::kBadResponse, "response.interim",
             "it answered with an interim status that is not acceptable here");
      return;
    }
    parser_.emplace(context_.limits);
    parser_->skip(call_.is_head);
  }
  Complete();
}

// What was passed on counts against no limit: only what is held does.
void ClientConnection::PassOnPieces() {
  constexpr int kStreamed = 200;
  if (!call_.piece || !parser_->is_header_done() || parser_->encoded() ||
      parser_->message().status != kStreamed) {
    return;
  }
  const std::string piece = std::exchange(parser_->message().body, {});
  if (!streaming_) {
    streaming_ = true;
    parser_->LiftBodyLimit();
    CancelDeadline();
    call_.piece(parser_->message(), {});
  }
  if (!piece.empty()) {
    call_.piece(parser_->message(), piece);
  }
}

void ClientConnection::RejectResponse(const error_code& error) {
  if (error == http::error::body_limit) {
    Finish(CallFailure::kBadResponse, "response.too_large",
           "its answer is larger than the limit of " +
               std::to_string(context_.limits.max_body_bytes) + " bytes");
  } else if (error == http::error::header_limit ||
             parser_->refusal().reason() == kHttpTooManyFields) {
    Finish(CallFailure::kBadResponse, "response.header_too_large",
           "the header of its answer is larger than the limit of " +
               std::to_string(context_.limits.max_header_bytes) + " bytes and " +
               std::to_string(limits::kMaxHeaderFields) + " fields");
  } else {
    Finish(CallFailure::kBadResponse, "response.malformed",
           "its answer is not HTTP/1.1 as it should be (" +
               (parser_->refusal().ok() ? error.message() : parser_->refusal().message()) + ")");
  }
}

void ClientConnection::Complete() {
  if (parser_->encoded()) {
    Finish(CallFailure::kBadResponse, "response.encoded",
           "its answer has a Content-Encoding, which was not asked for");
    return;
  }
  const bool body_may_follow = parser_->message().status == 204 && parser_->announces_body();
  HttpOutcome outcome(std::move(parser_->message()));
  // Only a connection on which both sides are at a message's end can carry another call.
  if (parser_->keep_alive() && !body_may_follow && input().empty() && !has_output() && !ended()) {
    EnterIdle();
  } else {
    Retire();
  }
  Deliver(std::move(outcome));
}

void ClientConnection::OnEnd(const error_code& error) {
  if (phase_ == Phase::kIdle) {
    Retire();
    return;
  }
  if (phase_ != Phase::kExchanging) {
    return;
  }
  if (!error && response_started_ && parser_->is_header_done() && parser_->need_eof()) {
    error_code parse_error;
    parser_->put_eof(parse_error);
    if (!parse_error) {
      Complete();
      return;
    }
  }
  std::string why = response_started_ ? "the connection ended in the middle of its answer"
                    : reused_         ? "a kept-alive connection ended before any answer"
                                      : "the connection ended before any answer";
  if (error) {
    why += " (" + error.message() + ")";
  }
  Finish(CallFailure::kUnknown, "connection.lost", why + "; the call may have taken effect",
         IsLocalExhaustion(error) ? CallFault::kLocal : CallFault::kPeer);
}

void ClientConnection::OnWriteFailed(const error_code& /*error*/) {
  // A server that refuses a request early answers and closes while the body is still being sent.
  // The read that is under way, or starts next, brings that answer, or else the connection's end.
  StartRead();
}

void ClientConnection::OnDeadline() {
  switch (phase_) {
    case Phase::kConnecting:
      if (Clock::now() < connect_deadline_ && next_endpoint_ < endpoints_.size()) {
        connect_problem_ = "connecting to it took too long";
        ConnectNext();
        return;
      }
      [[fallthrough]];
    case Phase::kSecuring:
      FailConnect("connect.timeout", "connecting to it took too long", CallFault::kTimeLimit);
      return;
    case Phase::kWaiting: FailLocally("connections: all that there may be are in use"); return;
    case Phase::kExchanging:
      Finish(CallFailure::kUnknown, "call.timeout",
             response_started_
                 ? "its answer was not complete in time; the call may have taken effect"
                 : "it did not answer in time; the call may have taken effect",
             CallFault::kTimeLimit);
      return;
    case Phase::kIdle: Retire(); return;
    case Phase::kClosed: return;
  }
}

void ClientConnection::Abort(CallError error) {
  const bool has_call = phase_ != Phase::kIdle && phase_ != Phase::kClosed;
  Retire();
  if (has_call) {
    Deliver(std::move(error));
  }
}

void ClientConnection::Finish(CallFailure failure, std::string reason, const std::string& why,
                              CallFault fault) {
  Abort(CallError{failure, std::move(reason), pool_->place.ToString() + ": " + why, fault});
}

// The last thing its callers do: the callback may start the next call, or end the client.
void ClientConnection::Deliver(HttpOutcome outcome) {
  --context_.calls_in_flight;
  HttpClient::Done done = std::move(call_.done);
  done(std::move(outcome));
}

void ClientConnection::EnterIdle() {
  phase_ = Phase::kIdle;
  if (pool_->idle_count >= context_.options.max_idle_per_origin || PlaceWanted()) {
    Retire();
    return;
  }
  ++pool_->idle_count;
  ++context_.idle_connections;
  pool_->idle.push_front(*this);
  context_.deadlines.Set(*this, Clock::now() + context_.options.idle_timeout);
  input().ShrinkIfEmpty();
  StartRead();
}

bool ClientConnection::PlaceWanted() const {
  for (size_t place = 0; place < kQuotas; ++place) {
    if (const auto& quota = QuotaOf(place); quota != nullptr && quota->wanted()) {
      return true;
    }
  }
  return false;
}

void ClientConnection::CloseIfIdle() {
  if (phase_ == Phase::kIdle) {
    Retire();
  }
}

void ClientConnection::LeaveIdle() {
  if (UnlinkingHook::is_linked()) {
    UnlinkingHook::unlink();
    --pool_->idle_count;
    --context_.idle_connections;
  }
}

void ClientConnection::Retire() {
  if (phase_ == Phase::kClosed) {
    return;
  }
  LeaveIdle();
  phase_ = Phase::kClosed;
  CancelDeadline();
  OpenHook::unlink();
  --pool_->connections;
  Close();
  // After the socket, which is what the places stand for.
  while (places_ > 0) {
    if (const auto& quota = QuotaOf(--places_)) {
      quota->GiveBack();
    }
  }
}

}  // namespace entente::net
