#include "dsl/steps/steps.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"

namespace entente::dsl {
namespace {

constexpr Duration kMinTimeout = std::chrono::milliseconds(1);

// The names of a mode's operations, in quotes, as the expressions' scopes show them.
std::string_view PlaceOf(Mode mode, Role role) {
  switch (mode) {
    case Mode::kSaga: return role == Role::kForward ? "'action'" : "'compensate'";
    case Mode::kTcc:
      return role == Role::kForward ? "'try'" : role == Role::kUndo ? "'cancel'" : "'confirm'";
    case Mode::kTwoPhaseCommit:
      return role == Role::kForward ? "'prepare'" : role == Role::kUndo ? "'rollback'" : "'commit'";
  }
  ENTENTE_CHECK(false);
}

bool CallsWithoutParticipant(const Json* operation) {
  return operation != nullptr && operation->is_object() && !operation->contains("participant") &&
         !operation->contains("transaction");
}

std::vector<const OperationTemplate*> ForwardOperations(const CallWork& work) {
  std::vector<const OperationTemplate*> operations;
  for (size_t i = 0; i <= work.alternatives.size(); ++i) {
    if (const auto& forward = work.way(i).forward) {
      operations.push_back(&*forward);
    }
  }
  return operations;
}

std::vector<const OperationTemplate*> AllOperations(const CallWork& work) {
  std::vector<const OperationTemplate*> operations = ForwardOperations(work);
  for (size_t i = 0; i <= work.alternatives.size(); ++i) {
    const CallWay& way = work.way(i);
    if (way.undo) {
      operations.push_back(&way.undo->call);
      if (way.undo->other_call) {
        operations.push_back(&*way.undo->other_call);
      }
    }
    if (way.finish) {
      operations.push_back(&*way.finish);
    }
  }
  return operations;
}

// `step_timeout` is that of calls which have none of their own.
Duration LongestTimeout(const CallWork& work, Duration step_timeout) {
  std::optional<Duration> longest;
  for (const OperationTemplate* operation : AllOperations(work)) {
    if (const auto* call = std::get_if<CallTemplate>(operation)) {
      const Duration timeout = call->timeout.value_or(step_timeout);
      longest = std::max(longest.value_or(timeout), timeout);
    }
  }
  return longest.value_or(step_timeout);
}

// Whether there are operations, and each is a child transaction.
bool OnlyChildren(const std::vector<const OperationTemplate*>& operations) {
  return !operations.empty() &&
         std::all_of(operations.begin(), operations.end(), [](const OperationTemplate* operation) {
           return std::holds_alternative<ChildTemplate>(*operation);
         });
}

}  // namespace

Scope StepCompiler::ScopeOf(size_t index, std::string_view place) const {
  return Scope{.place = place,
               .element = list_.table.blocks[index].has_value(),
               .failure = list_.table.stages[index] == Stage::kAborted,
               .step = index};
}

std::optional<Step> StepCompiler::Compile(size_t index, const Json& json,
                                          const std::string& pointer) {
  if (!ObjectReader::IsObject(json, pointer, "a step", problems_)) {
    return std::nullopt;
  }
  const std::optional<std::string_view> kind = KindOf(json, pointer);
  if (!kind) {
    return std::nullopt;
  }
  const bool is_call = *kind == OperationName(mode_, Role::kForward);
  if (!is_call && list_.IsAfterwards(index)) {
    problems_.AtKey(pointer + "/" + std::string(*kind), "only_calls_afterwards",
                    "a step of " + Quote(FieldOf(list_.table.stages[index])) +
                        " calls somebody; it can not be one with " + Quote(*kind),
                    "give each call a 'when', or let 'onCommitted' run a transaction");
  }
  const ObjectSpec& spec = is_call              ? fields::StepOf(mode_)
                           : *kind == "wait"    ? fields::kWaitStep
                           : *kind == "choose"  ? fields::kChooseStep
                           : *kind == "forEach" ? fields::kBlockStep
                                                : fields::kRefuseStep;
  const ObjectReader reader(json, pointer, spec, problems_);
  const std::array elsewhere = {&fields::StepOf(mode_), &fields::kSagaStep, &fields::kTccStep,
                                &fields::kTwoPhaseCommitStep};
  reader.RefuseUnknownFields(elsewhere);
  reader.Require("id", "give the step a name, such as \"flight\"");
  std::string id = reader.String("id").value_or("");
  static_cast<void>(reader.String("description"));
  std::vector<Let> lets = Lets(index, reader);
  std::optional<cel::Expression> when;
  if (const Json* condition = reader.Find("when")) {
    when = expressions_.Whole(*condition, reader.PointerTo("when"), ScopeOf(index, "'when'"),
                              cel::Kind::kBool);
  }
  std::optional<ForEach> for_each = is_call ? Fan(index, reader) : std::nullopt;
  if (list_.table.blocks[index]) {
    for_each = EachOfBlock(index);
  }
  std::optional<decltype(Step::work)> work;
  if (is_call) {
    work = Calls(index, reader);
  } else if (*kind == "wait") {
    work = Wait(index, reader);
  } else if (*kind == "forEach") {
    work = Block(index, reader);
  } else {
    work = *kind == "choose" ? Choose(index, reader) : Refuse(index, reader);
  }
  Policies policies = ReadPolicies(index, reader);
  if (const auto* calls = work ? std::get_if<CallWork>(&*work) : nullptr) {
    policies.timeout = LongestTimeout(*calls, policies.timeout);
    CheckChildPolicies(reader, *calls);
  }
  auto expires = Expires(index, reader, policies);
  const bool one_phase = OnePhase(reader);
  expressions_.ForgetStepLets();
  if (!work) {
    return std::nullopt;
  }
  return Step{.id = std::move(id),
              .stage = list_.table.stages[index],
              .after = list_.after[index],
              .before = {},
              .after_any = list_.after_any[index],
              .race = list_.table.races[index],
              .way = list_.table.ways[index],
              .block = list_.table.blocks[index],
              .lets = std::move(lets),
              .when = std::move(when),
              .for_each = std::move(for_each),
              .work = *std::move(work),
              .pivot = list_.IsPivot(index),
              .optional = is_call && list_.table.optional[index],
              .asks_operator = is_call && reader.Has("onGiveUp"),
              .after_pivot = list_.IsAfterPivot(index),
              .retry = policies.retry,
              .settle_retry = policies.settle_retry,
              .timeout = policies.timeout,
              .deadline = policies.deadline.stated,
              .computed_timeout = std::move(policies.computed_timeout),
              .computed_deadline = std::move(policies.deadline.computed),
              .expires = std::move(expires),
              .one_phase = one_phase};
}

std::vector<Let> StepCompiler::Lets(size_t index, const ObjectReader& reader) {
  const Json* json = reader.Find("let");
  if (json == nullptr) {
    return {};
  }
  // Whatever any of the step's expressions may read.
  Scope scope = ScopeOf(index, "'let'");
  scope.key = true;
  scope.token = true;
  scope.element = scope.element || reader.Has("forEach");
  scope.failure = true;
  scope.own_output = true;
  return expressions_.Declare(*json, reader.PointerTo("let"), scope,
                              ExpressionCompiler::LetLevel::kStep);
}

std::optional<std::string_view> StepCompiler::KindOf(const Json& json, const std::string& pointer) {
  const std::string_view forward = OperationName(mode_, Role::kForward);
  std::vector<std::string_view> found;
  if (const auto each = json.find("forEach");
      each != json.end() && each->is_object() && each->contains("steps")) {
    found.emplace_back("forEach");
  }
  for (const std::string_view kind : {std::string_view("wait"), std::string_view("choose"),
                                      std::string_view("refuse"), forward}) {
    if (json.contains(kind)) {
      found.push_back(kind);
    }
  }
  if (found.size() > 1) {
    problems_.AtKey(
        pointer + "/" + std::string(found.front()), "ambiguous_step",
        "a step does one thing: it calls, waits, chooses, refuses, or has steps for each "
        "item; this one has " +
            QuoteAll(found, "and"),
        "make them steps of their own");
    return std::nullopt;
  }
  return found.empty() ? forward : found.front();
}

std::optional<CallWork> StepCompiler::Calls(size_t index, const ObjectReader& reader) {
  static_cast<void>(reader.Bool("pivot"));
  CheckOptional(index, reader);
  CheckOnGiveUp(index, reader);
  const std::string_view forward_name = OperationName(mode_, Role::kForward);
  const Json* forward_json =
      reader.Require(forward_name, "say what the step does, or let it 'wait'");
  OperationSite site{
      .pointer = "",
      .scope = ScopeOf(index, PlaceOf(mode_, Role::kForward)),
      .participant = std::nullopt,
      .participant_known = true,
      .may_be_transaction = mode_ == Mode::kSaga && list_.table.stages[index] != Stage::kAborted};
  site.once_aborted = list_.table.stages[index] == Stage::kAborted;
  if (!reader.Has("timeout")) {
    site.default_timeout = defaults_.timeout.value_or(limits::kDefaultCallTimeout);
  }
  site.scope.key = true;
  site.scope.token = true;
  site.scope.element = site.scope.element || reader.Has("forEach");
  CheckParticipantGiven(reader, &site);
  std::optional<OperationTemplate> forward;
  if (forward_json != nullptr) {
    site.pointer = reader.PointerTo(forward_name);
    forward = operations_.CompileForward(*forward_json, site);
  }
  // The rest is compiled in any case, to report all that is wrong with it.
  CallWork work;
  work.forward = std::move(forward);
  Settling(index, reader, site, &work);
  Alternatives(index, reader, site, &work);
  return work;
}

void StepCompiler::CheckParticipantGiven(const ObjectReader& reader, OperationSite* site) {
  if (reader.Has("participant")) {
    site->participant = ReadParticipant(reader, participants_.known, problems_);
    site->participant_known = site->participant.has_value();
    return;
  }
  std::vector<const Json*> operations;
  for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
    if (mode_ != Mode::kSaga || role != Role::kFinish) {
      operations.push_back(reader.Find(OperationName(mode_, role)));
    }
  }
  if (const Json* alternatives = reader.Find("alternatives");
      alternatives != nullptr && alternatives->is_array()) {
    for (const Json& alternative : *alternatives) {
      operations.push_back(&alternative);
    }
  }
  if (std::any_of(operations.begin(), operations.end(), CallsWithoutParticipant)) {
    site->participant_known = false;
    reader.Require("participant", "name whom the step calls");
  }
}

