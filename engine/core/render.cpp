#include "engine/core/render.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <span>
#include <string_view>

#include "base/json_number.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "dsl/cel/timestamp.h"
#include "engine/block.h"
#include "engine/child_gid.h"
#include "engine/core/render_http.h"

namespace entente::engine {
namespace {

using dsl::cel::Activation;
using dsl::cel::Resolver;
using dsl::cel::Template;
using dsl::cel::Value;

std::string_view TypeName(const Json& value) {
  return IsJsonNumber(value) ? "number" : value.type_name();
}

Status ExpressionError(std::string message) {
  return InvalidArgument("expression.error", std::move(message));
}

// Of what bounds a step or a transaction: as far as ParseDuration reads.
constexpr Duration kLongestTime = std::chrono::days(3660);

// What is evaluated for: a call (or the output, on which others may wait), the call of an undo,
// which may repeat several payloads, or anything else.
enum class Purpose : uint8_t { kCall, kUndo, kOther };

uint64_t AllowanceOf(Purpose purpose, const dsl::cel::Budget& budget) {
  switch (purpose) {
    case Purpose::kUndo: return limits::kMaxUndoExpressionCost;
    case Purpose::kCall: return limits::kMaxExpressionCost;
    case Purpose::kOther: break;
  }
  return budget.spent() < limits::kMaxDecisionCost ? limits::kMaxExpressionCost
                                                   : limits::kMinExpressionCost;
}

Purpose PurposeOf(Role role) {
  return role == Role::kUndo ? Purpose::kUndo : Purpose::kCall;
}

Value FailureMap(const Failure& failure) {
  return Value::Map({{Value::String("code"), Value::String(failure.code)},
                     {Value::String("message"), Value::String(failure.message)}});
}

// `step` is empty where none caused it, as of a cancel.
Value WhyAborted(const AbortState& abort) {
  const std::string step(abort.branch ? ParseBranchName(*abort.branch).step : "");
  return Value::Map({{Value::String("code"), Value::String(abort.failure.code)},
                     {Value::String("step"), Value::String(step)},
                     {Value::String("message"), Value::String(abort.failure.message)}});
}

// Why a call is undone that was given up and that another one follows. Always the same, so that
// each attempt at the undo asks for the same, whatever happens meanwhile.
Value WhyGivenUp(const std::string& step) {
  return Value::Map(
      {{Value::String("code"), Value::String("given-up")},
       {Value::String("step"), Value::String(step)},
       {Value::String("message"), Value::String("it is not known what became of the call")}});
}

// Why a step is undone that was not the first in its race; as stable.
Value WhyLost(const std::string& step) {
  return Value::Map({{Value::String("code"), Value::String("race.lost")},
                     {Value::String("step"), Value::String(step)},
                     {Value::String("message"), Value::String("another step was done first")}});
}

// The names an expression may read, answered from the draft in place; one at a time for a draft.
class Scope final : public Resolver {
 public:
  explicit Scope(const Draft& draft, std::optional<BranchRef> own = std::nullopt,
                 Role role = Role::kForward, Purpose purpose = Purpose::kOther)
      : draft_(draft),
        own_(own),
        step_(own ? std::optional(own->step) : std::nullopt),
        role_(role) {
    draft.documents().Trim();
    draft.Allow(AllowanceOf(purpose, draft.budget()));
    activation_.Bind("env", draft.plan().env).SetResolver(this).SetBudget(&draft.budget());
    if (own && draft.step(own->step).for_each) {
      activation_.Bind("index", Value::Int(static_cast<int64_t>(own->index)));
    }
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // Whose names there are, where no branch of it is yet.
  void SetStep(size_t step) { step_ = step; }

  // What `body` alone stands for. Borrowed.
  void SetBody(const JsonText& body) { body_ = &body; }

  // What `output` alone stands for. Borrowed.
  void SetAnswer(const JsonText& answer) { answer_ = &answer; }

  [[nodiscard]] const Activation& activation() const { return activation_; }

  // Says of a failed evaluation what its author may not have thought of.
  [[nodiscard]] Status Explain(const Status& outer) const {
    // A value that could not be made is to blame for what reads it.
    const Status& failed = let_failed_.ok() ? outer : let_failed_;
    return skipped_read_.empty()
               ? failed
               : Status(failed.code(), failed.reason(),
                        failed.message() + "; step '" + skipped_read_ + "' " + why_no_output_ +
                            ", so that its output is null: ask for steps." + skipped_read_ +
                            ".status first");
  }

  [[nodiscard]] std::optional<Resolved> Resolve(std::span<const std::string> path) const override {
    if (path[0] == "input") {
      return Document(draft_.base().input, path, 1);
    }
    if (path[0] == "item" && own_ && draft_.step(own_->step).for_each) {
      const BranchRef kept{KeeperOf(draft_.plan(), own_->step), own_->index};
      return Document(draft_.item(kept), path, 1);
    }
    if (path[0] == "gid") {
      return Resolved{Value::String(draft_.gid().str()), 1};
    }
    if (path[0] == "key" && own_) {
      return Resolved{Value::String(StepKey(CommandOf(draft_, *own_, role_))), 1};
    }
    if (path[0] == "output" && answer_ != nullptr) {
      return Document(*answer_, path, 1);
    }
    if (path[0] == "body" && body_ != nullptr) {
      return Document(*body_, path, 1);
    }
    if (path[0] == "token" && own_) {
      return Resolved{Value::String(std::string(kTokenPlace)), 1};
    }
    if (path[0] == "completionUrl" && own_) {
      return Resolved{Value::String(std::string(kCompletionUrlPlace)), 1};
    }
    if (path[0] == "failure" && IsUndoneForAnother()) {
      return Resolved{WhyGivenUp(draft_.plan_step(*own_).id), 1};
    }
    if (path[0] == "failure" && own_ && draft_.step(own_->step).lost()) {
      return Resolved{WhyLost(draft_.plan_step(*own_).id), 1};
    }
    if (path[0] == "failure" && draft_.abort()) {
      return Resolved{WhyAborted(*draft_.abort()), 1};
    }
    if (path[0] == "steps") {
      return ResolveStep(path);
    }
    return ResolveLet(path[0]);
  }

 private:
  [[nodiscard]] bool IsUndoneForAnother() const {
    return own_ && role_ == Role::kUndo && draft_.branch(*own_).undone_for_another;
  }

  [[nodiscard]] const dsl::Let* FindLet(const std::string& name) const {
    const auto find = [&name](const std::vector<dsl::Let>& lets) -> const dsl::Let* {
      const auto found = std::find_if(lets.begin(), lets.end(),
                                      [&name](const dsl::Let& let) { return let.name == name; });
      return found == lets.end() ? nullptr : &*found;
    };
    const dsl::Let* of_step = step_ ? find(draft_.plan().steps[*step_].lets) : nullptr;
    return of_step != nullptr ? of_step : find(draft_.plan().lets);
  }

  // Made when it is first read, and paid by whoever reads it. They do not read each other in
  // circles: the compiler saw to that.
  [[nodiscard]] std::optional<Resolved> ResolveLet(const std::string& name) const {
    if (const auto made = lets_.find(name); made != lets_.end()) {
      return Resolved{made->second, 1};
    }
    const dsl::Let* let = FindLet(name);
    if (let == nullptr) {
      return std::nullopt;
    }
    auto value = let->value.Render(activation_);
    if (!value.ok()) {
      const Status& failed = value.status();
      let_failed_ = let_failed_.ok() ? Status(failed.code(), failed.reason(),
                                              "let '" + name + "': " + failed.message())
                                     : let_failed_;
      return std::nullopt;
    }
    return Resolved{lets_.emplace(name, Value::FromJson(std::move(value).value())).first->second,
                    1};
  }

  [[nodiscard]] Resolved Document(const JsonText& payload, std::span<const std::string> path,
                                  size_t known) const {
    return draft_.documents().Resolve(payload, path, known, draft_.budget());
  }

  // The compiler refuses a reference to less than a step's member, so the answers for shorter
  // paths only have to be safe.
  [[nodiscard]] std::optional<Resolved> ResolveStep(std::span<const std::string> path) const {
    const std::vector<dsl::Step>& steps = draft_.plan().steps;
    for (size_t step = 0; path.size() >= 2 && step < steps.size(); ++step) {
      if (steps[step].id != path[1]) {
        continue;
      }
      if (path.size() >= 3 && path[2] == "output") {
        return Output(step, path);
      }
      if (path.size() >= 3 && path[2] == "status") {
        return Resolved{Value::String(std::string(StatusOf(step))), 3};
      }
      if (path.size() >= 3 && path[2] == "failure") {
        return Resolved{FailureOf(step), 3};
      }
      if (path.size() >= 4 && path[2] == "headers") {
        return Resolved{Answer(step, {path.begin() + 2, 2}), 4};
      }
      if (path.size() >= 3 && path[2] == "statusCode") {
        return Resolved{Answer(step, {path.begin() + 2, 1}), 3};
      }
      return Resolved{Value::Map({}), 2};
    }
    return Resolved{Value::Map({}), 1};
  }

  // What is kept of the answer of a step without forEach, or null. It is short.
  [[nodiscard]] Value Answer(size_t step, std::span<const std::string> path) const {
    const StepFacts& facts = draft_.step(step);
    if (facts.size != 1 || facts.for_each || (facts.lost() && !(own_ && own_->step == step))) {
      return {};
    }
    Json part = draft_.answer({step, 0}).Read();
    for (const std::string& name : path) {
      part = part.is_object() ? part.value(name, Json()) : Json();
    }
    return Value::FromJson(std::move(part));
  }

  [[nodiscard]] Resolved Output(size_t step, std::span<const std::string> path) const {
    constexpr size_t kKnown = 3;  // steps, its id, output
    const StepFacts& facts = draft_.step(step);
    if (const auto ref = InOwnLane(step)) {
      const BranchFacts& branch = draft_.branch(*ref);
      if (branch.phase == BranchPhase::kSkipped || branch.tolerated) {
        skipped_read_ = draft_.plan().steps[step].id;
        why_no_output_ = branch.tolerated ? "failed" : "was skipped";
      }
      return Document(draft_.output(*ref), path, kKnown);
    }
    if (facts.skipped || facts.tolerated > 0) {
      skipped_read_ = draft_.plan().steps[step].id;
      why_no_output_ = facts.tolerated > 0 ? "failed"
                       : facts.lost()      ? "was not the first in its race"
                                           : "was skipped";
    }
    if (own_ && own_->step == step) {
      return Document(draft_.output(*own_), path, kKnown);
    }
    if (facts.lost()) {
      return {Value(), kKnown};
    }
    if (!facts.for_each) {
      return facts.size == 0 ? Resolved{Value(), kKnown}
                             : Document(draft_.output({step, 0}), path, kKnown);
    }
    std::vector<Value> outputs;
    outputs.reserve(facts.size);
    for (size_t i = 0; i < facts.size; ++i) {
      outputs.push_back(Document(draft_.output({step, i}), path.first(kKnown), kKnown).value);
    }
    return Resolved{Value::List(std::move(outputs)), kKnown};
  }

  [[nodiscard]] Value FailureOf(BranchRef ref) const {
    const BranchFacts& branch = draft_.branch(ref);
    return branch.tolerated && branch.failure ? FailureMap(*branch.failure) : Value();
  }

  // Of another step of its block, the branch of the same element.
  [[nodiscard]] std::optional<BranchRef> InOwnLane(size_t step) const {
    const bool same = own_ && own_->step != step && InOneBlock(draft_.plan(), own_->step, step) &&
                      own_->index < draft_.step(step).size;
    return same ? std::optional(BranchRef{step, own_->index}) : std::nullopt;
  }

  [[nodiscard]] std::string_view StatusOf(BranchRef other) const {
    const BranchFacts& branch = draft_.branch(other);
    if (branch.tolerated) {
      return "failed";
    }
    switch (RoleOf(branch.phase)) {
      case Role::kUndo: return "done";
      default: break;
    }
    return branch.phase == BranchPhase::kSkipped ? "skipped"
           : branch.phase == BranchPhase::kDone  ? "done"
                                                 : "running";
  }

  // Of a step with forEach a list, as its output.
  [[nodiscard]] Value FailureOf(size_t step) const {
    const StepFacts& facts = draft_.step(step);
    if (const auto ref = InOwnLane(step)) {
      return FailureOf(*ref);
    }
    if (!facts.for_each) {
      return facts.tolerated == 0 ? Value() : FailureOf(BranchRef{step, 0});
    }
    std::vector<Value> failures;
    failures.reserve(facts.size);
    for (size_t i = 0; i < facts.size; ++i) {
      failures.push_back(FailureOf(BranchRef{step, i}));
    }
    return Value::List(std::move(failures));
  }

  // When all is undone: what was done before, failed, or never begun.
  [[nodiscard]] std::string_view AbortedStatusOf(size_t step) const {
    using P = BranchPhase;
    const StepFacts& facts = draft_.step(step);
    bool done = facts.expanded;
    for (size_t i = 0; i < facts.size; ++i) {
      const BranchFacts& branch = draft_.branch({step, i});
      const bool undone = RoleOf(branch.phase) == Role::kUndo && !branch.undo_without_output;
      if (branch.phase == P::kRefused || branch.phase == P::kGaveUp || branch.undo_without_output) {
        return "failed";
      }
      done = done && (undone || branch.phase == P::kDone || branch.phase == P::kSkipped);
    }
    return done ? "done" : "skipped";
  }

  [[nodiscard]] std::string_view StatusOf(size_t step) const {
    const StepFacts& facts = draft_.step(step);
    // That a step failed does not change when another one is first in its race.
    if (facts.skipped && facts.tolerated == 0 && !(facts.lost() && own_ && own_->step == step)) {
      return "skipped";
    }
    if (const auto ref = InOwnLane(step)) {
      return StatusOf(*ref);
    }
    if (facts.tolerated > 0 && !(own_ && own_->step == step)) {
      return "failed";
    }
    if (own_ && draft_.plan_step(*own_).stage == dsl::Stage::kAborted && own_->step != step) {
      return AbortedStatusOf(step);
    }
    if (own_ && own_->step == step) {
      const BranchFacts& branch = draft_.branch(*own_);
      return branch.undo_without_output || branch.phase == BranchPhase::kGaveUp ? "unknown"
                                                                                : "done";
    }
    // What is being undone was done before; how far the undo has come is nobody's affair.
    using P = BranchPhase;
    const uint32_t undoing =
        facts.phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending, P::kUndone, P::kUndoStuck);
    return facts.expanded && ForwardDone(facts) + undoing == facts.size ? "done" : "running";
  }

