#include "dsl/durations.h"

#include <string>
#include <utility>

namespace entente::dsl {
namespace {

std::optional<Duration> CheckLiteral(std::string_view field, const std::string& pointer,
                                     const std::string& text, Duration min, Duration max,
                                     ProblemList& problems) {
  const Result<Duration> duration = ParseDuration(text);
  if (!duration.ok()) {
    problems.AtValue(pointer, "bad_duration", Quote(field) + ": " + duration.status().message());
    return std::nullopt;
  }
  if (*duration < min || *duration > max) {
    problems.AtValue(pointer, "out_of_range",
                     Quote(field) + " is " + Quote(text) + "; it must be between " +
                         FormatDuration(min) + " and " + FormatDuration(max));
    return std::nullopt;
  }
  return *duration;
}

}  // namespace

DurationField ReadDuration(const ObjectReader& reader, std::string_view field, Duration min,
                           Duration max, const Scope& scope, ExpressionCompiler& expressions,
                           ProblemList& problems) {
  const Json* json = reader.Find(field);
  const auto* text = json == nullptr ? nullptr : json->get_ptr<const std::string*>();
  if (text == nullptr || text->find("${") == std::string::npos) {
    return {reader.DurationIn(field, min, max), std::nullopt};
  }
  std::optional<std::string> literal;
  auto computed = expressions.Text(*json, reader.PointerTo(field), scope, &literal);
  if (!literal) {
    return {std::nullopt, std::move(computed)};
  }
  return {CheckLiteral(field, reader.PointerTo(field), *literal, min, max, problems), std::nullopt};
}

}  // namespace entente::dsl
