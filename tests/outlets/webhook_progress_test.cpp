#include "coordinator/outlets/webhook_progress.h"

#include <catch2/catch.hpp>

namespace entente::outlets::progress {
namespace {

Instant At(int64_t micros) {
  return InstantFromMicros(micros);
}

// An event of that shard.
std::string EventIn(uint64_t shard) {
  for (int n = 0;; ++n) {
    std::string id = "g" + std::to_string(n) + ":7";
    if (ShardOfEvent(id) == ShardId(shard)) {
      return id;
    }
  }
}

WebhookProgress Of(uint64_t shard, int64_t micros) {
  WebhookProgress progress;
  progress.cursors.at(shard) = At(micros);
  return progress;
}

TEST_CASE("the shard of an event is its transaction's, whatever its gid looks like") {
  CHECK(ShardOfEvent("a:b:12") == ShardOf(Gid("a:b")));
}

TEST_CASE("progress is read as it was written, with what was told since the cursor of its shard") {
  WebhookProgress progress = Of(3, 100);
  progress.cursors[63] = At(-5);
  progress.told = {{EventIn(3), At(100)}, {EventIn(63), At(7)}, {EventIn(9), At(1)}};
  const auto read = DecodeProgress(EncodeProgress(progress));
  REQUIRE(read);
  CHECK(read->cursors == progress.cursors);
  CHECK(read->told == progress.told);
  progress.cursors[3] = At(101);
  CHECK(DecodeProgress(EncodeProgress(progress))->told.count(EventIn(3)) == 0);
  CHECK(DecodeProgress(EncodeProgress({}))->told.empty());
}

TEST_CASE("the note of one cursor is one of all shards") {
  const auto read = DecodeProgress("1700\n1800 g:7\n1900 a b:3");
  REQUIRE(read);
  for (const auto& cursor : read->cursors) {
    CHECK(cursor == At(1700));
  }
  CHECK(read->told == ToldEvents{{"g:7", At(1800)}, {"a b:3", At(1900)}});
}

TEST_CASE("what is no note of progress is refused") {
  for (const char* text :
       {"", "x", "shards 64:1", "shards -1:1", "shards 1", "shards 1:", "shards 1:2x", "shardsx",
        "shards\n", "shards\n5", "shards\n5 ", "12\nx g:1"}) {
    CAPTURE(text);
    CHECK_FALSE(DecodeProgress(text));
  }
}

TEST_CASE("of several notes of a shard the latest counts") {
  CHECK_FALSE(LatestCursor({Of(1, 5)}, ShardId(2)));
  CHECK(LatestCursor({Of(2, 5), Of(2, 9), Of(1, 20), Of(2, 7)}, ShardId(2)) == At(9));
}

TEST_CASE("a note is not needed once others know more of each of its shards, not as much") {
  WebhookProgress both = Of(1, 5);
  both.cursors[2] = At(5);
  CHECK_FALSE(IsSuperseded({both, Of(1, 6), Of(2, 5)}, 0));
  CHECK(IsSuperseded({both, Of(1, 6), Of(2, 6)}, 0));
  // Else each of the two would go for the other.
  CHECK_FALSE(IsSuperseded({Of(1, 5), Of(1, 5)}, 0));
  CHECK_FALSE(IsSuperseded({Of(1, 5), Of(1, 5)}, 1));
}

}  // namespace
}  // namespace entente::outlets::progress