  const Draft& draft_;
  std::optional<BranchRef> own_;
  std::optional<size_t> step_;
  Role role_;
  const JsonText* answer_ = nullptr;
  const JsonText* body_ = nullptr;
  Activation activation_;
  mutable std::map<std::string, Value> lets_;
  mutable Status let_failed_;
  mutable std::string skipped_read_;  // The last step whose output was read and is not there.
  mutable const char* why_no_output_ = "";
};

Status CheckHeaderValue(const std::string& name, std::string_view value) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
      return ExpressionError("the value of header '" + name +
                             "' holds a control character, which would forge other headers");
    }
  }
  return {};
}

Result<RenderedHttp> RenderRequest(const dsl::HttpRequestTemplate& from,
                                   const dsl::Participant& participant,
                                   const Activation& activation, const JsonLimits& bounds,
                                   const JsonText* edited) {
  RenderedHttp to;
  to.method = from.method;
  ENTENTE_ASSIGN_OR_RETURN(to.target, RenderPath(from.path, activation));
  size_t bytes = to.target.size();
  for (const auto& [name, value] : from.headers) {
    ENTENTE_ASSIGN_OR_RETURN(std::string text,
                             value.RenderText(activation, [](const Value&, std::string_view text) {
                               return std::string(text);
                             }));
    ENTENTE_RETURN_IF_ERROR(CheckHeaderValue(name, text));
    bytes += name.size() + text.size();
    if (bytes > limits::kMaxPayloadBytes) {
      return ExpressionError("the path and the headers together are longer than the limit of " +
                             std::to_string(limits::kMaxPayloadBytes) + " bytes");
    }
    to.headers.emplace_back(name, std::move(text));
  }
  if (edited != nullptr) {
    ENTENTE_ASSIGN_OR_RETURN(to.body, EditedBody(*edited, to.headers, participant));
  } else if (from.body) {
    ENTENTE_ASSIGN_OR_RETURN(to.body,
                             RenderBody(*from.body, activation, to.headers, participant, bounds));
  }
  return to;
}

