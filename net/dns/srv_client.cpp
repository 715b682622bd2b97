#include "net/dns/srv_client.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <ares.h>
#include <arpa/nameser.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/limits.h"
#include "net/core/local_exhaustion.h"
#include "net/core/url.h"

namespace entente::net {
namespace {

using boost::asio::posix::stream_descriptor;

// Of one question to one server; the next ones wait longer.
constexpr int kFirstTryMillis = 1'000;
constexpr int kTries = 2;

// What is wrong, in words for whoever runs the coordinator.
std::string WhyFailed(int status) {
  switch (status) {
    case ARES_ENOTFOUND: return "there is no such name (NXDOMAIN)";
    case ARES_ENODATA: return "the name has no SRV record";
    case ARES_ETIMEOUT:
    case ARES_ECANCELLED: return "no DNS server answered in time";
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL:
    case ARES_EREFUSED: return "the DNS server can not be reached, or fails (SERVFAIL, REFUSED)";
    case ARES_EBADNAME: return "it is no name that DNS takes";
    case ARES_EBADRESP: return "the DNS server's answer is malformed";
    default: return ares_strerror(status);
  }
}

Status Failed(int status) {
  if (status == ARES_ENOMEM || NoDescriptorLeft()) {
    return ResourceExhausted(std::string(kLocalExhaustion),
                             LocalExhaustionText(ares_strerror(status)));
  }
  return Unavailable("dns.failed", WhyFailed(status));
}

}  // namespace

bool IsDnsServer(const std::string& server) {
  const size_t comma = std::min(server.find(','), server.size());
  const auto origin = ParseAuthority(server.substr(0, comma), false, 0);
  boost::system::error_code not_an_address;
  if (origin.ok()) {
    boost::asio::ip::make_address(origin->host, not_an_address);
  }
  return origin.ok() && !not_an_address &&
         (comma == server.size() || IsDnsServer(server.substr(comma + 1)));
}

// One lookup with a channel of its own, so that each reads the system's settings as they are then.
//
// c-ares opens and closes the sockets, and says which of them it wants watched. It ends the query
// from inside ares_process_fd, where the channel can not be destroyed: that is done afterwards.
class SrvClient::Query : public std::enable_shared_from_this<SrvClient::Query> {
 public:
  Query(boost::asio::io_context& io, Done done)
      : io_(io), done_(std::move(done)), retry_(io), limit_(io) {}
  ~Query() { Drop(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  void Start(const DnsOptions& options, const std::string& name) {
    limit_.expires_after(limits::kDnsTimeout);
    limit_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) {
        self->End(Failed(ARES_ETIMEOUT));
      }
    });
    if (const int status = Open(options.server); status != ARES_SUCCESS) {
      boost::asio::post(io_, [self = shared_from_this(), status] { self->End(Failed(status)); });
      return;
    }
    ares_query(
        channel_, name.c_str(), ns_c_in, ns_t_srv,
        [](void* query, int status, int /*timeouts*/, unsigned char* message, int size) {
          static_cast<Query*>(query)->OnAnswer(
              status, std::string_view(reinterpret_cast<const char*>(message),
                                       status == ARES_SUCCESS ? static_cast<size_t>(size) : 0));
        },
        this);
    ScheduleRetry();
  }

  // Ends it without an answer.
  void Drop() {
    ended_ = true;
    retry_.cancel();
    limit_.cancel();
    watches_.clear();
    if (channel_ != nullptr) {
      ares_destroy(std::exchange(channel_, nullptr));
    }
  }

 private:
  // A socket of c-ares', which closes it after it has said that it wants nothing more of it.
  struct Watch {
    explicit Watch(boost::asio::io_context& io, int socket) : descriptor(io, socket) {}
    ~Watch() {
      if (descriptor.is_open()) {
        descriptor.release();
      }
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool reading = false;
    bool writing = false;
  };
  using WatchPtr = std::shared_ptr<Watch>;  // Shared with what waits for its socket.

