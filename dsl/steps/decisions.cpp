// Steps that decide by the data and call nobody: the part of StepCompiler for 'choose' and
// 'refuse', and the codes of refusals.
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/read/names.h"
#include "dsl/steps/steps.h"

namespace entente::dsl {

std::optional<std::string> ReadRefusalCode(const ObjectReader& reader, std::string_view field,
                                           ProblemList& problems) {
  auto code = reader.String(field);
  if (code) {
    if (const auto bad = CheckName(*code, "the code of a refusal")) {
      problems.AtValue(reader.PointerTo(field), "bad_name", bad->message, bad->suggestion);
    }
  }
  return code;
}

namespace {

// A condition without the "${" and "}" around it.
std::string LabelOf(const Json& when) {
  const std::string text = when.is_string() ? when.get<std::string>() : std::string();
  return text.size() > 3 ? text.substr(2, text.size() - 3) : text;
}

}  // namespace

std::optional<DecideWork> StepCompiler::Choose(size_t index, const ObjectReader& reader) {
  const Json* ways = reader.Array("choose");
  if (ways == nullptr) {
    return std::nullopt;
  }
  if (ways->empty()) {
    problems_.AtValue(reader.PointerTo("choose"), "missing_field", "'choose' has no way to take",
                      R"(write [{"when": "${...}", "steps": [...]}, {"steps": [...]}])");
  }
  Choice choice;
  for (size_t i = 0; i < ways->size(); ++i) {
    const std::string pointer = reader.PointerTo("choose") + "/" + std::to_string(i);
    if (!ObjectReader::IsObject((*ways)[i], pointer, "a way of 'choose'", problems_)) {
      continue;
    }
    const ObjectReader way((*ways)[i], pointer, fields::kChoice, problems_);
    way.RefuseUnknownFields(std::array{&fields::StepOf(mode_)});
    way.Require("steps", "list the steps of this way, or [] if nothing is to be done");
    static_cast<void>(way.Array("steps"));
    const Json* when = way.Find("when");
    if (when == nullptr && i + 1 < ways->size()) {
      problems_.AtValue(pointer, "unreachable_choice",
                        "a way without 'when' is always taken, so that none after it ever is",
                        "add 'when', or move it to the end");
    }
    Choice::Way taken{std::nullopt, "otherwise"};
    if (when != nullptr) {
      taken.when = expressions_.Whole(*when, way.PointerTo("when"), ScopeOf(index, "'when'"),
                                      cel::Kind::kBool);
      taken.label = LabelOf(*when);
    }
    choice.ways.push_back(std::move(taken));
  }
  return DecideWork(std::move(choice));
}

std::optional<DecideWork> StepCompiler::Refuse(size_t index, const ObjectReader& outer) {
  const Json& json = *outer.Find("refuse");
  const std::string pointer = outer.PointerTo("refuse");
  if (list_.IsAfterPivot(index)) {
    problems_.AtKey(pointer, "refusal_after_pivot",
                    "after the pivot there is no way back, so nothing can be refused",
                    "refuse before the pivot");
  }
  if (!ObjectReader::IsObject(json, pointer, "'refuse'", problems_)) {
    return std::nullopt;
  }
  const ObjectReader reader(json, pointer, fields::kRefusal, problems_);
  reader.RefuseUnknownFields();
  reader.Require("code", "name the reason for programs, such as \"unpaid\"");
  const auto code = ReadRefusalCode(reader, "code", problems_);
  std::optional<cel::Template> message = LiteralTemplate("");
  if (const Json* text = reader.Find("message")) {
    message = expressions_.Text(*text, reader.PointerTo("message"), ScopeOf(index, "'message'"));
  }
  if (!code || !message) {
    return std::nullopt;
  }
  return DecideWork(Refusal{*code, *std::move(message)});
}

}  // namespace entente::dsl
