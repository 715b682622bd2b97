#include "net/http/http_client.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include <boost/asio/post.hpp>

#include "net/http/client_connection.h"

namespace entente::net {
namespace {

using boost::asio::ip::tcp;

constexpr size_t kPoolsBeforeSweep = 1024;

// Fields that frame the message or belong to the connection, which are not the caller's to set.
constexpr std::array<std::string_view, 9> kReservedFields = {
    "host", "content-length", "transfer-encoding", "connection", "keep-alive",
    "te",   "trailer",        "upgrade",           "expect"};

CallError Invalid(std::string reason, const Url& url, const std::string& why) {
  return CallError{CallFailure::kInvalidRequest, std::move(reason),
                   "the call of " + url.origin.ToString() + " was not sent: " + why};
}

bool IsReserved(std::string_view field) {
  return std::ranges::any_of(kReservedFields, [field](std::string_view reserved) {
    // Most differ in length, which is cheap to see.
    return reserved.size() == field.size() && EqualsIgnoringCase(field, reserved);
  });
}

// Text that came out of a payload must not be able to end a line of the request.
std::optional<CallError> CheckRequest(const HttpRequest& request) {
  const Url& url = request.url;
  if (!IsHttpToken(request.method)) {
    return Invalid("request.method", url, "its method is not a word that HTTP allows");
  }
  const bool plain = std::all_of(url.target.begin(), url.target.end(),
                                 [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (!plain || url.target.empty() || url.target.front() != '/') {
    return Invalid("request.target", url,
                   "its path must begin with '/' and hold no blank, '#', control character or "
                   "character outside ASCII; percent-encode them");
  }
  if (const auto invalid = request.headers.FirstInvalid()) {
    return Invalid("request.header", url,
                   "header " + std::to_string(*invalid + 1) +
                       " has a name that is not a word, or a value with a control character");
  }
  for (size_t i = 0; i < request.headers.size(); ++i) {
    if (const std::string_view name = request.headers.name(i); IsReserved(name)) {
      return Invalid("request.header", url,
                     "header '" + std::string(name) + "' is set by the coordinator itself");
    }
  }
  return std::nullopt;
}

std::string Serialize(const HttpRequest& request, const std::string& host_field) {
  std::string text;
  text.reserve(512 + request.url.target.size() + request.body.size());
  text.append(request.method).append(" ").append(request.url.target).append(" HTTP/1.1\r\nHost: ");
  text.append(host_field).append("\r\n");
  request.headers.AppendTo(text);
  if (!request.headers.Has("accept-encoding")) {
    // Else a server may choose a coding (RFC 9110, 12.5.3), and its answer could not be used.
    text.append("Accept-Encoding: identity\r\n");
  }
  // A length is stated also for an empty body, except where a body would be unusual.
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  }
  text.append("\r\n").append(request.body);
  return text;
}

struct PoolKey {
  Origin origin;
  Origin place;
  const ConnectionQuota* quota;
  friend bool operator==(const PoolKey&, const PoolKey&) = default;
};

struct PoolKeyHash {
  size_t operator()(const PoolKey& key) const {
    return (std::hash<Origin>()(key.origin) * 31 + std::hash<Origin>()(key.place)) * 31 +
           std::hash<const void*>()(key.quota);
  }
};

}  // namespace

class HttpClient::Impl final : public PlaceSeeker, public ConnectionQuota::Member {
 public:
  Impl(boost::asio::io_context& io, HttpClientOptions options)
      : options_(std::move(options)),
        deadlines_(io),
        resolver_(io),
        context_{io,         options_,  {options_.max_header_bytes, options_.max_body_bytes},
                 deadlines_, resolver_, this} {
    if (options_.quota != nullptr) {
      options_.quota->Join(*this);
    }
  }

