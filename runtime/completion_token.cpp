#include "runtime/completion_token.h"

#include <charconv>
namespace entente::runtime {
namespace {

// Neither gids nor branch names contain it.
constexpr char kSeparator = '\n';
constexpr size_t kMacBytes = 16;

std::string Payload(const engine::CommandId& command, uint32_t run) {
  std::string payload = command.gid.str() + kSeparator + command.branch.str() + kSeparator +
                        std::to_string(static_cast<int>(command.role)) + kSeparator +
                        std::to_string(command.alternative);
  return run == 0 ? payload : payload + kSeparator + std::to_string(run);
}

std::optional<std::string_view> TakeField(std::string_view& rest) {
  if (rest.data() == nullptr) {
    return std::nullopt;
  }
  const size_t end = rest.find(kSeparator);
  const std::string_view field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return field;
}

std::optional<uint32_t> TakeNumber(std::string_view& rest) {
  const auto field = TakeField(rest);
  uint32_t number = 0;
  if (!field ||
      std::from_chars(field->data(), field->data() + field->size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string CompletionTokens::Make(const engine::CommandId& command, uint32_t run) const {
  const std::string payload = Payload(command, run);
  return ToBase64Url(mac_.Of(payload) + payload);
}

std::optional<CompletionRight> CompletionTokens::Read(std::string_view token) const {
  const std::string bytes = FromBase64Url(token);
  if (bytes.size() <= kMacBytes) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(bytes).substr(kMacBytes);
  if (!EqualInConstantTime(std::string_view(bytes).substr(0, kMacBytes), mac_.Of(rest))) {
    return std::nullopt;
  }
  const auto gid = TakeField(rest);
  const auto branch = TakeField(rest);
  const auto role = TakeNumber(rest);
  const auto alternative = TakeNumber(rest);
  if (!gid || !branch || !role || !alternative || *role < 1 || *role > 3) {
    return std::nullopt;
  }
  return CompletionRight{{Gid(std::string(*gid)), BranchId(std::string(*branch)),
                          static_cast<engine::Role>(*role), *alternative},
                         TakeNumber(rest).value_or(0)};
}

Status UnknownCompletionToken() {
  return NotFound("completion.unknown_token",
                  "this completion token was not issued here: use the value that came with the "
                  "call as Entente-Completion-Token");
}

}  // namespace entente::runtime
