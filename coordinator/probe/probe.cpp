#include "coordinator/probe/probe.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "base/utf8.h"
#include "coordinator/probe/specimen.h"
#include "explore/requests.h"
#include "explore/values.h"

namespace entente::probe {
namespace {

using engine::CallBranch;
using engine::Reply;
using engine::ReplyDone;
using engine::ReplyNotSent;
using engine::ReplyRefused;
using engine::Role;

// How often a call is repeated that may still be at work.
constexpr uint32_t kMaxRepeats = 12;
// When connections are broken off: while the request travels, while it is worked on, and later.
constexpr std::array<Duration, 4> kBreaks = {
    std::chrono::milliseconds(1), std::chrono::milliseconds(5), std::chrono::milliseconds(25),
    std::chrono::milliseconds(120)};
constexpr size_t kMaxShown = 200;

bool IsDone(const Reply& reply) {
  return std::holds_alternative<ReplyDone>(reply);
}
bool IsRefused(const Reply& reply) {
  return std::holds_alternative<ReplyRefused>(reply);
}
Json Output(const Reply& reply) {
  return std::get<ReplyDone>(reply).output.Read();
}

std::string Shown(const std::string& text) {
  return text.size() > kMaxShown ? ToUtf8(text, kMaxShown) + "..." : text;
}

std::string Told(const Reply& reply) {
  struct Teller {
    std::string operator()(const ReplyDone& done) const {
      return "done " + Shown(done.output.text());
    }
    std::string operator()(const ReplyRefused& refused) const {
      return "refused " + Why(refused.failure);
    }
    std::string operator()(const engine::ReplyUnknown& unknown) const {
      return "unknown " + Why(unknown.failure);
    }
    std::string operator()(const ReplyNotSent& not_sent) const {
      return "not sent " + Why(not_sent.failure);
    }
    static std::string Why(const engine::Failure& failure) {
      return failure.code + (failure.message.empty() ? "" : ": " + Shown(failure.message));
    }
    std::string operator()(const engine::ReplyPending&) const { return "pending for too long"; }
    std::string operator()(const engine::ReplyHeuristic& heuristic) const {
      return "decided by itself: " + std::string(engine::HeuristicOutcomeName(heuristic.outcome));
    }
  };
  return std::visit(Teller{}, reply);
}

// Tries one step.
class StepProbe {
 public:
  StepProbe(const dsl::Plan& plan, const SpecimenData& data, size_t step, const std::string& run,
            Line& line, ProbeReport& report)
      : plan_(plan), data_(data), step_(step), run_(run), line_(line), report_(report) {}

  Status Run() {
    ENTENTE_ASSIGN_OR_RETURN(const bool possible, Repeat());
    if (!possible) {
      return {};
    }
    UndoFirst();
    UndoTwice();
    OthersUndo();
    Together();
    BreakOff();
    Finish();
    return observing_;
  }

 private:
  [[nodiscard]] const std::string& id() const { return plan_.steps[step_].id; }
  [[nodiscard]] std::string Named(Role role) const {
    return std::string(dsl::OperationName(plan_.mode, role));
  }

  Specimen New() {
    return {plan_, data_, step_, Gid(run_ + "-" + id() + "-" + std::to_string(++runs_)),
            [this](const CallBranch& call) { return line_.Send(call); }};
  }

  void Break(Broken broken, std::string what) {
    report_.faults.push_back({id(), broken, std::move(what)});
  }
  void Pass(const std::string& what) { report_.passed.push_back(id() + ": " + what); }
  void Skip(const std::string& what) { report_.skipped.push_back(id() + ": " + what); }

  // What the service holds; empty if nobody said where to ask.
  std::string Look() {
    Result<std::optional<std::string>> seen = line_.Observe();
    if (!seen.ok()) {
      observing_ = seen.status();
      return "";
    }
    return seen->value_or("");
  }

  // Sends until it is no longer unknown.
  Reply SendUntilSettled(const CallBranch& call, uint32_t attempt) {
    Reply reply = line_.Send(Specimen::Again(call, attempt));
    for (uint32_t i = 1; i < kMaxRepeats && !IsDone(reply) && !IsRefused(reply); ++i) {
      reply = line_.Send(Specimen::Again(call, attempt + i));
    }
    return reply;
  }

