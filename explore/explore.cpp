#include "explore/explore.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

#include "explore/findings.h"
#include "explore/scenario.h"

namespace entente::explore {
namespace {

// An attempt that fails is like the next one, so a few of them stand for all.
constexpr uint32_t kMostAttempts = 3;
// And so is an answer that is not yet the one that a repeated call waits for.
constexpr uint32_t kMostRounds = 2;
constexpr size_t kMaxFindings = 30;
constexpr uint64_t kMostPaths = uint64_t{1} << 62;

// Whoever completes a call does it at once: later is no other path than an answer that takes long,
// and never is that of a call that is not answered.
void Simplify(dsl::CallWay& way) {
  auto* call = way.forward ? std::get_if<dsl::CallTemplate>(&*way.forward) : nullptr;
  if (call != nullptr && call->repeat) {
    call->repeat->times = std::min(call->repeat->times, kMostRounds);
  }
  if (call != nullptr) {
    call->completion.reset();
  }
}

dsl::Plan WithFewAttempts(dsl::Plan plan) {
  for (dsl::Step& step : plan.steps) {
    step.retry.attempts = std::min(step.retry.attempts, kMostAttempts);
    step.settle_retry.attempts = std::min(step.settle_retry.attempts, kMostAttempts);
    if (auto* work = std::get_if<dsl::CallWork>(&step.work)) {
      Simplify(*work);
      std::for_each(work->alternatives.begin(), work->alternatives.end(), Simplify);
    }
  }
  return plan;
}

Status CheckNames(const dsl::Plan& plan, const ExploreOptions& options) {
  for (const std::string& name : options.without_barrier) {
    const bool known =
        name == "*" || std::any_of(plan.participants.begin(), plan.participants.end(),
                                   [&](const auto& one) { return one.name == name; });
    if (!known) {
      return InvalidArgument("explore.unknown_name",
                             "the definition has no participant '" + name + "'");
    }
  }
  for (const std::string& name : options.may_stay) {
    if (std::none_of(plan.steps.begin(), plan.steps.end(),
                     [&](const dsl::Step& step) { return step.id == name; })) {
      return InvalidArgument("explore.unknown_name", "the definition has no step '" + name + "'");
    }
  }
  return {};
}

// What the answers of a dry run say of a step when it is done.
Result<GivenValues> ReadGiven(const dsl::Plan& plan, const ExploreOptions& options) {
  GivenValues given;
  if (options.input != nullptr) {
    given.input = *options.input;
  }
  if (options.answers == nullptr) {
    return given;
  }
  if (!options.answers->is_object()) {
    return InvalidArgument("dry_run.bad_answers", "answers: the whole must be an object");
  }
  given.outputs = OutputsOf(plan, *options.answers);
  return given;
}

uint64_t Sum(uint64_t a, uint64_t b) {
  return std::min(kMostPaths, a + b);
}

void CountEnds(const Inspector& inspector, const WalkResult& walk, ExploreReport& report) {
  const std::vector<uint64_t> paths = CountPaths(walk);
  std::map<std::pair<std::string, std::vector<std::string>>, uint64_t> ends;
  for (const Inspector::End& end : inspector.ends()) {
    uint64_t& count = ends[{end.outcome, end.effects}];
    count = Sum(count, paths[end.node]);
    report.paths = Sum(report.paths, paths[end.node]);
  }
  for (auto& [key, count] : ends) {
    report.ends.push_back({key.first, key.second, count});
  }
  std::stable_sort(report.ends.begin(), report.ends.end(),
                   [](const PathEnd& a, const PathEnd& b) { return a.paths > b.paths; });
}

void TellWhatIsLeftOut(const WalkResult& walk, const ExploreOptions& options,
                       ExploreReport& report) {
  if (!walk.complete) {
    report.left_out.push_back(
        std::string(walk.out_of_time ? "the time ran out" : "--max-paths was reached") +
        (walk.whole_faults == 0
             ? ": not even the paths on which nothing goes wrong were all walked"
             : ": all paths on which at most " + std::to_string(walk.whole_faults - 1) +
                   " things go wrong were walked, of the others some"));
  }
  if (walk.fault_bound) {
    report.left_out.push_back("paths on which more than " + std::to_string(options.max_faults) +
                              " things go wrong (--faults)");
  }
  if (walk.thinned) {
    report.left_out.push_back(
        "where more than three calls are out at once, most orders in which they are answered");
  }
}

void TellWhatIsNotReached(const dsl::Plan& plan, const Inspector& inspector,
                          ExploreReport& report) {
  std::string missed;
  for (const dsl::Step& step : plan.steps) {
    if (!inspector.reached().contains(step.id)) {
      missed += (missed.empty() ? "" : ", ") + step.id;
    }
  }
  if (!missed.empty()) {
    report.left_out.push_back("never reached, whatever data was tried: " + missed +
                              " (give --input or --answers)");
  }
  if (inspector.failed_expressions() > 0) {
    report.notes.push_back("it is aborted where an expression fails on the data that was tried: " +
                           inspector.first_failure());
  }
}

}  // namespace

uint64_t ExploreReport::PathsThatEnd(std::string_view outcome) const {
  return std::accumulate(ends.begin(), ends.end(), uint64_t{0},
                         [&](uint64_t sum, const PathEnd& end) {
                           return end.outcome == outcome ? Sum(sum, end.paths) : sum;
                         });
}

Result<ExploreReport> Explore(const dsl::Plan& given_plan, const Json& definition,
                              const ExploreOptions& options) {
  ENTENTE_RETURN_IF_ERROR(CheckNames(given_plan, options));
  ENTENTE_ASSIGN_OR_RETURN(const GivenValues given, ReadGiven(given_plan, options));
  ENTENTE_ASSIGN_OR_RETURN(const Values values, MakeValues(given_plan, definition, given));
  const dsl::Plan plan = WithFewAttempts(given_plan);
  const Rules rules(plan, values, options);
  Inspector inspector(rules, options);
  const WalkResult walk = Walk(rules, options, inspector);

  ExploreReport report;
  report.states = walk.nodes.size() - 1;
  report.complete = walk.complete;
  report.left_out = values.left_out;
  report.relies_on = inspector.promises();
  CountEnds(inspector, walk, report);
  TellWhatIsLeftOut(walk, options, report);
  TellWhatIsNotReached(plan, inspector, report);
  for (const Inspector::Found& found : inspector.found()) {
    if (report.findings.size() == kMaxFindings) {
      report.left_out.push_back("findings beyond " + std::to_string(kMaxFindings));
      break;
    }
    report.findings.push_back(found.finding);
    report.findings.back().path = DescribePath(rules, values, walk, found.node);
  }
  if (walk.complete && report.PathsThatEnd("COMMITTED") == 0) {
    report.findings.push_back(
        {"never.commits", "", "no path ends COMMITTED with the data that was tried", {}});
  }
  return report;
}

}  // namespace entente::explore
