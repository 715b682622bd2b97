#include "tests/engine/scenario.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "base/limits.h"
#include "dsl/client_branches.h"
#include "engine/core/text.h"
#include "engine/family/family.h"
#include "engine/state_lookup.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

// One input line taken apart: words, and options written as name=value.
class Line {
 public:
  explicit Line(const std::string& text) : stream_(text) {}

  // The next word; empty at the end.
  std::string Word() {
    std::string word;
    stream_ >> word;
    return word;
  }
  // The value of `name=` if it comes next.
  std::optional<std::string> Option(const std::string& name) {
    const auto before = stream_.tellg();
    std::string word = Word();
    if (word.rfind(name + "=", 0) == 0) {
      return word.substr(name.size() + 1);
    }
    stream_.clear();
    stream_.seekg(before);
    return std::nullopt;
  }
  std::string Rest() {
    std::string rest;
    std::getline(stream_ >> std::ws, rest);
    return rest;
  }
  Json RestAsJson() {
    const std::string rest = Rest();
    return rest.empty() ? Json() : ParseJson(rest, limits::kPayloadJson).value();
  }

 private:
  std::istringstream stream_;
};

Duration DurationOf(const std::string& text) {
  return ParseDuration(text).value();
}

class Script {
 public:
  explicit Script(PlanPtr plan) : world_(std::move(plan)) {}

  // What the input line leads to, each line of it indented.
  std::string Run(const std::string& input) {
    output_.clear();
    Line line(input);
    const std::string command = line.Word();
    if (command == "advance") {
      Advance(world_.now() + DurationOf(line.Word()));
    } else if (command == "crash") {
      Print(world_.Crash());
    } else if (command == "enlist") {
      Print(world_.EnlistBranch(line.Rest()));
    } else if (command == "meet") {
      MeetChild(line);
    } else if (command == "clock") {
      world_.set_now(world_.now() + DurationOf(line.Word()));
    } else {
      Print(world_.Feed(Parse(command, line)));
    }
    PrintState();
    return output_;
  }

 private:
  Event Parse(const std::string& command, Line& line) {
    const Actor actor{"ann", ""};
    if (command == "submit") {
      Submitted submitted;
      submitted.gid = Gid("t1");
      if (const auto deadline = line.Option("deadline")) {
        submitted.deadline = DurationOf(*deadline);
      }
      if (const auto parent = line.Option("held-by")) {
        submitted.parent = ParentLink{Gid(*parent), BranchId("kid"), /*holds=*/true};
      }
      submitted.input = line.RestAsJson();
      return submitted;
    }
    if (command == "commit") {
      return CommitRequested{};
    }
    if (command == "reply") {
      return ParseReply(line);
    }
    if (command == "complete") {
      return ParseCompletion(line);
    }
    if (command == "timer") {
      const std::string branch = line.Word();
      return TimerFired{branch == "deadline" ? std::optional<BranchId>() : BranchId(branch)};
    }
    if (command == "cancel") {
      return AbortRequested{{"ann", line.Rest()}};
    }
    if (command == "stop") {
      return StopChild();
    }
    if (command == "let-go") {
      return LetGo{};
    }
    if (command == "signal") {
      SignalSent sent;
      sent.name = line.Word();
      sent.id = line.Option("id").value_or("");
      sent.payload = line.RestAsJson();
      sent.digest = sent.id.empty() ? "" : sent.name + sent.payload.text();
      return sent;
    }
    if (command == "pause") {
      return PauseRequested{actor};
    }
    if (command == "resume") {
      return ResumeRequested{actor};
    }
    if (command == "retry") {
      const std::string branch = line.Word();
      return RetryRequested{branch.empty() ? std::optional<BranchId>() : BranchId(branch), actor};
    }
    if (command == "edit") {
      return ParseEdit(line, actor);
    }
    if (command == "skip") {
      const std::string branch = line.Word();
      return SkipRequested{BranchId(branch), line.RestAsJson(), actor};
    }
    if (command == "resolve") {
      return ResolveRequested{
          line.Word() == "committed" ? TxnStatus::kCommitted : TxnStatus::kAborted, actor};
    }
    throw std::runtime_error("unknown input '" + command + "'");
  }