  void Undo(Specimen& specimen, const std::optional<Json>& output) {
    if (const auto undo = specimen.Settling(Role::kUndo, output)) {
      SendUntilSettled(*undo, 1);
    }
    specimen.Close();
  }

  // False: the step can not be tried.
  Result<bool> Repeat() {
    Specimen specimen = New();
    const Result<CallBranch> call = specimen.Forward();
    if (!call.ok()) {
      Skip(call.status().message());
      return false;
    }
    if (!explore::ReadRequest(engine::Effect(*call))->acts) {
      Skip("it only reads, so there is nothing to try");
      return false;
    }
    const Reply first = line_.Send(*call);
    if (const auto* not_sent = std::get_if<ReplyNotSent>(&first)) {
      return Unavailable("probe.unreachable", "'" + id() +
                                                  "' can not be called: " + not_sent->failure.code +
                                                  ": " + not_sent->failure.message);
    }
    if (!IsDone(first)) {
      Skip("its " + Named(Role::kForward) + " was answered '" + Told(first) +
           "': say with --input and --answers what it takes");
      Undo(specimen, std::nullopt);
      return false;
    }
    const std::string before = Look();
    const Reply again = line_.Send(Specimen::Again(*call, 2));
    const Reply copy = line_.Send(*call);
    const std::string after = Look();
    if (Compare(first, again, "sent again")) {
      Compare(first, copy, "sent a third time, as a copy");
    }
    if (before != after) {
      Break(Broken::kRepeatActs, "the " + Named(Role::kForward) +
                                     " was sent twice under one key, and "
                                     "what the service holds changed with the second");
    }
    Undo(specimen, Output(first));
    return true;
  }

  bool Compare(const Reply& first, const Reply& again, const std::string& how) {
    const std::string what = "the " + Named(Role::kForward) + " was answered '" + Told(first) +
                             "', and " + how + " under the same key '" + Told(again) + "'";
    if (IsRefused(again)) {
      Break(Broken::kRepeatRefused, what);
    } else if (!IsDone(again)) {
      Break(Broken::kRepeatUnknown, what);
    } else if (Output(first) != Output(again)) {
      Break(Broken::kRepeatDiffers, what);
    } else {
      Pass("the " + Named(Role::kForward) + " " + how);
      return true;
    }
    return false;
  }

  void UndoFirst() {
    Specimen specimen = New();
    const Result<CallBranch> call = specimen.Forward();
    const auto undo = call.ok() ? specimen.Settling(Role::kUndo, std::nullopt) : std::nullopt;
    if (!undo) {
      Skip("it has no undo that can be sent before its call");
      specimen.Close();
      return;
    }
    const std::string before = Look();
    const Reply undone = line_.Send(*undo);
    if (!IsDone(undone)) {
      Break(Broken::kUndoUnseen, "the " + Named(Role::kUndo) +
                                     " of a key that was never seen was answered '" + Told(undone) +
                                     "'");
    } else {
      Pass("the " + Named(Role::kUndo) + " before its " + Named(Role::kForward));
    }
    Late(*call, *undo, before);
    specimen.Close();
  }

  // The forward call comes after its undo.
  void Late(const CallBranch& call, const CallBranch& undo, const std::string& before) {
    const Reply late = line_.Send(call);
    const std::string after = Look();
    const bool seen_to_act = before != after;
    const bool said_to_act = IsDone(late) && before.empty();
    if (seen_to_act || said_to_act) {
      Break(Broken::kLateActs, "the " + Named(Role::kForward) + " came after its " +
                                   Named(Role::kUndo) + " and was answered '" + Told(late) + "'" +
                                   (seen_to_act ? ", and it changed what the service holds" : ""));
      static_cast<void>(line_.Send(Specimen::Again(undo, 2)));
    } else {
      Pass("the " + Named(Role::kForward) + " after its " + Named(Role::kUndo));
    }
  }

