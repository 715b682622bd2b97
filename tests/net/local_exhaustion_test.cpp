// What the clients make of a machine that has run out of something.
#include "net/core/local_exhaustion.h"

#include <optional>
#include <string>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"
#include "tests/net/loopback.h"
#include "tests/net/no_descriptors.h"

namespace entente::net {
namespace {

using boost::system::error_code;
using testing::Connection;
using testing::NoDescriptors;
using testing::Peer;

constexpr Duration kLong = std::chrono::minutes(5);

// Runs one call to its end on this thread.
template <class Outcome, class Client, class Request>
Outcome Run(boost::asio::io_context& io, Client& client, Request request) {
  std::optional<Outcome> result;
  client.Call(std::move(request), kLong, [&](Outcome outcome) { result = std::move(outcome); });
  const auto guard = boost::asio::make_work_guard(io);
  while (!result) {
    io.run_one();
  }
  return std::move(*result);
}

template <class Outcome>
void CheckLocal(const Outcome& outcome) {
  const auto* error = std::get_if<CallError>(&outcome);
  REQUIRE(error != nullptr);
  CAPTURE(error->reason, error->message);
  CHECK(error->failure == CallFailure::kNotSent);
  CHECK(error->fault == CallFault::kLocal);
  CHECK(error->reason == kLocalExhaustion);
}

HttpRequest To(const std::string& host, uint16_t port) {
  HttpRequest request;
  request.url = ParseUrl("http://" + host + ":" + std::to_string(port) + "/x").value();
  return request;
}

}  // namespace

TEST_CASE("errors of this machine are told from errors of a peer") {
  for (const int local : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN, ENOSPC}) {
    CAPTURE(local);
    CHECK(IsLocalExhaustion(error_code(local, boost::system::system_category())));
    CHECK(IsLocalExhaustion(error_code(local, boost::system::generic_category())));
  }
  for (const int peer : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EPIPE,
                         EADDRNOTAVAIL, EACCES}) {
    CAPTURE(peer);
    CHECK_FALSE(IsLocalExhaustion(error_code(peer, boost::system::system_category())));
  }
  CHECK_FALSE(IsLocalExhaustion({}));
}

TEST_CASE("no port is left only where there is an address to send from") {
  const error_code no_address(EADDRNOTAVAIL, boost::system::system_category());
  const auto endpoint = [](const char* address) {
    return boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address(address), 80);
  };
  CHECK(IsPortExhaustion(no_address, endpoint("127.0.0.1")));
  CHECK_FALSE(IsPortExhaustion(error_code(ECONNREFUSED, boost::system::system_category()),
                               endpoint("127.0.0.1")));
  // Without its interface nothing leads there, so no address of ours would do.
  CHECK_FALSE(IsPortExhaustion(no_address, endpoint("fe80::1")));
}

TEST_CASE("an HTTP call without a descriptor is not sent, and goes when there is one again") {
  const std::string host = GENERATE("127.0.0.1", "localhost");
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    connection.ReadToEnd();
  });
  boost::asio::io_context io(1);
  HttpClient client(io, {});
  {
    const NoDescriptors none;
    CHECK(NoDescriptorLeft());
    CheckLocal(Run<HttpOutcome>(io, client, To(host, peer.port())));
  }
  CHECK_FALSE(NoDescriptorLeft());
  const auto outcome = Run<HttpOutcome>(io, client, To(host, peer.port()));
  CHECK(std::holds_alternative<HttpResponse>(outcome));
}

TEST_CASE("a refused connection and an unknown name are no exhaustion") {
  testing::DeadPort dead;
  boost::asio::io_context io(1);
  HttpClient client(io, {});
  for (const std::string host : {"127.0.0.1", "no-such-host.invalid"}) {
    CAPTURE(host);
    const auto outcome = Run<HttpOutcome>(io, client, To(host, dead.port()));
    const auto* error = std::get_if<CallError>(&outcome);
    REQUIRE(error != nullptr);
    CHECK(error->failure == CallFailure::kNotSent);
    CHECK(error->fault == CallFault::kPeer);
  }
}

TEST_CASE(
    "a gRPC call without a descriptor is not sent, and one that is refused is no exhaustion") {
  const std::string host = GENERATE("127.0.0.1", "localhost");
  testing::DeadPort dead;
  boost::asio::io_context io(1);
  GrpcClient client(io, {});
  GrpcRequest request;
  request.target = ParseAuthority(host + ":" + std::to_string(dead.port()), false, 0).value();
  request.method = "/inventory.v1.Inventory/Reserve";
  // gRPC ends the process if it has no descriptor when it is used for the first time.
  const auto outcome = Run<GrpcOutcome>(io, client, request);
  const auto* error = std::get_if<CallError>(&outcome);
  REQUIRE(error != nullptr);
  CHECK(error->fault == CallFault::kPeer);  // Refused, which is the participant's affair.
  const NoDescriptors none;
  CheckLocal(Run<GrpcOutcome>(io, client, request));
}

}  // namespace entente::net