Result<RenderedGrpc> RenderRequest(const dsl::GrpcRequestTemplate& from,
                                   const dsl::Participant& /*participant*/,
                                   const Activation& activation, const JsonLimits& bounds,
                                   const JsonText* edited) {
  if (edited != nullptr) {
    return RenderedGrpc{from.method, *edited};
  }
  ENTENTE_ASSIGN_OR_RETURN(const Json body, from.body.Render(activation, bounds));
  return RenderedGrpc{from.method, JsonText(body)};
}

// What an operator wrote for the operation, if this is the one that the branch is at.
const JsonText* EditedBodyOf(const Draft& draft, BranchRef ref, Role role) {
  const BranchFacts& branch = draft.branch(ref);
  const bool edited = branch.edit && branch.edit->body && RoleOf(branch.phase) == role;
  return edited ? &*branch.edit->body : nullptr;
}

// How long to wait. What an expression computed may be negative, then the wait is over, or finer
// than a microsecond, then it is rounded up.
Result<Duration> ParseWait(const std::string& text) {
  auto span = ParseDuration(text);
  const auto computed = dsl::cel::ParseCelDuration(text);
  if (span.ok() || !computed.ok()) {
    return span;
  }
  const auto rounded = std::chrono::ceil<Duration>(std::chrono::nanoseconds(computed->nanos));
  return ParseDuration(FormatDuration(std::max(rounded, Duration::zero())));
}

