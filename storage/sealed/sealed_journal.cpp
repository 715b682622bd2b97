#include "storage/sealed/sealed_journal.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/membership.h"
#include "storage/note_log.h"
#include "storage/opened_query.h"
#include "storage/rewriting.h"
#include "storage/sealed/key_notes.h"
#include "storage/sealed/sealed_text.h"
#include "storage/summary_filter.h"

namespace entente::storage {
namespace {

using Notes = std::vector<std::pair<std::string, std::string>>;

std::string NameOf(const std::optional<KeyId>& key) {
  return key ? KeyName(*key) : std::string(kPlainTexts);
}

// In place of an error or a message that can not be read.
constexpr const char* kUnreadableText = "(encrypted, and can not be decrypted)";

// How often the keys are looked at that others may have put to use.
constexpr auto kCheckEvery = std::chrono::seconds(10);

// `what` of that name.
Status KeyMissing(std::string_view what, std::string_view name, const std::optional<KeyId>& key) {
  return FailedPrecondition(
      kKeyMissing, std::string(what) + " '" + std::string(name) + "' is encrypted by key " +
                       NameOf(key) +
                       ", which is not in the --encryption-key-file of this coordinator: add it "
                       "there, behind the first");
}

class SealedJournal : public Journal, public NoteLog {
 public:
  // `node`: as of KeyNotes.
  SealedJournal(std::unique_ptr<Journal> inner, std::shared_ptr<const KeyRing> keys,
                std::string node, const SealOptions& options)
      : inner_(std::move(inner)),
        keys_(std::move(keys)),
        notes_(NoteLogOf(*inner_)),
        shared_(!node.empty()),
        options_(options),
        key_notes_(*inner_, keys_, std::move(node), options),
        checked_at_(options.now()) {
    ENTENTE_CHECK(notes_ != nullptr);
  }

  // Before anything else is called.
  Status Begin() {
    ENTENTE_ASSIGN_OR_RETURN(needed_, key_notes_.Say());
    return {};
  }

  Result<Epoch> Acquire(ShardId shard) override {
    ENTENTE_RETURN_IF_ERROR(CheckShared());
    return inner_->Acquire(shard);
  }
  Status Renew(ShardId shard, Epoch epoch) override { return inner_->Renew(shard, epoch); }
  std::optional<Duration> lease_time() const override { return inner_->lease_time(); }
  Status Release(ShardId shard, Epoch epoch) override { return inner_->Release(shard, epoch); }
  Result<size_t> Purge(Instant before, size_t limit) override {
    return inner_->Purge(before, limit);
  }

