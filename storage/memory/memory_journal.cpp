#include "storage/memory/memory_journal.h"

#include <utility>

#include "storage/journal_errors.h"

namespace entente::storage {

MemoryJournal::MemoryJournal(std::shared_ptr<MemoryStore> store, MemoryDelivery delivery)
    : store_(std::move(store)), owner_(store_->NewOwner()), delivery_(delivery) {
  if (delivery_ == MemoryDelivery::kThread) {
    thread_ = std::thread([this] { Run(); });
  }
}

MemoryJournal::~MemoryJournal() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
  DeliverAll();
}

size_t MemoryJournal::pending() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

Result<Epoch> MemoryJournal::Acquire(ShardId shard) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->Acquire(shard, owner_);
}

Status MemoryJournal::Renew(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->Renew(shard, epoch);
}

Status MemoryJournal::Release(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->Release(shard, epoch);
}

void MemoryJournal::Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) {
  CheckWellFormed(shard, batch);
  {
    const std::lock_guard lock(mutex_);
    if (crashed_) {
      return;
    }
    waiting_.push_back({shard, epoch, std::move(batch), std::move(on_durable)});
  }
  arrived_.notify_one();
}

bool MemoryJournal::Deliver() {
  Waiting next;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      return false;
    }
    next = std::move(waiting_.front());
    waiting_.pop_front();
  }
  const AppendCallback on_durable = std::move(next.on_durable);
  Status status = ApplyOrFail(std::move(next));
  {
    const std::lock_guard lock(mutex_);
    if (crashed_) {
      return true;
    }
  }
  on_durable(std::move(status));
  return true;
}

void MemoryJournal::DeliverAll() {
  while (Deliver()) {
  }
}

void MemoryJournal::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    lock.unlock();
    Deliver();
    lock.lock();
  }
}

Status MemoryJournal::ApplyOrFail(Waiting append) {
  std::optional<MemoryFault> fault;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) {
      return *broken_;
    }
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.pop_front();
    }
  }
  if (!fault) {
    return store_->Apply(append.shard, append.epoch, std::move(append.batch));
  }
  if (*fault == MemoryFault::kUnavailable) {
    return Unavailable("store.unavailable", "injected: the append was not written; repeat it");
  }
  if (*fault == MemoryFault::kUnknownOutcomeWritten || *fault == MemoryFault::kUnknownOnceWritten) {
    ENTENTE_RETURN_IF_ERROR(store_->Apply(append.shard, append.epoch, std::move(append.batch)));
  }
  if (*fault == MemoryFault::kUnknownOnce || *fault == MemoryFault::kUnknownOnceWritten) {
    return UnknownOutcome("store.unknown_outcome",
                          "injected: the append may have been written; reload");
  }
  const std::lock_guard lock(mutex_);
  broken_ = *fault == MemoryFault::kDataLoss
                ? DataLoss("store.corrupt", "injected: the store is corrupt")
                : UnknownOutcome("store.unknown_outcome",
                                 "injected: the append may have been written; reload");
  return *broken_;
}

void MemoryJournal::Fail(MemoryFault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
}

void MemoryJournal::Crash() {
  // Declared before the lock, so destroyed after it: callbacks may own things that call back in.
  std::deque<Waiting> dropped;
  const std::lock_guard lock(mutex_);
  crashed_ = true;
  dropped.swap(waiting_);
}

Status MemoryJournal::CheckWorks() const {
  const std::lock_guard lock(mutex_);
  return broken_.value_or(Status());
}

Status MemoryJournal::LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) {
  return store_->LoadOpen(shard, sink);
}

Result<StoredTxn> MemoryJournal::Load(const Gid& gid) {
  return store_->Load(gid);
}

Result<SummaryPage> MemoryJournal::Query(const Filter& filter, const Page& page) {
  return store_->Query(filter, page);
}

Result<DefinitionRow> MemoryJournal::PutDefinition(DefinitionRow row) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->PutDefinition(std::move(row));
}

Result<DefinitionRow> MemoryJournal::GetDefinition(const std::string& name,
                                                   std::optional<uint32_t> version) {
  return store_->GetDefinition(name, version);
}

Result<std::vector<DefinitionRow>> MemoryJournal::ListDefinitions(
    const std::optional<std::string>& name) {
  return store_->ListDefinitions(name);
}

Result<std::string> MemoryJournal::GetOrPutSetting(const std::string& name,
                                                   const std::string& value) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->GetOrPutSetting(name, value);
}

Status MemoryJournal::PutNote(const std::string& name, const std::optional<std::string>& text) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  store_->PutNote(name, text);
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> MemoryJournal::ListNotes(
    const std::string& prefix) {
  return store_->ListNotes(prefix);
}

Result<std::vector<std::pair<std::string, std::string>>> MemoryJournal::ListNoteRange(
    const NoteRange& range) {
  return store_->ListNoteRange(range);
}

Result<size_t> MemoryJournal::RemoveNotes(const NoteRange& range) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->RemoveNotes(range);
}

Result<size_t> MemoryJournal::Purge(Instant before, size_t limit) {
  ENTENTE_RETURN_IF_ERROR(CheckWorks());
  return store_->Purge(before, limit);
}

StoreHealth MemoryJournal::CheckHealth() {
  StoreHealth health;
  health.fatal = CheckWorks();
  return health;
}

}  // namespace entente::storage
