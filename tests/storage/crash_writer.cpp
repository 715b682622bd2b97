// Writes into a SQLite journal without end, and prints a line "<gid> <records>" for every append
// that was acknowledged. The crash test kills it.
//
//   storage-crash-writer PATH RUN
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "storage/sqlite/sqlite_journal.h"

namespace entente::storage {
namespace {

constexpr uint64_t kAppends = 4;  // Per transaction; the last finishes it.
constexpr int kInFlight = 24;

Summary SummaryAt(uint64_t first) {
  Summary summary;
  summary.definition = "crash";
  summary.mode = "saga";
  summary.open = first < kAppends;
  summary.status = summary.open ? "ACTIVE" : "COMMITTED";
  return summary;
}

Batch BatchAt(const std::string& gid, uint64_t first) {
  TxnAppend append{Gid(gid), Sequence(first), {gid + "#" + std::to_string(first)}, {}};
  if (first == 1 || first == kAppends) {
    append.summary = SummaryAt(first);
  }
  Batch batch;
  batch.appends.push_back(std::move(append));
  return batch;
}

void Print(const std::string& line) {
  // One write, straight to the pipe: what was printed survives the kill.
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) {
    _exit(1);
  }
}

[[noreturn]] void Run(Journal& journal, const std::string& run) {
  std::map<ShardId, Epoch> epochs;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    epochs[ShardId(i)] = journal.Acquire(ShardId(i)).value();
  }
  std::mutex mutex;
  std::condition_variable finished;
  int in_flight = 0;
  for (uint64_t number = 0;; ++number) {
    const std::string gid = "run" + run + "-" + std::to_string(number);
    {
      std::unique_lock lock(mutex);
      finished.wait(lock, [&] { return in_flight < kInFlight; });
      ++in_flight;
    }
    for (uint64_t first = 1; first <= kAppends; ++first) {
      const ShardId shard = ShardOf(Gid(gid));
      journal.Append(shard, epochs.at(shard), BatchAt(gid, first),
                     [&, gid, first](const Status& status) {
                       if (!status.ok()) {
                         std::fprintf(stderr, "%s\n", status.ToString().c_str());
                         _exit(1);
                       }
                       Print(gid + " " + std::to_string(first) + "\n");
                       if (first == kAppends) {
                         const std::lock_guard lock(mutex);
                         --in_flight;
                         finished.notify_one();
                       }
                     });
    }
  }
}

}  // namespace
}  // namespace entente::storage

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: storage-crash-writer PATH RUN\n");
    return 2;
  }
  entente::storage::sqlite::SqliteOptions options;
  options.wal_target_bytes = 256 * 1024;  // Many checkpoints, so that some are killed midway.
  auto journal = entente::storage::sqlite::OpenSqliteJournal(argv[1], options);
  if (!journal.ok()) {
    std::fprintf(stderr, "%s\n", journal.status().ToString().c_str());
    return 1;
  }
  entente::storage::Run(**journal, argv[2]);
}
