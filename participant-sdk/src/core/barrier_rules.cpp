#include "participant-sdk/src/core/barrier_rules.h"

#include <chrono>
#include <utility>

#include "base/limits.h"

namespace entente::sdk {
namespace {

constexpr size_t kMaxTableNameBytes = 48;
constexpr Duration kMinRowsAfter = std::chrono::hours(24);
// A stored answer wraps the output in one or two more objects.
constexpr JsonLimits kAnswerJson{limits::kMaxPayloadBytes * 6 + 1024, limits::kMaxJsonDepth + 3};

std::string BranchText(const Call& call) {
  return "branch '" + call.branch.str() + "' of transaction '" + call.gid.str() + "'";
}

Verdict Run(RowState next, std::optional<RowState> if_refused = {}) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kRun;
  verdict.next = next;
  verdict.if_refused = if_refused;
  return verdict;
}

Verdict RunForward() {
  return Run(RowState::kDone, RowState::kDeclined);
}

Verdict Refuse(const char* code, const Call& call, const char* why) {
  Verdict verdict;
  verdict.answer = Refused(code, BranchText(call) + ": " + why);
  return verdict;
}

Verdict AnswerWith(Answer answer) {
  Verdict verdict;
  verdict.answer = std::move(answer);
  return verdict;
}

Verdict Suspend(const Call& call) {
  return Refuse("barrier.suspended", call,
                "it was undone before this call arrived, so it must not be carried out any more");
}

Status BadAnswer(std::string_view text) {
  return DataLoss("barrier.bad_row", "a stored answer of the barrier can not be read: " +
                                         std::string(text.substr(0, 200)));
}

// The attempt that a stored answer settles nothing beyond: of a refusal, and of a Pending. Absent:
// the answer is for all attempts. A Pending that is a mere text says none and counts as the
// first's.
Result<std::optional<uint32_t>> AttemptOf(std::string_view text) {
  const auto json = ParseJson(text, kAnswerJson);
  if (!json.ok() || !json->is_object() || json->size() != 1) {
    return BadAnswer(text);
  }
  const std::string& kind = json->begin().key();
  const Json& value = json->begin().value();
  if (kind == "pending" && value.is_string()) {
    return std::optional<uint32_t>(1);
  }
  if (kind != "pending" && kind != "refused") {
    return std::optional<uint32_t>();
  }
  if (!value.is_object() || !value.contains("attempt") ||
      !value.at("attempt").is_number_unsigned()) {
    return BadAnswer(text);
  }
  return std::optional(value.at("attempt").get<uint32_t>());
}

// Whether `call` is a later attempt than the one that was given a stored answer which settled
// nothing. The coordinator makes one when it did not hear that answer, when the completion of what
// was pending said that it was refused or never came, and when an operator asks it to. The handler
// alone can tell which: it sees what its earlier run wrote.
Result<bool> AsksAnew(const std::optional<std::string>& stored, const Call& call) {
  if (!stored) {
    return false;
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<uint32_t> attempt, AttemptOf(*stored));
  return attempt && call.attempt > *attempt;
}

Result<Verdict> Repeat(const std::optional<std::string>& stored) {
  if (!stored) {
    return AnswerWith(Done());
  }
  ENTENTE_ASSIGN_OR_RETURN(Answer answer, DecodeAnswer(*stored));
  return AnswerWith(std::move(answer));
}

Verdict NotTried(const Call& call) {
  return Refuse("barrier.not_tried", call,
                "nothing was tried or prepared here, so there is nothing to finish");
}

Verdict RecordSuspended() {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kRecord;
  verdict.next = RowState::kSuspended;
  verdict.answer = Done();
  return verdict;
}

Verdict WithoutRow(const Call& call) {
  switch (PurposeOf(call.operation)) {
    case Purpose::kForward: return RunForward();
    case Purpose::kFinish:
      return call.one_phase ? Run(RowState::kFinished, RowState::kRefused) : NotTried(call);
    case Purpose::kUndo: break;
  }
  return RecordSuspended();
}

// A later attempt than the refused one is the coordinator's own wish, after an operator removed the
// reason; it hears the answer, and undoes what it has to. Any other is a copy of a call that the
// coordinator took for refused: what it did, nobody would ever undo.
Result<Verdict> DeclinedAgain(const Row& row, const Call& call) {
  if (!row.forward_answer) {
    return DataLoss("barrier.bad_row", BranchText(call) + ": its row holds no refusal");
  }
  ENTENTE_ASSIGN_OR_RETURN(const bool again, AsksAnew(row.forward_answer, call));
  return again ? Result<Verdict>(RunForward()) : Repeat(row.forward_answer);
}

// What was accepted, and refused in a later attempt, still has what its first run wrote: it stands,
// so that an undo runs.
Result<Verdict> AcceptedAgain(const Row& row, const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(const bool again, AsksAnew(row.forward_answer, call));
  return again ? Result<Verdict>(Run(RowState::kDone, RowState::kDone))
               : Repeat(row.forward_answer);
}

// The same of what finishes or undoes; `next` is the row's state already.
Result<Verdict> SettledAgain(const Row& row, const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(const bool again, AsksAnew(row.settle_answer, call));
  if (!again) {
    return Repeat(row.settle_answer);
  }
  return call.one_phase ? Run(row.state, RowState::kRefused) : Run(row.state);
}

Result<Verdict> ForwardAgain(const Row& row, const Call& call) {
  switch (row.state) {
    case RowState::kDone:
    case RowState::kReadOnly:
    case RowState::kFinished:
      if (!row.forward_answer) {
        return Refuse("barrier.purged", call,
                      "it was carried out and finished; its answer is not kept any more");
      }
      return row.state == RowState::kFinished ? Repeat(row.forward_answer)
                                              : AcceptedAgain(row, call);
    case RowState::kDeclined: return DeclinedAgain(row, call);
    case RowState::kUndone:
    case RowState::kSuspended:
    case RowState::kRefused: break;
  }
  return Suspend(call);
}

// A commit in one phase that was refused, asked again. That its first answer was lost is why it is:
// a plain refusal would then prove nothing to the coordinator, so this says what became of it.
Result<Verdict> RefusedCommitAgain(const Row& row) {
  std::string why = "the commit in one phase was refused";
  if (row.settle_answer) {
    ENTENTE_ASSIGN_OR_RETURN(const Answer stored, DecodeAnswer(*row.settle_answer));
    if (const auto* refused = std::get_if<RefusedAnswer>(&stored)) {
      why += ": " + refused->code + ": " + refused->message;
    }
  }
  return AnswerWith(Heuristic(HeuristicOutcome::kRolledBack, std::move(why)));
}

Result<Verdict> FinishAgain(const Row& row, const Call& call) {
  switch (row.state) {
    case RowState::kDone:
    case RowState::kReadOnly: return Run(RowState::kFinished);
    case RowState::kFinished: return SettledAgain(row, call);
    case RowState::kRefused: return RefusedCommitAgain(row);
    case RowState::kDeclined: return NotTried(call);
    case RowState::kUndone:
    case RowState::kSuspended: break;
  }
  return Refuse("barrier.undone", call, "it was undone, so it can not be finished");
}

Result<Verdict> UndoAgain(const Row& row, const Call& call) {
  switch (row.state) {
    // Also after a read-only vote: if it was lost, the coordinator undoes what it does not know.
    case RowState::kDone:
    case RowState::kReadOnly: return Run(RowState::kUndone);
    case RowState::kUndone: return SettledAgain(row, call);
    case RowState::kSuspended: return Repeat(row.settle_answer);
    case RowState::kRefused: return AnswerWith(Done());
    case RowState::kDeclined: return RecordSuspended();
    case RowState::kFinished: break;
  }
  return Refuse("barrier.finished", call, "it was finished, so it can not be undone");
}

Result<Verdict> WithRow(const Row& row, const Call& call) {
  switch (PurposeOf(call.operation)) {
    case Purpose::kForward: return ForwardAgain(row, call);
    case Purpose::kFinish: return FinishAgain(row, call);
    case Purpose::kUndo: break;
  }
  return UndoAgain(row, call);
}

bool IsOlder(const Call& call, std::optional<uint64_t> epoch) {
  return epoch && call.epoch && call.epoch->value() < *epoch;
}

// Epochs are one coordinator's count, and mean nothing beside another's.
//
// Of the row itself also: it may have been changed after `latest` was looked up, by the call whose
// lock was waited for.
bool IsStale(const Row& row, const Call& call) {
  return IsOlder(call, row.latest) ||
         (row.coordinator == call.coordinator && IsOlder(call, row.epoch));
}

Verdict RefuseStale(const Call& call) {
  return Refuse("barrier.stale_epoch", call,
                "the call comes from a coordinator that does not own the transaction any more");
}

bool IsNewerCaller(const Row& row, const Call& call) {
  const bool newer_epoch = call.epoch && (!row.epoch || call.epoch->value() > *row.epoch);
  return Adopts(row, call) || (row.coordinator == call.coordinator && newer_epoch);
}

}  // namespace

