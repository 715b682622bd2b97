#include "storage/import.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "storage/encryption.h"

namespace entente::storage {
namespace {

// Written and not yet durable, at most.
constexpr size_t kMaxUnderWay = 512;
constexpr size_t kMaxBytesUnderWay = 4 * limits::kMaxGroupBytes;

constexpr uint64_t kProgressStep = 10'000;
constexpr uint64_t kRenewalStep = 500;

bool SameIncidents(const std::vector<IncidentRow>& a, const std::vector<IncidentRow>& b) {
  return std::ranges::equal(a, b, [](const IncidentRow& one, const IncidentRow& other) {
    return one.branch == other.branch && one.participant == other.participant &&
           one.operation == other.operation && one.code == other.code &&
           one.message == other.message && one.since == other.since;
  });
}

bool Same(const StoredTxn& a, const StoredTxn& b) {
  const Summary& one = a.summary;
  const Summary& other = b.summary;
  return a.gid == b.gid && a.records == b.records && one.definition == other.definition &&
         one.version == other.version && one.mode == other.mode && one.status == other.status &&
         one.open == other.open && one.paused == other.paused &&
         SameIncidents(one.incidents, other.incidents) && one.labels == other.labels &&
         one.created_at == other.created_at && one.updated_at == other.updated_at &&
         one.parent == other.parent && one.attempts == other.attempts && one.error == other.error &&
         one.lasting == other.lasting;
}

Status AnotherStore(const std::string& what) {
  return FailedPrecondition("import.another_store",
                            what +
                                "; import into an empty database, or into one that an import "
                                "of the same store was cut short in");
}

class Import {
 public:
  Import(Journal& from, Journal& to, const std::function<void(uint64_t)>& progress)
      : from_(from), to_(to), progress_(progress) {}

  Result<ImportReport> Run() {
    ENTENTE_RETURN_IF_ERROR(ListAll());
    ENTENTE_RETURN_IF_ERROR(AcquireAll());
    Status status = CopyAll();
    if (!status.ok() && !put_any_) {
      const Status undone = TakeBackKeyNotes();
      status = undone.ok() ? status : undone;
    }
    const Status released = ReleaseAll();
    ENTENTE_RETURN_IF_ERROR(status);
    ENTENTE_RETURN_IF_ERROR(released);
    return report_;
  }

 private:
  Status CopyAll() {
    ENTENTE_RETURN_IF_ERROR(CopyKeyNotes());
    ENTENTE_RETURN_IF_ERROR(CopyIdentity());
    ENTENTE_RETURN_IF_ERROR(CopyDefinitions());
    ENTENTE_RETURN_IF_ERROR(CopyTransactions());
    return Compare();
  }

  // What is encrypted is copied as it is. Before any of it, what says that keys are needed; of a
  // source that says nothing, that there is plain text, where the database says what it has.
  Status CopyKeyNotes() {
    ENTENTE_ASSIGN_OR_RETURN(auto notes, from_.ListNotes(kKeyNotes));
    ENTENTE_ASSIGN_OR_RETURN(const auto there, to_.ListNotes(kKeyNotes));
    if (notes.empty() && !there.empty()) {
      notes.emplace_back(std::string(kKeyNotes) + kPlainTexts, "");
    }
    for (const auto& [name, text] : notes) {
      if (std::ranges::find(there, name, [](const auto& note) { return note.first; }) ==
          there.end()) {
        key_notes_.push_back(name);
        ENTENTE_RETURN_IF_ERROR(to_.PutNote(name, text));
      }
    }
    return {};
  }

  // Of an import that was refused: nodes would ask for keys of what is not there.
  Status TakeBackKeyNotes() {
    for (const std::string& name : key_notes_) {
      ENTENTE_RETURN_IF_ERROR(to_.PutNote(name, std::nullopt));
    }
    return {};
  }

  // Participants know the coordinator by it: what was begun can only be ended under the same name.
  Status CopyIdentity() {
    if (gids_.empty()) {
      return {};  // No coordinator has used the store, or to no avail.
    }
    for (const char* name : {kIdentitySetting, kCompletionSecretSetting}) {
      ENTENTE_ASSIGN_OR_RETURN(const std::string value, from_.GetOrPutSetting(name, ""));
      ENTENTE_ASSIGN_OR_RETURN(const std::string kept, to_.GetOrPutSetting(name, value));
      if (kept != value) {
        return AnotherStore("the database is another coordinator's store");
      }
      put_any_ = true;
    }
    return {};
  }

  Status AcquireAll() {
    for (uint64_t i = 0; i < kShardCount; ++i) {
      const Result<Epoch> epoch = to_.Acquire(ShardId(i));
      if (epoch.status().reason() == kLeaseHeld) {
        return FailedPrecondition(
            "store.in_use",
            "a coordinator has the database in use; stop it: " + epoch.status().message());
      }
      ENTENTE_RETURN_IF_ERROR(epoch.status());
      epochs_[i] = *epoch;
    }
    return {};
  }

  Status RenewAll() {
    for (uint64_t i = 0; i < kShardCount; ++i) {
      ENTENTE_RETURN_IF_ERROR(to_.Renew(ShardId(i), epochs_[i]));
    }
    return {};
  }

  Status ReleaseAll() {
    for (uint64_t i = 0; i < kShardCount; ++i) {
      ENTENTE_RETURN_IF_ERROR(to_.Release(ShardId(i), epochs_[i]));
    }
    return {};
  }