  void UndoTwice() {
    Specimen specimen = New();
    const std::string before = Look();
    const Result<CallBranch> call = specimen.Forward();
    const Reply done = call.ok() ? line_.Send(*call) : Reply(ReplyRefused{});
    const auto undo = IsDone(done) ? specimen.Settling(Role::kUndo, Output(done)) : std::nullopt;
    if (!undo) {
      specimen.Close();
      return;
    }
    const Reply first = line_.Send(*undo);
    const Reply second = line_.Send(Specimen::Again(*undo, 2));
    if (!IsDone(first) || !IsDone(second)) {
      Break(Broken::kUndoAgain, "the " + Named(Role::kUndo) + " was answered '" + Told(first) +
                                    "', and when it came again '" + Told(second) + "'");
    } else {
      Pass("the " + Named(Role::kUndo) + " twice");
    }
    const std::string after_undo = Look();
    Late(*call, *undo, after_undo);
    specimen.Close();
    if (IsDone(first) && before != Look()) {
      Break(Broken::kUndoDoesNothing, "after the " + Named(Role::kForward) + " and its " +
                                          Named(Role::kUndo) +
                                          " the service holds something else than before");
    }
  }

  void OthersUndo() {
    Specimen mine = New();
    Specimen other = New();
    const Result<CallBranch> call = mine.Forward();
    const Result<CallBranch> others_call = other.Forward();
    if (!call.ok() || !others_call.ok()) {
      return;
    }
    const Reply first = line_.Send(*call);
    const Reply others = line_.Send(*others_call);
    if (IsDone(first) && IsDone(others)) {
      if (const auto undo = other.Settling(Role::kUndo, Output(others))) {
        static_cast<void>(line_.Send(*undo));
        const Reply again = line_.Send(Specimen::Again(*call, 2));
        // That a repeat is not kept at all was seen before.
        if (!repeats_are_broken() && (!IsDone(again) || Output(again) != Output(first))) {
          Break(Broken::kUndoOfOthers, "after the " + Named(Role::kUndo) + " of another key the " +
                                           Named(Role::kForward) + " that was answered '" +
                                           Told(first) + "' is answered '" + Told(again) + "'");
        } else {
          Pass("the " + Named(Role::kUndo) + " of another key");
        }
      }
      Undo(mine, Output(first));
    }
    other.Close();
  }

  [[nodiscard]] bool repeats_are_broken() const {
    return std::any_of(report_.faults.begin(), report_.faults.end(), [this](const Fault& fault) {
      return fault.step == id() &&
             (fault.broken == Broken::kRepeatRefused || fault.broken == Broken::kRepeatUnknown ||
              fault.broken == Broken::kRepeatDiffers);
    });
  }

  void Together() {
    Specimen specimen = New();
    const Result<CallBranch> call = specimen.Forward();
    if (!call.ok()) {
      return Skip("two at once: " + call.status().message());
    }
    const std::vector<Reply> replies = line_.SendTwo(*call);
    const std::string what = "two copies of the " + Named(Role::kForward) +
                             " at once were answered '" + Told(replies[0]) + "' and '" +
                             Told(replies[1]) + "'";
    std::optional<Json> output;
    if (IsRefused(replies[0]) || IsRefused(replies[1])) {
      Break(Broken::kTogetherRefused, what);
    } else {
      const Reply settled = SendUntilSettled(*call, 3);
      if (!IsDone(settled)) {
        Break(Broken::kTogetherUnsettled, what + ", and later '" + Told(settled) + "'");
      } else if (!AllSame(replies, settled)) {
        Break(Broken::kTogetherActs, what + ", and later '" + Told(settled) + "'");
      } else {
        Pass("two at once");
      }
      output = IsDone(settled) ? std::optional(Output(settled)) : std::nullopt;
    }
    Undo(specimen, output);
  }

  [[nodiscard]] static bool AllSame(const std::vector<Reply>& replies, const Reply& settled) {
    return std::all_of(replies.begin(), replies.end(), [&](const Reply& reply) {
      return !IsDone(reply) || Output(reply) == Output(settled);
    });
  }