std::span<const Role> StepCompiler::SettlingRoles(Mode mode) {
  static constexpr std::array kRoles = {Role::kUndo, Role::kFinish};
  return std::span(kRoles).first(mode == Mode::kSaga ? 1 : 2);
}

void StepCompiler::Settling(size_t index, const ObjectReader& reader, const OperationSite& site,
                            CallWay* way) {
  for (const Role role : SettlingRoles(mode_)) {
    const std::string_view name = OperationName(mode_, role);
    const Json* json = FindSettling(index, reader, name);
    if (json == nullptr) {
      continue;
    }
    if (const auto read = CompileSettling(role, *json, reader.PointerTo(name), site, way)) {
      CheckOnePhase(reader, *read);
    }
  }
}

std::optional<ExpressionCompiler::Place> StepCompiler::CompileSettling(Role role, const Json& json,
                                                                       const std::string& pointer,
                                                                       OperationSite site,
                                                                       CallWay* way) {
  site.scope.own_output = true;
  site.scope.token = false;
  site.scope.failure = role == Role::kUndo;
  site.scope.place = PlaceOf(mode_, role);
  site.pointer = pointer;
  if (role == Role::kUndo && mode_ == Mode::kSaga && json.is_string() && !site.of_branch) {
    UndoChild(json, pointer, way);
    return std::nullopt;
  }
  if (role == Role::kUndo) {
    way->undo = json.is_null() ? std::nullopt : operations_.CompileUndo(json, site);
    return std::nullopt;
  }
  static_cast<void>(expressions_.TakeOwnOutputRead());
  way->finish = json.is_null() ? std::nullopt : operations_.Compile(json, site);
  return expressions_.TakeOwnOutputRead();
}

