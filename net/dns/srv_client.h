// SrvClient: asks DNS servers where a service is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_function.h"
#include "net/dns/srv_answer.h"

namespace boost::asio {
class io_context;
}

namespace entente::net {

struct DnsOptions {
  // "ADDRESS:PORT" or "[ADDRESS]:PORT", or several with commas between them, of which each is asked
  // when those before it fail; empty: the system's, as /etc/resolv.conf says at each lookup.
  std::string server;
};

// Whether `server` is written as DnsOptions::server is, and not empty.
[[nodiscard]] bool IsDnsServer(const std::string& server);

// Purpose: one question to DNS at a time or many, over UDP, and over TCP where an answer was cut.
// Names are taken as they are: no search domain is added.
//
// Ownership: `io` must outlive it. Thread-safety: everything on the thread that runs `io`.
// Blocking: never, but for reading the system's settings, a small file.
class SrvClient {
 public:
  using Done = UniqueFunction<void(Result<SrvAnswer>)>;

  SrvClient(boost::asio::io_context& io, DnsOptions options);
  // Lookups under way are dropped without an answer.
  ~SrvClient();
  SrvClient(const SrvClient&) = delete;
  SrvClient& operator=(const SrvClient&) = delete;

  // Calls `done` once, never from inside this call, after limits::kDnsTimeout at the latest. Fails
  // with kUnavailable, reason dns.failed; with kResourceExhausted if this machine lacks something
  // that it takes to ask.
  void Lookup(const std::string& name, Done done);

 private:
  class Query;
  boost::asio::io_context& io_;
  const DnsOptions options_;
  std::vector<std::weak_ptr<Query>> queries_;  // What waits for a socket or timer keeps them.
};

}  // namespace entente::net
