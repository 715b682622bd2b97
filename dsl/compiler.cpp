#include "dsl/compiler.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/durations.h"
#include "dsl/environment.h"
#include "dsl/expressions.h"
#include "dsl/participants.h"
#include "dsl/read/json_problem.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"
#include "dsl/read/schema_field.h"
#include "dsl/schema/closest.h"
#include "dsl/steps/step_list.h"
#include "dsl/steps/step_sources.h"
#include "dsl/steps/steps.h"

namespace entente::dsl {
namespace {

constexpr std::array<Mode, 3> kModes = {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit};
constexpr Duration kMinDeadline = std::chrono::milliseconds(1);

// Compiles one definition that is an object.
class DefinitionCompiler {
 public:
  DefinitionCompiler(const Json& json, const CompileOptions& options, ProblemList& problems)
      : options_(options),
        problems_(problems),
        environment_(options, problems),
        mode_(ReadMode(json)),
        reader_(json, "", fields::DefinitionOf(mode_), problems) {}

  // Complete only if no problem was reported.
  Plan Compile();

 private:
  Mode ReadMode(const Json& json);
  void ReadHeader();
  void ReadInput();
  Participants ReadParticipants();
  void ReadSteps(const Participants& participants);
  void CompileSteps(const std::vector<StepSource>& steps, const StepList& list,
                    const Participants& participants, ExpressionCompiler& expressions);
  void ReadDeadline(ExpressionCompiler& expressions);
  void ReadOutput(ExpressionCompiler& expressions);
  void ReadLabels(ExpressionCompiler& expressions);
  // Lets the calls of steps keep what is read of their answers.
  void KeepAnswers(const ExpressionCompiler& expressions);
  void PutInOrder(const StepOrder& order);