  ~Impl() override {
    ending_ = true;
    CancelAll();
    for (const auto& [key, pool] : pools_) {
      LeaveQuota(pool.quota);
    }
    LeaveQuota(options_.quota);
    *alive_ = false;
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Call(HttpRequest request, Duration timeout, Done done, Piece piece = nullptr) {
    ConnectionPool& pool = PoolOf(request);
    if (auto error = Refusal(request, pool)) {
      boost::asio::post(context_.io, [done = std::move(done), error = std::move(*error)]() mutable {
        done(std::move(error));
      });
      return;
    }
    OutgoingCall call{Serialize(request, pool.host_field), request.method == "HEAD",
                      Deadline::Clock::now() + timeout, std::move(done), std::move(piece)};
    while (!pool.idle.empty()) {
      const boost::intrusive_ptr<ClientConnection> connection(&pool.idle.front());
      if (connection->IsReusable()) {
        connection->Reuse(std::move(call));
        return;
      }
      connection->Abort({});
    }
    const boost::intrusive_ptr<ClientConnection> connection(new ClientConnection(context_, pool));
    open_.push_back(*connection);
    ++opened_;
    connection->Assign(std::move(call));
    // Opening can fail at once, and its callback must not run inside Call.
    boost::asio::post(context_.io, [connection] { connection->Open(); });
  }

  void CancelAll() {
    // Taken aside first: a callback may make a new call, which is not meant.
    OpenConnections aborted;
    aborted.swap(open_);
    while (!aborted.empty()) {
      const boost::intrusive_ptr<ClientConnection> connection(&aborted.front());
      connection->Abort(
          CallError{connection->request_sent() ? CallFailure::kUnknown : CallFailure::kNotSent,
                    "call.cancelled", connection->place().ToString() + ": the call was given up"});
    }
  }

  [[nodiscard]] Stats stats() const {
    return {context_.calls_in_flight, context_.idle_connections, opened_};
  }

  bool TakePlace(const std::shared_ptr<ConnectionQuota>& quota,
                 ClientConnection& connection) override {
    const uint64_t waiter = next_waiter_++;
    if (quota->Take(*this, waiter)) {
      return true;
    }
    waiting_.emplace(waiter, Waiting{quota, &connection});
    return false;
  }

  // Both on any thread, with the quota's lock held.
  void OnPlace(uint64_t waiter) override {
    boost::asio::post(context_.io, [this, alive = alive_, waiter] {
      if (*alive) {
        UsePlace(waiter);
      }
    });
  }
  void OnWanted(ConnectionQuota& quota) override {
    boost::asio::post(context_.io, [this, alive = alive_, quota = &quota] {
      if (*alive) {
        CloseIdleOf(*quota);
      }
    });
  }

 private:
  struct Waiting {
    std::shared_ptr<ConnectionQuota> quota;
    boost::intrusive_ptr<ClientConnection> connection;
  };

  void UsePlace(uint64_t waiter) {
    const auto found = waiting_.find(waiter);
    if (found == waiting_.end()) {
      return;  // Given back when its quota was left.
    }
    const Waiting waiting = std::move(found->second);
    waiting_.erase(found);
    if (!waiting.connection->OnPlace()) {
      waiting.quota->GiveBack();
    }
  }

  // As many as are waited for: each that is closed gives its place to one who waits.
  void CloseIdleOf(const ConnectionQuota& quota) {
    for (auto next = open_.begin(); next != open_.end() && quota.wanted();) {
      const boost::intrusive_ptr<ClientConnection> connection(&*next++);
      if (&quota == options_.quota.get() || connection->has_quota(quota)) {
        connection->CloseIfIdle();
      }
    }
  }

  void LeaveQuota(const std::shared_ptr<ConnectionQuota>& quota) {
    if (quota == nullptr) {
      return;
    }
    const size_t dropped = quota->Leave(*this);
    const size_t asked = std::erase_if(
        waiting_, [&quota](const auto& entry) { return entry.second.quota == quota; });
    for (size_t i = dropped; i < asked; ++i) {
      quota->GiveBack();  // It was taken, and the news of it comes too late.
    }
  }

  using OpenConnections =
      boost::intrusive::list<ClientConnection, boost::intrusive::base_hook<OpenHook>,
                             boost::intrusive::constant_time_size<false>>;

  std::optional<CallError> Refusal(const HttpRequest& request, const ConnectionPool& pool) const {
    if (ending_) {
      return CallError{CallFailure::kNotSent, "call.cancelled", "the client is shutting down"};
    }
    if (auto error = CheckRequest(request)) {
      return error;
    }
    if (!pool.allowed.ok()) {
      return Invalid(pool.allowed.reason(), request.url, pool.allowed.message());
    }
    if (pool.origin.tls && !options_.tls) {
      return Invalid("request.tls", request.url, "TLS is not configured for outgoing calls");
    }
    return std::nullopt;
  }

  // Pools outlive their connections only until there are many: origins may come from payloads.
  ConnectionPool& PoolOf(const HttpRequest& request) {
    const Origin& origin = request.url.origin;
    const std::shared_ptr<ConnectionQuota>& quota = request.quota;
    const PoolKey key{origin, request.connect_to.value_or(origin), quota.get()};
    const auto found = pools_.find(key);
    if (found != pools_.end()) {
      return found->second;
    }
    if (pools_.size() >= sweep_at_) {
      SweepPools();
    }
    if (quota != nullptr) {
      quota->Join(*this);
    }
    return pools_.try_emplace(key, origin, key.place, quota, options_.policy, request.allowed)
        .first->second;
  }

  // Where most are in use, the next sweep waits until there are twice as many.
  void SweepPools() {
    std::erase_if(pools_, [this](const auto& entry) {
      const bool unused = entry.second.connections == 0;
      if (unused) {
        LeaveQuota(entry.second.quota);
      }
      return unused;
    });
    sweep_at_ = std::max(kPoolsBeforeSweep, 2 * pools_.size());
  }

  const HttpClientOptions options_;
  Deadlines deadlines_;
  boost::asio::ip::basic_resolver<tcp, boost::asio::io_context::executor_type> resolver_;
  ClientContext context_;
  std::unordered_map<PoolKey, ConnectionPool, PoolKeyHash> pools_;
  size_t sweep_at_ = kPoolsBeforeSweep;
  OpenConnections open_;
  uint64_t opened_ = 0;
  std::unordered_map<uint64_t, Waiting> waiting_;  // For a place.
  uint64_t next_waiter_ = 1;
  // Tells what other threads posted that this object has ended.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool ending_ = false;
};

HttpClient::HttpClient(boost::asio::io_context& io, HttpClientOptions options)
    : impl_(std::make_unique<Impl>(io, std::move(options))) {}

HttpClient::~HttpClient() = default;

void HttpClient::Call(HttpRequest request, Duration timeout, Done done) {
  impl_->Call(std::move(request), timeout, std::move(done));
}

void HttpClient::Stream(HttpRequest request, Duration timeout, Piece piece, Done done) {
  impl_->Call(std::move(request), timeout, std::move(done), std::move(piece));
}

void HttpClient::CancelAll() {
  impl_->CancelAll();
}

HttpClient::Stats HttpClient::stats() const {
  return impl_->stats();
}

}  // namespace entente::net