  int Open(const std::string& server) {
    ares_options options{};
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = kFirstTryMillis;
    options.tries = kTries;
    options.sock_state_cb = [](void* query, ares_socket_t socket, int readable, int writable) {
      static_cast<Query*>(query)->OnSocket(socket, readable != 0, writable != 0);
    };
    options.sock_state_cb_data = this;
    const int opened = ares_init_options(
        &channel_, &options,
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    return opened != ARES_SUCCESS || server.empty()
               ? opened
               : ares_set_servers_ports_csv(channel_, server.c_str());
  }

  void OnSocket(ares_socket_t socket, bool readable, bool writable) {
    if (ended_ || (!readable && !writable)) {
      Unwatch(socket);
      return;
    }
    WatchPtr& watch = watches_[socket];
    if (watch == nullptr) {
      watch = std::make_shared<Watch>(io_, socket);
    }
    watch->wants_read = readable;
    watch->wants_write = writable;
    Await(watch);
  }

  // At once, whoever still holds the watch: c-ares closes the socket now, and the next one that it
  // opens has the same number.
  void Unwatch(ares_socket_t socket) {
    if (const auto found = watches_.find(socket); found != watches_.end()) {
      found->second->descriptor.release();
      watches_.erase(found);
    }
  }

  void Await(const WatchPtr& watch) {
    const auto await = [this, &watch](stream_descriptor::wait_type what, bool Watch::*wants,
                                      bool Watch::*waits) {
      if (!((*watch).*wants) || std::exchange((*watch).*waits, true)) {
        return;
      }
      watch->descriptor.async_wait(
          what, [self = shared_from_this(), watch = std::weak_ptr<Watch>(watch), what,
                 waits](const boost::system::error_code& error) {
            if (const WatchPtr still = watch.lock(); still != nullptr && !error) {
              (*still).*waits = false;
              self->OnReady(still, what == stream_descriptor::wait_read);
            }
          });
    };
    await(stream_descriptor::wait_read, &Watch::wants_read, &Watch::reading);
    await(stream_descriptor::wait_write, &Watch::wants_write, &Watch::writing);
  }

  void OnReady(const WatchPtr& watch, bool readable) {
    const int socket = watch->descriptor.native_handle();
    if (ended_) {
      return;
    }
    ares_process_fd(channel_, readable ? socket : ARES_SOCKET_BAD,
                    readable ? ARES_SOCKET_BAD : socket);
    const auto found = watches_.find(socket);
    if (!ended_ && found != watches_.end()) {
      Await(found->second);
    }
  }

  // When c-ares wants to ask again.
  void ScheduleRetry() {
    timeval time{};
    if (ended_ || ares_timeout(channel_, nullptr, &time) == nullptr) {
      return;
    }
    retry_.expires_after(std::chrono::seconds(time.tv_sec) +
                         std::chrono::microseconds(time.tv_usec));
    retry_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error && !self->ended_) {
        ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        self->ScheduleRetry();
      }
    });
  }

  // Inside c-ares, maybe inside Start: the answer is passed on afterwards.
  void OnAnswer(int status, std::string_view message) {
    if (ended_) {
      return;
    }
    auto answer =
        status == ARES_SUCCESS ? ReadSrvAnswer(message) : Result<SrvAnswer>(Failed(status));
    boost::asio::post(io_, [self = shared_from_this(), answer = std::move(answer)]() mutable {
      self->End(std::move(answer));
    });
  }

  void End(Result<SrvAnswer> answer) {
    if (!ended_) {
      Drop();
      Done done = std::move(done_);
      done(std::move(answer));
    }
  }

  boost::asio::io_context& io_;
  Done done_;
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer limit_;  // Of all tries together.
  ares_channel channel_ = nullptr;
  std::unordered_map<ares_socket_t, WatchPtr> watches_;
  bool ended_ = false;
};

SrvClient::SrvClient(boost::asio::io_context& io, DnsOptions options)
    : io_(io), options_(std::move(options)) {}

SrvClient::~SrvClient() {
  for (const auto& query : queries_) {
    if (const auto under_way = query.lock()) {
      under_way->Drop();
    }
  }
}

void SrvClient::Lookup(const std::string& name, Done done) {
  std::erase_if(queries_, [](const auto& query) { return query.expired(); });
  const auto query = std::make_shared<Query>(io_, std::move(done));
  queries_.push_back(query);
  query->Start(options_, name);
}

}  // namespace entente::net