// What a bound comes to: the same whenever it is asked for, since it reads only what stays.
Result<Duration> RenderBound(const Draft& draft, std::optional<BranchRef> ref,
                             const Template& source, Duration max, Role role = Role::kForward) {
  const Scope scope(draft, ref, role);
  const auto rendered = source.Render(scope.activation());
  if (!rendered.ok()) {
    return scope.Explain(rendered.status());
  }
  if (!rendered->is_string()) {
    return ExpressionError("it is a " + std::string(TypeName(*rendered)) +
                           ", not a duration such as '30s'");
  }
  const auto span = ParseWait(rendered->get_ref<const std::string&>());
  if (!span.ok()) {
    return ExpressionError(span.status().message());
  }
  if (*span <= Duration::zero() || *span > max) {
    return ExpressionError("it comes to '" + FormatDuration(*span) +
                           "'; it must be more than nothing and at most " + FormatDuration(max));
  }
  return span;
}

const dsl::CallTemplate* CallOf(const Draft& draft, BranchRef ref, Role role) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, role);
  return operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
}

Result<Duration> EvaluateTimeout(const Draft& draft, BranchRef ref, Role role) {
  const dsl::CallTemplate* call = CallOf(draft, ref, role);
  const dsl::Step& step = draft.plan_step(ref);
  if (call != nullptr && call->timeout) {
    return *call->timeout;
  }
  if (!step.computed_timeout) {
    return step.timeout;
  }
  auto timeout = RenderBound(draft, ref, *step.computed_timeout, limits::kMaxCallTimeout);
  return timeout.ok() ? timeout : ExpressionError("'timeout': " + timeout.status().message());
}