  void BreakOff() {
    for (const Duration after : kBreaks) {
      Specimen specimen = New();
      const Result<CallBranch> call = specimen.Forward();
      if (!call.ok()) {
        return Skip("broken off in the middle: " + call.status().message());
      }
      line_.SendAndBreakOff(*call, after);
      const Reply settled = SendUntilSettled(*call, 2);
      const std::string what = "the connection of the " + Named(Role::kForward) +
                               " was broken off after " + FormatDuration(after) +
                               ", and the repeat was answered '" + Told(settled) + "'";
      Undo(specimen, IsDone(settled) ? std::optional(Output(settled)) : std::nullopt);
      if (IsRefused(settled)) {
        return Break(Broken::kCutRefused, what);
      }
      if (!IsDone(settled)) {
        return Break(Broken::kCutUnsettled, what);
      }
    }
    Pass("broken off in the middle");
  }

  void Finish() {
    if (plan_.mode == dsl::Mode::kSaga) {
      return;
    }
    Specimen specimen = New();
    const Result<CallBranch> call = specimen.Forward();
    const Reply done = call.ok() ? line_.Send(*call) : Reply(ReplyRefused{});
    const auto finish =
        IsDone(done) ? specimen.Settling(Role::kFinish, Output(done)) : std::nullopt;
    if (!finish) {
      specimen.Close();
      return;
    }
    const Reply first = line_.Send(*finish);
    if (!IsDone(first)) {
      Break(Broken::kFinishFails, "the " + Named(Role::kFinish) +
                                      " of what had succeeded was answered '" + Told(first) + "'");
      specimen.Close();
      return;
    }
    const Reply second = line_.Send(Specimen::Again(*finish, 2));
    if (!IsDone(second)) {
      Break(Broken::kFinishAgain, "the " + Named(Role::kFinish) +
                                      " was answered 'done', and when it came again '" +
                                      Told(second) + "'");
    } else {
      Pass("the " + Named(Role::kFinish) + " twice");
    }
    specimen.Close();
  }

  const dsl::Plan& plan_;
  const SpecimenData& data_;
  size_t step_;
  const std::string& run_;
  Line& line_;
  ProbeReport& report_;
  Status observing_;
  size_t runs_ = 0;
};

// Whether the step's own call goes to the participant.
bool Calls(const dsl::Step& step, const dsl::Plan& plan, const std::string& participant) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  const auto* call =
      work != nullptr && work->forward ? std::get_if<dsl::CallTemplate>(&*work->forward) : nullptr;
  return call != nullptr && plan.participants[call->participant].name == participant;
}

}  // namespace

Result<ProbeReport> Probe(const dsl::Plan& given, const Json& definition,
                          const ProbeOptions& options, Line& line) {
  const bool known =
      std::any_of(given.participants.begin(), given.participants.end(),
                  [&](const dsl::Participant& one) { return one.name == options.participant; });
  if (!known) {
    return InvalidArgument("probe.no_participant",
                           "the definition has no participant '" + options.participant + "'");
  }
  explore::GivenValues values_given;
  if (options.input != nullptr) {
    values_given.input = *options.input;
  }
  if (options.answers != nullptr) {
    values_given.outputs = explore::OutputsOf(given, *options.answers);
  }
  ENTENTE_ASSIGN_OR_RETURN(explore::Values values,
                           explore::MakeValues(given, definition, values_given));
  const SpecimenData data{std::move(values.inputs), std::move(values.outputs)};
  // A call that is not answered is given up at once: what follows is wanted, not the retries.
  dsl::Plan plan = given;
  for (dsl::Step& step : plan.steps) {
    step.retry.attempts = 1;
  }
  ProbeReport report;
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    if (Calls(plan.steps[step], plan, options.participant)) {
      ENTENTE_RETURN_IF_ERROR(StepProbe(plan, data, step, options.run, line, report).Run());
    }
  }
  if (report.faults.empty() && report.passed.empty()) {
    std::string why;
    for (const std::string& one : report.skipped) {
      why += (why.empty() ? "" : "; ") + one;
    }
    return FailedPrecondition("probe.not_possible",
                              "no step of '" + options.participant + "' could be tried" +
                                  (why.empty() ? ": the definition does not call it" : ": " + why));
  }
  return report;
}

}  // namespace entente::probe
