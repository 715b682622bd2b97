#include "coordinator/outlets/otlp_json.h"

#include <charconv>

#include "base/json.h"
#include "base/utf8.h"

namespace entente::outlets {
namespace {

constexpr size_t kMaxText = 4096;
constexpr JsonLimits kAnswerJson{size_t{1} << 16, 8};
constexpr int kStatusError = 2;

Json Text(const std::string& text) {
  return Json(ToUtf8(text, kMaxText));
}

// Numbers of 64 bits are text in protobuf's JSON.
Json Nanos(Instant at) {
  return Json(std::to_string(ToMicros(at)) + "000");
}

Json AttributesJson(const Attributes& attributes) {
  Json all = Json::array();
  for (const auto& [key, value] : attributes) {
    Json typed = Json::object();
    if (const auto* text = std::get_if<std::string>(&value)) {
      typed["stringValue"] = Text(*text);
    } else {
      typed["intValue"] = std::to_string(std::get<int64_t>(value));
    }
    all.push_back(Json{{"key", key}, {"value", std::move(typed)}});
  }
  return all;
}

Json SpanJson(const Span& span) {
  Json json = {{"traceId", span.trace_id},
               {"spanId", span.span_id},
               {"name", Text(span.name)},
               {"kind", static_cast<int>(span.kind)},
               {"startTimeUnixNano", Nanos(span.start)},
               {"endTimeUnixNano", Nanos(span.end)},
               {"attributes", AttributesJson(span.attributes)}};
  if (!span.parent_span_id.empty()) {
    json["parentSpanId"] = span.parent_span_id;
  }
  for (const SpanEvent& event : span.events) {
    json["events"].push_back(Json{{"timeUnixNano", Nanos(event.at)},
                                  {"name", Text(event.name)},
                                  {"attributes", AttributesJson(event.attributes)}});
  }
  for (const std::string& link : span.links) {
    json["links"].push_back(Json{{"traceId", span.trace_id}, {"spanId", link}});
  }
  if (span.failed) {
    json["status"] = Json{{"code", kStatusError}, {"message", Text(span.message)}};
  }
  return json;
}

}  // namespace

std::string EncodeSpans(const std::vector<Span>& spans, const std::string& coordinator_id) {
  Json encoded = Json::array();
  for (const Span& span : spans) {
    encoded.push_back(SpanJson(span));
  }
  const Attributes resource = {{"service.name", "entente"},
                               {"service.instance.id", coordinator_id}};
  Json scope = Json::object();
  scope["scope"] = Json{{"name", "entente"}};
  scope["spans"] = std::move(encoded);
  Json resource_spans = Json::object();
  resource_spans["resource"] = Json{{"attributes", AttributesJson(resource)}};
  resource_spans["scopeSpans"].push_back(std::move(scope));
  Json request = Json::object();
  request["resourceSpans"].push_back(std::move(resource_spans));
  return DumpJson(request);
}

uint64_t RejectedSpans(std::string_view answer) {
  const auto parsed = ParseJson(answer, kAnswerJson);
  if (!parsed.ok() || !parsed->is_object() || !parsed->contains("partialSuccess")) {
    return 0;
  }
  const Json& partial = parsed->at("partialSuccess");
  if (!partial.is_object() || !partial.contains("rejectedSpans")) {
    return 0;
  }
  const Json& rejected = partial.at("rejectedSpans");
  if (rejected.is_number_unsigned()) {
    return rejected.get<uint64_t>();
  }
  uint64_t count = 0;
  if (rejected.is_string()) {
    const auto& text = rejected.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), count);
  }
  return count;
}

}  // namespace entente::outlets