Result<Effect> RenderCallTemplate(const Draft& draft, BranchRef ref, Role role,
                                  const dsl::CallTemplate& call) {
  ENTENTE_ASSIGN_OR_RETURN(const Duration timeout, EvaluateTimeout(draft, ref, role));
  const Scope scope(draft, ref, role, PurposeOf(role));
  CallBranch effect;
  effect.command = CommandOf(draft, ref, role);
  effect.attempt = draft.branch(ref).attempt;
  effect.participant = call.participant;
  effect.answers = &call.answers;
  effect.timeout = timeout;
  effect.one_phase = draft.branch(ref).one_phase;
  effect.round = role == Role::kForward && call.repeat ? draft.branch(ref).rounds : 0;
  effect.run = role == Role::kForward ? draft.branch(ref).refusals + draft.branch(ref).rounds : 0;
  effect.sends_token = call.sends_token;
  const JsonLimits& bounds = role == Role::kUndo ? limits::kUndoJson : limits::kPayloadJson;
  const JsonText* const edited = EditedBodyOf(draft, ref, role);
  Status failed;
  std::visit(
      [&](const auto& request) {
        auto rendered = RenderRequest(request, draft.plan().participants[call.participant],
                                      scope.activation(), bounds, edited);
        if (rendered.ok()) {
          effect.request = std::move(rendered).value();
        } else {
          failed = rendered.status();
        }
      },
      call.request);
  if (failed.ok() && call.base_url) {
    auto& http = std::get<RenderedHttp>(effect.request);
    auto url = RenderBaseUrl(*call.base_url, scope.activation(), http.target);
    failed = url.status();
    http.base_url = url.ok() ? std::move(url).value() : std::string();
  }
  if (!failed.ok()) {
    return scope.Explain(failed);
  }
  return Effect(std::move(effect));
}

Result<std::string> RenderDefinition(const Scope& scope, const dsl::ChildTemplate& child) {
  if (!child.chosen) {
    return child.definitions.front();
  }
  const auto chosen = child.chosen->Render(scope.activation());
  if (!chosen.ok()) {
    return scope.Explain(chosen.status());
  }
  std::string among;
  for (const std::string& definition : child.definitions) {
    if (*chosen == definition) {
      return definition;
    }
    among += (among.empty() ? "'" : ", '") + definition + "'";
  }
  return ExpressionError("'definition' comes to " +
                         ToUtf8(DumpJson(*chosen), limits::kMaxNameBytes) +
                         ", which is none of those in 'among': " + among);
}

Result<Effect> RenderChild(const Draft& draft, BranchRef ref, Role role,
                           const dsl::ChildTemplate& child) {
  StartChild effect;
  effect.command = CommandOf(draft, ref, role);
  effect.attempt = draft.branch(ref).attempt;
  effect.child = ChildOf(draft, ref, role);
  if (child.aborts_forward) {
    // Nothing of the action's is rendered, which need not go well a second time.
    effect.definition = child.definitions.front();  // Or another one: it is known by its name.
    effect.undoes = true;
    return Effect(std::move(effect));
  }
  std::optional<Duration> deadline = child.deadline;
  if (child.computed_deadline) {
    const auto computed = RenderBound(draft, ref, *child.computed_deadline, kLongestTime, role);
    if (!computed.ok()) {
      return ExpressionError("'deadline': " + computed.status().message());
    }
    deadline = *computed;
  }
  const Scope scope(draft, ref, role, PurposeOf(role));
  effect.deadline = deadline;
  ENTENTE_ASSIGN_OR_RETURN(effect.definition, RenderDefinition(scope, child));
  effect.version = child.version;
  effect.holds = role == Role::kForward && HoldsChild(draft.plan_step(ref), draft.branch(ref));
  auto input = child.input.Render(scope.activation());
  if (!input.ok()) {
    return scope.Explain(input.status());
  }
  effect.input = std::move(input).value();
  return Effect(std::move(effect));
}

// "step 'x': <what>: <message>"
Status InStep(const dsl::Step& step, std::string_view what, const Status& status) {
  return {status.code(), status.reason(),
          "step '" + step.id + "', " + std::string(what) + ": " + status.message()};
}

Result<bool> EvaluateCondition(const Scope& scope, const dsl::Step& step, std::string_view what,
                               const dsl::cel::Expression& condition) {
  auto value = condition.Evaluate(scope.activation());
  if (!value.ok()) {
    return InStep(step, what, scope.Explain(value.status()));
  }
  if (value->kind() != dsl::cel::Kind::kBool) {
    return InStep(step, what,
                  ExpressionError("it is of type " +
                                  std::string(dsl::cel::KindName(value->kind())) + ", not bool"));
  }
  return value->bool_value();
}

Result<Failure> RenderFailure(const Scope& scope, const dsl::Step& step, const std::string& code,
                              const Template& message) {
  auto text = message.RenderText(
      scope.activation(), [](const Value&, std::string_view part) { return std::string(part); });
  if (!text.ok()) {
    return InStep(step, "the message of its refusal", scope.Explain(text.status()));
  }
  return Failure{code, ToUtf8(*text, limits::kMaxErrorTextBytes)};
}

}  // namespace

Failure FailureFrom(const Status& status) {
  return {status.reason(), ToUtf8(status.message(), limits::kMaxErrorTextBytes)};
}

const dsl::CallWay* WayOf(const dsl::Step& step, const BranchFacts& branch) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  return work == nullptr || branch.alternative > work->alternatives.size()
             ? nullptr
             : &work->way(branch.alternative);
}

bool HasUndo(const dsl::Step& step, const BranchFacts& branch) {
  const dsl::CallWay* way = WayOf(step, branch);
  return way != nullptr && way->undo.has_value();
}

bool HasFinish(const dsl::Step& step, const BranchFacts& branch) {
  const dsl::CallWay* way = WayOf(step, branch);
  return way != nullptr && way->finish.has_value();
}

