// A DNS server on this machine that answers what a test says.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/dns/srv_answer.h"

namespace entente::net::testing {

// Messages of DNS (RFC 1035, 4; RFC 2782).
namespace dns {

inline constexpr uint16_t kNoError = 0;
inline constexpr uint16_t kServerFailure = 2;
inline constexpr uint16_t kNoSuchName = 3;
inline constexpr uint16_t kTruncated = 0x0200;

inline std::string Number(uint32_t number, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i-- > 0;) {
    text += static_cast<char>(number >> (8 * i));
  }
  return text;
}

inline std::string Name(std::string_view dotted) {
  std::string text;
  while (!dotted.empty()) {
    const size_t dot = std::min(dotted.find('.'), dotted.size());
    text += static_cast<char>(dot);
    text += dotted.substr(0, dot);
    dotted.remove_prefix(std::min(dot + 1, dotted.size()));
  }
  return text + '\0';
}

// `host` empty: the root, ".".
inline std::string Srv(const SrvTarget& target, uint32_t ttl) {
  const std::string data = Number(target.priority, 2) + Number(target.weight, 2) +
                           Number(target.port, 2) + Name(target.host);
  return "\xC0\x0C" + Number(33, 2) + Number(1, 2) + Number(ttl, 4) +
         Number(static_cast<uint32_t>(data.size()), 2) + data;
}

// The answer to `query`, whose question is repeated.
inline std::string Answer(const std::string& query, uint16_t flags,
                          const std::vector<std::string>& records) {
  std::string message = query.substr(0, 2) + Number(0x8180U | flags, 2) + Number(1, 2) +
                        Number(static_cast<uint32_t>(records.size()), 2) + Number(0, 4) +
                        query.substr(12, query.find('\0', 12) + 5 - 12);
  for (const std::string& record : records) {
    message += record;
  }
  return message;
}

}  // namespace dns

class DnsServer {
 public:
  // What is sent back for `query`; empty: nothing.
  using Script = std::function<std::string(const std::string& query, bool tcp)>;

  explicit DnsServer(Script script) : script_(std::move(script)), stop_(eventfd(0, 0)) {
    Bind();
    thread_ = std::thread([this] { Run(); });
  }
  // Answers with `targets`.
  explicit DnsServer(std::vector<SrvTarget> targets, uint32_t ttl = 60)
      : DnsServer(Of(std::move(targets), ttl)) {}
  ~DnsServer() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = write(stop_, &one, sizeof one);
    thread_.join();
    for (const int descriptor : {udp_, tcp_, stop_}) {
      close(descriptor);
    }
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  static Script Of(std::vector<SrvTarget> targets, uint32_t ttl = 60) {
    return [targets = std::move(targets), ttl](const std::string& query, bool /*tcp*/) {
      std::vector<std::string> records;
      for (const SrvTarget& target : targets) {
        records.push_back(dns::Srv(target, ttl));
      }
      return dns::Answer(query, dns::kNoError, records);
    };
  }

  void Set(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] size_t queries() {
    const std::lock_guard lock(mutex_);
    return queries_;
  }

 private:
  // One port for both protocols.
  void Bind() {
    for (int attempt = 0; attempt < 100; ++attempt) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof address;
      udp_ = socket(AF_INET, SOCK_DGRAM, 0);
      tcp_ = socket(AF_INET, SOCK_STREAM, 0);
      auto* raw = reinterpret_cast<sockaddr*>(&address);
      const bool bound = bind(udp_, raw, size) == 0 && getsockname(udp_, raw, &size) == 0 &&
                         bind(tcp_, raw, size) == 0 && listen(tcp_, 8) == 0;
      if (bound) {
        port_ = ntohs(address.sin_port);
        return;
      }
      close(udp_);
      close(tcp_);
    }
    throw std::runtime_error("no port for a DNS server");
  }

  std::string Reply(const std::string& query, bool tcp) {
    const std::lock_guard lock(mutex_);
    ++queries_;
    return script_(query, tcp);
  }

  void Run() {
    while (true) {
      std::array<pollfd, 3> ready = {{{stop_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}}};
      poll(ready.data(), ready.size(), -1);
      if (ready[0].revents != 0) {
        return;
      }
      if (ready[1].revents != 0) {
        AnswerDatagram();
      }
      if (ready[2].revents != 0) {
        AnswerConnection();
      }
    }
  }

  void AnswerDatagram() {
    std::string query(512, '\0');
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    auto* raw = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t count = recvfrom(udp_, query.data(), query.size(), 0, raw, &size);
    if (count > 0) {
      query.resize(static_cast<size_t>(count));
      if (const std::string reply = Reply(query, false); !reply.empty()) {
        sendto(udp_, reply.data(), reply.size(), 0, raw, size);
      }
    }
  }

  void AnswerConnection() {
    const int connection = accept(tcp_, nullptr, nullptr);
    std::string text(514, '\0');
    const ssize_t count = recv(connection, text.data(), text.size(), 0);
    if (count > 2) {
      text.resize(static_cast<size_t>(count));
      const std::string reply = Reply(text.substr(2), true);
      const std::string framed = dns::Number(static_cast<uint32_t>(reply.size()), 2) + reply;
      send(connection, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
    close(connection);
  }

  std::mutex mutex_;
  Script script_;
  size_t queries_ = 0;
  const int stop_;
  int udp_ = -1;
  int tcp_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace entente::net::testing
