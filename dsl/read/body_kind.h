// What a request's Content-Type makes of its body.
#pragma once

#include <string_view>

namespace entente::dsl {

enum class BodyKind {
  kJson,
  kForm,  // application/x-www-form-urlencoded.
  kText,  // Everything else: the text that the definition gives is the body.
};

[[nodiscard]] BodyKind KindOfBody(std::string_view content_type);

}  // namespace entente::dsl
