// Alternatives: further ways to do a step, each tried after a refusal. The half of StepCompiler
// that sees to it that whatever such a call did is settled where it was done.
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "dsl/steps/steps.h"

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

// A status in quotes is most likely meant as a number.
bool IsCode(std::string_view text) {
  return text.size() <= limits::kMaxNameBytes &&
         text.find_first_not_of("0123456789") != std::string_view::npos;
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
    CallWay way{std::move(forward), work->undo, work->finish, ReadOn(json, site.pointer)};
    SettleAlternative(index, reader, json, site, *work, &way);
    if (way.forward) {
      work->alternatives.push_back(std::move(way));
    }
  }
  LookForCodes(work);
}

std::vector<std::string> StepCompiler::ReadOn(const Json& json, const std::string& pointer) {
  std::vector<std::string> on;
  const auto found = json.find("on");
  if (found == json.end()) {
    return on;
  }
  const std::string at = pointer + "/on";
  if (!found->is_array() || found->empty()) {
    problems_.AtValue(at, "wrong_type",
                      "'on' must be an array of what the alternative is there for, not " +
                          std::string(found->is_array() ? "an empty one" : TypeName(*found)),
                      R"(write [409, "SOLD_OUT"])");
    return on;
  }
  for (size_t i = 0; i < found->size(); ++i) {
    const Json& entry = (*found)[i];
    const std::string here = at + "/" + std::to_string(i);
    const bool status = entry.is_number_integer() && entry >= 200 && entry <= 599;
    if (entry == "given-up" || entry == "timeout") {
      problems_.AtValue(
          here, "bad_value",
          "an alternative follows a refusal only: after a call without an answer both "
          "could have worked",
          "let the step be 'optional', or raise 'retry'");
    } else if (status) {
      on.push_back(DumpJson(entry));
    } else if (entry.is_string() && IsCode(entry.get<std::string>())) {
      on.push_back(entry.get<std::string>());
    } else {
      problems_.AtValue(here, "bad_status",
                        Quote(DumpJson(entry)) +
                            " names no refusal: it is a status of HTTP or gRPC, a code that stands "
                            "in the body, or that of a 'refuseWhen'");
    }
  }
  return on;
}

// Whatever code an alternative is there for has to be found in the answers before it.
void StepCompiler::LookForCodes(CallWork* work) {
  std::vector<std::string> codes;
  for (const CallWay& alternative : work->alternatives) {
    codes.insert(codes.end(), alternative.on.begin(), alternative.on.end());
  }
  for (size_t i = 0; i <= work->alternatives.size(); ++i) {
    CallWay& way = i == 0 ? *work : work->alternatives[i - 1];
    if (auto* call = way.forward ? std::get_if<CallTemplate>(&*way.forward) : nullptr) {
      call->answers.codes.insert(call->answers.codes.end(), codes.begin(), codes.end());
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