  // edit <branch> [attempts=<n>] [<body>]
  static RetryRequested ParseEdit(Line& line, const Actor& actor) {
    RetryRequested request{BranchId(line.Word()), actor, Edit{}};
    if (const auto attempts = line.Option("attempts")) {
      request.edit->retry.emplace().attempts = static_cast<uint32_t>(std::stoul(*attempts));
    }
    if (const JsonText body = line.RestAsJson(); !body.is_null()) {
      request.edit->body = body;
    }
    return request;
  }

  [[nodiscard]] BranchFacts Facts(const std::string& name) const {
    const BranchState* branch = FindBranch(world_.state(), BranchId(name));
    return branch != nullptr ? BranchFacts(*branch) : BranchFacts{};
  }

  [[nodiscard]] Role RoleNamed(const std::string& name) const {
    for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
      const bool exists = role != Role::kFinish || world_.plan().mode != dsl::Mode::kSaga;
      if (exists && dsl::OperationName(world_.plan().mode, role) == name) {
        return role;
      }
    }
    throw std::runtime_error("unknown operation '" + name + "'");
  }

  Event ParseReply(Line& line) {
    const std::string name = line.Word();
    const BranchFacts facts = Facts(name);
    BranchReplied replied{BranchId(name), RoleOf(facts.phase), facts.alternative, facts.attempt,
                          ReplyDone{}};
    if (const auto operation = line.Option("op")) {
      replied.role = RoleNamed(*operation);
    }
    if (const auto alternative = line.Option("alt")) {
      replied.alternative = static_cast<uint32_t>(std::stoul(*alternative));
    }
    if (const auto attempt = line.Option("attempt")) {
      replied.attempt = static_cast<uint32_t>(std::stoul(*attempt));
    }
    replied.reply = ParseOutcome(line);
    return replied;
  }

  static HeuristicOutcome HeuristicNamed(const std::string& name) {
    for (const HeuristicOutcome outcome :
         {HeuristicOutcome::kCommitted, HeuristicOutcome::kRolledBack, HeuristicOutcome::kMixed}) {
      if (HeuristicOutcomeName(outcome) == name) {
        return outcome;
      }
    }
    throw std::runtime_error("unknown heuristic outcome '" + name + "'");
  }

  static Reply ParseOutcome(Line& line) {
    const std::string outcome = line.Word();
    if (outcome == "done" || outcome == "read-only") {
      ReplyDone done;
      done.read_only = outcome == "read-only";
      if (const auto expires = line.Option("expires")) {
        done.expires = kOrigin + DurationOf(*expires);
      }
      if (const auto answer = line.Option("answer")) {  // Without a space in it.
        done.answer = ParseJson(*answer, limits::kPayloadJson).value();
      }
      done.output = line.RestAsJson();
      return done;
    }
    if (outcome == "heuristic") {
      return ReplyHeuristic{HeuristicNamed(line.Word()), {"participant.heuristic", ""}};
    }
    if (outcome == "pending") {
      ReplyPending pending;
      pending.poll_url = line.Option("poll").value_or("");
      if (const auto after = line.Option("after")) {
        pending.poll_after = DurationOf(*after);
      }
      return pending;
    }
    std::optional<Duration> after;
    if (const auto wish = line.Option("after")) {
      after = DurationOf(*wish);
    }
    Failure failure{line.Word(), ""};
    failure.message = line.Rest();
    if (outcome == "refused" || outcome == "again") {
      return ReplyRefused{std::move(failure), outcome == "again", after};
    }
    if (outcome == "unknown") {
      return ReplyUnknown{std::move(failure), after};
    }
    if (outcome == "not-sent") {
      const bool stopping = failure.code == "coordinator.stopping";
      const bool blocked = stopping || failure.code == "participant.blocked" ||
                           failure.code == "participant.unverified";
      return ReplyNotSent{std::move(failure), after, blocked, stopping};
    }
    throw std::runtime_error("unknown outcome '" + outcome + "'");
  }

  Event ParseCompletion(Line& line) {
    const std::string name = line.Word();
    const BranchFacts facts = Facts(name);
    CompletionReceived received{BranchId(name), RoleOf(facts.phase), facts.alternative, ReplyDone{},
                                facts.refusals + facts.rounds};
    if (const auto run = line.Option("run")) {
      received.run = static_cast<uint32_t>(std::stoul(*run));
    }
    if (const auto operation = line.Option("op")) {
      received.role = RoleNamed(*operation);
    }
    if (const auto alternative = line.Option("alt")) {
      received.alternative = static_cast<uint32_t>(std::stoul(*alternative));
    }
    if (const auto by = line.Option("by")) {
      received.actor = Actor{*by, "as agreed"};
    }
    if (line.Word() == "refused") {
      Failure failure{line.Word(), ""};
      failure.message = line.Rest();
      received.outcome = ReplyRefused{std::move(failure)};
    } else {
      received.outcome = ReplyDone{line.RestAsJson()};
    }
    return received;
  }

  // "meet BRANCH CHILD-STANDING [parent=away|ended|must-have] [obstacle=NAME]": what the host has
  // found out about the child that the branch's latest call asks for; an ended one is followed by
  // its status, and its output or why it was aborted, one that is held by its output.
  void MeetChild(Line& line) {
    const BranchId branch(line.Word());
    const StartChild call = LatestChildOf(branch);
    const ChildStanding child = Named(line.Word(), ChildStandingName, kChildStandings, "child");
    ParentStanding parent = StandingOf(world_.state(), call, false);
    if (const auto stated = line.Option("parent")) {
      parent = *stated == "must-have" ? StandingOf(world_.state(), call, true)
                                      : StandingOfAbsent(*stated == "away", call);
    }
    const FamilyAction action = Meet(child, parent);
    output_ += "  ~ " + std::string(ChildStandingName(child)) + ", parent " +
               std::string(ParentStandingName(parent)) + ": " +
               std::string(FamilyActionName(action)) + '\n';
    std::optional<Reply> reply;
    if (action == FamilyAction::kRefuse) {
      reply = Unwanted();
    } else if (action == FamilyAction::kAnswer && child == ChildStanding::kHeld) {
      reply = AnswerOf(HeldChild(call.child, line), call);
    } else if (action == FamilyAction::kAnswer) {
      reply = AnswerOf(EndedChild(call.child, line), call);
    } else if (action == FamilyAction::kMiss) {
      reply = Missed(world_.state(), call);
    } else if (const auto obstacle = line.Option("obstacle")) {
      reply = WhyNotBegun(ObstacleNamed(*obstacle), {"child." + *obstacle, ""});
    }
    if (reply) {
      Print(world_.Feed(BranchReplied{branch, call.command.role, call.command.alternative,
                                      call.attempt, std::move(*reply)}));
    }
  }

  [[nodiscard]] StartChild LatestChildOf(const BranchId& branch) const {
    const auto& effects = world_.effects();
    const auto found = std::find_if(effects.rbegin(), effects.rend(), [&](const Effect& effect) {
      const auto* start = std::get_if<StartChild>(&effect);
      return start != nullptr && start->command.branch == branch;
    });
    if (found == effects.rend()) {
      throw std::runtime_error("branch '" + branch.str() + "' has not asked for a child");
    }
    return std::get<StartChild>(*found);
  }

  static TxnState HeldChild(const Gid& gid, Line& line) {
    TxnState child;
    child.gid = gid;
    child.held = true;
    child.output = line.RestAsJson();
    return child;
  }

  static TxnState EndedChild(const Gid& gid, Line& line) {
    TxnState child;
    child.gid = gid;
    const std::string status = line.Word();
    if (status == "committed") {
      child.status = TxnStatus::kCommitted;
      child.output = line.RestAsJson();
    } else if (status == "aborted") {
      child.status = TxnStatus::kAborted;
      child.abort.emplace();
      child.abort->failure.code = line.Word();
      child.abort->failure.message = line.Rest();
    } else {
      child.status = TxnStatus::kMixed;
    }
    return child;
  }

  template <class Standing>
  static Standing Named(const std::string& name, std::string_view (*name_of)(Standing),
                        size_t count, const std::string& what) {
    for (size_t i = 0; i < count; ++i) {
      if (name_of(static_cast<Standing>(i)) == name) {
        return static_cast<Standing>(i);
      }
    }
    throw std::runtime_error("unknown standing of the " + what + " '" + name + "'");
  }

  static Obstacle ObstacleNamed(const std::string& name) {
    static const std::map<std::string, Obstacle> kObstacles = {
        {"too-deep", Obstacle::kTooDeep},         {"no-definition", Obstacle::kNoDefinition},
        {"not-readable", Obstacle::kNotReadable}, {"bad-input", Obstacle::kBadInput},
        {"not-undoable", Obstacle::kNotUndoable}, {"full", Obstacle::kFull},
        {"stopping", Obstacle::kStopping},        {"failed", Obstacle::kFailed}};
    const auto found = kObstacles.find(name);
    if (found == kObstacles.end()) {
      throw std::runtime_error("unknown obstacle '" + name + "'");
    }
    return found->second;
  }

  void Advance(Instant until) {
    while (const auto timer = world_.NextTimer(until)) {
      output_ += "  @" + DescribeInstant(timer->at, kOrigin) + " timer " +
                 (timer->branch ? timer->branch->str() : "deadline") + '\n';
      world_.set_now(std::max(world_.now(), timer->at));
      const Decision& decision = world_.Feed(TimerFired{timer->branch});
      Print(decision);
    }
    world_.set_now(until);
  }

  void Print(const Decision& decision) {
    if (!decision.status.ok()) {
      output_ += "  refused: " + decision.status.ToString() + '\n';
      return;
    }
    for (const Record& record : decision.records) {
      output_ += "  " + Describe(record, world_.plan(), kOrigin) + '\n';
    }
    if (!decision.records.empty() || decision.durability == Durability::kForced) {
      output_ += decision.durability == Durability::kForced ? "  -- forced\n" : "  -- lazy\n";
    }
    for (const Effect& effect : decision.effects) {
      output_ += "  -> " + Describe(effect, world_.plan(), kOrigin) + '\n';
    }
  }

  void PrintState() {
    const TxnState& state = world_.state();
    if (state.revision == Sequence()) {
      return;
    }
    output_ += "  = " + std::string(TxnStatusName(state.status));
    output_ += state.paused ? " paused" : "";
    output_ += state.deadline_missed ? " deadline-missed" : "";
    output_ += state.closed && state.status == TxnStatus::kActive ? " closed" : "";
    output_ += state.awaits_parent() ? " held" : "";
    output_ += state.has_incident() ? " incident" : "";
    for (size_t step = 0; step < state.steps.size(); ++step) {
      if (state.steps[step].skipped) {
        output_ += ' ' + world_.plan().steps[step].id + ":skipped";
      }
      for (const BranchState& branch : state.steps[step].branches) {
        output_ += ' ' + branch.id.str() + ':' + std::string(BranchPhaseName(branch.phase));
      }
    }
    output_ += '\n';
  }

  World world_;
  std::string output_;
};

}  // namespace

