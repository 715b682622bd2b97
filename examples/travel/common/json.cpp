#include "examples/travel/common/json.h"

namespace travel {

std::optional<Json> ParseJson(std::string_view text) {
  bool too_deep = false;
  const auto limit_depth = [&](int depth, Json::parse_event_t, const Json&) {
    too_deep = too_deep || depth > kMaxJsonDepth;
    return depth <= kMaxJsonDepth;
  };
  Json value = Json::parse(text.begin(), text.end(), limit_depth, /*allow_exceptions=*/false);
  if (too_deep || value.is_discarded()) {
    return std::nullopt;
  }
  return value;
}

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ErrorJson(std::string_view error, std::string_view message) {
  return {{"error", error}, {"message", message}};
}

}  // namespace travel