const dsl::OperationTemplate* OperationOf(const Draft& draft, BranchRef ref, Role role) {
  const BranchFacts& branch = draft.branch(ref);
  const dsl::CallWay* way = WayOf(draft.plan_step(ref), branch);
  if (way == nullptr) {
    return nullptr;
  }
  switch (role) {
    case Role::kForward: return way->forward ? &*way->forward : nullptr;
    case Role::kUndo:
      if (!way->undo) {
        return nullptr;
      }
      return branch.undo_without_output && way->undo->other_call ? &*way->undo->other_call
                                                                 : &way->undo->call;
    case Role::kFinish: return way->finish ? &*way->finish : nullptr;
  }
  return nullptr;
}

const dsl::RefuseRule* RefuseRuleOf(const Draft& draft, BranchRef ref) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, Role::kForward);
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  return call != nullptr && call->refuse ? &*call->refuse : nullptr;
}

const dsl::RepeatRule* RepeatRuleOf(const Draft& draft, BranchRef ref) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, Role::kForward);
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  return call != nullptr && call->repeat ? &*call->repeat : nullptr;
}

const dsl::CompletionRule* CompletionRuleOf(const Draft& draft, BranchRef ref) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, Role::kForward);
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  return call != nullptr && call->completion ? &*call->completion : nullptr;
}

bool HoldsChild(const dsl::Step& step, const BranchFacts& branch) {
  const dsl::CallWay* way = WayOf(step, branch);
  return way != nullptr && way->HoldsChild();
}

bool IsChildOperation(const Draft& draft, BranchRef ref, Role role) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, role);
  return operation != nullptr && std::holds_alternative<dsl::ChildTemplate>(*operation);
}

Duration CallTimeout(const Draft& draft, BranchRef ref, Role role) {
  const auto timeout = EvaluateTimeout(draft, ref, role);
  return timeout.ok() ? *timeout : draft.plan_step(ref).timeout;
}

Result<std::optional<Duration>> EvaluateStepDeadline(const Draft& draft, BranchRef ref) {
  const dsl::Step& step = draft.plan_step(ref);
  if (!step.computed_deadline) {
    return step.deadline;
  }
  const auto deadline = RenderBound(draft, ref, *step.computed_deadline, kLongestTime);
  return deadline.ok() ? Result<std::optional<Duration>>(*deadline)
                       : InStep(step, "deadline", deadline.status());
}

Result<std::optional<Duration>> EvaluateDeadline(const Draft& draft) {
  const dsl::Plan& plan = draft.plan();
  if (!plan.computed_deadline) {
    return plan.deadline;
  }
  const auto deadline = RenderBound(draft, std::nullopt, *plan.computed_deadline, kLongestTime);
  return deadline.ok() ? Result<std::optional<Duration>>(*deadline)
                       : InvalidArgument("input.deadline_invalid",
                                         "the deadline of definition '" + plan.name +
                                             "': " + deadline.status().message());
}

const dsl::RetryPolicy& RetryOf(const Draft& draft, BranchRef ref) {
  const BranchFacts& branch = draft.branch(ref);
  if (branch.edit && branch.edit->retry) {
    return *branch.edit->retry;
  }
  const dsl::Step& step = draft.plan_step(ref);
  return RoleOf(branch.phase) == Role::kForward ? step.retry : step.settle_retry;
}

CommandId CommandOf(const Draft& draft, BranchRef ref, Role role) {
  const BranchFacts& branch = draft.branch(ref);
  return {draft.gid(), branch.id, role, branch.alternative};
}

Gid ChildOf(const Draft& draft, BranchRef ref, Role role) {
  const BranchFacts& branch = draft.branch(ref);
  if (role == Role::kUndo && HoldsChild(draft.plan_step(ref), branch)) {
    return ForwardChildOf(draft.gid(), draft.plan().mode, branch);
  }
  return ChildGidOf(CommandOf(draft, ref, role), draft.plan().mode, draft.branch(ref).refusals);
}

Gid ForwardChildOf(const Gid& parent, Mode mode, const BranchFacts& branch) {
  return ChildGidOf({parent, branch.id, Role::kForward, branch.alternative}, mode,
                    branch.forward_run);
}

Gid ChildGidOf(const CommandId& command, Mode mode, uint32_t refusals) {
  std::string name = command.branch.str();
  if (command.alternative > 0) {
    name += ":alt" + std::to_string(command.alternative);
  }
  if (command.role != Role::kForward) {
    name.append(1, ':').append(dsl::OperationName(mode, command.role));
  }
  if (refusals > 0) {
    name += ":run" + std::to_string(refusals + 1);
  }
  return ChildGid(command.gid, BranchId(std::move(name)));
}

Result<Effect> RenderCall(const Draft& draft, BranchRef ref) {
  return RenderOperation(draft, ref, RoleOf(draft.branch(ref).phase));
}

Result<Effect> RenderOperation(const Draft& draft, BranchRef ref, Role role) {
  const dsl::OperationTemplate* operation = OperationOf(draft, ref, role);
  if (operation == nullptr) {
    return ExpressionError("the definition has no such operation");
  }
  auto effect = std::holds_alternative<dsl::CallTemplate>(*operation)
                    ? RenderCallTemplate(draft, ref, role, std::get<dsl::CallTemplate>(*operation))
                    : RenderChild(draft, ref, role, std::get<dsl::ChildTemplate>(*operation));
  if (!effect.ok()) {
    return InStep(draft.plan_step(ref), dsl::OperationName(draft.plan().mode, role),
                  effect.status());
  }
  return effect;
}