std::optional<Answer> OfAnotherCoordinator(const Row& row, const Call& call) {
  if (row.coordinator.empty() || call.coordinator.empty() || row.coordinator == call.coordinator) {
    return std::nullopt;
  }
  return Refused("barrier.other_coordinator",
                 BranchText(call) + " was carried out here for the coordinator " + row.coordinator +
                     ", and " + call.coordinator +
                     " calls for it: use another gid, or, if that coordinator's store is gone for "
                     "good, remove its rows from the barrier's table");
}

bool Adopts(const Row& row, const Call& call) {
  return row.coordinator.empty() && !call.coordinator.empty();
}

Result<Verdict> Judge(const std::optional<Row>& row, const Call& call,
                      std::optional<uint64_t> latest) {
  if (!row) {
    return IsOlder(call, latest) ? RefuseStale(call) : WithoutRow(call);
  }
  if (std::optional<Answer> other = OfAnotherCoordinator(*row, call)) {
    return AnswerWith(std::move(*other));
  }
  if (IsStale(*row, call)) {
    return RefuseStale(call);
  }
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, WithRow(*row, call));
  verdict.note_caller = IsNewerCaller(*row, call);
  return verdict;
}

RowState StateAfterKept(const Verdict& verdict, const Answer& answer) {
  const bool read_only = std::holds_alternative<ReadOnlyAnswer>(answer);
  return read_only && verdict.next == RowState::kDone ? RowState::kReadOnly : verdict.next;
}

