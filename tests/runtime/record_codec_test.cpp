// A journal outlives the release that wrote it: these are the records as released, byte for byte.
#include "runtime/record_codec.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "base/time.h"

namespace entente::runtime {
namespace {

using namespace engine;  // NOLINT(google-build-using-namespace): one name per record.

const std::string kFixture = ENTENTE_SOURCE_DIR "/tests/runtime/fixtures/journal-v1.txt";

Instant At(int64_t seconds) {
  return Instant(std::chrono::seconds(1'700'000'000 + seconds));
}

Record With(RecordBody body) {
  return {At(0), std::move(body)};
}

// One of each record, every field set; and the forms in which an optional field is absent.
std::vector<std::pair<std::string, Record>> Samples() {
  const Failure failure{"http.503", "HTTP 503 Service Unavailable"};
  const Actor actor{"ada", "the hotel called"};
  const BranchId branch("hotel[2]");
  Accepted accepted;
  accepted.gid = Gid("trip-1");
  accepted.definition = "travel-booking";
  accepted.version = 3;
  accepted.mode = Mode::kSaga;
  accepted.input = Json::parse(R"({"city":"Lisbon","nights":2,"price":10.5,"car":true})");
  accepted.labels = {{"tier", "gold"}};
  Accepted child = accepted;
  child.deadline = At(60);
  child.parent = ParentLink{Gid("trip"), BranchId("booking")};
  Accepted held = child;
  held.parent->holds = true;
  child.request_digest = "0123456789abcdef";
  child.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Accepted begun = accepted;
  begun.mode = Mode::kTwoPhaseCommit;
  begun.client_driven = true;
  const Json output = Json::parse(R"({"id":"r-7","list":[1,null,"x"]})");
  return {
      {"accepted", With(accepted)},
      {"accepted-child", With(child)},
      {"accepted-held", With(held)},
      {"held", With(Held{output, failure})},
      {"step-expanded", With(StepExpanded{1, "hotel", false, {}})},
      {"step-expanded-for-each", With(StepExpanded{2, "car", true, {Json(1), Json("two")}})},
      {"step-skipped", With(StepSkipped{2})},
      {"step-skipped-branch", With(StepSkipped{2, branch})},
      {"operation-started", With(OperationStarted{branch, Role::kForward, 1, At(5)})},
      {"operation-started-undo", With(OperationStarted{branch, Role::kUndo, 0, std::nullopt})},
      {"wait-started", With(WaitStarted{branch, At(9), "approved"})},
      {"wait-started-signal", With(WaitStarted{branch, std::nullopt, "approved"})},
      {"attempt-failed", With(AttemptFailed{branch, AttemptOutcome::kUnknown, failure, At(1)})},
      {"attempt-started", With(AttemptStarted{branch})},
      {"call-interrupted", With(CallInterrupted{branch})},
      {"operation-pending", With(OperationPending{branch, "http://h/jobs/1", At(2), At(3)})},
      {"operation-pending-token", With(OperationPending{branch, "", std::nullopt, std::nullopt})},
      {"poll-scheduled", With(PollScheduled{branch, At(4)})},
      {"operation-succeeded", With(OperationSucceeded{branch, output})},
      {"operation-refused", With(OperationRefused{branch, failure})},
      {"operation-gave-up", With(OperationGaveUp{branch, failure})},
      {"incident-raised", With(IncidentRaised{branch, failure})},
      {"commit-decided", With(CommitDecided{})},
      {"abort-decided", With(AbortDecided{AbortCause::kRefused, branch, failure, std::nullopt})},
      {"abort-decided-cancel",
       With(AbortDecided{AbortCause::kCancelled, std::nullopt, failure, actor})},
      {"deadline-missed", With(DeadlineMissed{})},
      {"signal-received", With(SignalReceived{"approved", output})},
      {"paused", With(Paused{actor})},
      {"resumed", With(Resumed{actor})},
      {"operator-retried", With(OperatorRetried{branch, actor})},
      {"operator-edited",
       With(OperatorEdited{branch, output, Json{{"id", "r-8"}},
                           dsl::RetryPolicy{At(1) - At(0), 1.5, At(9) - At(0), 3, 0.1}, actor})},
      {"operator-edited-retry",
       With(OperatorEdited{branch, {}, std::nullopt, dsl::RetryPolicy{}, actor})},
      {"operator-skipped", With(OperatorSkipped{branch, output, actor})},
      {"operator-completed", With(OperatorCompleted{branch, actor})},
      {"ended",
       With(Ended{TxnStatus::kCommitted, output, std::nullopt, std::nullopt, std::nullopt})},
      {"accepted-client-driven", With(begun)},
      {"operation-started-one-phase",
       With(OperationStarted{branch, Role::kFinish, 0, std::nullopt, true})},
      {"operation-succeeded-read-only", With(OperationSucceeded{branch, output, true})},
      {"abort-decided-expired",
       With(AbortDecided{AbortCause::kExpired, branch, failure, std::nullopt})},
      {"branch-enlisted", With(BranchEnlisted{3, BranchId("flight"), R"({"id":"flight"})"})},
      {"enlistment-closed", With(EnlistmentClosed{})},
      {"clock-set-back", With(ClockSetBack{std::chrono::hours(1)})},
      {"signal-received-id", With(SignalReceived{"approved", output, "mail-7", "0123abcd"})},
      {"heuristic-reported",
       With(HeuristicReported{branch, HeuristicOutcome::kRolledBack, failure})},
      {"reservation-expires", With(ReservationExpires{branch, At(900), At(880)})},
      {"attempt-failed-not-yet",
       With(AttemptFailed{branch, AttemptOutcome::kNotYet, failure, At(1)})},
      {"operation-succeeded-answer",
       With(OperationSucceeded{branch, output, false, Json{{"headers", {{"etag", "7"}}}}})},
      {"operation-refused-tolerated", With(OperationRefused{branch, failure, true})},
      {"operation-refused-given-up", With(OperationRefused{branch, failure, false, true})},
      {"operation-gave-up-tolerated", With(OperationGaveUp{branch, failure, true})},
      {"not-utf-8", With(OperationRefused{branch, Failure{"http.409", "caf\xE9"}})},
      {"ended-mixed", With(Ended{TxnStatus::kMixed, Json(), failure, TxnStatus::kAborted, actor})},
  };
}

std::string ToHex(const std::string& bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += {kDigits[byte >> 4], kDigits[byte & 0xF]};
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::map<std::string, std::string> ReadFixture() {
  std::map<std::string, std::string> lines;
  std::ifstream file(kFixture);
  std::string name;
  std::string hex;
  while (file >> name >> hex) {
    lines[name] = hex;
  }
  return lines;
}

}  // namespace

// A line of the fixture may be added, never changed: ENTENTE_UPDATE_GOLDEN=1 writes the missing
// ones.
TEST_CASE("records are stored as they were released, and released ones are read") {
  const auto released = ReadFixture();
  std::map<std::string, bool> kinds;
  for (const auto& [name, record] : Samples()) {
    CAPTURE(name);
    kinds[std::string(RecordName(record))] = true;
    const std::string bytes = EncodeRecord(record);
    const auto found = released.find(name);
    if (found == released.end()) {
      if (std::getenv("ENTENTE_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(kFixture, std::ios::app) << name << ' ' << ToHex(bytes) << '\n';
      } else {
        FAIL_CHECK("not in the fixture; see this test's comment");
      }
      continue;
    }
    CHECK(ToHex(bytes) == found->second);
    const auto decoded = DecodeRecord(FromHex(found->second));
    REQUIRE(decoded.ok());
    CHECK(decoded->at == record.at);
    CHECK(RecordName(*decoded) == RecordName(record));
    CHECK(ToHex(EncodeRecord(*decoded)) == found->second);
  }
  CHECK(kinds.size() == std::variant_size_v<RecordBody>);
}

TEST_CASE("bytes that are no record of this release are damage, never guessed at") {
  CHECK(DecodeRecord("").status().code() == StatusCode::kDataLoss);
  CHECK(DecodeRecord("\xff\xff\xff").status().code() == StatusCode::kDataLoss);
  // A record body from the future: field 200, of length 0.
  CHECK(DecodeRecord(std::string("\xc2\x0c\x00", 3)).status().code() == StatusCode::kDataLoss);
  for (const auto& [name, record] : Samples()) {
    CAPTURE(name);
    const std::string bytes = EncodeRecord(record);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // Cut short it is damage, or at most another record; it never passes for the whole.
      const auto decoded = DecodeRecord(bytes.substr(0, size));
      CHECK((!decoded.ok() || EncodeRecord(*decoded) != bytes));
    }
  }
}

TEST_CASE("what nests deeper than anything is let in is still read back") {
  Json value = 1;
  for (size_t i = 0; i < 4 * limits::kMaxJsonDepth; ++i) {
    value = Json::array({std::move(value)});
  }
  const std::string bytes = EncodeRecord(With(OperationSucceeded{BranchId("b"), value, false}));
  const auto decoded = DecodeRecord(bytes);
  REQUIRE(decoded.ok());
  CHECK(std::get<OperationSucceeded>(decoded->body).output == value);
}

TEST_CASE("a record outside its own enumerations is damage") {
  std::string bytes = EncodeRecord(With(OperationStarted{BranchId("b"), Role::kForward, 0, {}}));
  const size_t role = bytes.find(std::string("\x10\x01", 2));
  REQUIRE(role != std::string::npos);
  bytes[role + 1] = 9;
  CHECK(DecodeRecord(bytes).status().code() == StatusCode::kDataLoss);
}

}  // namespace entente::runtime