  StoreHealth CheckHealth() override {
    StoreHealth health = inner_->CheckHealth();
    bool due = false;
    {
      const std::lock_guard lock(mutex_);
      due = shared_ && options_.now() - checked_at_ >= kCheckEvery;
    }
    // What fails for another reason is found out by everything else.
    if (due) {
      static_cast<void>(CheckShared().ok());
    }
    const std::lock_guard lock(mutex_);
    if (health.fatal.ok()) {
      health.fatal = missing_;
    }
    return health;
  }

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
      if (const Status opened = OpenTxn(txn); !opened.ok()) {
        return Unavailable(kKeyMissing, opened.message());  // The shard is well where the key is.
      }
      return sink(std::move(txn));
    });
  }

  Result<StoredTxn> Load(const Gid& gid) override {
    ENTENTE_ASSIGN_OR_RETURN(StoredTxn txn, inner_->Load(gid));
    ENTENTE_RETURN_IF_ERROR(OpenTxn(txn));
    return txn;
  }

  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    const OpenRow open = [this](const Gid& gid, Summary& summary) { OpenSummary(gid, summary); };
    if (auto* const opened = dynamic_cast<OpenedQuery*>(inner_.get())) {
      return opened->QueryOpened(filter, page, open);
    }
    Filter inner = filter;
    Filter by_error;
    by_error.error = std::exchange(inner.error, std::nullopt);
    ENTENTE_ASSIGN_OR_RETURN(SummaryPage found, inner_->Query(inner, page));
    std::erase_if(found.rows, [&](SummaryRow& row) {
      open(row.gid, row.summary);
      return !Matches(by_error, row.gid, row.summary);
    });
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
      ENTENTE_RETURN_IF_ERROR(OpenDefinition(row));
    }
    return rows;
  }

  Result<std::string> GetOrPutSetting(const std::string& name, const std::string& value) override {
    const TextPlace place{TextKind::kSetting, name};
    ENTENTE_ASSIGN_OR_RETURN(std::string stored,
                             inner_->GetOrPutSetting(name, Sealed(place, value)));
    OpenedText opened = OpenText(keys_.get(), place, std::move(stored));
    if (opened.outcome == OpenedText::Outcome::kNoKey) {
      return KeyMissing("the store's setting", name, opened.key);
    }
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

 protected:
  [[nodiscard]] Journal& inner() { return *inner_; }

  // Whether nobody who shares the store has put a key to use that is missing here; if somebody has,
  // nothing goes on.
  Status CheckShared() { return shared_ ? SayAndCheck().status() : Status(); }

  void Heard(const ClusterView& view) {
    MemberIds members;
    for (const NodeRow& node : view.nodes) {
      members.insert(node.id);
    }
    const std::lock_guard lock(mutex_);
    members_ = std::move(members);
  }

  Status SayLeft() { return key_notes_.Leave(); }

  Result<bool> GoOnRewriting() {
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

  [[nodiscard]] EncryptionReport ReportNow() const {
    const std::lock_guard lock(mutex_);
    EncryptionReport report = report_;
    report.writing = key_notes_.writing();
    report.needed.assign(needed_.begin(), needed_.end());
    return report;
  }

 private:
  // A way through the whole store.
  struct Look {
    SealClock::time_point begun;
    std::string cursor;
    KeyNames to_forget;  // Keys that nothing may need after it, if it can read all.
    std::map<std::string, KeyUse> found;
    KeyNames unreadable_keys;
    bool is_any_key_unreadable = false;  // There are rows of which nobody can tell their keys.
    uint64_t unreadable = 0;
    uint64_t rewritten = 0;
  };

  [[nodiscard]] std::string Sealed(const TextPlace& place, std::string text) const {
    const EncryptionKey* const key = keys_ == nullptr ? nullptr : keys_->writing();
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

  void OpenShown(const TextPlace& place, std::string& text) const {
    OpenedText opened = OpenText(keys_.get(), place, std::move(text));
    text = opened.is_readable() ? std::move(opened.text) : std::string(kUnreadableText);
  }

  void OpenSummary(const Gid& gid, Summary& summary) const {
    OpenShown({TextKind::kError, gid.str()}, summary.error);
    for (IncidentRow& incident : summary.incidents) {
      OpenShown({TextKind::kIncident, gid.str(), 0, incident.branch.str()}, incident.message);
    }
  }

  // Fails if the key is missing: of what can not be read for that reason nothing may be concluded,
  // let alone written.
  Status OpenOrFail(const TextPlace& place, std::string& text, std::string_view what) const {
    OpenedText opened = OpenText(keys_.get(), place, std::move(text));
    if (opened.outcome == OpenedText::Outcome::kNoKey) {
      return KeyMissing(what, place.name, opened.key);
    }
    text = std::move(opened.text);
    return {};
  }

  Status OpenTxn(StoredTxn& txn) const {
    OpenSummary(txn.gid, txn.summary);
    uint64_t sequence = 1;
    for (std::string& record : txn.records) {
      ENTENTE_RETURN_IF_ERROR(OpenOrFail({TextKind::kRecord, txn.gid.str(), sequence++}, record,
                                         "a record of transaction"));
    }
    return {};
  }

  Status OpenDefinition(DefinitionRow& row) const {
    ENTENTE_RETURN_IF_ERROR(
        OpenOrFail({TextKind::kSource, row.name, 0, row.digest}, row.source, "definition"));
    return OpenOrFail({TextKind::kEnv, row.name, 0, row.digest}, row.env, "definition");
  }

  Result<DefinitionRow> Opened(Result<DefinitionRow> row) const {
    if (row.ok()) {
      ENTENTE_RETURN_IF_ERROR(OpenDefinition(*row));
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

  [[nodiscard]] std::optional<MemberIds> Members() const {
    const std::lock_guard lock(mutex_);
    return shared_ ? members_ : MemberIds();
  }

  Result<KeyNames> SayAndCheck() {
    Result<KeyNames> needed = key_notes_.Say();
    const std::lock_guard lock(mutex_);
    if (needed.status().reason() == kKeyMissing) {
      missing_ = needed.status();
    }
    if (needed.ok()) {
      checked_at_ = options_.now();
    }
    return needed;
  }

  // A look that goes on while others write with another key would take back what theirs does, and
  // each of them what this one's does.
  Status CheckOthers(const MemberIds& members) {
    ENTENTE_ASSIGN_OR_RETURN(KeyNames others, key_notes_.OthersWrite(members));
    others.erase(key_notes_.writing());
    if (others.empty()) {
      return {};
    }
    clean_since_.clear();
    std::string named;
    for (const std::string& key : others) {
      named += (named.empty() ? "" : ", ") + key;
    }
    return FailedPrecondition("encryption.members_differ",
                              "another node writes with " + named + ", or did minutes ago");
  }

  // Another node may have put a key to use, or found that nothing needs ours: what this one writes
  // does.
  Result<bool> BeginLook() {
    ENTENTE_ASSIGN_OR_RETURN(KeyNames needed, SayAndCheck());
    const std::optional<MemberIds> members = Members();
    if (!members) {
      return false;
    }
    ENTENTE_RETURN_IF_ERROR(CheckOthers(*members));
    Look look;
    look.begun = options_.now();
    look.to_forget = needed;
    look.to_forget.erase(key_notes_.writing());
    if (std::exchange(looked_for_, needed) != needed) {
      given_up_.clear();
    }
    // Another node may have forgotten it, and then a text under it have been found again.
    std::erase_if(clean_since_, [&](const auto& one) { return !needed.contains(one.first); });
    const bool due = IsDue(look);
    const std::lock_guard lock(mutex_);
    needed_ = std::move(needed);
    report_.rewriting = due;
    if (due) {
      look_ = std::move(look);
    }
    return due;
  }

  // At the start, what others did beside the notes is looked for too.
  [[nodiscard]] bool IsDue(const Look& look) const {
    if (shared_ && !looked_) {
      return true;
    }
    return std::ranges::any_of(look.to_forget, [&](const std::string& key) {
      const auto clean = clean_since_.find(key);
      return !given_up_.contains(key) &&
             (clean == clean_since_.end() || look.begun - clean->second >= options_.settle);
    });
  }

  std::optional<std::string> Rewritten(Look& look, const TextPlace& place,
                                       std::string_view stored) const {
    if (place.kind == TextKind::kNote && IsKeyNote(place.name)) {
      return std::nullopt;
    }
    if (place.kind == TextKind::kDamagedRow) {
      ++look.unreadable;
      look.is_any_key_unreadable = true;
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
    const std::optional<MemberIds> members = Members();
    ENTENTE_CHECK(members.has_value());
    const Status agreed = CheckOthers(*members);
    KeyNames forgotten;
    for (const std::string& key : look_->to_forget) {
      if (look_->is_any_key_unreadable || look_->unreadable_keys.contains(key)) {
        given_up_.insert(key);
      } else if (agreed.ok() && IsClean(key)) {
        ENTENTE_ASSIGN_OR_RETURN(const bool gone, key_notes_.Forget(key, *members));
        if (gone) {
          forgotten.insert(key);
        }
      }
    }
    ENTENTE_ASSIGN_OR_RETURN(const KeyNames added, SayFound());
    looked_ = true;
    const std::lock_guard lock(mutex_);
    needed_.insert(added.begin(), added.end());
    report_.found.clear();
    for (auto& [name, use] : look_->found) {
      use.key = name;
      report_.found.push_back(use);
    }
    for (const std::string& key : forgotten) {
      needed_.erase(key);
      looked_for_.erase(key);
      clean_since_.erase(key);
    }
    report_.rewriting = false;
    report_.rewritten += look_->rewritten;
    report_.unreadable = look_->unreadable;
    look_.reset();
    return {};
  }

  // What others wrote under a key that nobody says is needed: the next looks find whether it still
  // is.
  Result<KeyNames> SayFound() {
    KeyNames added;
    for (const auto& [key, use] : look_->found) {
      const bool noted = key == key_notes_.writing() || look_->to_forget.contains(key);
      if (shared_ && !noted && !look_->unreadable_keys.contains(key)) {
        ENTENTE_RETURN_IF_ERROR(inner_->PutNote(kKeyNotes + key, ""));
        added.insert(key);
      }
    }
    return added;
  }

  // Whether the look that ended is the second one that found nothing under the key.
  bool IsClean(const std::string& key) {
    if (!shared_) {
      return true;
    }
    if (look_->found.contains(key)) {
      clean_since_.erase(key);
      return false;
    }
    const auto [since, first] = clean_since_.try_emplace(key, look_->begun);
    return !first && look_->begun - since->second >= options_.settle;
  }

  const std::unique_ptr<Journal> inner_;
  const std::shared_ptr<const KeyRing> keys_;  // Null: none.
  NoteLog* const notes_;                       // Of inner_.
  const bool shared_;
  const SealOptions options_;
  KeyNotes key_notes_;

  // Of whoever calls RewriteSome.
  std::optional<Look> look_;
  bool looked_ = false;  // Once at least, to the end.
  KeyNames looked_for_;  // What was needed when the latest look began.
  KeyNames given_up_;    // Of them, those of which some texts can not be read.
  // When the first look began that found nothing under the key; since then all write with another.
  std::map<std::string, SealClock::time_point> clean_since_;

  mutable std::mutex mutex_;
  KeyNames needed_;  // Guarded by mutex_, as the next.
  EncryptionReport report_;
  std::optional<MemberIds> members_;  // Of a shared store; absent before the first Beat.
  SealClock::time_point checked_at_;
  Status missing_;  // Not ok: of a key that others have put to use.
};

class KeyedJournal final : public SealedJournal, public Encryption {
 public:
  using SealedJournal::SealedJournal;

  Result<bool> RewriteSome() override { return GoOnRewriting(); }
  EncryptionReport report() const override { return ReportNow(); }
};

// Of a store that many share.
class SharedJournal : public SealedJournal, public Membership {
 public:
  SharedJournal(std::unique_ptr<Journal> inner, std::shared_ptr<const KeyRing> keys,
                const std::string& node, const SealOptions& options)
      : SealedJournal(std::move(inner), std::move(keys), node, options),
        members_(dynamic_cast<Membership&>(this->inner())) {}

  const std::string& node_id() const override { return members_.node_id(); }
  Result<ClusterView> Beat(const NodeFacts& facts) override {
    Result<ClusterView> view = members_.Beat(facts);
    if (view.ok()) {
      Heard(*view);
    }
    return view;
  }
  std::vector<Result<Epoch>> AcquireShards(const std::vector<ShardId>& shards) override {
    const Status checked = shards.empty() ? Status() : CheckShared();
    return checked.ok() ? members_.AcquireShards(shards)
                        : std::vector<Result<Epoch>>(shards.size(), Result<Epoch>(checked));
  }
  std::vector<Status> ReleaseShards(const std::vector<OwnedShard>& shards) override {
    return members_.ReleaseShards(shards);
  }
  Status Leave() override {
    const Status said = SayLeft();
    const Status left = members_.Leave();
    return left.ok() ? said : left;
  }

 private:
  Membership& members_;
};

class KeyedSharedJournal final : public SharedJournal, public Encryption {
 public:
  using SharedJournal::SharedJournal;

  Result<bool> RewriteSome() override { return GoOnRewriting(); }
  EncryptionReport report() const override { return ReportNow(); }
};

template <class Kind>
Result<std::unique_ptr<Journal>> Made(std::unique_ptr<Journal> inner,
                                      std::shared_ptr<const KeyRing> keys, const std::string& node,
                                      const SealOptions& options) {
  auto made = std::make_unique<Kind>(std::move(inner), std::move(keys), node, options);
  ENTENTE_RETURN_IF_ERROR(made->Begin());
  return std::unique_ptr<Journal>(std::move(made));
}

}  // namespace

Result<std::unique_ptr<Journal>> SealJournal(std::unique_ptr<Journal> inner,
                                             std::shared_ptr<const KeyRing> keys,
                                             SealOptions options) {
  if (const auto* const members = dynamic_cast<Membership*>(inner.get())) {
    const std::string node = members->node_id();
    return keys == nullptr ? Made<SharedJournal>(std::move(inner), nullptr, node, options)
                           : Made<KeyedSharedJournal>(std::move(inner), keys, node, options);
  }
  if (keys != nullptr) {
    return Made<KeyedJournal>(std::move(inner), keys, "", options);
  }
  const Result<KeyNames> needed = KeysNeeded(*inner);
  if (!needed.ok() && needed.status().reason() != kNoNotes) {
    return needed.status();
  }
  if (needed.ok()) {
    ENTENTE_RETURN_IF_ERROR(CheckKeys(*needed, nullptr));
  }
  return inner;
}

}  // namespace entente::storage
