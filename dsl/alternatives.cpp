// Alternatives: further ways to do a step, each tried after a refusal. The half of StepCompiler
// that sees to it that whatever such a call did is settled where it was done.
#include <utility>

#include "base/limits.h"
#include "dsl/steps.h"

namespace entente::dsl {
namespace {

// Whether they call different participants, or only one of them runs a child transaction.
bool GoElsewhere(const OperationTemplate& a, const OperationTemplate& b) {
  const auto* call = std::get_if<CallTemplate>(&a);
  const auto* other = std::get_if<CallTemplate>(&b);
  if (call == nullptr || other == nullptr) {
    return call != other;
  }
  return call->participant != other->participant;
}

}  // namespace

void StepCompiler::Alternatives(size_t index, const ObjectReader& reader, OperationSite site,
                                CallWork* work) {
  const Json* alternatives = reader.Array("alternatives");
  if (alternatives == nullptr) {
    return;
  }
  const std::string pointer = reader.PointerTo("alternatives");
  if (alternatives->size() > limits::kMaxAlternatives) {
    problems_.AtValue(pointer, "too_many",
                      "a step has " + std::to_string(alternatives->size()) +
                          " alternatives, more than the limit of " +
                          std::to_string(limits::kMaxAlternatives));
    return;
  }
  site.scope.place = "an alternative";
  for (size_t i = 0; i < alternatives->size(); ++i) {
    const Json& json = (*alternatives)[i];
    site.pointer = pointer + "/" + std::to_string(i);
    auto forward = operations_.CompileAlternative(json, site, mode_);
    if (!json.is_object()) {
      continue;
    }
    CallWay way{std::move(forward), work->undo, work->finish};
    SettleAlternative(index, reader, json, site, *work, &way);
    if (way.forward) {
      work->alternatives.push_back(std::move(way));
    }
  }
}

void StepCompiler::SettleAlternative(size_t index, const ObjectReader& step, const Json& json,
                                     OperationSite site, const CallWay& action, CallWay* way) {
  const bool elsewhere =
      action.forward && way->forward && GoElsewhere(*action.forward, *way->forward);
  const auto* call = way->forward ? std::get_if<CallTemplate>(&*way->forward) : nullptr;
  site.participant = call != nullptr ? call->participant : site.participant;
  for (const Role role : SettlingRoles(mode_)) {
    const std::string_view name = OperationName(mode_, role);
    const Json* of_step = step.Find(name);
    const bool settles = of_step != nullptr && !of_step->is_null();
    if (const auto own = json.find(name); own != json.end()) {
      const std::string at = site.pointer + "/" + std::string(name);
      CheckOwnSettling(index, role, *own, at, settles);
      static_cast<void>(CompileSettling(role, *own, at, site, way));
    } else if (settles && elsewhere) {
      problems_.AtValueIfNew(
          site.pointer, "alternative_not_settled",
          "the alternative goes elsewhere than " + Quote(OperationName(mode_, Role::kForward)) +
              ", but has no " + Quote(name) +
              " of its own: that of the step would leave standing "
              "what the alternative did",
          "add " + Quote(name) + " to the alternative, or null if there is nothing to do");
    }
  }
}

void StepCompiler::CheckOwnSettling(size_t index, Role role, const Json& own,
                                    const std::string& pointer, bool step_has_one) {
  const std::string name = Quote(OperationName(mode_, role));
  if (own.is_null() && mode_ == Mode::kTwoPhaseCommit) {
    problems_.AtValue(pointer, "wrong_type",
                      name + " can not be null: what is prepared has to be ended");
  } else if (!own.is_null() && list_.IsAfterPivot(index)) {
    problems_.AtKey(
        pointer, "compensation_never_runs",
        "step " + Quote(list_.table.ids[index]) + " comes after the pivot and is never undone",
        "remove 'compensate', or move the pivot");
  } else if (list_.IsPivot(index) && own.is_null() == step_has_one) {
    // Whether there is a way back from the pivot must not depend on which call it was.
    problems_.AtKey(pointer, "pivot_half_compensated",
                    "either all ways to do the pivot can be undone, or none",
                    step_has_one ? "say how to undo this one too"
                                 : "add 'compensate' to the step, or remove it here");
  }
}

}  // namespace entente::dsl