std::optional<RowState> StateAfter(const Verdict& verdict, const Answer& answer) {
  if (std::holds_alternative<RefusedAnswer>(answer)) {
    return verdict.if_refused;
  }
  return IsKept(answer) ? std::optional(StateAfterKept(verdict, answer)) : std::nullopt;
}

bool IsKept(const Answer& answer) {
  return std::holds_alternative<DoneAnswer>(answer) ||
         std::holds_alternative<PendingAnswer>(answer) ||
         std::holds_alternative<ReadOnlyAnswer>(answer);
}

bool IsForwardAnswer(const Call& call) {
  return PurposeOf(call.operation) == Purpose::kForward;
}

std::string EncodeAnswer(const Answer& answer, uint32_t attempt) {
  if (const auto* done = std::get_if<DoneAnswer>(&answer)) {
    return done->expires
               ? DumpJson(Json{{"doneUntil",
                                {{"micros", ToMicros(*done->expires)}, {"output", done->output}}}})
               : DumpJson(Json{{"done", done->output}});
  }
  if (const auto* pending = std::get_if<PendingAnswer>(&answer)) {
    return DumpJson(Json{{"pending", {{"location", pending->location}, {"attempt", attempt}}}});
  }
  if (const auto* refused = std::get_if<RefusedAnswer>(&answer)) {
    return DumpJson(
        Json{{"refused",
              {{"code", refused->code}, {"message", refused->message}, {"attempt", attempt}}}});
  }
  ENTENTE_CHECK(std::holds_alternative<ReadOnlyAnswer>(answer));
  return R"({"readOnly":true})";
}

