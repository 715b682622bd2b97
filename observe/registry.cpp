#include "observe/registry.h"

#include "base/check.h"

namespace entente::observe {
namespace {

struct FamilyFacts {
  std::string_view name;
  std::string_view help;
  Unit unit;
  std::string_view name_label;  // Empty: it has no labels.
  std::string_view kind_label;  // Empty: it has one at most.
};

// By Family.
constexpr std::array<FamilyFacts, kFamilies> kFacts{{
    {"entente_transaction_duration_seconds", "From the acceptance of a transaction to its end.",
     Unit::kSeconds, "definition", "status"},
    {"entente_call_duration_seconds",
     "From the sending of a call to its answer, or the lack of it.", Unit::kSeconds, "participant",
     "operation"},
    {"entente_call_wait_seconds",
     "How long calls that had to wait for their participant's limits or breaker did so.",
     Unit::kSeconds, "participant", ""},
    {"entente_journal_gathering_seconds",
     "From the first record of a batch to its being handed to the store.", Unit::kSeconds, "", ""},
    {"entente_journal_append_duration_seconds",
     "From the handing of a batch to the store to its being durable.", Unit::kSeconds, "", ""},
    {"entente_journal_append_size_records", "Records of a batch.", Unit::kCount, "", ""},
    {"entente_worker_lag_seconds",
     "How long a task waited for a worker's thread, of one that is handed in now and then.",
     Unit::kSeconds, "", ""},
}};

const FamilyFacts& FactsOf(Family family) {
  return kFacts[static_cast<size_t>(family)];
}

constexpr std::array kAllFamilies{Family::kTransaction,    Family::kCall,   Family::kCallWait,
                                  Family::kBatchGathering, Family::kAppend, Family::kAppendRecords,
                                  Family::kLoopLag};
static_assert(kAllFamilies.size() == kFamilies);

}  // namespace

bool LabelNames::Admit(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (names_.contains(name)) {
    return true;
  }
  if (names_.size() >= kMaxNames) {
    return false;
  }
  names_.emplace(name);
  full_.store(names_.size() >= kMaxNames, std::memory_order_release);
  return true;
}

std::vector<std::string> LabelNames::all() {
  const std::lock_guard lock(mutex_);
  return {names_.begin(), names_.end()};
}

Histogram& Recorder::Find(Family family, std::string_view name, std::string_view kind) {
  const auto index = static_cast<size_t>(family);
  const Table& table = tables_[index];
  auto found = table.find(name);
  if (found == table.end() && complete_[index]) {
    found = table.find(kOther);
  }
  if (found != table.end()) {
    if (const auto histogram = found->second.find(kind); histogram != found->second.end()) {
      return *histogram->second;
    }
  }
  return Make(family, name, kind);
}

// What is not in the table: a name or a kind that is met for the first time. Once no further name
// is admitted the table has all of them, so that the others are known for others without asking.
Histogram& Recorder::Make(Family family, std::string_view name, std::string_view kind) {
  const auto index = static_cast<size_t>(family);
  LabelNames& names = names_[index];
  if (!complete_[index] && names.full()) {
    TakeAllNames(family);
  }
  const bool apart = complete_[index] ? tables_[index].contains(name) : names.Admit(name);
  const std::lock_guard lock(mutex_);
  Kinds& kinds = tables_[index][std::string(apart ? name : kOther)];
  auto& histogram = kinds[std::string(kind)];
  if (histogram == nullptr) {
    histogram = std::make_unique<Histogram>();
  }
  return *histogram;
}

void Recorder::TakeAllNames(Family family) {
  const auto index = static_cast<size_t>(family);
  const std::lock_guard lock(mutex_);
  for (const std::string& name : names_[index].all()) {
    tables_[index].try_emplace(name);
  }
  complete_[index] = true;
}

void Recorder::AddTo(Family family, Series& series) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, kinds] : tables_[static_cast<size_t>(family)]) {
    for (const auto& [kind, histogram] : kinds) {
      histogram->AddTo(series[{name, kind}]);
    }
  }
}

Recorder& Registry::RecorderOf(size_t thread) {
  const std::lock_guard lock(mutex_);
  auto& recorder = recorders_[thread];
  if (recorder == nullptr) {
    recorder = std::make_unique<Recorder>(names_);
  }
  return *recorder;
}

Recorder::Series Registry::Read(Family family) const {
  Recorder::Series series;
  const std::lock_guard lock(mutex_);
  for (const auto& [thread, recorder] : recorders_) {
    recorder->AddTo(family, series);
  }
  return series;
}

void Registry::Write(Exposition& out) const {
  for (const Family family : kAllFamilies) {
    const FamilyFacts& facts = FactsOf(family);
    out.Family(facts.name, "histogram", facts.help);
    for (const auto& [labels, snapshot] : Read(family)) {
      Labels written;
      if (!facts.name_label.empty()) {
        written.emplace_back(facts.name_label, labels.first);
      }
      if (!facts.kind_label.empty()) {
        written.emplace_back(facts.kind_label, labels.second);
      }
      out.Histogram(written, snapshot, facts.unit);
    }
  }
}

}  // namespace entente::observe
