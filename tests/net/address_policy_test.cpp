#include "net/core/address_policy.h"

#include <catch2/catch.hpp>

#include "net/core/own_listeners.h"

namespace entente::net {
namespace {

using Protocol = AddressPolicy::Protocol;

AddressPolicy Policy(const std::vector<std::string>& patterns) {
  auto policy = AddressPolicy::Parse(patterns);
  INFO(policy.status());
  REQUIRE(policy.ok());
  return std::move(policy).value();
}

bool Allows(const AddressPolicy& policy, const std::string& url) {
  const auto parsed = ParseUrl(url);
  INFO(url);
  REQUIRE(parsed.ok());
  return policy.CheckOrigin(parsed->origin, Protocol::kHttp).ok();
}

}  // namespace

TEST_CASE("without a list loopback, private and public addresses are allowed") {
  const AddressPolicy policy;
  CHECK(Allows(policy, "http://localhost:8080/"));
  CHECK(Allows(policy, "http://127.0.0.1/"));
  CHECK(Allows(policy, "http://[::1]:80/"));
  CHECK(Allows(policy, "https://10.1.2.3/"));
  CHECK(policy.CheckAddress("93.184.216.34", 80).ok());
  CHECK(policy.CheckAddress("2001:db8::1", 80).ok());
}

TEST_CASE("link-local and metadata addresses are refused in every disguise") {
  for (const AddressPolicy& policy : {AddressPolicy(), Policy({"*"}), Policy({"169.254.0.0/16"})}) {
    for (const char* address : {"169.254.169.254",
                                "169.254.0.1",
                                "fe80::1",
                                "febf::1",
                                "::ffff:169.254.169.254",
                                "64:ff9b::a9fe:a9fe",
                                "2002:a9fe:a9fe::1",
                                "::169.254.169.254",
                                "fd00:ec2::254",
                                "fd00:ec2::23",
                                "::ffff:0:169.254.169.254",
                                "2001:0:a9fe:a9fe::1",
                                "2001:0:1234::5601:5601",
                                "100.100.100.200",
                                "168.63.129.16",
                                "0.0.0.0",
                                "0.1.2.3",
                                "::",
                                "224.0.0.1",
                                "ff02::1",
                                "255.255.255.255",
                                "fd20:ce::254",
                                "64:ff9b:1::a9fe:a9fe",
                                "64:ff9b:1:a9fe:a9:fe00::",
                                "64:ff9b:1:7f00:0:100::"}) {
      CAPTURE(address);
      const Status status = policy.CheckAddress(address, 80);
      CHECK(status.code() == StatusCode::kInvalidArgument);
      CHECK(status.reason() == "address.blocked");
    }
    CHECK_FALSE(Allows(policy, "http://169.254.169.254/latest/meta-data"));
    CHECK_FALSE(Allows(policy, "http://[::ffff:169.254.169.254]/"));
    CHECK_FALSE(Allows(policy, "http://[fe80::1]/"));
  }
}

TEST_CASE("a list allows what matches scheme, host and port, and nothing else") {
  const AddressPolicy policy = Policy({"https://api.example.org:8443", "*.internal", "10.0.0.0/8",
                                       "http://127.0.0.1:*", "grpc://rooms:9000"});
  CHECK(Allows(policy, "https://api.example.org:8443/x"));
  CHECK(Allows(policy, "https://API.example.org:8443/x"));
  CHECK_FALSE(Allows(policy, "https://api.example.org/x"));
  CHECK_FALSE(Allows(policy, "http://api.example.org:8443/x"));
  CHECK(Allows(policy, "http://a.internal/"));
  CHECK(Allows(policy, "https://a.b.internal:99/"));
  CHECK_FALSE(Allows(policy, "http://internal/"));
  CHECK_FALSE(Allows(policy, "http://evilinternal/"));
  CHECK(Allows(policy, "http://10.255.0.1:5/"));
  CHECK_FALSE(Allows(policy, "http://11.0.0.1/"));
  CHECK(Allows(policy, "http://127.0.0.1:5/"));
  CHECK_FALSE(Allows(policy, "https://127.0.0.1:5/"));
  const Origin rooms{false, "rooms", 9000};
  CHECK(policy.CheckOrigin(rooms, Protocol::kGrpc).ok());
  CHECK_FALSE(policy.CheckOrigin(rooms, Protocol::kHttp).ok());
}

TEST_CASE("networks match on whole and partial bytes, also IPv6") {
  const AddressPolicy policy = Policy({"192.168.4.0/22", "2001:db8::/33"});
  CHECK(Allows(policy, "http://192.168.7.255/"));
  CHECK_FALSE(Allows(policy, "http://192.168.8.0/"));
  CHECK(Allows(policy, "http://[2001:db8:7fff::1]/"));
  CHECK_FALSE(Allows(policy, "http://[2001:db8:8000::1]/"));
}

TEST_CASE("a pattern that can not be meant is refused by name") {
  for (const char* pattern : {"ftp://x", "http://", "10.0.0.0/33", "10.0.0/8", "x/8", "host:0",
                              "host:99999", "host:abc", "a b", "*.*.x", "user@host", ""}) {
    CAPTURE(pattern);
    const auto policy = AddressPolicy::Parse({pattern});
    REQUIRE_FALSE(policy.ok());
    CHECK(policy.status().code() == StatusCode::kInvalidArgument);
    CHECK(policy.status().reason() == "address_policy.invalid");
    CHECK(policy.status().message().find("'" + std::string(pattern) + "'") != std::string::npos);
  }
}

TEST_CASE("what this process listens on is refused, however it is written and whatever is listed") {
  const auto own = std::make_shared<OwnListeners>();
  own->Add("127.0.0.1", 8080);
  own->Add("::1", 8081);
  own->Add("0.0.0.0", 9090);
  own->Add("localhost", 7070);
  own->Add("no address", 6060);
  for (AddressPolicy policy : {AddressPolicy(), Policy({"*", "127.0.0.0/8", "10.0.0.0/8"})}) {
    policy.RefuseOwn(own);
    struct Case {
      const char* address;
      uint16_t port;
      bool refused;
    };
    for (const auto& [address, port, refused] :
         {Case{"127.0.0.1", 8080, true}, Case{"127.9.9.9", 8080, true},
          Case{"::ffff:127.0.0.1", 8080, true}, Case{"127.0.0.1", 8082, false},
          Case{"::1", 8081, true}, Case{"10.1.2.3", 8080, false}, Case{"127.0.0.1", 9090, true},
          Case{"::1", 9090, true}, Case{"127.0.0.2", 7070, true}, Case{"203.0.113.9", 9090, false},
          Case{"127.0.0.1", 6060, false}}) {
      CAPTURE(address, port);
      const Status status = policy.CheckAddress(address, port);
      CHECK(status.ok() != refused);
      CHECK((!refused || status.reason() == "address.own"));
    }
    CHECK_FALSE(Allows(policy, "http://127.0.0.1:8080/v1/transactions/t:resolve"));
    CHECK_FALSE(policy.CheckOrigin({false, "127.0.0.1", 9090}, Protocol::kGrpc).ok());
  }
}

TEST_CASE("who names its addresses itself may call every one of them") {
  const AddressPolicy policy = AddressPolicy::Everything();
  for (const char* address : {"127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1", "10.0.0.1"}) {
    CAPTURE(address);
    CHECK(policy.CheckAddress(address, 80).ok());
    CHECK(policy.CheckOrigin({false, address, 80}, AddressPolicy::Protocol::kHttp).ok());
  }
}

}  // namespace entente::net