Result<Answer> DecodeAnswer(std::string_view text) {
  auto json = ParseJson(text, kAnswerJson);
  if (json.ok() && json->is_object() && json->size() == 1) {
    const std::string kind = json->begin().key();
    Json& value = json->begin().value();
    if (kind == "done") {
      return Done(std::move(value));
    }
    if (kind == "doneUntil" && value.is_object() && value.contains("micros") &&
        value["micros"].is_number_integer()) {
      return DoneUntil(InstantFromMicros(value["micros"].get<int64_t>()),
                       std::move(value["output"]));
    }
    if (kind == "pending" && value.is_string()) {
      return Pending(value.get<std::string>());
    }
    if (kind == "pending" && value.is_object()) {
      return Pending(value.value("location", ""));
    }
    if (kind == "readOnly") {
      return ReadOnly();
    }
    if (kind == "refused" && value.is_object()) {
      return Refused(value.value("code", ""), value.value("message", ""));
    }
  }
  return BadAnswer(text);
}

Result<RowState> StateOf(int stored) {
  const int state = stored % kPurged;
  if (stored < 0 || stored >= 2 * kPurged || state < static_cast<int>(RowState::kDone) ||
      state > static_cast<int>(RowState::kReadOnly)) {
    return DataLoss("barrier.bad_row",
                    "the barrier's table holds the unknown state " + std::to_string(stored));
  }
  return static_cast<RowState>(state);
}

Status CheckTableName(const std::string& table) {
  const bool letters =
      table.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
      std::string::npos;
  if (table.empty() || table.size() > kMaxTableNameBytes || !letters ||
      (table.front() >= '0' && table.front() <= '9')) {
    return InvalidArgument("sdk.bad_table",
                           "'" + table + "' can not be a table's name here: use at most " +
                               std::to_string(kMaxTableNameBytes) + " letters, digits and '_'");
  }
  return Status();
}

Status CheckCall(const Call& call) {
  if (call.gid.empty() || call.branch.empty()) {
    return InvalidArgument("barrier.no_name",
                           "a call without its transaction and branch can not be made safe to "
                           "repeat; it carries them as Entente-Gid and Entente-Branch");
  }
  return Status();
}

bool HasEnded(const PurgeOptions& options, const std::string& gid) {
  const Result<bool> ended = options.has_ended(Gid(gid));
  return ended.ok() ? *ended : ended.status().code() == StatusCode::kNotFound;
}

void CountMarked(RowState state, bool marked, PurgeReport& report) {
  (state == RowState::kSuspended ? report.rows_removed : report.answers_dropped) += marked ? 1 : 0;
}

Status CheckPurge(const PurgeOptions& options) {
  if (options.rows_after && *options.rows_after < kMinRowsAfter) {
    return InvalidArgument("barrier.bad_purge",
                           "rows_after is " + FormatDuration(*options.rows_after) +
                               ": a row that is removed within a day can not refuse a late call");
  }
  if (options.max_rows == 0) {
    return InvalidArgument("barrier.bad_purge", "max_rows is 0: nothing could be purged");
  }
  return Status();
}

Instant NowOf(const BarrierOptions& options) {
  if (options.now) {
    return options.now();
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(now));
}

}  // namespace entente::sdk