  const CompileOptions& options_;
  ProblemList& problems_;
  Environment environment_;
  Mode mode_;
  ObjectReader reader_;
  StepDefaults defaults_;
  Plan plan_;
};

Plan DefinitionCompiler::Compile() {
  plan_.mode = mode_;
  const std::array elsewhere = {&fields::kSagaDefinition, &fields::kTccDefinition};
  reader_.RefuseUnknownFields(elsewhere);
  ReadHeader();
  ReadInput();
  ReadSteps(ReadParticipants());
  plan_.env = environment_.values();
  return std::move(plan_);
}

// An unknown mode is read as the one it resembles, so that the rest can be checked.
Mode DefinitionCompiler::ReadMode(const Json& json) {
  const auto member = json.find("mode");
  if (member == json.end()) {
    return Mode::kSaga;
  }
  if (!member->is_string()) {
    problems_.AtValue("/mode", "wrong_type",
                      "'mode' must be a string, not " + std::string(TypeName(*member)));
    return Mode::kSaga;
  }
  const auto& name = member->get_ref<const std::string&>();
  std::vector<std::string_view> names;
  std::vector<std::string_view> supported;
  for (const Mode mode : kModes) {
    names.push_back(ModeName(mode));
    if (options_.modes.contains(mode)) {
      supported.push_back(ModeName(mode));
    }
  }
  const bool known = std::find(names.begin(), names.end(), name) != names.end();
  const std::string_view meant = known ? name : Closest(name, names).value_or("saga");
  if (!known) {
    problems_.AtValue("/mode", "bad_value", "there is no mode " + Quote(name),
                      "write " + QuoteAll(names));
  } else if (std::find(supported.begin(), supported.end(), name) == supported.end()) {
    problems_.AtValue("/mode", "mode_not_supported",
                      "transactions of mode " + Quote(name) + " can not be run here",
                      "the modes that can are " + QuoteAll(supported, "and"));
  }
  return *std::find_if(kModes.begin(), kModes.end(),
                       [meant](Mode mode) { return ModeName(mode) == meant; });
}

void DefinitionCompiler::ReadHeader() {
  static_cast<void>(reader_.String("$schema"));
  static_cast<void>(reader_.String("description"));
  reader_.Require("name", "give the definition a name, such as \"travel-booking\"");
  if (const auto name = reader_.String("name")) {
    plan_.name = *name;
    if (const auto bad = CheckName(*name, "a definition's name")) {
      problems_.AtValue("/name", "bad_name", bad->message, bad->suggestion);
    }
  }
  defaults_.timeout = reader_.DurationIn("timeout", kMinDeadline, limits::kMaxCallTimeout);
  defaults_.retry = ReadRetry(reader_, "retry", problems_);
  defaults_.settle_retry =
      ReadRetry(reader_, mode_ == Mode::kSaga ? "compensateRetry" : "settleRetry", problems_);
}

void DefinitionCompiler::ReadInput() {
  const Json* input = reader_.Find("input");
  if (input == nullptr) {
    return;
  }
  plan_.input = ReadSchema(
      *input, "/input", options_.stored ? SchemaOrigin::kStored : SchemaOrigin::kGiven, problems_);
}

Participants DefinitionCompiler::ReadParticipants() {
  const Json* participants = reader_.Object("participants");
  if (participants == nullptr) {
    return {};
  }
  Participants result =
      CompileParticipants(*participants, "/participants", options_, environment_, problems_);
  plan_.participants = result.compiled;
  return result;
}

void DefinitionCompiler::ReadSteps(const Participants& participants) {
  reader_.Require("steps", "add the steps to take");
  const Json* steps = reader_.Array("steps");
  if (steps != nullptr && steps->empty()) {
    problems_.AtValue("/steps", "missing_step", "a definition needs at least one step");
  }
  if (mode_ == Mode::kSaga) {
    static_cast<void>(reader_.Array("onCommitted"));
    static_cast<void>(reader_.Array("onAborted"));
  }
  const std::vector<StepSource> sources = ListSteps(reader_.json());
  if (sources.size() > limits::kMaxSteps) {
    problems_.AtValue("/steps", "too_many",
                      "a definition has " + std::to_string(sources.size()) +
                          " steps, more than the limit of " + std::to_string(limits::kMaxSteps));
    return;
  }
  const StepList list = ReadStepList(sources, mode_, problems_);
  ExpressionCompiler expressions(list.table, reader_.Find("input"), environment_, problems_);
  if (const Json* lets = reader_.Find("let")) {
    plan_.lets = expressions.Declare(*lets, "/let", Scope{.place = "'let'"},
                                     ExpressionCompiler::LetLevel::kDefinition);
  }
  ReadDeadline(expressions);
  CompileSteps(sources, list, participants, expressions);
  ReadOutput(expressions);
  ReadLabels(expressions);
  if (problems_.empty()) {
    KeepAnswers(expressions);
  }
  if (problems_.empty()) {
    PutInOrder(list.table.order);
  }
}

// Without a problem the steps stand in the plan as in the definition.
void DefinitionCompiler::KeepAnswers(const ExpressionCompiler& expressions) {
  for (const auto& [index, read] : expressions.answers_read()) {
    Step& step = plan_.steps[index];
    auto* work = std::get_if<CallWork>(&step.work);
    bool calls = false;
    for (size_t i = 0; work != nullptr && i <= work->alternatives.size(); ++i) {
      CallWay& way = i == 0 ? *work : work->alternatives[i - 1];
      if (auto* call = way.forward ? std::get_if<CallTemplate>(&*way.forward) : nullptr) {
        call->answers.headers.assign(read.headers.begin(), read.headers.end());
        call->answers.status_code = read.status_code;
        calls = true;
      }
    }
    if (!calls || step.for_each) {
      problems_.InString(
          read.place.pointer, read.place.offset, "no_answer",
          "step " + Quote(step.id) +
              (calls ? " has a 'forEach', and so not one answer but many"
                     : " calls nobody, and so has no answer with headers and status"),
          "read its 'output'");
    }
  }
}

void DefinitionCompiler::CompileSteps(const std::vector<StepSource>& steps, const StepList& list,
                                      const Participants& participants,
                                      ExpressionCompiler& expressions) {
  StepCompiler compiler(mode_, list, participants, defaults_, options_, expressions, problems_);
  for (size_t i = 0; i < steps.size(); ++i) {
    auto step = compiler.Compile(i, *steps[i].json, steps[i].pointer);
    if (step) {
      plan_.steps.push_back(*std::move(step));
    }
  }
}

void DefinitionCompiler::ReadDeadline(ExpressionCompiler& expressions) {
  const Scope scope{.place = "'deadline'", .steps = false};
  DurationField deadline =
      ReadDuration(reader_, "deadline", kMinDeadline, kMaxDuration, scope, expressions, problems_);
  plan_.deadline = deadline.stated;
  plan_.computed_deadline = std::move(deadline.computed);
  if (mode_ == Mode::kTwoPhaseCommit && !reader_.Has("deadline")) {
    // What is prepared holds its locks until the decision, and everybody who needs them waits.
    plan_.deadline = limits::kDefaultTwoPhaseDeadline;
  }
}

void DefinitionCompiler::ReadOutput(ExpressionCompiler& expressions) {
  if (const Json* output = reader_.Find("output")) {
    plan_.output = expressions.Document(*output, "/output", Scope{.place = "'output'"});
  }
}

void DefinitionCompiler::ReadLabels(ExpressionCompiler& expressions) {
  const Json* labels = reader_.Object("labels");
  if (labels == nullptr) {
    return;
  }
  if (labels->size() > limits::kMaxLabels) {
    problems_.AtValue("/labels", "too_many",
                      "a definition has " + std::to_string(labels->size()) +
                          " labels, more than the limit of " + std::to_string(limits::kMaxLabels));
    return;
  }
  const Scope scope{.place = "a label", .steps = false};
  for (const auto& [key, value] : labels->items()) {
    const std::string pointer = "/labels/" + EscapePointerToken(key);
    if (const auto bad = CheckLabelKey(key)) {
      problems_.AtKey(pointer, "bad_name", bad->message, bad->suggestion);
    }
    std::optional<std::string> literal;
    auto text = expressions.Text(value, pointer, scope, &literal);
    if (literal && literal->size() > limits::kMaxLabelBytes) {
      problems_.AtValue(pointer, "too_long",
                        "a label's value has " + std::to_string(literal->size()) +
                            " bytes, more than the limit of " +
                            std::to_string(limits::kMaxLabelBytes));
    }
    if (text) {
      plan_.labels.emplace(key, *std::move(text));
    }
  }
}

// Steps so far stand as in the definition; the plan wants them after their predecessors.
void DefinitionCompiler::PutInOrder(const StepOrder& order) {
  const std::vector<size_t> sorted = order.Sorted();
  std::vector<size_t> place(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    place[sorted[i]] = i;
  }
  std::vector<Step> steps;
  for (const size_t step : sorted) {
    steps.push_back(std::move(plan_.steps[step]));
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    for (size_t& predecessor : steps[i].after) {
      predecessor = place[predecessor];
      steps[predecessor].before.push_back(i);
    }
    std::sort(steps[i].after.begin(), steps[i].after.end());
    if (steps[i].way) {
      steps[i].way->choice = place[steps[i].way->choice];
    }
    if (steps[i].block) {
      steps[i].block = place[*steps[i].block];
    }
    if (steps[i].race) {
      steps[i].race = place[*steps[i].race];
      plan_.racers.push_back(i);
    }
  }
  plan_.steps = std::move(steps);
}

}  // namespace

EnvLookup EnvFrom(Json env) {
  return [env = std::move(env)](const std::string& name) -> std::optional<std::string> {
    const auto member = env.find(name);
    if (member == env.end() || !member->is_string()) {
      return std::nullopt;
    }
    return member->get<std::string>();
  };
}

CompileResult Compile(std::string_view source, const CompileOptions& options) {
  const Result<Json> json = ParseExactJson(source, limits::kDefinitionJson);
  if (!json.ok()) {
    return Problems{JsonProblem(json.status())};
  }
  const SourceMap map(source);
  ProblemList problems(map, options.stored);
  if (!ObjectReader::IsObject(*json, "", "a definition", problems)) {
    return std::move(problems).Take();
  }
  Plan plan = DefinitionCompiler(*json, options, problems).Compile();
  if (!problems.empty()) {
    return std::move(problems).Take();
  }
  if (options.warn) {
    for (Problem& warning : problems.TakeWarnings()) {
      options.warn(std::move(warning));
    }
  }
  // Shared because every transaction of the version keeps it alive, whatever is registered later.
  return std::make_shared<const Plan>(std::move(plan));
}

std::string FormatProblem(const Problem& problem) {
  std::string text = std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": ";
  if (!problem.pointer.empty()) {
    text += problem.pointer + ": ";
  }
  text += problem.message;
  if (!problem.suggestion.empty()) {
    text += "; " + problem.suggestion;
  }
  return text;
}

Json ProblemToJson(const Problem& problem) {
  Json json = {{"pointer", problem.pointer},
               {"line", problem.line},
               {"column", problem.column},
               {"code", problem.code},
               {"message", problem.message}};
  if (!problem.suggestion.empty()) {
    json["suggestion"] = problem.suggestion;
  }
  if (problem.warning) {
    json["warning"] = true;
  }
  return json;
}

std::string SummaryOf(const Problems& problems, std::string_view subject) {
  ENTENTE_CHECK(!problems.empty());
  const std::string count =
      problems.size() == 1 ? " has a problem"
                           : " has " + std::to_string(problems.size()) + " problems, the first";
  return std::string(subject) + count + " at " + FormatProblem(problems.front());
}

Status ProblemsToStatus(const Problems& problems) {
  return InvalidArgument("definition.invalid", SummaryOf(problems, "the definition"));
}

}  // namespace entente::dsl
