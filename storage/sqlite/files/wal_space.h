// Room for the write-ahead log, taken before it is needed. Internal to storage/sqlite.
#pragma once

#include <cstddef>
#include <string>

#include "base/status.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// Lengthens the log file `path` to `bytes` with zeros and syncs it, if it exists and is shorter; to
// a part of that where the disk has no more. Syncing a write inside a file costs one write to the
// disk; syncing one that lengthens it costs another for the new length, on every commit until the
// log has reached its size. SQLite reads such a tail as no frame
// (https://www.sqlite.org/fileformat2.html#the_write_ahead_log: a frame is valid only with the
// header's salts). A failure is no reason not to start, and leaves the file as it was. Blocks on
// the disk.
void ReserveLog(const std::string& path, size_t bytes);

// Makes the log's index (shared memory, in the file `-shm`) large enough for a log of `frames`.
// Must precede a commit that may take the log there. SQLite lengthens the index after the frames
// are in the log: if the disk is full at that moment, the commit fails although its frames are
// whole, and may yet be found by whoever recovers the log. Lengthened before, the same failure
// changes nothing.
//
// kUnavailable, store.unavailable, when the disk is full. Call on the connection's own thread, from
// BEGIN IMMEDIATE to COMMIT or before anybody else has the database open.
[[nodiscard]] Status ReserveLogIndex(const Connection& connection, size_t frames);

}  // namespace entente::storage::sqlite
