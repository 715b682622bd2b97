#include "runtime/shard/stored_view.h"

#include <memory>
#include <utility>

#include "marks/crash_marks.h"
#include "runtime/record_codec.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

Result<storage::StoredTxn> LoadOne(storage::Journal& journal, const Gid& gid) {
  auto stored = journal.Load(gid);
  if (!stored.ok() && stored.status().code() == StatusCode::kNotFound) {
    return NoSuchTransaction(gid);
  }
  return stored;
}

Status NotShown(const Gid& gid, Sequence revision) {
  return Unavailable("store.behind", "the store does not show revision " +
                                         std::to_string(revision.value()) + " of transaction '" +
                                         gid.str() + "': try again shortly");
}

}  // namespace

Status NoSuchTransaction(const Gid& gid) {
  return NotFound("transaction.not_found",
                  "there is no transaction '" + gid.str() +
                      "': check the gid; a finished one is deleted after its retention time");
}

Result<History> ReadHistory(storage::Journal& journal, Definitions& definitions, const Gid& gid) {
  const marks::WorkScope scope(gid.str());
  ENTENTE_ASSIGN_OR_RETURN(const storage::StoredTxn stored, LoadOne(journal, gid));
  History history;
  history.gid = gid;
  Sequence revision;
  for (const std::string& bytes : stored.records) {
    ENTENTE_ASSIGN_OR_RETURN(engine::Record record, DecodeRecord(bytes));
    const auto* accepted = std::get_if<engine::Accepted>(&record.body);
    if (accepted != nullptr) {
      history.mode = accepted->mode;
    }
    if (accepted != nullptr && !accepted->client_driven) {
      if (auto plan = definitions.Get(accepted->definition, accepted->version); plan.ok()) {
        history.plan = std::move(*plan);
      }
    }
    revision = revision.next();
    history.entries.push_back({revision, std::move(record)});
  }
  return history;
}

Result<TxnView> ReadView(storage::Journal& journal, Definitions& definitions, const Gid& gid,
                         Sequence revision, bool quarantined) {
  const marks::WorkScope scope(gid.str());
  ENTENTE_ASSIGN_OR_RETURN(storage::StoredTxn stored, LoadOne(journal, gid));
  if (quarantined) {
    return QuarantinedView(stored, revision);
  }
  if (stored.records.size() < revision.value()) {
    return NotShown(gid, revision);
  }
  stored.records.resize(revision.value());
  ENTENTE_ASSIGN_OR_RETURN(engine::TxnState state, FoldRecords(stored));
  ENTENTE_ASSIGN_OR_RETURN(PlanPtr plan, state.client_driven
                                             ? ClientDrivenPlanOf(state)
                                             : definitions.Get(state.definition, state.version));
  return TxnView{std::move(plan), std::make_shared<const engine::TxnState>(std::move(state))};
}

Result<History> ReadHistoryUpTo(storage::Journal& journal, Definitions& definitions, const Gid& gid,
                                Sequence revision) {
  ENTENTE_ASSIGN_OR_RETURN(History history, ReadHistory(journal, definitions, gid));
  if (history.entries.size() < revision.value()) {
    return NotShown(gid, revision);
  }
  history.entries.erase(history.entries.begin() + static_cast<std::ptrdiff_t>(revision.value()),
                        history.entries.end());
  return history;
}

}  // namespace entente::runtime