PollBranch MakePoll(const Draft& draft, BranchRef ref) {
  const BranchFacts& branch = draft.branch(ref);
  const Role role = RoleOf(branch.phase);
  PollBranch poll;
  poll.command = CommandOf(draft, ref, role);
  poll.attempt = branch.attempt;
  poll.timeout = CallTimeout(draft, ref, role);
  if (const dsl::OperationTemplate* operation = OperationOf(draft, ref, role)) {
    if (const auto* call = std::get_if<dsl::CallTemplate>(operation)) {
      poll.participant = call->participant;
      poll.answers = &call->answers;
    }
  }
  poll.poll_url = branch.poll_url;
  return poll;
}

bool IsWayTaken(const Draft& draft, const dsl::WayOfChoice& way, size_t index) {
  const StepFacts& choice = draft.step(way.choice);
  if (choice.skipped || choice.size <= index) {
    return false;
  }
  // It may be an operator's word, who skipped a choice that could not be made.
  const Json output = draft.output({way.choice, index}).Read();
  return output.is_object() && output.value("taken", Json()) == way.way;
}

Result<bool> EvaluateWhen(const Draft& draft, BranchRef ref) {
  const dsl::Step& plan = draft.plan_step(ref);
  // A choice of its block is made for each element; that the block is done at all is known.
  if (plan.way->choice != *plan.block && !IsWayTaken(draft, *plan.way, ref.index)) {
    return false;
  }
  return plan.when ? EvaluateCondition(Scope(draft, ref), plan, "when", *plan.when)
                   : Result<bool>(true);
}

Result<bool> EvaluateWhen(const Draft& draft, size_t step) {
  const dsl::Step& plan = draft.plan().steps[step];
  if (plan.way && !IsWayTaken(draft, *plan.way)) {
    return false;
  }
  if (!plan.when) {
    return true;
  }
  Scope scope(draft);
  scope.SetStep(step);
  return EvaluateCondition(scope, plan, "when", *plan.when);
}

Result<JsonText> EvaluateChoice(const Draft& draft, BranchRef ref) {
  const dsl::Step& plan = draft.plan_step(ref);
  const auto& choice = std::get<dsl::Choice>(std::get<dsl::DecideWork>(plan.work));
  const Scope scope(draft, ref);
  Json taken;
  for (size_t way = 0; way < choice.ways.size() && taken.is_null(); ++way) {
    bool holds = true;
    if (const auto& when = choice.ways[way].when) {
      ENTENTE_ASSIGN_OR_RETURN(
          holds, EvaluateCondition(scope, plan, "choose/" + std::to_string(way), *when));
    }
    taken = holds ? Json(way) : Json();
  }
  return JsonText(Json{{"taken", std::move(taken)}});
}

Result<Failure> RenderRefusal(const Draft& draft, BranchRef ref) {
  const dsl::Step& plan = draft.plan_step(ref);
  const auto& refusal = std::get<dsl::Refusal>(std::get<dsl::DecideWork>(plan.work));
  return RenderFailure(Scope(draft, ref), plan, refusal.code, refusal.message);
}

Result<std::optional<Failure>> EvaluateRefuseWhen(const Draft& draft, BranchRef ref,
                                                  const JsonText& answer) {
  using Refused = std::optional<Failure>;
  const dsl::Step& plan = draft.plan_step(ref);
  const dsl::RefuseRule* rule = RefuseRuleOf(draft, ref);
  if (rule == nullptr) {
    return Refused();
  }
  Scope scope(draft, ref, Role::kForward, Purpose::kCall);
  scope.SetAnswer(answer);
  ENTENTE_ASSIGN_OR_RETURN(const bool refused,
                           EvaluateCondition(scope, plan, "refuseWhen", rule->when));
  if (!refused) {
    return Refused();
  }
  ENTENTE_ASSIGN_OR_RETURN(Failure failure, RenderFailure(scope, plan, rule->code, rule->message));
  return Refused(std::move(failure));
}

Result<std::optional<JsonText>> EvaluateCompletion(const Draft& draft, BranchRef ref,
                                                   const JsonText& body) {
  using Output = std::optional<JsonText>;
  const dsl::Step& plan = draft.plan_step(ref);
  const dsl::CompletionRule* rule = CompletionRuleOf(draft, ref);
  Scope scope(draft, ref, Role::kForward, Purpose::kCall);
  scope.SetBody(body);
  if (rule->when) {
    ENTENTE_ASSIGN_OR_RETURN(const bool ends,
                             EvaluateCondition(scope, plan, "completion/when", *rule->when));
    if (!ends) {
      return Output();
    }
  }
  if (!rule->output) {
    return Output(body);
  }
  const auto output = rule->output->Render(scope.activation());
  return output.ok() ? Result<Output>(Output(JsonText(*output)))
                     : InStep(plan, "completion/output", scope.Explain(output.status()));
}

