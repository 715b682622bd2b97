#include "coordinator/outlets/webhook_progress.h"

#include <algorithm>
#include <charconv>

namespace entente::outlets {
namespace {

constexpr size_t kMaxTold = 2000;
constexpr std::string_view kShards = "shards";

// Takes a number off the front.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

// " <shard>:<microseconds>", as often as it is there.
bool TakeCursors(std::string_view& text, WebhookProgress& progress) {
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
    const auto shard = TakeNumber(text);
    if (!shard || *shard < 0 || static_cast<uint64_t>(*shard) >= kShardCount ||
        !text.starts_with(':')) {
      return false;
    }
    text.remove_prefix(1);
    const auto micros = TakeNumber(text);
    if (!micros) {
      return false;
    }
    progress.cursors.at(static_cast<size_t>(*shard)) = InstantFromMicros(*micros);
  }
  return true;
}

// Of each event a line with its microseconds and its id.
bool TakeTold(std::string_view& text, ToldEvents& told) {
  while (!text.empty()) {
    if (text.front() != '\n') {
      return false;
    }
    text.remove_prefix(1);
    const auto micros = TakeNumber(text);
    const size_t end = std::min(text.find('\n'), text.size());
    if (!micros || end < 2 || text.front() != ' ') {
      return false;
    }
    told.emplace(text.substr(1, end - 1), InstantFromMicros(*micros));
    text.remove_prefix(end);
  }
  return true;
}

}  // namespace

ShardId ShardOfEvent(std::string_view id) {
  return ShardOf(Gid(std::string(id.substr(0, id.rfind(':')))));
}

std::string EncodeProgress(const WebhookProgress& progress) {
  std::string text(kShards);
  for (size_t shard = 0; shard < kShardCount; ++shard) {
    if (const auto& cursor = progress.cursors[shard]) {
      text += ' ' + std::to_string(shard) + ':' + std::to_string(ToMicros(*cursor));
    }
  }
  size_t kept = 0;
  for (const auto& [id, at] : progress.told) {
    const auto& cursor = progress.cursors.at(ShardOfEvent(id).value());
    if ((!cursor || at >= *cursor) && kept++ < kMaxTold) {
      text += '\n' + std::to_string(ToMicros(at)) + ' ' + id;
    }
  }
  return text;
}

std::optional<WebhookProgress> DecodeProgress(std::string_view text) {
  WebhookProgress progress;
  if (text.starts_with(kShards)) {
    text.remove_prefix(kShards.size());
    if (!TakeCursors(text, progress)) {
      return std::nullopt;
    }
  } else if (const auto micros = TakeNumber(text)) {
    progress.cursors.fill(InstantFromMicros(*micros));
  } else {
    return std::nullopt;
  }
  return TakeTold(text, progress.told) ? std::optional(std::move(progress)) : std::nullopt;
}

std::optional<Instant> LatestCursor(const std::vector<WebhookProgress>& notes, ShardId shard) {
  std::optional<Instant> latest;
  for (const WebhookProgress& note : notes) {
    latest = std::max(latest, note.cursors.at(shard.value()));  // Nothing is less than any.
  }
  return latest;
}

bool IsSuperseded(const std::vector<WebhookProgress>& notes, size_t which) {
  for (size_t shard = 0; shard < kShardCount; ++shard) {
    const auto& cursor = notes.at(which).cursors.at(shard);
    const bool surpassed =
        !cursor || std::any_of(notes.begin(), notes.end(), [&](const WebhookProgress& other) {
          return other.cursors.at(shard) > cursor;
        });
    if (!surpassed) {
      return false;
    }
  }
  return true;
}

}  // namespace entente::outlets
