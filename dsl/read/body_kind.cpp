#include "dsl/read/body_kind.h"

#include <algorithm>
#include <string>

namespace entente::dsl {

BodyKind KindOfBody(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::erase_if(type, [](char c) { return c == ' ' || c == '\t'; });
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (type.ends_with("/json") || type.ends_with("+json") ||
      type.find("-json") != std::string_view::npos) {
    return BodyKind::kJson;
  }
  return type == "application/x-www-form-urlencoded" ? BodyKind::kForm : BodyKind::kText;
}

}  // namespace entente::dsl
