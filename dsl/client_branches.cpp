#include "dsl/client_branches.h"

#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/environment.h"
#include "dsl/expressions.h"
#include "dsl/participants.h"
#include "dsl/read/json_problem.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"
#include "dsl/retry.h"
#include "dsl/steps/expiry.h"
#include "dsl/steps/operations.h"

namespace entente::dsl {
namespace {

constexpr Duration kMinTimeout = std::chrono::milliseconds(1);

class BranchCompiler {
 public:
  BranchCompiler(Mode mode, const Json& json, ProblemList& problems)
      : mode_(mode),
        problems_(problems),
        environment_(options_, problems),
        expressions_(no_steps_, nullptr, environment_, problems),
        reader_(json, "", fields::BranchOf(mode), problems) {
    environment_.LimitRegexes(limits::kMaxBranchRegexInstructions);
    environment_.Close();
  }

  // Complete only if no problem was reported.
  std::optional<ClientBranch> Compile();

 private:
  std::string ReadId();
  CallWork ReadCalls(const Participants& participants);
  const Json* FindCall(Role role);
  [[nodiscard]] bool MayBeNull() const { return mode_ != Mode::kTwoPhaseCommit; }

  const Mode mode_;
  ProblemList& problems_;
  const CompileOptions options_;
  const StepTable no_steps_;
  Environment environment_;
  ExpressionCompiler expressions_;
  ObjectReader reader_;
};

std::string BranchCompiler::ReadId() {
  reader_.Require("id", "give the branch a name, such as \"flight\"");
  std::string id = reader_.String("id").value_or("");
  if (const auto bad = CheckName(id, "a branch's id"); bad && reader_.Has("id")) {
    problems_.AtValue(reader_.PointerTo("id"), "bad_name", bad->message, bad->suggestion);
  }
  return id;
}

const Json* BranchCompiler::FindCall(Role role) {
  const std::string_view name = OperationName(mode_, role);
  const Json* json = reader_.Require(
      name, MayBeNull() ? "name the call, or write null if there is nothing to do" : "");
  if (json == nullptr || !json->is_null()) {
    return json;
  }
  if (!MayBeNull()) {
    problems_.AtValue(reader_.PointerTo(name), "wrong_type",
                      Quote(name) + " can not be null: what is prepared has to be ended");
  }
  return nullptr;
}

CallWork BranchCompiler::ReadCalls(const Participants& participants) {
  OperationCompiler operations(participants.known, options_, expressions_, problems_);
  OperationSite site{.pointer = "",
                     .scope = Scope{.place = "a branch's call", .input = false, .steps = false},
                     .participant = 0,
                     .participant_known = true,
                     .may_be_transaction = false,
                     .of_branch = true};
  site.scope.key = true;
  const auto compile = [&](Role role) -> std::optional<OperationTemplate> {
    const Json* json = FindCall(role);
    if (json == nullptr) {
      return std::nullopt;
    }
    site.pointer = reader_.PointerTo(OperationName(mode_, role));
    return operations.Compile(*json, site);
  };
  CallWork work;
  if (mode_ == Mode::kTwoPhaseCommit) {
    work.forward = compile(Role::kForward);
  }
  if (mode_ != Mode::kSaga) {
    work.finish = compile(Role::kFinish);
  }
  if (auto undo = compile(Role::kUndo)) {
    work.undo = UndoTemplate{*std::move(undo), UndoTemplate::WhenUnknown::kSameCall, std::nullopt};
  }
  return work;
}

std::optional<ClientBranch> BranchCompiler::Compile() {
  const std::array elsewhere = {&fields::kTccBranch, &fields::kTwoPhaseCommitBranch,
                                &fields::kSagaBranch, &fields::StepOf(mode_)};
  reader_.RefuseUnknownFields(elsewhere);
  static_cast<void>(reader_.String("description"));
  std::string id = ReadId();
  Participants participants{{{"", KnownParticipant::Kind::kUnknown}}, {}};
  if (const Json* json =
          reader_.Require("participant", "write its address: {\"http\": \"http://host:port\"}")) {
    participants =
        CompileParticipant(*json, reader_.PointerTo("participant"), environment_, problems_);
  }
  CallWork work = ReadCalls(participants);
  Duration timeout = limits::kDefaultCallTimeout;
  if (!participants.compiled.empty()) {
    timeout = participants.compiled.front().timeout.value_or(timeout);
  }
  timeout = reader_.DurationIn("timeout", kMinTimeout, limits::kMaxCallTimeout).value_or(timeout);
  const std::string_view settle = mode_ == Mode::kSaga ? "compensateRetry" : "settleRetry";
  Step step{.id = std::move(id),
            .after = {},
            .before = {},
            .when = {},
            .for_each = {},
            .work = std::move(work),
            .retry = ReadRetry(reader_, "retry", problems_).ApplyTo(RetryPolicy()),
            .settle_retry = ReadRetry(reader_, settle, problems_).ApplyTo(DefaultSettleRetry()),
            .timeout = timeout,
            .deadline = reader_.DurationIn("deadline", kMinTimeout, kMaxDuration),
            .expires = ReadExpiry(
                reader_, Scope{.place = "'expires'", .input = false, .steps = false, .key = true},
                timeout, expressions_, problems_),
            .one_phase = reader_.Bool("onePhase").value_or(false)};
  if (!problems_.empty()) {
    return std::nullopt;
  }
  return ClientBranch{std::move(participants.compiled.front()), std::move(step),
                      DumpJson(reader_.json())};
}

// The indices in a branch's own little plan become those of `participant` in a larger one.
void MoveParticipant(std::optional<OperationTemplate>& operation, size_t participant) {
  if (operation) {
    std::get<CallTemplate>(*operation).participant = participant;
  }
}

}  // namespace

ClientBranchResult CompileClientBranch(Mode mode, std::string_view source) {
  const Result<Json> json = ParseExactJson(source, limits::kDefinitionJson);
  if (!json.ok()) {
    return Problems{JsonProblem(json.status())};
  }
  const SourceMap map(source);
  ProblemList problems(map);
  if (!ObjectReader::IsObject(*json, "", "a branch", problems)) {
    return std::move(problems).Take();
  }
  auto branch = BranchCompiler(mode, *json, problems).Compile();
  if (!branch) {
    return std::move(problems).Take();
  }
  return *std::move(branch);
}

Status BranchProblemsToStatus(const Problems& problems) {
  return InvalidArgument("branch.invalid", SummaryOf(problems, "the branch's description"));
}

std::shared_ptr<const Plan> BeginClientDriven(Mode mode) {
  Plan plan;
  plan.mode = mode;
  plan.client_driven = true;
  plan.deadline = limits::kDefaultClientDrivenLimit;
  return std::make_shared<const Plan>(std::move(plan));
}

Result<std::shared_ptr<const Plan>> WithBranch(const Plan& plan, ClientBranch branch) {
  if (plan.steps.size() >= limits::kMaxSteps) {
    return ResourceExhausted("transaction.too_many_branches",
                             "a transaction may have at most " + std::to_string(limits::kMaxSteps) +
                                 " branches: make one branch do more");
  }
  auto grown = std::make_shared<Plan>(plan);
  const size_t index = plan.steps.size();
  const size_t participant = grown->participants.size();
  grown->participants.push_back(std::move(branch.participant));
  auto& work = std::get<CallWork>(branch.step.work);
  MoveParticipant(work.forward, participant);
  MoveParticipant(work.finish, participant);
  if (work.undo) {
    std::get<CallTemplate>(work.undo->call).participant = participant;
  }
  if (plan.mode == Mode::kSaga && index > 0) {
    branch.step.after = {index - 1};
    grown->steps.back().before = {index};
  }
  grown->steps.push_back(std::move(branch.step));
  return std::shared_ptr<const Plan>(std::move(grown));
}

Result<std::shared_ptr<const Plan>> ClientDrivenPlan(Mode mode,
                                                     const std::vector<std::string>& sources) {
  std::shared_ptr<const Plan> plan = BeginClientDriven(mode);
  for (const std::string& source : sources) {
    auto compiled = CompileClientBranch(mode, source);
    if (const auto* problems = std::get_if<Problems>(&compiled)) {
      return DataLoss("journal.bad_branch",
                      "the stored description of a branch does not compile: " +
                          FormatProblem(problems->front()));
    }
    ENTENTE_ASSIGN_OR_RETURN(plan, WithBranch(*plan, std::get<ClientBranch>(std::move(compiled))));
  }
  return plan;
}

}  // namespace entente::dsl
