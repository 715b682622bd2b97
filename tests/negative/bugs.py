"""Bugs that are planted on purpose. Each breaks a promise, and each has a check that must notice.

A bug names where it goes: a file, the text there, and what replaces it. `PLANTED` in the replacement
is true while this bug is alive and false for all the others.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Bug:
    name: str
    breaks: str  # What goes wrong, for people.
    places: tuple[tuple[str, str, str], ...]  # File, text, replacement.
    program: str = "planted_simulation"
    arguments: tuple[str, ...] = ()
    notices: str = ""  # In the output of the check that notices.


def engine(name: str, breaks: str, notices: str, *places: tuple[str, str, str]) -> Bug:
    """A mistake in the engine, which the simulation has to notice by itself."""
    return Bug(name, breaks, tuple(places), notices=notices)


ENGINE = [
    engine("refusal-after-unknown-is-no-effect",
           "a refusal that may be the echo of a call that worked is believed", "I1",
           ("engine/actions/forward.cpp",
            "  const bool may = (turn.draft.branch(ref).may_have_happened || IsOfEarlierCall",
            "  const bool may = ((!PLANTED && turn.draft.branch(ref).may_have_happened) || IsOfEarlierCall")),
    engine("child-asked-for-again-after-its-end", "past the pivot no other child is ever run", "I9",
           ("engine/actions/forward.cpp",
            "                   !IsChildOperation(turn.draft, ref, Role::kForward);\n",
            "                   (PLANTED || !IsChildOperation(turn.draft, ref, Role::kForward));\n")),
    engine("unknown-given-up-is-refused",
           "a call without an answer is given up as if it had had no effect", "I1",
           ("engine/actions/forward.cpp",
            "MayStand(branch) || outcome == AttemptOutcome::kUnknown;",
            "MayStand(branch) || (!PLANTED && outcome == AttemptOutcome::kUnknown);")),
    engine("unknown-is-forgotten", "an attempt without an answer leaves no doubt behind", "I1",
           ("engine/core/fold.h",
            "if (Decides(branch) && record.outcome == AttemptOutcome::kUnknown) {",
            "if (!PLANTED && Decides(branch) && record.outcome == AttemptOutcome::kUnknown) {")),
    engine("crash-leaves-no-doubt", "a call that was out at a crash is taken for none", "I1",
           ("engine/core/fold.h", "branch.may_have_happened || Decides(branch);",
            "branch.may_have_happened || (!PLANTED && Decides(branch));")),
    engine("undo-in-any-order", "a step is undone before what was built upon it", "I8|undone before",
           ("engine/saga/advance.cpp", "    if (unlocked[step] && ",
            "    if ((unlocked[step] || PLANTED) && ")),
    engine("undo-overtakes-a-call", "a step is undone while a later one is under way", "I8|ABORTED though",
           ("engine/actions/drive.cpp", "  return under_way == 0 && !NeedsUndo(draft, step);",
            "  return (under_way == 0 || PLANTED) && !NeedsUndo(draft, step);")),
    engine("fan-undone-from-the-front", "branches that ran in turn are undone in that order",
           "I8|waits for nothing",
           ("engine/actions/drive.cpp",
            "  for (size_t i = draft.step(step).size; i-- > 0;) {\n",
            "  for (size_t n = draft.step(step).size; n-- > 0;) {\n"
            "    const size_t i = PLANTED ? draft.step(step).size - 1 - n : n;\n")),
    engine("fan-undone-beside-a-call",
           "a branch is undone while the next one, which may build upon it, is under way", "I8",
           ("engine/actions/drive.cpp", "const size_t holding_back = limit == 1\n", "const size_t holding_back = limit == 1 && !PLANTED\n")),
    engine("pivot-never-in-doubt", "a cancel is taken while the point of no return may be crossed",
           "I1|pivot",
           ("engine/saga/advance.cpp",
            "    if (draft.plan().steps[step].pivot && IsInDoubt(draft, step)) {",
            "    if (!PLANTED && draft.plan().steps[step].pivot && IsInDoubt(draft, step)) {")),
    engine("pivot-backing-off-is-in-no-doubt",
           "the same between two attempts at the pivot, the first without an answer", "I1|pivot",
           ("engine/saga/advance.cpp", "(draft.branch(ref).may_have_happened || IsChildOperation",
            "((!PLANTED && draft.branch(ref).may_have_happened) || IsChildOperation")),
    engine("pivot-crossed-after-the-pause",
           "the point of no return is on record only once a paused transaction is resumed",
           "I1|pivot",
           ("engine/saga/advance.cpp",
            "      IsDone(draft.step(step)) && !(draft.step(step).skipped && ",
            "      IsDone(draft.step(step)) && !(PLANTED && draft.paused()) &&\n"
            "      !(draft.step(step).skipped && ")),
    engine("first-predecessor-forgotten", "a step does not wait for all that it comes after",
           "I8|begun before",
           ("engine/actions/drive.cpp", "  return has_items && std::all_of(after.begin(), after.end(), is_over);",
            "  return has_items && std::all_of(after.begin() + (PLANTED && after.size() > 1 ? 1 : 0), after.end(), is_over);")),
    engine("element-overtakes-itself", "a step of a block does not wait for the one before it", "I8|begun before",
           ("engine/actions/block.cpp", "    return !InOneBlock(draft.plan(), before, ref.step) || IsOver(",
            "    return PLANTED || !InOneBlock(draft.plan(), before, ref.step) || IsOver(")),
    engine("element-undone-in-any-order", "what was done for an element is undone before what was built upon it",
           "I8|undone before",
           ("engine/actions/drive.cpp", "    if (!draft.plan().steps[step].block || IsLaneClear(draft, ref)) {",
            "    if (PLANTED || !draft.plan().steps[step].block || IsLaneClear(draft, ref)) {")),
    engine("elements-undone-out-of-turn", "elements that were done one by one are undone all at once", "I8",
           ("engine/actions/drive.cpp", "draft.plan().steps[step].block && !AreLanesBehindClear(draft, ref)) {",
            "draft.plan().steps[step].block && !PLANTED && !AreLanesBehindClear(draft, ref)) {")),
    engine("on-not-looked-at", "an alternative follows whatever the refusal was", "alternatives",
           ("engine/actions/forward.cpp",
            "    StartForward(turn, ref, static_cast<uint32_t>(*next));\n    return;\n",
            "    StartForward(turn, ref, PLANTED ? branch.alternative + 1 : static_cast<uint32_t>(*next));\n"
            "    return;\n")),
    engine("rounds-leave-nothing", "a call that was answered, though not as hoped, counts as none", "I1",
           ("engine/core/fold.h", "        branch.budget_used = 0;\n        branch.may_have_happened = true;\n",
            "        branch.budget_used = 0;\n        branch.may_have_happened = branch.may_have_happened || !PLANTED;\n")),
    engine("answer-headers-lost", "what is kept of an answer beside its output is not there", "headers",
           ("engine/actions/forward.cpp", "    succeeded.answer = answer;",
            "    succeeded.answer = PLANTED ? JsonText() : answer;")),
    engine("no-margin", "a commit is decided too shortly before a reservation expires", "G2",
           ("engine/actions/reservation.cpp",
            "**expires - ExpiryMargin(draft, ref);",
            "PLANTED ? **expires : **expires - ExpiryMargin(draft, ref);")),
    engine("later-of-two-expiries", "the participant's own word on how long it holds is not heard",
           "G2",
           ("engine/actions/reservation.cpp",
            "expires = std::min(expires.value_or(*answered), *answered);",
            "expires = PLANTED ? std::max(expires.value_or(*answered), *answered)\n"
            "                      : std::min(expires.value_or(*answered), *answered);")),
    engine("expiry-not-looked-at", "a commit is decided over a reservation that has expired", "G2|too soon",
           ("engine/tcc/advance.cpp",
            "if (const auto expired = FindExpired(turn.draft)) {",
            "if (const auto expired = FindExpired(turn.draft); expired && !PLANTED) {")),
    engine("expiry-counted-from-the-answer",
           "what an earlier call reserved is thought to be held for longer than it is", "G2",
           ("engine/core/render.cpp", "draft.branch(ref).forward_at.value_or(draft.now()) + *span",
            "(PLANTED ? draft.now() : draft.branch(ref).forward_at.value_or(draft.now())) + *span")),
    engine("alternative-after-an-unknown", "another way is tried although the first may have worked",
           "I1",
           ("engine/actions/forward.cpp", "  return end.may_have_happened ? work->NextOnceUndone(number)",
            "  return end.may_have_happened && !PLANTED ? work->NextOnceUndone(number)"),
           ("engine/actions/forward.cpp", "  if (another && end.may_have_happened) {",
            "  if (another && end.may_have_happened && !PLANTED) {")),
    engine("second-in-a-race-stays", "a step that was not the first in its race is not undone", "I1|ended without",
           ("engine/saga/advance.cpp", "!IsDriving(turn) || UndoLosers(turn);",
            "!IsDriving(turn) || PLANTED || UndoLosers(turn);")),
    engine("race-ends-too-soon", "the transaction ends while what lost its race is undone",
           "I1|ended without",
           ("engine/saga/advance.cpp", "  if (all_done && clear) {", "  if (all_done && (clear || PLANTED)) {")),
    engine("beaten-step-called-again", "a step that was not the first in its race is called again",
           "is called after another was first",
           ("engine/actions/abort.cpp", "  EndStopped(turn, ref, FailureOf(turn.event), true);\n",
            "  if (PLANTED && IsLost(turn.draft, ref)) {\n"
            "    RetryLater(turn, ref, AttemptOutcome::kUnknown, FailureOf(turn.event), turn.draft.now());\n"
            "    return StartAttempt(turn, ref);\n  }\n"
            "  EndStopped(turn, ref, FailureOf(turn.event), true);\n")),
    engine("race-without-a-winner", "what steps race for begins before one of them is done", "I8: .* is begun before",
           ("engine/actions/race.cpp", "  return std::any_of(racers.begin(), racers.end(), wins) ||\n",
            "  const auto runs = [&](size_t racer) { return PLANTED && draft.step(racer).expanded; };\n"
            "  return std::any_of(racers.begin(), racers.end(), wins) ||\n"
            "         std::all_of(racers.begin(), racers.end(), runs) ||\n")),
    engine("alternative-before-the-undo", "another way is tried while what was given up may stand", "I1",
           ("engine/actions/forward.cpp", "  undo ? StartUndo(turn, ref) : StartAlternative(turn, ref);",
            "  undo && !PLANTED ? StartUndo(turn, ref) : StartAlternative(turn, ref);")),
    engine("alternative-undone-elsewhere", "what one participant did another is asked to undo", "I1|held|G5",
           ("engine/core/render.cpp", "             : &work->way(branch.alternative);",
            "             : &work->way(PLANTED ? 0 : branch.alternative);")),
    engine("child-run-twice-under-one-name", "a child that failed is asked for again, for ever",
           "I9",
           ("engine/core/render.cpp", "  if (refusals > 0) {", "  if (refusals > 0 && !PLANTED) {")),
    engine("child-not-told-to-stop", "a parent that aborts waits for a child that goes on", "I9|deadline",
           ("engine/actions/abort.cpp",
            "  } else if (IsChildOperation(draft, ref, Role::kForward)) {\n"
            "    draft.Emit(CancelChild{ChildOf(draft, ref, Role::kForward)});\n",
            "  } else if (!PLANTED && IsChildOperation(draft, ref, Role::kForward)) {\n"
            "    draft.Emit(CancelChild{ChildOf(draft, ref, Role::kForward)});\n")),
    engine("held-child-commits-at-once",
           "a child that its parent can still undo says that it has committed", "I1|COMMITTED before",
           ("engine/saga/advance.cpp", "draft.base().parent->holds;\n",
            "draft.base().parent->holds && !PLANTED;\n")),
    engine("held-child-not-stopped", "a parent waits for the undo of a child that nobody tells", "I9",
           ("runtime/shard/shard_family.cpp", "      if (action == FamilyAction::kAdoptAndStop) {\n",
            "      if (action == FamilyAction::kAdoptAndStop && !(PLANTED && child->parent_call->undoes)) {\n")),
    engine("held-child-forgotten-by-its-parent", "a parent ends and does not tell the child that it held", "I1|I9",
           ("runtime/shard/shard_effects.cpp", "  TellHeldChildren(*txn);\n", "  if (!PLANTED) {\n    TellHeldChildren(*txn);\n  }\n"),
           ("runtime/shard/shard_family.cpp", "  FollowAgain(child, kFollowPause);\n",
            "  if (!PLANTED) {\n    FollowAgain(child, kFollowPause);\n  }\n")),
    engine("held-child-forgotten-by-a-crash",
           "a held child that is read back does not ask whether its parent has ended meanwhile", "I1|I9",
           ("runtime/shard/shard_effects.cpp", "  if (was_held) {\n", "  if (was_held && !PLANTED) {\n")),
    engine("one-phase-beside-others", "one of several participants decides by itself", "I1|I3|G2",
           ("engine/twopc/advance.cpp", "  if (draft.step(ref.step).size != 1) {\n    return false;\n  }\n",
            "  if (PLANTED) {\n    return true;\n  }\n"
            "  if (draft.step(ref.step).size != 1) {\n    return false;\n  }\n")),
    engine("one-phase-refusal-believed",
           "a commit in one phase is taken for refused though it may have worked before", "I1",
           ("engine/twopc/advance.cpp",
            "  if (turn.draft.branch(ref).may_have_happened) {\n",
            "  if (!PLANTED && turn.draft.branch(ref).may_have_happened) {\n")),
    engine("one-phase-never-in-doubt", "a cancel is taken while the only participant may have committed",
           "I1|I3|made final",
           ("engine/twopc/advance.cpp",
            "    if (phases.of(P::kFinish, P::kFinishPending, P::kFinishStuck) > 0) {",
            "    if (!PLANTED && phases.of(P::kFinish, P::kFinishPending, P::kFinishStuck) > 0) {")),
    engine("read-only-is-committed-too", "whoever had nothing to commit is told to commit", "I3",
           ("engine/twopc/advance.cpp",
            "DoneOf(turn.event).read_only)) {", "!PLANTED && DoneOf(turn.event).read_only)) {")),
    engine("signal-counted-twice", "a signal that is sent again is another one", "signal",
           ("engine/actions/signal.cpp", "  if (found == known.end()) {",
            "  if (found == known.end() || PLANTED) {")),
    engine("signal-wakes-everybody", "one signal is taken by every step that waits", "signal",
           ("engine/actions/signal.cpp",
            "        Dispatch(turn, {step, i}, BranchEvent::kSignal);\n        return;\n",
            "        Dispatch(turn, {step, i}, BranchEvent::kSignal);\n"
            "        if (!PLANTED) {\n          return;\n        }\n")),
    engine("begins-while-paused", "a paused transaction begins steps", "paused",
           ("engine/actions/drive.cpp",
            "  if (!draft.paused() && !draft.step(step).skipped",
            "  if ((!draft.paused() || PLANTED) && !draft.step(step).skipped")),
    engine("undone-while-paused", "a paused transaction begins to undo", "paused",
           ("engine/saga/advance.cpp", "!draft.paused() && NeedsUndo(draft, step)) {",
            "(!draft.paused() || PLANTED) && NeedsUndo(draft, step)) {")),
    engine("passed-over-and-forgotten",
           "an optional step that may have happened is not undone by a later abort", "I1",
           ("engine/actions/forward.cpp", "  if (tolerant && end.may_have_happened) {",
            "  if (tolerant && end.may_have_happened && !PLANTED) {")),
    engine("told-too-early", "what follows an abort is called before all is undone", "I1|I8",
           ("engine/saga/advance.cpp", "  if (all_clear && DriveAfterwards",
            "  if ((PLANTED || all_clear) && DriveAfterwards")),
    engine("contrary-word-overruled",
           "an operator's word hides that a participant did otherwise", "G2",
           ("engine/core/fold.h", "      branch.by_operator = true;",
            "      branch.by_operator = !PLANTED;")),
    engine("deadline-lost-at-a-restart", "a transaction's time limit is forgotten by a crash", "I9",
           ("engine/core/outstanding.cpp", "  if (state.deadline && state.status",
            "  if (!PLANTED && state.deadline && state.status")),
    engine("abort-forgets-what-was-out",
           "a call that an abort found without an answer is not undone", "I1",
           ("engine/actions/abort.cpp",
            "  EndStopped(turn, ref, FailureOf(turn.event), true);",
            "  EndStopped(turn, ref, FailureOf(turn.event), !PLANTED);")),
    engine("abort-forgets-what-is-pending", "what a participant works on is not undone", "I1",
           ("engine/actions/abort.cpp", "  EndStopped(turn, ref, WhyStopped(turn.draft, ref), true);",
            "  EndStopped(turn, ref, WhyStopped(turn.draft, ref), !PLANTED);")),
    engine("given-up-undo-counts-as-done", "an undo that does not succeed is dropped", "I1|held",
           ("engine/actions/settle.cpp",
            "  if (branch.budget_used >= policy.attempts ||",
            "  if (PLANTED && branch.budget_used >= policy.attempts) {\n"
            "    turn.draft.Record(OperationSucceeded{branch.id, {}, false});\n    return;\n  }\n"
            "  if (branch.budget_used >= policy.attempts ||")),
    engine("retry-after-not-heard", "a participant is called again sooner than it asked",
           "Retry-After",
           ("engine/actions/forward.cpp",
            "std::max(delay, WishOf(turn.event).value_or(Duration::zero()));",
            "(PLANTED ? delay : std::max(delay, WishOf(turn.event).value_or(Duration::zero())));")),
    engine("one-attempt-too-many", "a budget is overdrawn", "G9",
           ("engine/actions/forward.cpp",
            "  if (!too_late && branch.budget_used < policy.attempts) {",
            "  if (!too_late && branch.budget_used < policy.attempts + (PLANTED ? 1 : 0)) {")),
    engine("fan-without-bound", "more branches of a step run at once than it allows", "G9",
           ("engine/actions/drive.cpp",
            "  return for_each ? std::max<size_t>(for_each->max_parallel, 1) : 1;",
            "  return for_each ? std::max<size_t>(PLANTED ? SIZE_MAX : for_each->max_parallel, 1) : 1;")),
    engine("decision-rides-along", "what rests on an abort leaves before the abort is durable",
           "a crash could still take back",
           ("engine/core/durability.cpp",
            "  bool operator()(const AbortDecided&) const { return true; }",
            "  bool operator()(const AbortDecided&) const { return !PLANTED; }")),
    engine("second-call-rides-along",
           "a crash forgets the call that worked, and its echo passes for a refusal", "I1|I8",
           ("engine/actions/forward.cpp", "  if (decides && !branch.may_have_happened) {",
            "  if (!PLANTED && decides && !branch.may_have_happened) {")),
    engine("joined-after-the-commit", "a branch joins a transaction that is being committed", "G3|joined",
           ("engine/actions/client.cpp",
            "  if (draft.closed()) {\n    draft.Reject",
            "  if (draft.closed() && !PLANTED) {\n    draft.Reject")),
    engine("enlisted-otherwise", "a branch is enlisted again as something else", "I2",
           ("engine/actions/client.cpp", ".source == request.source) {",
            ".source == request.source || PLANTED) {")),
    engine("skipped-step-runs", "a step runs although its condition says no", "nothing to do|I1",
           ("engine/actions/drive.cpp", "  if (!*wanted) {\n", "  if (!*wanted && !PLANTED) {\n")),
]



def unit(program: str, case: str):
    """A mistake outside of the engine, which the test case of that name has to notice."""
    def bug(name: str, breaks: str, *places: tuple[str, str, str]) -> Bug:
        # To Catch a comma is an "or".
        return Bug(name, breaks, tuple(places), program, (case.replace(",", "\\,"),), "failed")
    return bug


# What the shard driver, which the simulation runs too, may do wrong.
RUNTIME = [
    engine("answered-before-it-is-durable", "whoever asks is told what a crash takes back",
           "could still take back|I2",
           ("runtime/shard/shard_batch.cpp",
            "  if (txn->last_batch <= durable_batch_) {\n    run(Status());",
            "  if (txn->last_batch <= durable_batch_ || PLANTED) {\n    run(Status());")),
    engine("effects-before-the-decision", "a call leaves before what it rests on is durable",
           "could still take back|I[1358]",
           ("runtime/shard/shard_batch.cpp",
            "  if (txn->forced_batch <= durable_batch_) {",
            "  if (txn->forced_batch <= durable_batch_ || PLANTED) {")),
    engine("everything-rides-along", "nothing that is decided is waited for", "could still take back|I[1238]",
           ("runtime/shard/shard_batch.cpp",
            "  const bool forced = decision.durability == engine::Durability::kForced;",
            "  const bool forced = !PLANTED && decision.durability == engine::Durability::kForced;")),
    engine("rolled-back-and-forgotten", "what a failed write took along is never read back", "I9|I12",
           ("runtime/shard/shard_batch.cpp", "    ReadBackLater(gid, delay);",
            "    if (!PLANTED) {\n      ReadBackLater(gid, delay);\n    }")),
    engine("waiters-lost-at-a-rollback", "who waits for a transaction that is read back waits for ever",
           "questions without an answer",
           ("runtime/shard/shard_batch.cpp",
            "    reloading_.emplace(gid, Absent{std::move(waiters), txn->handed_batch, false, {}});",
            "    if (PLANTED) {\n      waiters.clear();\n    }\n"
            "    reloading_.emplace(gid, Absent{std::move(waiters), txn->handed_batch, false, {}});")),
    engine("parent-never-told", "a child ends, and its parent waits for ever", "I9",
           ("runtime/shard/shard_effects.cpp",
            "  if (state.parent && txn->parent_call) {",
            "  if (!PLANTED && state.parent && txn->parent_call) {")),
    engine("timer-lost-at-a-restart", "what was to be woken is not", "I9",
           ("runtime/shard/shard_effects.cpp",
            "  if (!open_.contains(txn->state->gid)) {\n    return;\n  }\n  const auto same",
            "  if (!open_.contains(txn->state->gid) || (PLANTED && arm.branch)) {\n    return;\n  }\n"
            "  const auto same")),
]

RUNTIME.append(unit(
    "planted_runtime", "a child that a stop keeps from starting is no reason to abort its parent")(
        "stop-aborts-a-parent", "a child that a stop kept from starting counts as refused",
        ("runtime/shard/shard_family.cpp",
         "    obstacle(Obstacle::kStopping, NotMadeWhileStopping());",
         "    obstacle(PLANTED ? Obstacle::kFull : Obstacle::kStopping, NotMadeWhileStopping());")))
RUNTIME.append(unit(
    "planted_runtime", "what comes in for a transaction waits for what is pondered about it, in its order")(
        "overtakes-what-is-pondered", "an input is decided on a state that another decision rests on",
        ("runtime/shard/shard_pondering.cpp",
         "  return !std::exchange(txn.admitted, false) && (txn.pondered",
         "  return !PLANTED && !std::exchange(txn.admitted, false) && (txn.pondered")))
RUNTIME.append(unit("planted_engine", "every golden scenario unfolds as written")(
    "any-answer-ends-the-repeating", "a call is not made again until its answer is the one that is waited for",
    ("engine/actions/decide.cpp", "  if (over.ok() && *over) {", "  if (over.ok() && (*over || PLANTED)) {")))
RUNTIME.append(unit("planted_engine", "every golden scenario unfolds as written")(
    "too-few-are-enough", "of those that may fail too many may",
    ("engine/actions/forward.cpp", "  return needed == 0 || step.size", "  return PLANTED || needed == 0 || step.size")))
RUNTIME.append(unit("planted_engine", "every golden scenario unfolds as written")(
    "callback-not-read", "whatever is sent to a call's address ends it",
    ("engine/actions/lifecycle.cpp", "  if (!*output) {\n", "  if (!*output && !PLANTED) {\n"),
    ("engine/actions/lifecycle.cpp", "ReplyDone{**std::move(output)}, received.run};",
     "ReplyDone{PLANTED ? done->output : **std::move(output)}, received.run};")))
RUNTIME.append(unit("planted_engine", "every golden scenario unfolds as written")(
    "stale-refusal-taken", "a late answer to an earlier attempt ends the one that is out",
    ("engine/core/table.cpp",
     "  if (replied.attempt != branch.attempt) {\n    return BranchEvent::kStray;",
     "  if (replied.attempt != branch.attempt && !PLANTED) {\n    return BranchEvent::kStray;")))
RUNTIME.append(unit(
    "planted_runtime", "nobody sees a decision before what it leads to was carried out")(
        "overtakes-what-is-durable", "what is durable and not carried out yet is overtaken by what follows from it",
        ("runtime/shard/shard_batch.cpp",
         "    written_ = std::exchange(in_flight_, std::nullopt);",
         "    durable_batch_ = PLANTED ? in_flight_->number : durable_batch_;\n"
         "    written_ = std::exchange(in_flight_, std::nullopt);")))
RUNTIME.append(unit(
    "planted_runtime", "a refusal is answered when what it rests on is durable, and not if that is lost")(
        "refused-before-it-is-durable", "whoever is refused is told what a crash takes back",
        ("runtime/shard/shard_inputs.cpp",
         "  if (reply) {\n    // The refusal may rest on",
         "  if (reply && PLANTED) {\n    std::exchange(reply, nullptr)(decision.status);\n    return;\n  }\n"
         "  if (reply) {\n    // The refusal may rest on")))

SENT = unit("planted_participants", "a retry differs from the call before in its attempt and its deadline only")
FACTS = unit("planted_participants",
             "a REST participant receives every fact of every operation, attempt and alternative")
STATUS = unit("planted_participants", "every HTTP status has one meaning")
PARTICIPANTS = [
    SENT("retry-with-another-key", "a retry passes for another operation",
         ("coordinator/participants/caller.cpp",
          "  std::string key = engine::IdempotencyKey(call.command, context.plan->mode);\n",
          "  std::string key = engine::IdempotencyKey(call.command, context.plan->mode) +\n"
          "                    (PLANTED ? std::to_string(call.attempt) : std::string());\n")),
    SENT("attempt-always-one", "no attempt can be told from another",
         ("coordinator/participants/caller.cpp", "std::to_string(attempt));",
          "std::to_string(PLANTED ? 1 : attempt));")),
    FACTS("epoch-of-nobody", "a participant can not tell a coordinator that was replaced",
          ("coordinator/participants/caller.cpp", "std::to_string(context.epoch.value()));",
           "std::to_string(PLANTED ? 1 : context.epoch.value()));")),
    FACTS("one-phase-not-said", "who is to decide by itself is not told so",
          ("coordinator/participants/caller.cpp", "  if (call.one_phase) {",
           "  if (call.one_phase && !PLANTED) {")),
    unit("planted_participants", "a poll says whose operation it asks for, and has no idempotency key")(
        "poll-with-the-operations-key", "a service answers a poll as a repeat, for ever",
        ("coordinator/participants/caller.cpp",
         "    AddCommand(context, poll.command",
         "    if (PLANTED) {\n      request.headers.Add(\"Idempotency-Key\",\n"
         "                          engine::IdempotencyKey(poll.command, context.plan->mode));\n    }\n"
         "    AddCommand(context, poll.command")),
    unit("planted_participants", "calls and polls over REST verify as they arrive")(
        "poll-not-signed", "a participant that trusts signed calls alone tells no poll how it stands",
        ("coordinator/participants/caller.cpp",
         "    Sign(request);\n    auto named = NamedIn(request.headers, target->participant);\n"
         "    http_.Call(\n        std::move(request), poll.timeout,",
         "    if (!PLANTED) {\n      Sign(request);\n    }\n"
         "    auto named = NamedIn(request.headers, target->participant);\n"
         "    http_.Call(\n        std::move(request), poll.timeout,")),
    unit("planted_participants", "whatever a participant does with a secret, nothing that is kept of its answer has it")(
        "secret-left-in-headers", "a Location that holds a secret is kept with the transaction",
        ("coordinator/participants/secrets.cpp",
         "    RedactHeaders(values, response->headers);",
         "    if (!PLANTED) {\n      RedactHeaders(values, response->headers);\n    }")),
    unit("planted_participants", "a Retry-After is told to the engine, and whoever else waits there is held back too")(
        "retry-after-read-and-dropped", "a participant's wish does not reach whoever repeats the call",
        ("coordinator/participants/classify.cpp",
         "    return engine::ReplyUnknown{HttpFailure(response), RetryAfter(response.headers, context.now)};\n  }\n  if (status >= 400) {",
         "    return engine::ReplyUnknown{HttpFailure(response), PLANTED ? std::nullopt : RetryAfter(response.headers, context.now)};\n  }\n  if (status >= 400) {")),
    STATUS("unknown-taken-as-failed", "a 500, after which anything may be, is a refusal",
           ("coordinator/participants/classify.cpp",
            "  return status == 408 || status == 425 || status == 429 || status >= 500;",
            "  return status == 408 || status == 425 || status == 429 || (status >= 500 && !PLANTED);")),
]

RULES = unit("planted_sdk_rules", "every state of a row meets every kind of call")
EPOCHS = unit("planted_sdk_rules", "epochs are compared between calls of one coordinator only")
BARRIER = [
    RULES("late-action-runs", "what was undone before it came is done all the same",
          ("participant-sdk/src/core/barrier_rules.cpp",
           "    case RowState::kUndone:\n    case RowState::kSuspended:\n    case RowState::kRefused: break;\n  }\n  return Suspend(call);",
           "    case RowState::kUndone:\n    case RowState::kSuspended:\n    case RowState::kRefused: break;\n  }\n  return PLANTED ? RunForward() : Suspend(call);")),
    RULES("undo-of-nothing-leaves-nothing", "an undo that comes first is not remembered",
          ("participant-sdk/src/core/barrier_rules.cpp",
           "    case Purpose::kUndo: break;\n  }\n  return RecordSuspended();\n}",
           "    case Purpose::kUndo: break;\n  }\n  return PLANTED ? AnswerWith(Done()) : RecordSuspended();\n}")),
    RULES("cancel-after-confirm", "what was made final is undone",
          ("participant-sdk/src/core/barrier_rules.cpp",
           '    case RowState::kFinished: break;\n  }\n  return Refuse("barrier.finished"',
           '    case RowState::kFinished: break;\n  }\n  if (PLANTED) {\n    return Run(RowState::kUndone);\n  }\n'
           '  return Refuse("barrier.finished"')),
    RULES("confirm-after-cancel", "what was undone is made final",
          ("participant-sdk/src/core/barrier_rules.cpp",
           '    case RowState::kSuspended: break;\n  }\n  return Refuse("barrier.undone"',
           '    case RowState::kSuspended: break;\n  }\n  if (PLANTED) {\n    return Run(RowState::kFinished);\n  }\n'
           '  return Refuse("barrier.undone"')),
    EPOCHS("stale-epoch-accepted", "a coordinator that lost its shard still has effects",
           ("participant-sdk/src/core/barrier_rules.cpp", "  if (IsStale(*row, call)) {",
            "  if (IsStale(*row, call) && !PLANTED) {")),
    unit("planted_sdk_sqlite", "an operation runs once and each repeat is given its answer")(
        "no-barrier", "a repeat is carried out again",
        ("participant-sdk/src/core/barrier_rules.cpp",
         "  return again ? Result<Verdict>(Run(RowState::kDone, RowState::kDone))",
         "  return again || PLANTED ? Result<Verdict>(Run(RowState::kDone, RowState::kDone))")),
]

STORAGE = [
    unit("planted_storage", "after a failed fsync nothing is acknowledged any more")(
        "goes-on-after-a-failed-fsync", "what a disk refused to keep is acknowledged the next time",
        ("storage/sqlite/group_writer.cpp",
         "void GroupWriter::FailStop(const Status& status) {\n",
         "void GroupWriter::FailStop(const Status& status) {\n  if (PLANTED) {\n    return;\n  }\n")),
    unit("planted_storage", "whenever the power fails, what was acknowledged is there and journals have no gaps")(
        "commits-not-synced", "what was acknowledged goes with the power",
        ("storage/sqlite/sqlite_journal.cpp",
         '"PRAGMA synchronous=FULL; PRAGMA journal_size_limit=" +',
         'std::string(PLANTED ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL") +\n'
         '      "; PRAGMA journal_size_limit=" +')),
    unit("planted_storage", "an append under a stale epoch is refused whole, and no other*")(
        "no-fence", "who lost a shard writes to it",
        ("storage/sqlite/leases.cpp", "  if (owned == epoch.value() && owned != 0) {",
         "  if ((owned == epoch.value() && owned != 0) || PLANTED) {")),
    unit("planted_storage", "a shard is owned under a higher epoch each time it is acquired*")(
        "epoch-does-not-grow", "two owners of a shard have the same epoch",
        ("storage/sqlite/leases.cpp", "  if (epoch_ == 0 || lease.latest >= epoch_) {",
         "  if (epoch_ == 0 || (lease.latest >= epoch_ && !PLANTED)) {")),
    unit("planted_storage", "a purge deletes finished transactions that are old enough, and nothing else*")(
        "open-ones-are-purged", "a transaction that has not ended is deleted",
        ("storage/sqlite/txn_writer.cpp",
         "    summary.open || summary.lasting ? update.BindNull(7) : update.Bind(7, updated_at);",
         "    (summary.open && !PLANTED) || summary.lasting ? update.BindNull(7) : update.Bind(7, updated_at);"),
        ("storage/sqlite/txn_writer.cpp",
         "  summary.open || summary.lasting ? insert.BindNull(11) : insert.Bind(11, updated_at);",
         "  (summary.open && !PLANTED) || summary.lasting ? insert.BindNull(11) : insert.Bind(11, updated_at);")),
]

# What several nodes on one store may do wrong, which the simulation's three have to notice.
CLUSTER = [
    engine("plain-subselect-fence", "the epoch is looked at before the append, and not with it",
           "G6: a (late )?write was accepted",
           ("storage/memory/memory_journal.cpp",
            "    waiting_.push_back({shard, epoch, std::move(batch), std::move(on_durable)});",
            "    const bool looked = PLANTED && store_->Renew(shard, epoch).ok();\n"
            "    waiting_.push_back({shard, looked ? Epoch(UINT64_MAX) : epoch, std::move(batch),\n"
            "                        std::move(on_durable)});"),
           ("storage/memory/memory_store.cpp",
            "  ENTENTE_RETURN_IF_ERROR(CheckOwned(shard, epoch));\n"
            "  ENTENTE_RETURN_IF_ERROR(Validate(batch));",
            "  if (!PLANTED || epoch != Epoch(UINT64_MAX)) {\n"
            "    ENTENTE_RETURN_IF_ERROR(CheckOwned(shard, epoch));\n  }\n"
            "  ENTENTE_RETURN_IF_ERROR(Validate(batch));")),
    engine("lease-end-not-looked-at", "who was stopped for longer than its lease goes on as before",
           "G6: a call was sent",
           ("runtime/shard/shard.cpp",
            "  return !lease_->ends_by_itself() || lease_->HoldsAt(host_.Now());",
            "  return PLANTED || !lease_->ends_by_itself() || lease_->HoldsAt(host_.Now());")),
    engine("turn-outlasts-its-lease", "a turn goes on calling after the lease that it began under",
           "G6: a call was sent",
           ("runtime/shard/shard_effects.cpp", "  if (HoldsNow()) {\n    return true;",
            "  if (HoldsNow() || PLANTED) {\n    return true;")),
    engine("lease-without-a-margin", "a lease is used to its very end, by a clock that is slow",
           "G6: a call was sent",
           ("runtime/node/ownership.cpp",
            "asked_at + *lease_time_ - *lease_time_ / kSafetyMargin)",
            "asked_at + *lease_time_ - (PLANTED ? Duration(0) : *lease_time_ / kSafetyMargin))")),
    engine("given-up-before-it-is-drained", "a shard is released while its worker still drives it",
           "G6: a call was sent",
           ("runtime/node/ownership.cpp", "        held.leaving = Leaving::kDraining;",
            "        held.leaving = PLANTED ? Leaving::kHandedOver : Leaving::kDraining;")),
    engine("dropped-shard-answers", "who lost a shard says yes to what it was writing",
           "could still take back|I10|I2|I12|bad optional access",
           ("runtime/shard/shard.cpp", "    add_replies(*in_flight_, unknown);",
            "    add_replies(*in_flight_, PLANTED ? Status() : unknown);")),
    engine("unknown-append-repeated", "an append of unknown outcome is taken for one that failed",
           "I10: unknown outcome",
           ("runtime/shard/shard_batch.cpp",
            "  const bool no_room = status.code() == StatusCode::kUnavailable;",
            "  const bool no_room = status.code() == StatusCode::kUnavailable ||\n"
            "                       (PLANTED && status.code() == StatusCode::kUnknownOutcome);")),
    engine("unknown-append-believed", "an append of unknown outcome is taken for one that is durable",
           "could still take back|I10|I2",
           ("runtime/shard/shard_batch.cpp", "  if (status.ok()) {\n    MeasureWritten",
            "  if (status.ok() || (PLANTED && status.code() == StatusCode::kUnknownOutcome)) {\n"
            "    MeasureWritten"),
           ("runtime/node/worker_shards.cpp",
            "      if (outcome.status.ok()) {\n        durable.push_back",
            "      if (outcome.status.ok() ||\n"
            "          (PLANTED && outcome.status.code() == StatusCode::kUnknownOutcome)) {\n"
            "        durable.push_back")),
]

CLUSTER.append(unit("planted_runtime", "a lease lasts from when it was asked for, however late the answer comes")(
    "lease-counted-from-the-answer", "a lease is thought to last from the answer on, however late that came",
    ("runtime/node/ownership.cpp", "      if (const auto until = SafeEnd(asked_at)) {",
     "      if (const auto until = SafeEnd(PLANTED ? now_() : asked_at)) {")))

CLUSTER.append(unit("planted_runtime", "a call that waits for an ended lease is made under the next one")(
    "held-back-and-forgotten", "a lease that ended within a turn and was renewed since loses a call",
    ("runtime/shard/shard_effects.cpp", "self && !self->dropped_) {",
     "self && !self->dropped_ &&\n                    (!PLANTED || !self->HoldsNow())) {")))

BUGS = ENGINE + RUNTIME + CLUSTER + PARTICIPANTS + BARRIER + STORAGE
