#include "storage/sealed/sealed_journal.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/membership.h"
#include "storage/note_log.h"
#include "storage/rewriting.h"
#include "storage/sealed/sealed_text.h"
#include "storage/summary_filter.h"

namespace entente::storage {
namespace {

using Notes = std::vector<std::pair<std::string, std::string>>;

// Of rows of a page that is filtered by an error: each look asks for as many as are missing.
constexpr size_t kMostLooks = 256;

bool IsKeyNote(std::string_view name) {
  return name.starts_with(kKeyNotes);
}

Result<std::set<std::string>> KeysNeeded(Journal& journal) {
  ENTENTE_ASSIGN_OR_RETURN(const Notes notes, journal.ListNotes(kKeyNotes));
  std::set<std::string> needed;
  for (const auto& [name, text] : notes) {
    needed.insert(name.substr(std::string_view(kKeyNotes).size()));
  }
  return needed;
}

Status CheckKeys(const std::set<std::string>& needed, const KeyRing* keys) {
  std::string missing;
  for (const std::string& name : needed) {
    if (name != kPlainTexts && (keys == nullptr || keys->Find(name) == nullptr)) {
      missing += (missing.empty() ? "" : ", ") + name;
    }
  }
  if (missing.empty()) {
    return {};
  }
  return FailedPrecondition(
      "encryption.key_missing",
      keys == nullptr
          ? "the store is encrypted, by key " + missing +
                ": give the file that has it as --encryption-key-file; to have it decrypted, put "
                "a first line 'plain' there and wait until event=store_rewritten says so"
          : "the store has what is encrypted by key " + missing +
                ", which is not in the --encryption-key-file: add it there, behind the first");
}

std::string NameOf(const std::optional<KeyId>& key) {
  return key ? KeyName(*key) : std::string(kPlainTexts);
}

class SealedJournal : public Journal, public NoteLog, public Encryption {
 public:
  SealedJournal(std::unique_ptr<Journal> inner, std::shared_ptr<const KeyRing> keys,
                std::set<std::string> needed)
      : inner_(std::move(inner)),
        keys_(std::move(keys)),
        notes_(NoteLogOf(*inner_)),
        needed_(std::move(needed)) {
    ENTENTE_CHECK(notes_ != nullptr);
  }

