// What is done for each element of a list: the part of StepCompiler for 'forEach'.
#include <utility>

#include "base/limits.h"
#include "dsl/steps/steps.h"

namespace entente::dsl {

std::optional<ForEach> StepCompiler::Fan(size_t index, const ObjectReader& reader) {
  const Json* json = reader.Find("forEach");
  if (json == nullptr) {
    return std::nullopt;
  }
  const std::string pointer = reader.PointerTo("forEach");
  if (list_.table.blocks[index]) {
    CheckPlaceOfBlock(index, pointer);
  }
  if (json->is_object()) {
    return ReadEach(index, *json, pointer, fields::kForEach);
  }
  auto items = expressions_.Whole(*json, pointer, ScopeOf(index, "'forEach'"), cel::Kind::kList);
  return items ? std::optional(ForEach{*std::move(items), limits::kDefaultForEachParallel})
               : std::nullopt;
}

std::optional<ForEach> StepCompiler::ReadEach(size_t index, const Json& json,
                                              const std::string& pointer, const ObjectSpec& spec) {
  const ObjectReader fan(json, pointer, spec, problems_);
  fan.RefuseUnknownFields();
  std::optional<cel::Expression> items;
  if (const Json* value = fan.Require("items", "name the list: \"${input.rooms}\"")) {
    items = expressions_.Whole(*value, fan.PointerTo("items"), ScopeOf(index, "'forEach'"),
                               cel::Kind::kList);
  }
  const auto parallel = fan.Integer("maxParallel", 1, limits::kMaxForEachBranches);
  if (!items) {
    return std::nullopt;
  }
  ForEach each{*std::move(items), parallel.value_or(limits::kDefaultForEachParallel)};
  if (spec.Has("atLeast")) {
    CheckAtLeast(index, fan, &each);
  }
  return each;
}

void StepCompiler::CheckAtLeast(size_t index, const ObjectReader& fan, ForEach* each) {
  if (!fan.Has("atLeast")) {
    return;
  }
  if (const auto count = fan.Integer("atLeast", 1, limits::kMaxForEachBranches)) {
    each->at_least = static_cast<size_t>(*count);
  }
  if (!list_.table.optional[index]) {
    problems_.AtKey(fan.PointerTo("atLeast"), "contradiction",
                    "'atLeast' says how many must succeed though others fail, but as soon as one "
                    "branch of step " +
                        Quote(list_.table.ids[index]) + " fails the transaction aborts",
                    "add \"optional\": true to the step");
  } else if (list_.IsAfterPivot(index)) {
    problems_.AtKey(fan.PointerTo("atLeast"), "refusal_after_pivot",
                    "after the pivot there is no way back, so that too few can change nothing",
                    "remove 'atLeast'");
  }
}

void StepCompiler::CheckPlaceOfBlock(size_t index, const std::string& pointer) {
  problems_.AtKey(pointer, "nested_for_each",
                  "step " + Quote(list_.table.ids[index]) +
                      " belongs to a 'forEach' and is done for each of its items already; it can "
                      "not have one of its own",
                  "flatten the list that the outer one goes over, or let each item be a "
                  "transaction: \"action\": {\"transaction\": {...}}");
}

std::optional<DecideWork> StepCompiler::Block(size_t index, const ObjectReader& reader) {
  const std::string pointer = reader.PointerTo("forEach");
  if (mode_ != Mode::kSaga) {
    problems_.AtKey(pointer + "/steps", "wrong_mode",
                    "several steps for each item are of a saga; in this mode all that is reserved "
                    "is decided on at once",
                    "give each step a 'forEach' over the same list");
  }
  if (list_.table.blocks[index]) {
    CheckPlaceOfBlock(index, pointer);
  }
  const Json& json = *reader.Find("forEach");
  const ObjectReader fan(json, pointer, fields::kBlock, problems_);
  const Json* steps = fan.Array("steps");
  if (steps != nullptr && steps->empty()) {
    problems_.AtValue(pointer + "/steps", "missing_step", "there is nothing to do for an item",
                      "list the steps that are done for each item");
  }
  auto each = ReadEach(index, json, pointer, fields::kBlock);
  if (!each) {
    return std::nullopt;
  }
  blocks_.emplace(index, *each);
  Choice only;
  only.ways.push_back({std::nullopt, "for each"});
  only.each = *std::move(each);
  return DecideWork(std::move(only));
}

std::optional<ForEach> StepCompiler::EachOfBlock(size_t index) const {
  const auto found = blocks_.find(*list_.table.blocks[index]);
  return found == blocks_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace entente::dsl
