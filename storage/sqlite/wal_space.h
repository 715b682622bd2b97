// Room for the write-ahead log, taken before it is needed. Internal to storage/sqlite.
#pragma once

#include <cstddef>
#include <string>

namespace entente::storage::sqlite {

// Lengthens the log file `path` to `bytes` with zeros and syncs it, if it exists and is shorter.
// Syncing a write inside a file costs one write to the disk; syncing one that lengthens it costs
// another for the new length, on every commit until the log has reached its size. SQLite reads such
// a tail as no frame (https://www.sqlite.org/fileformat2.html#the_write_ahead_log: a frame is valid
// only with the header's salts). A failure is no reason not to start, and leaves the file as it
// was. Blocks on the disk.
void ReserveLog(const std::string& path, size_t bytes);

}  // namespace entente::storage::sqlite