  Result<Epoch> Acquire(ShardId shard) override { return inner_->Acquire(shard); }
  Status Renew(ShardId shard, Epoch epoch) override { return inner_->Renew(shard, epoch); }
  std::optional<Duration> lease_time() const override { return inner_->lease_time(); }
  Status Release(ShardId shard, Epoch epoch) override { return inner_->Release(shard, epoch); }
  Result<size_t> Purge(Instant before, size_t limit) override {
    return inner_->Purge(before, limit);
  }
  StoreHealth CheckHealth() override { return inner_->CheckHealth(); }

  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) override {
    SealBatch(batch);
    inner_->Append(shard, epoch, std::move(batch), std::move(on_durable));
  }

  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) override {
    for (ShardBatch& one : batches) {
      SealBatch(one.batch);
    }
    inner_->AppendEach(std::move(batches), std::move(on_durable));
  }

  Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) override {
    return inner_->LoadOpen(shard, [this, &sink](StoredTxn txn) -> Status {
      if (const auto missing = OpenTxn(txn)) {
        return Unavailable("encryption.key_missing",
                           "transaction '" + txn.gid.str() + "' is encrypted by key " +
                               KeyName(*missing) + ", which another node writes with and this " +
                               "one's --encryption-key-file does not have: add it, and restart");
      }
      return sink(std::move(txn));
    });
  }

  Result<StoredTxn> Load(const Gid& gid) override {
    ENTENTE_ASSIGN_OR_RETURN(StoredTxn txn, inner_->Load(gid));
    static_cast<void>(OpenTxn(txn));
    return txn;
  }

  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    Filter inner = filter;
    Filter by_error;
    by_error.error = std::exchange(inner.error, std::nullopt);
    const size_t limit = ClampPageLimit(page.limit);
    SummaryPage found;
    Page next = page;
    for (size_t look = 0; look < kMostLooks; ++look) {
      next.limit = limit - found.rows.size();
      ENTENTE_ASSIGN_OR_RETURN(SummaryPage rows, inner_->Query(inner, next));
      for (SummaryRow& row : rows.rows) {
        OpenSummary(row.gid, row.summary);
        if (Matches(by_error, row.gid, row.summary)) {
          found.rows.push_back(std::move(row));
        }
      }
      found.next_cursor = std::move(rows.next_cursor);
      next.cursor = found.next_cursor;
      if (next.cursor.empty() || found.rows.size() == limit || !by_error.error) {
        break;
      }
    }
    return found;
  }

  Result<DefinitionRow> PutDefinition(DefinitionRow row) override {
    row.source = Sealed({TextKind::kSource, row.name, 0, row.digest}, std::move(row.source));
    row.env = Sealed({TextKind::kEnv, row.name, 0, row.digest}, std::move(row.env));
    return Opened(inner_->PutDefinition(std::move(row)));
  }

  Result<DefinitionRow> GetDefinition(const std::string& name,
                                      std::optional<uint32_t> version) override {
    return Opened(inner_->GetDefinition(name, version));
  }

  Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) override {
    ENTENTE_ASSIGN_OR_RETURN(std::vector<DefinitionRow> rows, inner_->ListDefinitions(name));
    for (DefinitionRow& row : rows) {
      OpenDefinition(row);
    }
    return rows;
  }

  Result<std::string> GetOrPutSetting(const std::string& name, const std::string& value) override {
    const TextPlace place{TextKind::kSetting, name};
    ENTENTE_ASSIGN_OR_RETURN(std::string stored,
                             inner_->GetOrPutSetting(name, Sealed(place, value)));
    OpenedText opened = OpenText(keys_.get(), place, std::move(stored));
    if (!opened.is_readable()) {
      return DataLoss("encryption.unreadable", "the store's setting '" + name +
                                                   "' can not be decrypted by key " +
                                                   NameOf(opened.key) + "; restore a backup");
    }
    return std::move(opened.text);
  }

  Status PutNote(const std::string& name, const std::optional<std::string>& text) override {
    return inner_->PutNote(name, text && !IsKeyNote(name)
                                     ? std::optional(Sealed({TextKind::kNote, name}, *text))
                                     : text);
  }

  Result<Notes> ListNotes(const std::string& prefix) override {
    return Opened(inner_->ListNotes(prefix));
  }

  Result<Notes> ListNoteRange(const NoteRange& range) override {
    return Opened(notes_->ListNoteRange(range));
  }

  Result<size_t> RemoveNotes(const NoteRange& range) override { return notes_->RemoveNotes(range); }

  Result<bool> RewriteSome() override {
    Rewriting* const store = RewritingOf(*inner_);
    if (store == nullptr) {
      return false;
    }
    if (!look_) {
      ENTENTE_ASSIGN_OR_RETURN(const bool due, BeginLook());
      if (!due) {
        return false;
      }
    }
    Look look = *look_;  // What was counted in a piece that failed is counted again.
    const auto change = [this, &look](const TextPlace& place, std::string_view stored) {
      return Rewritten(look, place, stored);
    };
    ENTENTE_ASSIGN_OR_RETURN(look.cursor, store->RewriteSome(look.cursor, change));
    *look_ = std::move(look);
    if (look_->cursor.empty()) {
      ENTENTE_RETURN_IF_ERROR(EndLook());
    }
    return look_.has_value();
  }

  EncryptionReport report() const override {
    const std::lock_guard lock(mutex_);
    EncryptionReport report = report_;
    report.writing = WritingName();
    report.needed.assign(needed_.begin(), needed_.end());
    return report;
  }

 protected:
  [[nodiscard]] Journal& inner() { return *inner_; }

 private:
  // A way through the whole store.
  struct Look {
    std::string cursor;
    std::set<std::string> to_forget;  // Keys that nothing may need after it, if it can read all.
    std::map<std::string, KeyUse> found;
    std::set<std::string> unreadable_keys;
    uint64_t unreadable = 0;
    uint64_t rewritten = 0;
  };

  [[nodiscard]] std::string WritingName() const {
    const EncryptionKey* const key = keys_->writing();
    return key == nullptr ? std::string(kPlainTexts) : KeyName(key->id());
  }

  [[nodiscard]] std::string Sealed(const TextPlace& place, std::string text) const {
    const EncryptionKey* const key = keys_->writing();
    return key == nullptr ? std::move(text) : SealText(*key, place, text);
  }

  void Open(const TextPlace& place, std::string& text) const {
    text = OpenText(keys_.get(), place, std::move(text)).text;
  }

  void SealBatch(Batch& batch) const {
    for (TxnAppend& append : batch.appends) {
      uint64_t sequence = append.first.value();
      for (std::string& record : append.records) {
        record = Sealed({TextKind::kRecord, append.gid.str(), sequence++}, std::move(record));
      }
      if (append.summary) {
        SealSummary(append.gid, *append.summary);
      }
    }
  }

  // An empty error stays one: it says that there is none.
  void SealSummary(const Gid& gid, Summary& summary) const {
    if (!summary.error.empty()) {
      summary.error = Sealed({TextKind::kError, gid.str()}, std::move(summary.error));
    }
    for (IncidentRow& incident : summary.incidents) {
      incident.message = Sealed({TextKind::kIncident, gid.str(), 0, incident.branch.str()},
                                std::move(incident.message));
    }
  }

  void OpenSummary(const Gid& gid, Summary& summary) const {
    Open({TextKind::kError, gid.str()}, summary.error);
    for (IncidentRow& incident : summary.incidents) {
      Open({TextKind::kIncident, gid.str(), 0, incident.branch.str()}, incident.message);
    }
  }

  // Returns a key that a record needs and that is not here.
  std::optional<KeyId> OpenTxn(StoredTxn& txn) const {
    OpenSummary(txn.gid, txn.summary);
    std::optional<KeyId> missing;
    uint64_t sequence = 1;
    for (std::string& record : txn.records) {
      const TextPlace place{TextKind::kRecord, txn.gid.str(), sequence++};
      OpenedText opened = OpenText(keys_.get(), place, std::move(record));
      record = std::move(opened.text);
      if (opened.outcome == OpenedText::Outcome::kNoKey) {
        missing = opened.key;
      }
    }
    return missing;
  }

  void OpenDefinition(DefinitionRow& row) const {
    Open({TextKind::kSource, row.name, 0, row.digest}, row.source);
    Open({TextKind::kEnv, row.name, 0, row.digest}, row.env);
  }

  Result<DefinitionRow> Opened(Result<DefinitionRow> row) const {
    if (row.ok()) {
      OpenDefinition(*row);
    }
    return row;
  }

  // Those that say which keys are needed are this journal's own.
  Result<Notes> Opened(Result<Notes> notes) const {
    if (notes.ok()) {
      std::erase_if(*notes, [](const auto& note) { return IsKeyNote(note.first); });
      for (auto& [name, text] : *notes) {
        Open({TextKind::kNote, name}, text);
      }
    }
    return notes;
  }

  // Another node may have put a key to use, or found that nothing needs ours: what this one writes
  // does.
  Result<bool> BeginLook() {
    ENTENTE_ASSIGN_OR_RETURN(std::set<std::string> needed, KeysNeeded(*inner_));
    const std::string writing = WritingName();
    if (needed.insert(writing).second) {
      ENTENTE_RETURN_IF_ERROR(inner_->PutNote(kKeyNotes + writing, ""));
    }
    Look look;
    look.to_forget = needed;
    look.to_forget.erase(writing);
    const bool due = !look.to_forget.empty();
    const std::lock_guard lock(mutex_);
    needed_ = std::move(needed);
    report_.rewriting = due;
    if (due) {
      look_ = std::move(look);
    }
    return due;
  }

  std::optional<std::string> Rewritten(Look& look, const TextPlace& place,
                                       std::string_view stored) const {
    if (place.kind == TextKind::kNote && IsKeyNote(place.name)) {
      return std::nullopt;
    }
    if (place.kind == TextKind::kError && stored.empty()) {
      return std::nullopt;
    }
    OpenedText opened = OpenText(keys_.get(), place, std::string(stored));
    const std::string name = NameOf(opened.key);
    KeyUse& use = look.found[name];
    ++use.texts;
    use.bytes += stored.size();
    if (!opened.is_readable()) {
      ++look.unreadable;
      look.unreadable_keys.insert(name);
      return std::nullopt;
    }
    const EncryptionKey* const writing = keys_->writing();
    if (opened.key == (writing == nullptr ? std::nullopt : std::optional(writing->id()))) {
      return std::nullopt;
    }
    ++look.rewritten;
    return Sealed(place, std::move(opened.text));
  }

  // What could not be read may be readable by its key in another copy of the store: that is said to
  // be needed for as long as it stands there.
  Status EndLook() {
    for (const std::string& key : look_->to_forget) {
      if (!look_->unreadable_keys.contains(key)) {
        ENTENTE_RETURN_IF_ERROR(inner_->PutNote(kKeyNotes + key, std::nullopt));
      }
    }
    const std::lock_guard lock(mutex_);
    report_.found.clear();
    for (auto& [name, use] : look_->found) {
      use.key = name;
      report_.found.push_back(use);
    }
    std::erase_if(needed_, [this](const std::string& key) {
      return look_->to_forget.contains(key) && !look_->unreadable_keys.contains(key);
    });
    report_.rewriting = false;
    report_.rewritten += look_->rewritten;
    report_.unreadable = look_->unreadable;
    look_.reset();
    return {};
  }

  const std::unique_ptr<Journal> inner_;
  const std::shared_ptr<const KeyRing> keys_;
  NoteLog* const notes_;      // Of inner_.
  std::optional<Look> look_;  // Of whoever calls RewriteSome.

  mutable std::mutex mutex_;
  std::set<std::string> needed_;  // Guarded by mutex_, as the next.
  EncryptionReport report_;
};

