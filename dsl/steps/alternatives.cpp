// Alternatives: further ways to do a step, each tried after a refusal, or once what was given up is
// undone. The half of StepCompiler that sees to it that whatever such a call did is settled where
// it was done.
#include <algorithm>
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

// What 'on' calls a call of which nobody knows what became of it.
constexpr std::string_view kGivenUp = "given-up";

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
    CallWay way{std::move(forward), work->undo, work->finish};
    ReadOccasion(json, site.pointer, &way);
    SettleAlternative(index, reader, json, site, *work, &way);
    if (way.forward) {
      work->alternatives.push_back(std::move(way));
    }
  }
  LookForCodes(work);
  if (work->alternatives.size() == alternatives->size()) {
    for (size_t number = 1; number <= alternatives->size(); ++number) {
      CheckUndoneBefore(index, *work, number, pointer + "/" + std::to_string(number - 1));
    }
  }
}

void StepCompiler::ReadOccasion(const Json& json, const std::string& pointer, CallWay* way) {
  std::optional<std::string> given_up;  // Where that is said.
  if (const auto found = json.find("on"); found != json.end()) {
    const std::string at = pointer + "/on";
    if (*found == kGivenUp) {
      given_up = at;
    } else if (!found->is_array() || found->empty()) {
      problems_.AtValue(at, "wrong_type",
                        "'on' must be an array of what the alternative is there for, not " +
                            std::string(found->is_array() ? "an empty one" : TypeName(*found)),
                        R"(write [409, "SOLD_OUT"], or "given-up")");
    } else {
      for (size_t i = 0; i < found->size(); ++i) {
        const std::string here = at + "/" + std::to_string(i);
        if ((*found)[i] == kGivenUp) {
          given_up = here;
        } else if (const auto code = ReadRefusal((*found)[i], here)) {
          way->on.push_back(*code);
        }
      }
    }
    way->after_refusal = !given_up || !way->on.empty();
  }
  way->after_undo = given_up.has_value();
  CheckAfterUndo(json, pointer, given_up);
}

std::optional<std::string> StepCompiler::ReadRefusal(const Json& entry,
                                                     const std::string& pointer) {
  if (entry.is_number_integer() && entry >= 200 && entry <= 599) {
    return DumpJson(entry);
  }
  if (entry == "timeout") {
    problems_.AtValue(pointer, "bad_value",
                      "a call without an answer is no refusal: it is made again, by the step's "
                      "'retry', until it is given up",
                      R"(write "on": "given-up", "after": "undo")");
  } else if (entry.is_string() && IsCode(entry.get<std::string>())) {
    return entry.get<std::string>();
  } else {
    problems_.AtValue(pointer, "bad_status",
                      Quote(DumpJson(entry)) +
                          " names no refusal: it is a status of HTTP or gRPC, a code that stands "
                          "in the body, or that of a 'refuseWhen'");
  }
  return std::nullopt;
}

void StepCompiler::CheckAfterUndo(const Json& json, const std::string& pointer,
                                  const std::optional<std::string>& given_up) {
  const auto after = json.find("after");
  const bool undo = after != json.end() && *after == "undo";
  if (given_up && mode_ != Mode::kSaga) {
    problems_.AtValue(*given_up, "wrong_mode",
                      "only in a saga an alternative follows what was given up: in a " +
                          std::string(ModeName(mode_)) + " that ends in an abort",
                      "remove it");
  } else if (given_up && after == json.end()) {
    problems_.AtValue(*given_up, "needs_undo",
                      "it is not known what became of a call that is given up: were another one to "
                      "follow, both could have worked and an effect stand twice",
                      R"(add "after": "undo": what was given up is undone before)");
  } else if (after != json.end() && mode_ == Mode::kSaga && !undo) {
    problems_.AtValue(
        pointer + "/after", "bad_value",
        "'after' of an alternative says what is done before it: \"undo\", not " + DumpJson(*after),
        R"(write "after": "undo")");
  } else if (undo && mode_ == Mode::kSaga && !given_up) {
    problems_.AtKey(pointer + "/after", "contradiction",
                    "after a refusal there is nothing to undo: \"after\": \"undo\" is of an "
                    "alternative that follows what was given up",
                    R"(add "on": "given-up", or remove it)");
  }
}

// Whatever it follows has to be undone first; or there is nothing to undo, where the definition
// says so.
void StepCompiler::CheckUndoneBefore(size_t index, const CallWork& work, size_t number,
                                     const std::string& pointer) {
  const CallWay& way = work.way(number);
  const std::string id = Quote(list_.table.ids[index]);
  if (!way.after_undo || mode_ != Mode::kSaga) {
    return;
  }
  std::vector<const CallWay*> before;
  for (size_t earlier = 0; earlier < number; ++earlier) {
    if (work.NextOnceUndone(earlier) == number) {
      before.push_back(&work.way(earlier));
    }
  }
  const auto is_child = [](const CallWay* one) {
    return one->forward && std::holds_alternative<ChildTemplate>(*one->forward);
  };
  const bool no_way_back = list_.IsPivot(index) &&
                           std::any_of(before.begin(), before.end(),
                                       [](const CallWay* one) { return !one->undo.has_value(); });
  if (list_.IsAfterPivot(index)) {
    problems_.AtKey(
        pointer + "/after", "never_undone",
        list_.IsAfterwards(index)
            ? "step " + id + " has its time when the outcome is decided, and is never undone"
            : "step " + id + " comes after the pivot and is never undone",
        "raise the 'attempts' of its 'retry' instead");
  } else if (!list_.EndsBeforePivots(index)) {
    problems_.AtKey(pointer + "/after", "beside_pivot",
                    "step " + id +
                        " may still be under way when what follows the pivot of another way "
                        "commits the transaction: nothing is undone then",
                    "let the pivot follow the choice, or raise the 'attempts' of its 'retry' "
                    "instead");
  } else if (no_way_back) {
    problems_.AtKey(pointer + "/after", "never_undone",
                    "the pivot " + id +
                        " has no 'compensate': once it may have happened there is "
                        "no way back",
                    "add 'compensate', or raise the 'attempts' of its 'retry' instead");
  } else if (std::all_of(before.begin(), before.end(), is_child)) {
    problems_.AtKey(pointer + "/on", "never_given_up",
                    "what is tried before is a transaction, which is asked after until it has "
                    "ended and never given up",
                    "remove 'on' and 'after': an alternative follows when it was aborted");
  }
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
    } else if (role == Role::kUndo && !elsewhere && way->HoldsChild()) {
      UndoChild(*of_step, site.pointer, way);  // Of the transaction that this one runs.
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
