// Places for connections, and HTTP clients that share them.
#include "net/core/connection_quota.h"

#include <deque>
#include <mutex>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "net/http/http_client.h"
#include "tests/net/loopback.h"

namespace entente::net {
namespace {

using testing::Connection;
using testing::Loop;

constexpr Duration kLong = std::chrono::minutes(5);

struct Told final : ConnectionQuota::Member {
  void OnPlace(uint64_t waiter) override { places.push_back(waiter); }
  void OnWanted(ConnectionQuota& /*quota*/) override { ++wanted; }
  std::vector<uint64_t> places;
  int wanted = 0;
};

// Serves each connection on a thread of its own.
class Service {
 public:
  Service() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(descriptor_, 128) == 0);
    REQUIRE(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~Service() {
    shutdown(descriptor_, SHUT_RDWR);
    accepting_.join();
    for (std::thread& one : serving_) {
      one.join();
    }
    close(descriptor_);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/x";
  }

 private:
  void Accept() {
    for (int accepted = accept(descriptor_, nullptr, nullptr); accepted >= 0;
         accepted = accept(descriptor_, nullptr, nullptr)) {
      serving_.emplace_back([accepted] {
        Connection connection(accepted);
        while (!connection.ReadMessage().empty()) {
          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
      });
    }
  }

  int descriptor_;
  uint16_t port_ = 0;
  std::deque<std::thread> serving_;  // Of the accepting thread; joined after it.
  std::thread accepting_;
};

// One worker's client.
class Worker {
 public:
  explicit Worker(const HttpClientOptions& options) {
    loop_.Run([&] { client_ = std::make_unique<HttpClient>(loop_.io(), options); });
  }
  ~Worker() {
    loop_.Run([&] { client_.reset(); });
  }

  std::future<HttpOutcome> Start(const std::string& url, std::shared_ptr<ConnectionQuota> quota,
                                 Duration timeout = kLong) {
    HttpRequest request;
    request.url = ParseUrl(url).value();
    request.quota = std::move(quota);
    auto promise = std::make_shared<std::promise<HttpOutcome>>();
    auto future = promise->get_future();
    loop_.Run([&] {
      client_->Call(std::move(request), timeout,
                    [promise](HttpOutcome outcome) { promise->set_value(std::move(outcome)); });
    });
    return future;
  }
  HttpClient::Stats stats() {
    return loop_.Run([&] { return client_->stats(); });
  }

 private:
  Loop loop_;
  std::unique_ptr<HttpClient> client_;
};

bool Answered(std::future<HttpOutcome> outcome) {
  return std::holds_alternative<HttpResponse>(outcome.get());
}

}  // namespace

TEST_CASE("a place that is given back goes to who waits longest") {
  ConnectionQuota quota(2);
  Told one;
  Told two;
  quota.Join(one);
  quota.Join(two);
  CHECK(quota.Take(one, 1));
  CHECK(quota.Take(one, 2));
  CHECK_FALSE(quota.wanted());
  CHECK_FALSE(quota.Take(two, 3));
  CHECK_FALSE(quota.Take(one, 4));
  CHECK(quota.wanted());
  CHECK(one.wanted == 2);
  CHECK(two.wanted == 2);
  quota.GiveBack();
  CHECK(two.places == std::vector<uint64_t>{3});
  CHECK(quota.taken() == 2);
  CHECK(quota.Leave(one) == 1);  // Waits no more.
  CHECK_FALSE(quota.wanted());
  quota.GiveBack();
  CHECK(one.places.empty());
  CHECK(quota.taken() == 1);
  CHECK(quota.Leave(two) == 0);
  quota.GiveBack();
  CHECK(quota.taken() == 0);
}

TEST_CASE("two workers together have no more connections to a participant than it allows") {
  Service service;
  const auto quota = std::make_shared<ConnectionQuota>(3);
  Worker one({});
  Worker two({});
  for (int round = 0; round < 20; ++round) {
    // Now the calls of one, now of the other: the connections that one keeps idle are in the way.
    Worker& busy = round % 2 == 0 ? one : two;
    std::vector<std::future<HttpOutcome>> calls;
    for (int i = 0; i < 3; ++i) {
      calls.push_back(busy.Start(service.url(), quota));
    }
    for (auto& call : calls) {
      CHECK(Answered(std::move(call)));
    }
  }
  CHECK(quota->taken() <= 3);
  CHECK(one.stats().idle_connections + two.stats().idle_connections <= 3);
}

TEST_CASE("more calls than connections all get their turn, also across participants") {
  Service first;
  Service second;
  HttpClientOptions options;
  options.quota = std::make_shared<ConnectionQuota>(2);  // Of the process.
  Worker one(options);
  Worker two(options);
  std::vector<std::future<HttpOutcome>> calls;
  for (int i = 0; i < 40; ++i) {
    calls.push_back(
        (i % 2 == 0 ? one : two).Start(i % 3 == 0 ? first.url() : second.url(), nullptr));
  }
  for (auto& call : calls) {
    CHECK(Answered(std::move(call)));
  }
  CHECK(options.quota->taken() <= 2);
}

TEST_CASE("a call that finds no place in its time was not sent, for a reason of this machine's") {
  std::promise<void> let_go;
  testing::Peer peer([&](Connection& connection, int number) {
    connection.ReadMessage();
    if (number == 0) {
      let_go.get_future().wait();
    }
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    connection.ReadToEnd();
  });
  const std::string url = "http://127.0.0.1:" + std::to_string(peer.port()) + "/x";
  const auto quota = std::make_shared<ConnectionQuota>(1);
  Worker worker({});
  auto holding = worker.Start(url, quota);
  const HttpOutcome outcome = worker.Start(url, quota, std::chrono::milliseconds(20)).get();
  const auto* error = std::get_if<CallError>(&outcome);
  REQUIRE(error != nullptr);
  CHECK(error->failure == CallFailure::kNotSent);
  CHECK(error->fault == CallFault::kLocal);
  let_go.set_value();
  CHECK(Answered(std::move(holding)));
  CHECK(Answered(worker.Start(url, quota)));  // The place of who gave up is not lost.
  CHECK(quota->taken() <= 1);
}

}  // namespace entente::net