// Of a store that many share.
class SealedSharedJournal final : public SealedJournal, public Membership {
 public:
  SealedSharedJournal(std::unique_ptr<Journal> inner, std::shared_ptr<const KeyRing> keys,
                      std::set<std::string> needed)
      : SealedJournal(std::move(inner), std::move(keys), std::move(needed)),
        members_(dynamic_cast<Membership&>(this->inner())) {}

  const std::string& node_id() const override { return members_.node_id(); }
  Result<ClusterView> Beat(const NodeFacts& facts) override { return members_.Beat(facts); }
  std::vector<Result<Epoch>> AcquireShards(const std::vector<ShardId>& shards) override {
    return members_.AcquireShards(shards);
  }
  std::vector<Status> ReleaseShards(const std::vector<OwnedShard>& shards) override {
    return members_.ReleaseShards(shards);
  }
  Status Leave() override { return members_.Leave(); }

 private:
  Membership& members_;
};

}  // namespace

Result<std::unique_ptr<Journal>> SealJournal(std::unique_ptr<Journal> inner,
                                             std::shared_ptr<const KeyRing> keys) {
  Result<std::set<std::string>> needed = KeysNeeded(*inner);
  if (!needed.ok() && (needed.status().reason() != kNoNotes || keys != nullptr)) {
    return needed.status();
  }
  if (needed.ok()) {
    ENTENTE_RETURN_IF_ERROR(CheckKeys(*needed, keys.get()));
  }
  if (keys == nullptr) {
    return inner;
  }
  // Of a store that was never encrypted, nobody knows what is in it.
  std::vector<std::string> added;
  if (needed->empty()) {
    added.emplace_back(kPlainTexts);
  }
  added.push_back(keys->writing() == nullptr ? std::string(kPlainTexts)
                                             : KeyName(keys->writing()->id()));
  for (const std::string& name : added) {
    if (needed->insert(name).second) {
      ENTENTE_RETURN_IF_ERROR(inner->PutNote(kKeyNotes + name, ""));
    }
  }
  const bool shared = dynamic_cast<Membership*>(inner.get()) != nullptr;
  if (shared) {
    return std::unique_ptr<Journal>(std::make_unique<SealedSharedJournal>(
        std::move(inner), std::move(keys), std::move(*needed)));
  }
  return std::unique_ptr<Journal>(
      std::make_unique<SealedJournal>(std::move(inner), std::move(keys), std::move(*needed)));
}

}  // namespace entente::storage
