// Steps that wait: the half of StepCompiler that calls nobody.
#include <array>
#include <utility>

#include "base/json_number.h"
#include "base/limits.h"
#include "base/time.h"
#include "dsl/read/names.h"
#include "dsl/read/schema_field.h"
#include "dsl/schema/sensitive.h"
#include "dsl/steps/steps.h"

namespace entente::dsl {
namespace {

constexpr Duration kMinWait = std::chrono::milliseconds(1);
constexpr std::array<std::string_view, 3> kKinds = {"for", "until", "signal"};

}  // namespace

std::optional<WaitWork> StepCompiler::Wait(size_t index, const ObjectReader& reader) {
  const Json& json = *reader.Find("wait");
  const std::string pointer = reader.PointerTo("wait");
  if (json.is_string()) {
    problems_.AtValue(pointer, "wrong_type", "'wait' must be an object, not a string",
                      "write {\"for\": " + DumpJson(json) + "}");
    return std::nullopt;
  }
  if (!ObjectReader::IsObject(json, pointer, "'wait'", problems_)) {
    return std::nullopt;
  }
  std::vector<std::string_view> found;
  for (const std::string_view kind : kKinds) {
    if (json.contains(kind)) {
      found.push_back(kind);
    }
  }
  if (found.size() != 1) {
    std::string suggestion;
    for (const auto& [name, value] : json.items()) {
      if (found.empty() && suggestion.empty()) {
        suggestion = DidYouMean(name, {kKinds.begin(), kKinds.end()});
      }
    }
    problems_.AtValue(pointer, found.empty() ? "missing_field" : "ambiguous_step",
                      "'wait' needs exactly one of " + QuoteAll({kKinds.begin(), kKinds.end()}),
                      std::move(suggestion));
    return std::nullopt;
  }
  const ObjectSpec& spec = found[0] == "for"     ? fields::kWaitFor
                           : found[0] == "until" ? fields::kWaitUntil
                                                 : fields::kWaitSignal;
  const ObjectReader wait(json, pointer, spec, problems_);
  wait.RefuseUnknownFields(std::array{&fields::kWaitSignal});
  if (found[0] == "for") {
    return WaitForDuration(index, wait);
  }
  return found[0] == "until" ? WaitUntilInstant(index, wait) : WaitForSignal(index, wait);
}

std::optional<WaitWork> StepCompiler::WaitForDuration(size_t index, const ObjectReader& wait) {
  const Json& json = *wait.Find("for");
  const std::string pointer = wait.PointerTo("for");
  if (IsJsonNumber(json)) {
    static_cast<void>(wait.DurationIn("for", kMinWait, kMaxDuration));
    return std::nullopt;
  }
  std::optional<std::string> literal;
  auto duration = expressions_.Text(json, pointer, ScopeOf(index, "'for'"), &literal);
  if (literal) {
    if (const auto parsed = ParseDuration(*literal); !parsed.ok()) {
      problems_.AtValue(pointer, "bad_duration", "'for': " + parsed.status().message());
    }
  }
  if (!duration) {
    return std::nullopt;
  }
  return WaitFor{*std::move(duration)};
}

std::optional<WaitWork> StepCompiler::WaitUntilInstant(size_t index, const ObjectReader& wait) {
  const std::string pointer = wait.PointerTo("until");
  std::optional<std::string> literal;
  auto instant =
      expressions_.Text(*wait.Find("until"), pointer, ScopeOf(index, "'until'"), &literal);
  if (literal) {
    if (const auto parsed = ParseInstant(*literal); !parsed.ok()) {
      problems_.AtValue(pointer, "bad_instant", "'until': " + parsed.status().message());
    }
  }
  if (!instant) {
    return std::nullopt;
  }
  return WaitUntil{*std::move(instant)};
}

std::optional<WaitWork> StepCompiler::WaitForSignal(size_t index, const ObjectReader& wait) {
  WaitSignal signal;
  signal.name = wait.String("signal").value_or("");
  if (list_.table.blocks[index]) {
    problems_.AtKey(wait.PointerTo("signal"), "signal_in_block",
                    "a signal can not say which item it is for",
                    "let each item be a transaction, whose gid says it: \"action\": "
                    "{\"transaction\": {...}}");
  }
  if (wait.Find("signal")->is_string()) {
    if (const auto bad = CheckName(signal.name, "a signal's name")) {
      problems_.AtValue(wait.PointerTo("signal"), "bad_name", bad->message, bad->suggestion);
    }
  }
  DurationField timeout = ReadDuration(wait, "timeout", kMinWait, kMaxDuration,
                                       ScopeOf(index, "'timeout'"), expressions_, problems_);
  signal.timeout = timeout.stated;
  signal.computed_timeout = std::move(timeout.computed);
  const auto on_timeout = wait.String("onTimeout");
  if (on_timeout && *on_timeout != "abort" && *on_timeout != "continue") {
    problems_.AtValue(wait.PointerTo("onTimeout"), "bad_value",
                      "'onTimeout' must be 'abort' or 'continue', not " + Quote(*on_timeout),
                      DidYouMean(*on_timeout, {"abort", "continue"}));
  }
  if (on_timeout && !wait.Has("timeout")) {
    problems_.AtKey(wait.PointerTo("onTimeout"), "missing_field",
                    "'onTimeout' says nothing without a 'timeout'", "add \"timeout\": \"1h\"");
  }
  signal.fail_on_timeout = on_timeout.value_or("abort") == "abort";
  if (wait.Has("timeout") && signal.fail_on_timeout && list_.IsAfterPivot(index)) {
    problems_.AtKey(wait.PointerTo("timeout"), "abort_after_pivot",
                    "after the pivot there is no way back, so a timeout can not abort",
                    "add \"onTimeout\": \"continue\", or remove the timeout");
  }
  signal.payload = Payload(wait, signal.name);
  return signal;
}

std::optional<Schema> StepCompiler::Payload(const ObjectReader& wait, const std::string& signal) {
  const Json* json = wait.Find("payload");
  if (json == nullptr) {
    return std::nullopt;
  }
  const std::string pointer = wait.PointerTo("payload");
  std::optional<Schema> schema = ReadSchema(
      *json, pointer, options_.stored ? SchemaOrigin::kStored : SchemaOrigin::kGiven, problems_);
  if (schema && HasSensitive(*schema)) {
    problems_.AtValue(pointer, "sensitive_not_here",
                      "only what the 'input' holds can be sensitive, not what a signal brings",
                      "remove \"sensitive\" from this schema, and send what nobody is to see with "
                      "the submit");
  }
  // Whoever sends one can not know which of the steps is going to take it.
  const auto [stated, first] = payloads_.try_emplace(signal, StatedPayload{json, pointer});
  if (!first && *stated->second.schema != *json) {
    problems_.AtValue(pointer, "signal_schema_differs",
                      "the signal " + Quote(signal) + " has another schema at " +
                          stated->second.pointer +
                          ", and any of the steps that wait for it may be the one that takes it",
                      "state the same schema, state it once, or give the signals different names");
  }
  return schema;
}

}  // namespace entente::dsl