Result<bool> EvaluateUntil(const Draft& draft, BranchRef ref, const JsonText& answer) {
  Scope scope(draft, ref, Role::kForward, Purpose::kCall);
  scope.SetAnswer(answer);
  return EvaluateCondition(scope, draft.plan_step(ref), "until", RepeatRuleOf(draft, ref)->until);
}

Result<std::vector<JsonText>> EvaluateItems(const Draft& draft, size_t step) {
  const dsl::Step& plan = draft.plan().steps[step];
  Scope scope(draft);
  scope.SetStep(plan.block.value_or(step));  // Whose list it is.
  auto items = plan.for_each->items.EvaluateToJson(scope.activation(), limits::kMaxPayloadBytes);
  if (!items.ok()) {
    return InStep(plan, "forEach", scope.Explain(items.status()));
  }
  if (!items->is_array()) {
    return InStep(plan, "forEach",
                  ExpressionError("it is a " + std::string(TypeName(*items)) + ", not a list"));
  }
  if (items->size() > limits::kMaxForEachBranches) {
    return InStep(
        plan, "forEach",
        ExpressionError("the list has " + std::to_string(items->size()) +
                        " elements; the limit is " + std::to_string(limits::kMaxForEachBranches)));
  }
  const auto& elements = items->get_ref<const Json::array_t&>();
  return std::vector<JsonText>(elements.begin(), elements.end());
}

Result<std::optional<Instant>> EvaluateWait(const Draft& draft, BranchRef ref) {
  using Until = std::optional<Instant>;
  const dsl::Step& plan = draft.plan_step(ref);
  const auto& work = std::get<dsl::WaitWork>(plan.work);
  if (const auto* signal = std::get_if<dsl::WaitSignal>(&work)) {
    if (!signal->computed_timeout) {
      return signal->timeout ? Until(draft.now() + *signal->timeout) : Until();
    }
    const auto timeout = RenderBound(draft, ref, *signal->computed_timeout, kLongestTime);
    return timeout.ok() ? Result<Until>(Until(draft.now() + *timeout))
                        : InStep(plan, "timeout", timeout.status());
  }
  const auto* duration = std::get_if<dsl::WaitFor>(&work);
  const Template& text =
      duration != nullptr ? duration->duration : std::get<dsl::WaitUntil>(work).instant;
  const Scope scope(draft, ref);
  auto rendered = text.Render(scope.activation());
  if (!rendered.ok()) {
    return InStep(plan, "wait", scope.Explain(rendered.status()));
  }
  if (!rendered->is_string()) {
    return InStep(
        plan, "wait",
        ExpressionError("it is a " + std::string(TypeName(*rendered)) + ", not a string"));
  }
  const auto& value = rendered->get_ref<const std::string&>();
  if (duration == nullptr) {
    auto instant = ParseInstant(value);
    return instant.ok() ? Result<Until>(Until(*instant))
                        : InStep(plan, "wait", ExpressionError(instant.status().message()));
  }
  auto span = ParseWait(value);
  return span.ok() ? Result<Until>(Until(draft.now() + *span))
                   : InStep(plan, "wait", ExpressionError(span.status().message()));
}

Result<std::optional<Instant>> EvaluateExpiry(const Draft& draft, BranchRef ref) {
  using Expiry = std::optional<Instant>;
  const dsl::Step& plan = draft.plan_step(ref);
  if (!plan.expires) {
    return Expiry();
  }
  const Scope scope(draft, ref);
  auto rendered = plan.expires->at.Render(scope.activation());
  if (!rendered.ok()) {
    return InStep(plan, "expires", scope.Explain(rendered.status()));
  }
  if (!rendered->is_string()) {
    return InStep(
        plan, "expires",
        ExpressionError("it is a " + std::string(TypeName(*rendered)) + ", not a string"));
  }
  const auto& text = rendered->get_ref<const std::string&>();
  if (const auto span = ParseDuration(text); span.ok()) {
    // Not from the answer on: an earlier call, whose answer was lost, may be the one that reserved.
    return Expiry(draft.branch(ref).forward_at.value_or(draft.now()) + *span);
  }
  if (const auto instant = ParseInstant(text); instant.ok()) {
    return Expiry(*instant);
  }
  return InStep(plan, "expires",
                ExpressionError("'" + text.substr(0, limits::kMaxNameBytes) +
                                "' is neither a duration, such as '15m', nor an RFC 3339 instant"));
}

Duration ExpiryMargin(const Draft& draft, BranchRef ref) {
  const dsl::Step& plan = draft.plan_step(ref);
  return plan.expires ? plan.expires->margin : 2 * CallTimeout(draft, ref, Role::kFinish);
}

Result<JsonText> RenderOutput(const Draft& draft) {
  if (!draft.plan().output) {
    return JsonText();
  }
  const Scope scope(draft, std::nullopt, Role::kForward, Purpose::kCall);
  const auto output = draft.plan().output->Render(scope.activation());
  return output.ok() ? Result<JsonText>(JsonText(*output)) : scope.Explain(output.status());
}

Result<std::string> RenderLabel(const Draft& draft, const Template& label) {
  const Scope scope(draft);
  const auto value = label.Render(scope.activation());
  if (!value.ok()) {
    return scope.Explain(value.status());
  }
  return value->is_string() ? value->get<std::string>() : DumpJson(*value);
}

}  // namespace entente::engine