void StepCompiler::UndoChild(const Json& json, const std::string& pointer, CallWay* way) {
  if (json != "child") {
    problems_.AtValue(pointer, "wrong_type",
                      "'compensate' must be an operation, null or \"child\", not " + DumpJson(json),
                      DidYouMean(json.get<std::string>(), {"child"}));
    return;
  }
  const auto* child = way->forward ? std::get_if<ChildTemplate>(&*way->forward) : nullptr;
  if (child != nullptr) {
    ChildTemplate aborts = *child;
    aborts.aborts_forward = true;
    way->undo = UndoTemplate{std::move(aborts), UndoTemplate::WhenUnknown::kSameCall, std::nullopt};
  } else if (way->forward) {
    problems_.AtValue(pointer, "child_not_here",
                      "\"child\" undoes the transaction that a step runs by that one's own "
                      "compensations; this one calls a participant",
                      "name the call that undoes it, or write null if there is nothing to undo");
  }
}

void StepCompiler::CheckOnePhase(const ObjectReader& reader,
                                 const ExpressionCompiler::Place& reads_output) {
  const Json* one_phase = reader.Find("onePhase");
  if (one_phase == nullptr || *one_phase != true) {
    return;
  }
  problems_.InString(reads_output.pointer, reads_output.offset, "one_phase_reads_output",
                     Quote(OperationName(mode_, Role::kFinish)) + " reads the output of " +
                         Quote(OperationName(mode_, Role::kForward)) +
                         ", which is not called when the step is committed in one phase",
                     "let it read 'key' or 'input', or remove 'onePhase'");
}

