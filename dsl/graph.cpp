#include "dsl/graph.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace entente::dsl {
namespace {

// `text` may come from a definition; neither format may take a part of it for markup.
std::string EscapeMermaid(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '"': escaped += "#quot;"; break;
      case '#': escaped += "#35;"; break;
      case '<': escaped += "#lt;"; break;
      case '>': escaped += "#gt;"; break;
      case '&': escaped += "#amp;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string EscapeDot(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

std::string Describe(const Plan& plan, const OperationTemplate& operation) {
  if (const auto* child = std::get_if<ChildTemplate>(&operation)) {
    if (child->aborts_forward) {
      return "by the transaction's own compensations";
    }
    std::string names;
    for (const std::string& name : child->definitions) {
      names += (names.empty() ? "" : " or ") + name;
    }
    return "transaction " + names +
           (child->version ? " version " + std::to_string(*child->version) : "");
  }
  const auto& call = std::get<CallTemplate>(operation);
  const std::string method =
      std::visit([](const auto& request) { return request.method; }, call.request);
  return plan.participants[call.participant].name + ": " + method +
         (call.repeat ? ", every " + FormatDuration(call.repeat->every) + " until it is so" : "");
}

// What settles a call made in this way.
std::vector<std::string> SettlingLines(const Plan& plan, const CallWay& way) {
  const auto name = [&plan](Role role) { return std::string(OperationName(plan.mode, role)); };
  std::vector<std::string> lines;
  if (way.finish) {
    lines.push_back(name(Role::kFinish) + " " + Describe(plan, *way.finish));
  }
  if (way.undo) {
    lines.push_back(name(Role::kUndo) + " " + Describe(plan, way.undo->call));
  }
  return lines;
}

std::vector<std::string> CallLines(const Plan& plan, const CallWork& work) {
  std::vector<std::string> lines;
  if (work.forward) {
    lines.push_back(std::string(OperationName(plan.mode, Role::kForward)) + " " +
                    Describe(plan, *work.forward));
  }
  const std::vector<std::string> settling = SettlingLines(plan, work);
  for (const CallWay& alternative : work.alternatives) {
    std::string line = alternative.after_undo ? "once that is given up and undone, " : "or ";
    line += alternative.after_undo && alternative.after_refusal ? "or refused, " : "";
    line += Describe(plan, *alternative.forward);
    if (const auto own = SettlingLines(plan, alternative); own != settling) {
      for (const std::string& part : own) {
        line += ", " + part;
      }
    }
    lines.push_back(std::move(line));
  }
  lines.insert(lines.end(), settling.begin(), settling.end());
  return lines;
}

std::string WaitLine(const WaitWork& work) {
  if (const auto* signal = std::get_if<WaitSignal>(&work)) {
    const std::string timeout = signal->timeout ? ", at most " + FormatDuration(*signal->timeout)
                                : signal->computed_timeout ? ", at most for a computed time"
                                                           : "";
    return "wait for the signal " + signal->name + timeout;
  }
  return std::holds_alternative<WaitFor>(work) ? "wait for a time" : "wait until an instant";
}

std::string DecisionLine(const DecideWork& work) {
  if (const auto* refusal = std::get_if<Refusal>(&work)) {
    return "refuse: " + refusal->code;
  }
  const auto& choice = std::get<Choice>(work);
  return choice.each
             ? "for each element, " + std::to_string(choice.each->max_parallel) + " at a time"
             : "choose one of " + std::to_string(choice.ways.size()) + " ways";
}

// Of the way from a choice to a step on one of its ways: the condition, or that it is the rest.
std::string WayLabel(const Plan& plan, size_t from, size_t to) {
  const auto& way = plan.steps[to].way;
  if (!way || way->choice != from) {
    return {};
  }
  const auto& choice = std::get<Choice>(std::get<DecideWork>(plan.steps[from].work));
  return choice.ways[way->way].label;
}

// The lines of a step's box.
std::vector<std::string> Lines(const Plan& plan, const Step& step) {
  std::vector<std::string> lines = {step.id + (step.pivot ? " (pivot)" : "")};
  if (step.stage != Stage::kMain) {
    lines.emplace_back(step.stage == Stage::kCommitted ? "once committed"
                                                       : "once aborted and undone");
  }
  if (step.when) {
    lines.emplace_back("only when its condition holds");
  }
  if (step.after_any) {
    lines.emplace_back("as soon as one before it is done");
  }
  if (step.race) {
    lines.push_back("undone when another is done first, for " + plan.steps[*step.race].id);
  } else if (step.optional && step.stage == Stage::kMain) {
    lines.emplace_back("optional: when it fails the rest goes on");
  }
  if (step.block) {
    lines.push_back("for each element of " + plan.steps[*step.block].id);
  } else if (step.for_each) {
    lines.push_back("for each element, " + std::to_string(step.for_each->max_parallel) +
                    " at a time");
  }
  if (const auto* calls = std::get_if<CallWork>(&step.work)) {
    for (std::string& line : CallLines(plan, *calls)) {
      lines.push_back(std::move(line));
    }
  } else if (const auto* waits = std::get_if<WaitWork>(&step.work)) {
    lines.push_back(WaitLine(*waits));
  } else {
    lines.push_back(DecisionLine(std::get<DecideWork>(step.work)));
  }
  return lines;
}

std::string Join(const std::vector<std::string>& lines, std::string_view separator,
                 std::string (*escape)(std::string_view)) {
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    text += (i == 0 ? "" : std::string(separator)) + escape(lines[i]);
  }
  return text;
}

// Whether an abort has something to undo there.
bool IsUndone(const Step& step) {
  const auto* work = std::get_if<CallWork>(&step.work);
  return !step.after_pivot && step.stage == Stage::kMain && work != nullptr && work->CanBeUndone();
}

// Step ids are identifiers, but Mermaid has words of its own ("end"): a number is always safe.
std::string NodeName(size_t step) {
  return "s" + std::to_string(step);
}

// A box, round where nobody is called, a rhombus where the way is decided.
std::pair<std::string, std::string> BracketsOf(const Step& step) {
  if (std::holds_alternative<WaitWork>(step.work)) {
    return {"([\"", "\"])"};
  }
  return std::holds_alternative<DecideWork>(step.work) ? std::pair("{\"", "\"}")
                                                       : std::pair("[\"", "\"]");
}

struct Arrow {
  size_t from;
  size_t to;
  bool back;
  std::string label = {};
};

// From where each outcome is reached to the first steps that follow it: a commit from the last
// steps, and an abort, when all is undone, from the first ones.
void AddOutcomes(const Plan& plan, std::vector<Arrow>& arrows) {
  for (size_t to = 0; to < plan.steps.size(); ++to) {
    const Stage stage = plan.steps[to].stage;
    for (size_t from = 0; stage != Stage::kMain && from < plan.steps.size(); ++from) {
      const Step& step = plan.steps[from];
      const bool ends = stage == Stage::kCommitted ? step.before.empty() : step.after.empty();
      if (plan.steps[to].after.empty() && step.stage == Stage::kMain && ends) {
        arrows.push_back({from, to, false, stage == Stage::kCommitted ? "committed" : "aborted"});
      }
    }
  }
}

// From where an abort comes back to `undone`: from what follows `step`, and beyond what has nothing
// to undo itself.
void AddWaysBack(const Plan& plan, size_t step, size_t undone, std::set<size_t>& seen,
                 std::vector<Arrow>& arrows) {
  for (const size_t successor : plan.steps[step].before) {
    if (plan.steps[successor].after_pivot || !seen.insert(successor).second) {
      continue;
    }
    arrows.push_back({successor, undone, true});
    if (!IsUndone(plan.steps[successor])) {
      AddWaysBack(plan, successor, undone, seen, arrows);
    }
  }
}

std::vector<Arrow> Arrows(const Plan& plan) {
  std::vector<Arrow> arrows;
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    for (const size_t successor : plan.steps[step].before) {
      arrows.push_back({step, successor, false, WayLabel(plan, step, successor)});
    }
  }
  AddOutcomes(plan, arrows);
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    if (plan.mode == Mode::kSaga && IsUndone(plan.steps[step])) {
      std::set<size_t> seen;
      AddWaysBack(plan, step, step, seen, arrows);
    }
  }
  return arrows;
}

}  // namespace

