#include "dsl/secret_text.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace entente::dsl {
namespace {

constexpr std::string_view kOpen = "${";
constexpr std::string_view kRoot = "secret.";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(' '), text.size());
  const size_t end = text.find_last_not_of(' ');
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

// A file's name too, so nothing that leads elsewhere.
bool IsSecretName(std::string_view name) {
  return !name.empty() && name.size() <= limits::kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

Status Wrong(std::string_view expression) {
  return InvalidArgument("secret.syntax",
                         "beside literal text, a value with a secret holds ${secret.NAME} only, "
                         "with a name of letters, digits and '_', and not ${" +
                             std::string(expression.substr(0, limits::kMaxNameBytes)) + "}");
}

}  // namespace

bool NamesSecret(std::string_view text) {
  for (size_t at = text.find(kOpen); at != std::string_view::npos; at = text.find(kOpen, at + 1)) {
    const std::string_view rest = Trimmed(text.substr(at + kOpen.size()));
    if (rest.starts_with("secret")) {
      return true;
    }
  }
  return false;
}

Result<SecretText> ParseSecretText(std::string_view text) {
  SecretText parsed;
  while (!text.empty()) {
    const size_t open = text.find(kOpen);
    if (open != 0) {
      parsed.parts.push_back({std::string(text.substr(0, open)), false});
    }
    if (open == std::string_view::npos) {
      break;
    }
    text.remove_prefix(open + kOpen.size());
    const size_t close = text.find('}');
    const std::string_view expression = Trimmed(text.substr(0, close));
    if (close == std::string_view::npos || !expression.starts_with(kRoot) ||
        !IsSecretName(expression.substr(kRoot.size()))) {
      return Wrong(expression);
    }
    parsed.parts.push_back({std::string(expression.substr(kRoot.size())), true});
    text.remove_prefix(close + 1);
  }
  return parsed;
}

}  // namespace entente::dsl