const Json* StepCompiler::FindSettling(size_t index, const ObjectReader& reader,
                                       std::string_view field) {
  const Json* json = reader.Find(field);
  const std::string id = Quote(list_.table.ids[index]);
  if (json != nullptr && json->is_null() && mode_ == Mode::kTwoPhaseCommit) {
    problems_.AtValue(reader.PointerTo(field), "wrong_type",
                      Quote(field) + " can not be null: what is prepared has to be ended");
    return nullptr;
  }
  if (json != nullptr) {
    if (!json->is_null() && list_.IsAfterPivot(index)) {
      problems_.AtKey(reader.PointerTo(field), "compensation_never_runs",
                      "step " + id +
                          (list_.IsAfterwards(index)
                               ? " has its time when the outcome is decided, and is never undone"
                               : " comes after the pivot and is never undone"),
                      list_.IsAfterwards(index) ? "remove 'compensate'"
                                                : "remove 'compensate', or move the pivot");
    }
    if (json->is_null()) {
      CheckFannedPivot(index, reader);
      return nullptr;
    }
    return json;
  }
  if (mode_ != Mode::kSaga) {
    reader.Require(
        field, mode_ == Mode::kTcc ? "name the call, or write null if there is nothing to do" : "");
    return nullptr;
  }
  const bool is_pivot = list_.IsPivot(index);
  const bool place_known = list_.pivots.empty() || !list_.table.uncertain[index];
  if (is_pivot) {
    CheckFannedPivot(index, reader);
  } else if (place_known && !list_.IsAfterPivot(index)) {
    problems_.AtValue(reader.pointer(), "missing_compensation",
                      "step " + id + " may have to be undone and has no 'compensate'",
                      "add it, or write \"compensate\": null if there is nothing to undo");
  }
  return nullptr;
}

// Called when nothing undoes the step.
void StepCompiler::CheckFannedPivot(size_t index, const ObjectReader& reader) {
  if (mode_ == Mode::kSaga && list_.IsPivot(index) && reader.Has("forEach")) {
    problems_.AtValue(reader.pointer(), "missing_compensation",
                      "the pivot " + Quote(list_.table.ids[index]) +
                          " has several branches and no 'compensate': when one is refused, those "
                          "that succeeded have to be undone",
                      "add 'compensate', or remove 'forEach'");
  }
}

void StepCompiler::CheckOnGiveUp(size_t index, const ObjectReader& reader) {
  const auto said = reader.String("onGiveUp");
  const std::string pointer = reader.PointerTo("onGiveUp");
  if (said && *said != "incident") {
    problems_.AtValue(
        pointer, "bad_value",
        "'onGiveUp' says what becomes of a step that fails: \"incident\", not " + Quote(*said),
        "remove it if the transaction is to abort, or write \"optional\": true if "
        "it is to go on");
  } else if (said && list_.table.optional[index]) {
    problems_.AtKey(pointer, "contradiction",
                    "an optional step is passed over when it fails, and nobody is asked",
                    "remove 'onGiveUp', or write \"optional\": false");
  }
}

