// WebhookProgress: how far a process had told what happened, as it keeps it in the journal.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace entente::outlets {

// By the id of the event, when it happened.
using ToldEvents = std::map<std::string, Instant>;

// Of each shard, up to which instant everything was told, and what since.
//
// A cursor says something of the past, so it stays true whoever drives the shard by then: of
// several notes about one shard the latest counts. So a node writes only its own note, needs no
// word from the others, and one that is killed leaves behind where whoever drives its shards has to
// go on.
struct WebhookProgress {
  std::array<std::optional<Instant>, kShardCount> cursors;  // Nothing: it never drove the shard.
  ToldEvents told;
};

// The shard of an event's id: the gid, ':' and the revision.
[[nodiscard]] ShardId ShardOfEvent(std::string_view id);

// Of what was told since, the earliest 2000 are kept: the rest may be told again after a kill.
[[nodiscard]] std::string EncodeProgress(const WebhookProgress& progress);
// Also of the note of a single cursor, for all shards. Nothing: it can not be read.
[[nodiscard]] std::optional<WebhookProgress> DecodeProgress(std::string_view text);

// Where to go on with a shard, after all that is in the notes; nothing: none of them knows it.
[[nodiscard]] std::optional<Instant> LatestCursor(const std::vector<WebhookProgress>& notes,
                                                  ShardId shard);

// Whether the others know more of every shard than `notes[which]`, so that nobody needs it.
// Strictly more: of two that say the same each would be taken for the other's successor.
[[nodiscard]] bool IsSuperseded(const std::vector<WebhookProgress>& notes, size_t which);

}  // namespace entente::outlets
