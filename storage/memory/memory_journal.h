// A journal in memory, for tests, trials and the simulator. "Durable" means: in its MemoryStore.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "storage/journal.h"
#include "storage/memory/memory_store.h"
#include "storage/note_log.h"

namespace entente::storage {

// Who makes appends durable and runs their callbacks.
enum class MemoryDelivery {
  kThread,  // A thread of the journal's own, as soon as it can.
  kManual,  // The test, when it calls Deliver: nothing happens by itself.
};

// What the next delivery does instead of succeeding.
enum class MemoryFault {
  kUnavailable,            // Not written; later appends work.
  kUnknownOutcome,         // Not written, and the journal refuses everything from then on.
  kUnknownOutcomeWritten,  // Written, and the journal refuses everything from then on.
  kUnknownOnce,            // Not written, which nobody is told; later appends work.
  kUnknownOnceWritten,     // Written, which nobody is told; later appends work.
  kDataLoss,               // Not written, and the journal refuses everything from then on.
};

// Thread-safe as storage/journal.h says; in manual mode the delivering calls come from one thread
// at a time, and callbacks run on it, inside Deliver. Reads see what is durable, never what is only
// handed in. Nothing blocks on I/O.
class MemoryJournal : public Journal, public NoteLog {
 public:
  // `store` may be shared with an earlier journal that is crashed or destroyed.
  explicit MemoryJournal(std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>(),
                         MemoryDelivery delivery = MemoryDelivery::kThread);

  // Delivers what was handed in, unless Crash was called.
  ~MemoryJournal() override;

  MemoryJournal(const MemoryJournal&) = delete;
  MemoryJournal& operator=(const MemoryJournal&) = delete;

  // Manual mode: the number of appends that wait for Deliver.
  [[nodiscard]] size_t pending() const;

  // Manual mode: makes the oldest waiting append durable (or fails it, as Fail asked) and runs its
  // callback. False if none waits.
  bool Deliver();

  // Manual mode: delivers until none waits, including those that callbacks hand in.
  void DeliverAll();

  // The next delivery meets `fault`. Faults queue up; each is met once.
  void Fail(MemoryFault fault);

  // As if the process died: what is not durable is dropped, no callback runs again, and every
  // later Append is ignored. The store is left for the next journal.
  void Crash();

  [[nodiscard]] Result<Epoch> Acquire(ShardId shard) override;
  [[nodiscard]] Status Renew(ShardId shard, Epoch epoch) override;
  [[nodiscard]] Status Release(ShardId shard, Epoch epoch) override;
  [[nodiscard]] std::optional<Duration> lease_time() const override { return store_->lease_time(); }
  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) override;
  [[nodiscard]] Status LoadOpen(ShardId shard,
                                const std::function<Status(StoredTxn)>& sink) override;
  [[nodiscard]] Result<StoredTxn> Load(const Gid& gid) override;
  [[nodiscard]] Result<SummaryPage> Query(const Filter& filter, const Page& page) override;
  [[nodiscard]] Result<DefinitionRow> PutDefinition(DefinitionRow row) override;
  [[nodiscard]] Result<DefinitionRow> GetDefinition(const std::string& name,
                                                    std::optional<uint32_t> version) override;
  [[nodiscard]] Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) override;
  [[nodiscard]] Status PutNote(const std::string& name,
                               const std::optional<std::string>& text) override;
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
      const std::string& prefix) override;
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
      const NoteRange& range) override;
  [[nodiscard]] Result<size_t> RemoveNotes(const NoteRange& range) override;
  [[nodiscard]] Result<std::string> GetOrPutSetting(const std::string& name,
                                                    const std::string& value) override;
  [[nodiscard]] Result<size_t> Purge(Instant before, size_t limit) override;
  [[nodiscard]] StoreHealth CheckHealth() override;

 private:
  struct Waiting {
    ShardId shard;
    Epoch epoch;
    Batch batch;
    AppendCallback on_durable;
  };

  [[nodiscard]] Status ApplyOrFail(Waiting append);
  [[nodiscard]] Status CheckWorks() const;
  void Run();

  const std::shared_ptr<MemoryStore> store_;  // Shared: it outlives crashed journals.
  const uint64_t owner_;                      // Of its leases.
  const MemoryDelivery delivery_;

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Waiting> waiting_;
  std::deque<MemoryFault> faults_;
  std::optional<Status> broken_;  // Why everything is refused.
  bool crashed_ = false;
  bool stopping_ = false;

  std::thread thread_;  // Last: it uses the members above. Not started in manual mode.
};

}  // namespace entente::storage