void StepCompiler::CheckOptional(size_t index, const ObjectReader& reader) {
  static_cast<void>(reader.Bool("optional"));
  if (!list_.table.optional[index]) {
    return;
  }
  const std::string pointer = reader.PointerTo("optional");
  if (list_.IsPivot(index)) {
    problems_.AtKey(pointer, "optional_pivot",
                    "the pivot " + Quote(list_.table.ids[index]) +
                        " can not be optional: whether there is a way back would depend on it",
                    "make it a step of its own beside the pivot");
  }
  std::vector<const Json*> calls = {reader.Find(OperationName(mode_, Role::kForward))};
  if (const Json* alternatives = reader.Find("alternatives");
      alternatives != nullptr && alternatives->is_array()) {
    for (const Json& alternative : *alternatives) {
      calls.push_back(&alternative);
    }
  }
  const auto keeps = [](const Json* call) {
    return call != nullptr && call->is_object() && call->value("effect", Json()) == "kept";
  };
  const bool kept = std::any_of(calls.begin(), calls.end(), keeps);
  if (kept && list_.table.races[index]) {
    problems_.AtValue(reader.pointer(), "optional_keeps_effect",
                      "when step " + Quote(list_.table.ids[index]) +
                          " is refused the others in its race go on, so that what \"effect\": "
                          "\"kept\" says is left of it would not be undone at once",
                      "remove 'effect'");
  } else if (kept) {
    problems_.AtKey(reader.Has("optional") ? pointer : reader.pointer(), "optional_keeps_effect",
                    "when step " + Quote(list_.table.ids[index]) +
                        " is refused the transaction goes on, so that nothing would undo what "
                        "\"effect\": \"kept\" says is left of it",
                    "remove 'effect', or 'optional'");
  }
}

void StepCompiler::CheckChildPolicies(const ObjectReader& reader, const CallWork& work) {
  const std::string advice =
      "remove it; to bound the child, write \"deadline\" into the definition that it runs";
  if (reader.Has("timeout") && OnlyChildren(AllOperations(work))) {
    problems_.AtKey(reader.PointerTo("timeout"), "not_for_transaction",
                    "'timeout' is how long one call may take; this step calls nobody, but runs a "
                    "transaction",
                    advice);
  }
  if (!OnlyChildren(ForwardOperations(work))) {
    return;
  }
  if (reader.Has("deadline")) {
    problems_.AtKey(reader.PointerTo("deadline"), "not_for_transaction",
                    "a step's 'deadline' does not end the transaction that it runs", advice);
  }
  if (const Json* retry = reader.Find("retry");
      retry != nullptr && retry->is_object() && retry->contains("attempts")) {
    problems_.AtKey(reader.PointerTo("retry") + "/attempts", "not_for_transaction",
                    "'attempts' does not end the transaction that the step runs: it is asked "
                    "after until it has ended",
                    advice);
  }
}

StepCompiler::Policies StepCompiler::ReadPolicies(size_t index, const ObjectReader& reader) {
  // What may fail is not tried for as long as what must succeed.
  const bool must = list_.IsAfterPivot(index) && !list_.table.optional[index];
  const RetryPolicy forward_base = must ? DefaultSettleRetry() : RetryPolicy();
  const std::string_view settle = mode_ == Mode::kSaga ? "compensateRetry" : "settleRetry";
  Duration timeout = defaults_.timeout.value_or(limits::kDefaultCallTimeout);
  if (const Json* name = reader.Find("participant")) {
    for (const Participant& participant : participants_.compiled) {
      if (*name == participant.name) {
        timeout = participant.timeout.value_or(timeout);
      }
    }
  }
  Policies policies{
      .retry = ReadRetry(reader, "retry", problems_).ApplyTo(defaults_.retry.ApplyTo(forward_base)),
      .settle_retry = ReadRetry(reader, settle, problems_)
                          .ApplyTo(defaults_.settle_retry.ApplyTo(DefaultSettleRetry())),
      .timeout = timeout,
      .computed_timeout = std::nullopt,
      .deadline = ReadDuration(reader, "deadline", kMinTimeout, kMaxDuration,
                               PolicyScope(index, reader, "'deadline'"), expressions_, problems_)};
  DurationField own =
      ReadDuration(reader, "timeout", kMinTimeout, limits::kMaxCallTimeout,
                   PolicyScope(index, reader, "'timeout'"), expressions_, problems_);
  policies.timeout = own.computed ? limits::kMaxCallTimeout : own.stated.value_or(timeout);
  policies.computed_timeout = std::move(own.computed);
  return policies;
}

Scope StepCompiler::PolicyScope(size_t index, const ObjectReader& reader,
                                std::string_view place) const {
  Scope scope = ScopeOf(index, place);
  scope.element = scope.element || reader.Has("forEach");
  return scope;
}

}  // namespace entente::dsl
