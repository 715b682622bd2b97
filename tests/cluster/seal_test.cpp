// How nodes know that they talk to each other.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/cluster/peer_seal.h"

namespace entente::cluster::seals {
namespace {

constexpr const char* kSecret = "a secret that is long enough";

TEST_CASE("a message is good once, at the process it is for, as it was sent") {
  PeerSeals sender(kSecret, "sender");
  PeerSeals receiver(kSecret, "receiver");
  const std::string seal = sender.Seal("receiver", "message");
  CHECK_FALSE(receiver.Open(seal, "another").ok());
  CHECK_FALSE(PeerSeals(kSecret, "next").Open(seal, "message").ok());
  CHECK_FALSE(PeerSeals("another secret, as long as that", "receiver").Open(seal, "message").ok());
  CHECK(receiver.Open(seal, "message").ok());
  const Status again = receiver.Open(seal, "message");
  CHECK(again.code() == StatusCode::kUnauthenticated);
  CHECK(again.reason() == "cluster.bad_seal");
}

TEST_CASE("messages may overtake each other, and each is still good only once") {
  PeerSeals sender(kSecret, "sender");
  PeerSeals receiver(kSecret, "receiver");
  std::vector<std::string> seals;
  for (int i = 0; i < 3000; ++i) {
    seals.push_back(sender.Seal("receiver", "m"));
  }
  for (size_t i = seals.size(); i-- > 0;) {
    REQUIRE(receiver.Open(seals[i], "m").ok());
  }
  for (const std::string& seal : seals) {
    REQUIRE_FALSE(receiver.Open(seal, "m").ok());
  }
  for (int i = 0; i < 20'000; ++i) {
    const std::string seal = sender.Seal("receiver", "m");
    REQUIRE(receiver.Open(seal, "m").ok());
    REQUIRE_FALSE(receiver.Open(seal, "m").ok());
  }
  // So far behind that nobody remembers whether it was used.
  CHECK_FALSE(receiver.Open(seals[0], "m").ok());
}

TEST_CASE("what is no seal is refused") {
  PeerSeals receiver(kSecret, "receiver");
  for (const char* seal : {"", ".", "..", "a.b", "a..c", "a.0.AAAA", "a.1x.AAAA", "a.1.",
                           "a.1.!!!!", "a.99999999999999999999999.AAAA"}) {
    CHECK_FALSE(receiver.Open(seal, "m").ok());
  }
}

TEST_CASE("an answer belongs to one message") {
  PeerSeals sender(kSecret, "sender");
  PeerSeals receiver(kSecret, "receiver");
  const std::string first = sender.Seal("receiver", "m");
  const std::string second = sender.Seal("receiver", "m");
  const std::string answer = receiver.SealAnswer(first, "answer");
  CHECK(sender.IsAnswerTo(first, answer, "answer"));
  CHECK_FALSE(sender.IsAnswerTo(second, answer, "answer"));
  CHECK_FALSE(sender.IsAnswerTo(first, answer, "another"));
  CHECK_FALSE(sender.IsAnswerTo(first, "", "answer"));
  CHECK_FALSE(
      PeerSeals("another secret, as long as that", "sender").IsAnswerTo(first, answer, "answer"));
}

}  // namespace
}  // namespace entente::cluster::seals
