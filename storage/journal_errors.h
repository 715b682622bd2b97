// The failures every journal words alike, so that a caller sees the same reason whatever the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// kNotFound, transaction.not_found.
[[nodiscard]] Status TransactionNotFound(const Gid& gid);

// kAlreadyExists, transaction.exists: an append with first == 1 met a taken gid.
[[nodiscard]] Status TransactionExists(const Gid& gid);

// kConflict, journal.stale_sequence. `next` is the sequence the journal expects; nullopt if it has
// no such transaction.
[[nodiscard]] Status StaleSequence(const Gid& gid, Sequence first, std::optional<Sequence> next);

// kFenced, journal.stale_epoch. `current` is the epoch of the shard's owner; nullopt if it has
// none.
[[nodiscard]] Status StaleEpoch(ShardId shard, Epoch epoch, std::optional<Epoch> current);

// kResourceExhausted, journal.append_too_large.
[[nodiscard]] Status AppendTooLarge();

// Of all records together, which kMaxAppendBytes bounds.
[[nodiscard]] size_t RecordBytes(const Batch& batch);

// Aborts the process, as Journal::Append says, if the batch is not one of that shard's.
void CheckWellFormed(ShardId shard, const Batch& batch);

// kNotFound, definition.not_found.
[[nodiscard]] Status DefinitionNotFound(const std::string& name, std::optional<uint32_t> version);

// kInvalidArgument, query.bad_cursor.
[[nodiscard]] Status BadCursor(const std::string& cursor);

}  // namespace entente::storage
