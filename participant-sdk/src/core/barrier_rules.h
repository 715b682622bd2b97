// What the barrier does with a call, given its branch's row. Pure; the databases differ elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "entente/barrier.h"
#include "entente/call.h"

namespace entente::sdk {

// Kept in the table: never change a number.
enum class RowState : int {
  kDone = 1,       // The forward operation stands.
  kFinished = 2,   // Confirmed or committed.
  kUndone = 3,     // Compensated, cancelled or rolled back.
  kSuspended = 4,  // Undone before anything was done.
  kRefused = 5,    // A one-phase commit was refused.
  kDeclined = 6,   // The forward operation was refused.
  kReadOnly = 7,   // The prepare voted read-only. As kDone, but most often nobody calls again.
};
// Added to the number of a state once its answers were purged, so that Purge finds what is left.
inline constexpr int kPurged = 10;
// For SQL: the states whose answers are purged by age alone, and those whose rows may be removed.
inline constexpr const char* kStatesWithOldAnswers = "2, 3, 7";
inline constexpr const char* kStatesOfOldRows = "5, 6, 11, 12, 13, 17";
// What dropping a row's answers sets. A Pending of what finishes or undoes settled nothing: without
// it a repeat would be told Done.
inline constexpr const char* kDropAnswers =
    "state = state + 10, forward_answer = NULL, settle_answer = CASE WHEN settle_answer LIKE "
    "'{\"pending\"%' THEN settle_answer END";

struct Row {
  RowState state = RowState::kDone;
  std::optional<uint64_t> epoch;
  std::optional<std::string> forward_answer;  // As EncodeAnswer wrote it. Absent: none, or purged.
  std::optional<std::string> settle_answer;
  std::string coordinator = {};  // For which it is carried out. Empty: none has said so yet.
  // The highest epoch in any row of the transaction that is of the call's coordinator. Looked up
  // with the row, and not a part of it.
  std::optional<uint64_t> latest = {};
};

struct Verdict {
  enum class Kind {
    kRun,     // Run the work; if its answer is kept, the row becomes `next`.
    kRecord,  // Nothing to run; the row becomes `next` with `answer`.
    kAnswer,  // Nothing to run or to write but `note_caller`.
  };
  Kind kind = Kind::kAnswer;
  RowState next = RowState::kDone;
  Answer answer = {};
  // The row does not know this call's coordinator, or its newer epoch, yet.
  bool note_caller = false;
  // Of kRun: what the row becomes, without the business write, if the work refuses. Absent: it
  // stays as it was.
  std::optional<RowState> if_refused = {};
};

// `row` is absent if there is none; `latest` is then what the row would say of it. Fails with
// kDataLoss if the row's answer can not be read.
[[nodiscard]] Result<Verdict> Judge(const std::optional<Row>& row, const Call& call,
                                    std::optional<uint64_t> latest = {});

// The row's next state after an answer that is kept.
[[nodiscard]] RowState StateAfterKept(const Verdict& verdict, const Answer& answer);
// The row's next state after the work answered; absent: nothing is written, and the row stays.
[[nodiscard]] std::optional<RowState> StateAfter(const Verdict& verdict, const Answer& answer);

// The answer of whoever calls for another coordinator than the row's: two transactions bear one
// gid, and neither may be given what was done for the other. Absent: it is the same one, or one of
// both is not known.
[[nodiscard]] std::optional<Answer> OfAnotherCoordinator(const Row& row, const Call& call);
// Whether the call's coordinator is the first to name itself to the row.
[[nodiscard]] bool Adopts(const Row& row, const Call& call);

// Whether an answer commits the business write.
[[nodiscard]] bool IsKept(const Answer& answer);

// Only answers that are kept, and refusals. `attempt` is kept with a refusal and a Pending: a later
// one asks anew.
[[nodiscard]] std::string EncodeAnswer(const Answer& answer, uint32_t attempt = 1);
[[nodiscard]] Result<Answer> DecodeAnswer(std::string_view text);

// Whether the answer of `call` belongs in the row's forward column.
[[nodiscard]] bool IsForwardAnswer(const Call& call);

// The row's columns as they are kept. Fails with kDataLoss if there is no such state.
[[nodiscard]] Result<RowState> StateOf(int stored);

[[nodiscard]] Status CheckTableName(const std::string& table);
[[nodiscard]] Status CheckCall(const Call& call);
// What PurgeOptions::has_ended answers, with its errors decided upon.
[[nodiscard]] bool HasEnded(const PurgeOptions& options, const std::string& gid);
// Counts a row that Purge changed, having heard that its transaction has ended.
void CountMarked(RowState state, bool marked, PurgeReport& report);
[[nodiscard]] Status CheckPurge(const PurgeOptions& options);
[[nodiscard]] Instant NowOf(const BarrierOptions& options);

}  // namespace entente::sdk