std::string ToMermaid(const Plan& plan) {
  std::string text = "flowchart TD\n";
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const auto [open, close] = BracketsOf(step);
    text += "  " + NodeName(i) + open + Join(Lines(plan, step), "<br/>", EscapeMermaid) + close +
            (step.pivot ? ":::pivot" : "") + "\n";
  }
  for (const Arrow& arrow : Arrows(plan)) {
    const std::string& label = arrow.label;
    text += "  " + NodeName(arrow.from) +
            (arrow.back      ? " -. undo .-> "
             : label.empty() ? " --> "
                             : " -- \"" + EscapeMermaid(label) + "\" --> ") +
            NodeName(arrow.to) + "\n";
  }
  if (std::any_of(plan.steps.begin(), plan.steps.end(),
                  [](const Step& step) { return step.pivot; })) {
    text += "  classDef pivot stroke-width:4px\n";
  }
  return text;
}

std::string ToDot(const Plan& plan) {
  std::string text = "digraph \"" + EscapeDot(plan.name) + "\" {\n  node [shape=box];\n";
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    text += "  " + NodeName(i) + " [label=\"" + Join(Lines(plan, step), "\\n", EscapeDot) + "\"" +
            (std::holds_alternative<WaitWork>(step.work)     ? ", style=rounded"
             : std::holds_alternative<DecideWork>(step.work) ? ", shape=diamond"
                                                             : "") +
            (step.pivot ? ", penwidth=4" : "") + "];\n";
  }
  for (const Arrow& arrow : Arrows(plan)) {
    const std::string& label = arrow.label;
    text += "  " + NodeName(arrow.from) + " -> " + NodeName(arrow.to) +
            (arrow.back      ? " [style=dashed, label=\"undo\", constraint=false]"
             : label.empty() ? ""
                             : " [label=\"" + EscapeDot(label) + "\"]") +
            ";\n";
  }
  return text + "}\n";
}

}  // namespace entente::dsl
