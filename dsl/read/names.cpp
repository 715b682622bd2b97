#include "dsl/read/names.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "dsl/cel/syntax/lexer.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsWord(char c) {
  return IsLetter(c) || IsDigit(c) || c == '_';
}
char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool IsIdentifier(std::string_view text) {
  return !text.empty() && !IsDigit(text.front()) && std::all_of(text.begin(), text.end(), IsWord);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return Lower(c); });
  return lower;
}

std::optional<BadName> CheckLength(std::string_view text, std::string_view what, size_t max_bytes) {
  if (text.empty()) {
    return BadName{std::string(what) + " is empty", ""};
  }
  if (text.size() > max_bytes) {
    return BadName{std::string(what) + " has " + std::to_string(text.size()) +
                       " bytes, more than the limit of " + std::to_string(max_bytes),
                   "shorten it"};
  }
  return std::nullopt;
}

// `text` with everything that `allowed` refuses replaced, as a proposal.
template <class Allowed>
std::string Repair(std::string_view text, char replacement, Allowed allowed) {
  std::string repaired;
  for (const char c : text) {
    // One mark for each character, however many bytes it has.
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
      repaired += allowed(c) ? c : replacement;
    }
  }
  return repaired;
}

template <class Allowed>
std::optional<BadName> CheckCharacters(std::string_view text, std::string_view what,
                                       size_t max_bytes, std::string_view rule, Allowed allowed) {
  if (auto bad = CheckLength(text, what, max_bytes)) {
    return bad;
  }
  const bool good_start = IsLetter(text.front()) || IsDigit(text.front());
  if (good_start && std::all_of(text.begin(), text.end(), allowed)) {
    return std::nullopt;
  }
  std::string suggestion;
  if (good_start) {
    suggestion = "write " + Quote(Repair(text, '-', allowed));
  }
  return BadName{Quote(text) + " can not be " + std::string(what) + ": " + std::string(rule),
                 suggestion};
}

// What the coordinator says to a participant itself: docs/participants.md lists it.
bool IsReservedForCoordinator(std::string_view lower) {
  return lower == "idempotency-key" || lower == "traceparent" || lower.starts_with("entente-") ||
         lower == "signature" || lower == "signature-input" || lower == "content-digest";
}

}  // namespace

std::optional<BadName> CheckName(std::string_view name, std::string_view what) {
  return CheckCharacters(
      name, what, limits::kMaxNameBytes,
      "it must start with a letter or digit and hold only letters, digits, '.', '_' and '-'",
      [](char c) { return IsWord(c) || c == '.' || c == '-'; });
}

std::optional<BadName> CheckLabelKey(std::string_view key) {
  return CheckCharacters(
      key, "a label's key", limits::kMaxLabelBytes,
      "it must start with a letter or digit and hold only letters, digits, '.', '_', '-' and '/'",
      [](char c) { return IsWord(c) || c == '.' || c == '-' || c == '/'; });
}

std::optional<BadName> CheckStepId(std::string_view id) {
  if (auto bad = CheckLength(id, "a step's id", limits::kMaxNameBytes)) {
    return bad;
  }
  if (!IsIdentifier(id)) {
    std::string proposal = Repair(id, '_', IsWord);
    if (IsDigit(proposal.front())) {
      proposal.insert(0, "_");
    }
    return BadName{Quote(id) +
                       " can not be a step's id: expressions name steps, so it must start with a "
                       "letter or '_' and hold only letters, digits and '_'",
                   "write " + Quote(proposal)};
  }
  constexpr std::array<std::string_view, 4> kKeywords = {"true", "false", "null", "in"};
  const bool keyword = std::find(kKeywords.begin(), kKeywords.end(), id) != kKeywords.end();
  if (keyword || cel::IsReservedWord(id)) {
    return BadName{Quote(id) + " can not be a step's id: it is a reserved word of expressions",
                   "write " + Quote(std::string(id) + "_step")};
  }
  return std::nullopt;
}

std::optional<BadName> CheckHeaderName(std::string_view name) {
  constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";
  const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return IsLetter(c) || IsDigit(c) || kTokenMarks.find(c) != std::string_view::npos;
  });
  if (!token) {
    return BadName{Quote(name) + " is not a header's name", "use letters, digits and '-' only"};
  }
  const std::string lower = Lower(name);
  constexpr std::array<std::string_view, 9> kSetByProtocol = {
      "host",    "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te",
      "trailer", "expect"};
  if (IsReservedForCoordinator(lower) ||
      std::find(kSetByProtocol.begin(), kSetByProtocol.end(), lower) != kSetByProtocol.end()) {
    return BadName{"the header " + Quote(name) + " is set by the coordinator",
                   "remove it, or use another name"};
  }
  return std::nullopt;
}

std::optional<BadName> CheckMetadataKey(std::string_view key) {
  const bool valid = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '_' || c == '-' || c == '.';
  });
  if (!valid) {
    return BadName{Quote(key) + " is not a metadata key",
                   "use lower-case letters, digits, '_', '-' and '.' only"};
  }
  if (key.ends_with("-bin")) {
    return BadName{Quote(key) + " would be binary metadata, which a definition can not hold",
                   "use a key that does not end in '-bin'"};
  }
  if (IsReservedForCoordinator(key) || key.starts_with("grpc-")) {
    return BadName{"the metadata key " + Quote(key) + " is set by the coordinator or by gRPC",
                   "remove it, or use another name"};
  }
  return std::nullopt;
}

bool IsProtoIdentifier(std::string_view name) {
  return IsIdentifier(name);
}

bool IsProtoFullName(std::string_view name) {
  while (true) {
    const size_t dot = std::min(name.find('.'), name.size());
    if (!IsIdentifier(name.substr(0, dot))) {
      return false;
    }
    if (dot == name.size()) {
      return true;
    }
    name.remove_prefix(dot + 1);
  }
}

}  // namespace entente::dsl
