#include "runtime/definitions/children.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace entente::runtime {
namespace {

using PlanPtr = std::shared_ptr<const dsl::Plan>;

struct Child {
  const std::string* definition;
  std::optional<uint32_t> version;
  const dsl::Step* step;
  bool held;
};

void AddChild(const dsl::OperationTemplate& operation, const dsl::Step& step, bool held,
              std::vector<Child>& children) {
  const auto* run = std::get_if<dsl::ChildTemplate>(&operation);
  if (run == nullptr || run->aborts_forward) {
    return;
  }
  for (const std::string& definition : run->definitions) {
    children.push_back({&definition, run->version, &step, held});
  }
}

std::vector<Child> ChildrenOf(const dsl::Plan& plan) {
  std::vector<Child> children;
  for (const dsl::Step& step : plan.steps) {
    const auto* work = std::get_if<dsl::CallWork>(&step.work);
    for (size_t i = 0; work != nullptr && i <= work->alternatives.size(); ++i) {
      const dsl::CallWay& way = work->way(i);
      if (way.forward) {
        AddChild(*way.forward, step, way.HoldsChild(), children);
      }
      if (way.finish) {
        AddChild(*way.finish, step, false, children);
      }
      if (way.undo) {
        AddChild(way.undo->call, step, false, children);
      }
      if (way.undo && way.undo->other_call) {
        AddChild(*way.undo->other_call, step, false, children);
      }
    }
  }
  return children;
}

std::string Naming(const Child& child) {
  return "'" + *child.definition + "'" +
         (child.version ? " (version " + std::to_string(*child.version) + ")" : "");
}

// Depth first; no deeper than children may nest, so recursion is bounded.
class Walk {
 public:
  explicit Walk(const FindPlan& find) : find_(find) {}

  // How many levels of children `plan` has.
  Result<size_t> LevelsOf(const dsl::Plan& plan) {
    const Key key{plan.name, plan.version};
    if (const auto known = levels_.find(key); known != levels_.end()) {
      return known->second;
    }
    path_.push_back(key);
    size_t levels = 0;
    for (const Child& child : ChildrenOf(plan)) {
      ENTENTE_ASSIGN_OR_RETURN(const size_t below, Below(plan, child));
      levels = std::max(levels, below + 1);
    }
    path_.pop_back();
    levels_[key] = levels;
    return levels;
  }

 private:
  using Key = std::pair<std::string, uint32_t>;

  Result<size_t> Below(const dsl::Plan& plan, const Child& child) {
    const std::string place = "step '" + child.step->id + "' of definition '" + plan.name + "'";
    Result<PlanPtr> found = find_(*child.definition, child.version);
    if (found.status().code() == StatusCode::kNotFound) {
      return NotFound("definition.child_not_found",
                      place + " runs " + Naming(child) +
                          " as a child transaction, which is not registered: register it first");
    }
    if (!found.ok()) {
      return found.status();
    }
    if (child.held) {
      if (const Status undoable = CheckUndoable(**found); !undoable.ok()) {
        return InvalidArgument(undoable.reason(),
                               place + " says \"compensate\": \"child\": " + undoable.message());
      }
    }
    if (std::find(path_.begin(), path_.end(), Key((*found)->name, (*found)->version)) !=
        path_.end()) {
      return InvalidArgument("definition.recursive",
                             place + " runs " + Naming(child) +
                                 " as a child transaction, by which it is itself run: children "
                                 "can not loop; to ask again until something is so, let the "
                                 "participant answer 'pending' or retry the call");
    }
    if (path_.size() > limits::kMaxChildDepth) {
      return TooDeep(place);
    }
    ENTENTE_ASSIGN_OR_RETURN(const size_t levels, LevelsOf(**found));
    return path_.size() + levels > limits::kMaxChildDepth ? Result<size_t>(TooDeep(place))
                                                          : Result<size_t>(levels);
  }

  static Status TooDeep(const std::string& place) {
    return InvalidArgument("definition.too_deep",
                           place + " runs child transactions nested deeper than the limit of " +
                               std::to_string(limits::kMaxChildDepth) + " levels");
  }

  const FindPlan& find_;
  std::vector<Key> path_;  // From the plan asked for down to the one looked at.
  std::map<Key, size_t> levels_;
};

bool IsUndone(const dsl::Step& step) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  return work != nullptr && work->CanBeUndone();
}

}  // namespace

Status CheckUndoable(const dsl::Plan& plan) {
  const auto refuse = [&plan](const std::string& why) {
    return InvalidArgument(
        "definition.child_not_undoable",
        "'" + plan.name + "' can not be undone by its own compensations: " + why);
  };
  if (plan.mode != dsl::Mode::kSaga) {
    return refuse("it is a " + std::string(dsl::ModeName(plan.mode)) +
                  ", which is final once it has committed; say what undoes it instead");
  }
  for (const dsl::Step& step : plan.steps) {
    if (step.pivot) {
      return refuse("its step '" + step.id +
                    "' is a pivot, from which there is no way back; say what undoes it instead");
    }
  }
  if (std::none_of(plan.steps.begin(), plan.steps.end(), IsUndone)) {
    return refuse("none of its steps has a 'compensate'; add them, or write \"compensate\": null");
  }
  return {};
}

bool RunsChildren(const dsl::Plan& plan) {
  return !ChildrenOf(plan).empty();
}

Status CheckChildren(const dsl::Plan& plan, const FindPlan& find) {
  return Walk(find).LevelsOf(plan).status();
}

}  // namespace entente::runtime