  // Oldest first: they get the versions that they had.
  Status CopyDefinitions() {
    ENTENTE_ASSIGN_OR_RETURN(const auto newest, from_.ListDefinitions(std::nullopt));
    for (const DefinitionRow& one : newest) {
      ENTENTE_ASSIGN_OR_RETURN(auto versions, from_.ListDefinitions(one.name));
      std::ranges::reverse(versions);
      for (const DefinitionRow& version : versions) {
        ENTENTE_RETURN_IF_ERROR(CopyDefinition(version));
        ++report_.definitions;
      }
    }
    return {};
  }

  Status CopyDefinition(const DefinitionRow& version) {
    Result<DefinitionRow> there = to_.GetDefinition(version.name, version.version);
    if (there.status().code() == StatusCode::kNotFound) {
      put_any_ = true;
      there = to_.PutDefinition(version);
    }
    ENTENTE_RETURN_IF_ERROR(there.status());
    const bool same = there->version == version.version && there->digest == version.digest &&
                      there->source == version.source && there->env == version.env;
    return same ? Status()
                : AnotherStore("definition '" + version.name + "' version " +
                               std::to_string(version.version) + " is another one there");
  }

  Status ListAll() {
    ENTENTE_ASSIGN_OR_RETURN(gids_, GidsOf(from_));
    std::ranges::reverse(gids_);
    const std::unordered_set<Gid> known(gids_.begin(), gids_.end());
    ENTENTE_ASSIGN_OR_RETURN(const std::vector<Gid> there, GidsOf(to_));
    for (const Gid& gid : there) {
      if (!known.contains(gid)) {
        return AnotherStore("the database has a transaction '" + gid.str() + "' of its own");
      }
    }
    return {};
  }

  static Result<std::vector<Gid>> GidsOf(Journal& journal) {
    std::vector<Gid> gids;
    Page page{limits::kMaxPageSize, ""};
    do {
      ENTENTE_ASSIGN_OR_RETURN(const SummaryPage rows, journal.Query({}, page));
      for (const SummaryRow& row : rows.rows) {
        gids.push_back(row.gid);
      }
      page.cursor = rows.next_cursor;
    } while (!page.cursor.empty());
    return gids;
  }

  // In the order of creation, which the lists keep.
  Status CopyTransactions() {
    Status status;
    for (size_t i = 0; i < gids_.size() && status.ok(); ++i) {
      status = CopyOne(gids_[i]);
      status = status.ok() ? Step(i + 1) : status;
    }
    // The callbacks refer to this.
    const Status settled = Settle(0, 0);
    return status.ok() ? settled : status;
  }

  Status CopyOne(const Gid& gid) {
    ENTENTE_ASSIGN_OR_RETURN(StoredTxn txn, from_.Load(gid));
    ++(txn.summary.open ? report_.open : report_.finished);
    return Write(std::move(txn));
  }

  // After so many: keeps the shards, and says how far it is.
  Status Step(uint64_t done) {
    if (progress_ && done % kProgressStep == 0) {
      progress_(done);
    }
    return done % kRenewalStep == 0 ? RenewAll() : Status();
  }

  Status Write(StoredTxn txn) {
    size_t bytes = 0;
    for (const std::string& record : txn.records) {
      bytes += record.size();
    }
    ENTENTE_RETURN_IF_ERROR(Settle(kMaxUnderWay, kMaxBytesUnderWay));
    put_any_ = true;
    const ShardId shard = ShardOf(txn.gid);
    Batch batch;
    batch.appends.push_back({txn.gid, Sequence(1), std::move(txn.records), std::move(txn.summary)});
    {
      const std::lock_guard lock(mutex_);
      ++under_way_;
      bytes_under_way_ += bytes;
    }
    to_.Append(shard, epochs_[shard.value()], std::move(batch),
               [this, bytes](const Status& status) {
                 const std::lock_guard lock(mutex_);
                 --under_way_;
                 bytes_under_way_ -= bytes;
                 if (!status.ok() && status.code() != StatusCode::kAlreadyExists && failure_.ok()) {
                   failure_ = status;
                 }
                 settled_.notify_one();
               });
    return {};
  }

  // Waits until no more than that is under way.
  Status Settle(size_t appends, size_t bytes) {
    std::unique_lock lock(mutex_);
    settled_.wait(lock, [&] { return under_way_ <= appends && bytes_under_way_ <= bytes; });
    return failure_;
  }

  Status Compare() {
    uint64_t compared = 0;
    for (const Gid& gid : gids_) {
      ENTENTE_ASSIGN_OR_RETURN(const StoredTxn one, from_.Load(gid));
      ENTENTE_ASSIGN_OR_RETURN(const StoredTxn other, to_.Load(gid));
      if (!Same(one, other)) {
        return AnotherStore("transaction '" + gid.str() + "' is another one there");
      }
      ENTENTE_RETURN_IF_ERROR(Step(gids_.size() + ++compared));
    }
    return {};
  }

  Journal& from_;
  Journal& to_;
  const std::function<void(uint64_t)>& progress_;
  std::array<Epoch, kShardCount> epochs_;
  std::vector<Gid> gids_;  // Oldest first.
  ImportReport report_;
  std::vector<std::string> key_notes_;  // Put by this import.
  bool put_any_ = false;                // Beside them.

  std::mutex mutex_;
  std::condition_variable settled_;
  size_t under_way_ = 0;
  size_t bytes_under_way_ = 0;
  Status failure_;
};

}  // namespace

Result<ImportReport> CopyStore(Journal& from, Journal& to,
                               const std::function<void(uint64_t)>& progress) {
  return Import(from, to, progress).Run();
}

}  // namespace entente::storage