namespace {

// A definition, or {"clientDriven": <mode>}.
PlanPtr PlanOf(const std::string& definition) {
  const auto json = ParseJson(definition, limits::kDefinitionJson);
  if (!json.ok() || !json->contains("clientDriven")) {
    return CompilePlan(definition);
  }
  for (const auto mode : {dsl::Mode::kSaga, dsl::Mode::kTcc, dsl::Mode::kTwoPhaseCommit}) {
    if ((*json)["clientDriven"] == Json(dsl::ModeName(mode))) {
      return dsl::BeginClientDriven(mode);
    }
  }
  throw std::runtime_error("unknown mode in 'clientDriven'");
}

}  // namespace

std::vector<std::filesystem::path> ScenarioFiles() {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path folder = std::filesystem::path(ENTENTE_SCENARIOS_DIR);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".scenario") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string RunScenario(const std::string& text) {
  std::istringstream stream(text);
  std::string output;
  std::string definition;
  std::optional<Script> script;
  std::string line;
  bool begun = false;
  for (size_t number = 1; std::getline(stream, line); ++number) {
    if (line.rfind("> ", 0) == 0) {
      if (!script) {
        script.emplace(PlanOf(definition));
      }
      begun = true;
      output += line + '\n';
      try {
        output += script->Run(line.substr(2));
      } catch (const std::exception& error) {
        throw std::runtime_error("line " + std::to_string(number) + " (" + line +
                                 "): " + error.what());
      }
      continue;
    }
    if (script && line.rfind("  ", 0) == 0) {
      continue;  // What the engine said last time.
    }
    output += line + '\n';
    if (line.rfind("== ", 0) == 0) {
      begun = true;
      script.reset();  // Another transaction of the same definition.
    } else if (!begun && line.rfind('#', 0) != 0) {
      definition += line + '\n';
    } else if (!line.empty() && line.rfind('#', 0) != 0) {
      throw std::runtime_error("line " + std::to_string(number) + " is neither input nor comment");
    }
  }
  return output;
}

}  // namespace entente::engine::test
