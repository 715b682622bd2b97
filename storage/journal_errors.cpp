#include "storage/journal_errors.h"

#include "storage/journal.h"

#include "base/check.h"
#include "base/limits.h"

namespace entente::storage {

Status TransactionNotFound(const Gid& gid) {
  return NotFound("transaction.not_found", "no transaction '" + gid.str() +
                                               "' in this store; it may have been purged after "
                                               "its retention time");
}

Status TransactionExists(const Gid& gid) {
  return AlreadyExists("transaction.exists", "transaction '" + gid.str() + "' exists already");
}

Status StaleSequence(const Gid& gid, Sequence first, std::optional<Sequence> next) {
  std::string message =
      "append to '" + gid.str() + "' at sequence " + std::to_string(first.value()) + " refused: ";
  message +=
      next ? "the next one is " + std::to_string(next->value()) : "there is no such transaction";
  return Conflict("journal.stale_sequence", message + "; load it and decide again");
}

Status StaleEpoch(ShardId shard, Epoch epoch, std::optional<Epoch> current) {
  return Fenced("journal.stale_epoch",
                "shard " + std::to_string(shard.value()) + " is not owned under epoch " +
                    std::to_string(epoch.value()) +
                    (current ? " any more: its owner's is " + std::to_string(current->value())
                             : " any more: nobody owns it") +
                    "; nothing was written");
}

Status AppendTooLarge() {
  return ResourceExhausted(
      "journal.append_too_large",
      "one append may have " + std::to_string(limits::kMaxAppendBytes) +
          " bytes of records (kMaxAppendBytes); nothing was written; send smaller payloads");
}

size_t RecordBytes(const Batch& batch) {
  size_t bytes = 0;
  for (const TxnAppend& append : batch.appends) {
    for (const std::string& record : append.records) {
      bytes += record.size();
    }
  }
  return bytes;
}

void CheckWellFormed(ShardId shard, const Batch& batch) {
  for (const TxnAppend& append : batch.appends) {
    ENTENTE_CHECK(!append.gid.empty());
    ENTENTE_CHECK(ShardOf(append.gid) == shard);
    ENTENTE_CHECK(!append.records.empty());
    ENTENTE_CHECK(append.first.value() >= 1);
    ENTENTE_CHECK(append.first.value() > 1 || append.summary.has_value());
  }
}

Status DefinitionNotFound(const std::string& name, std::optional<uint32_t> version) {
  std::string message = "no definition '" + name + "'";
  if (version) {
    message += " version " + std::to_string(*version);
  }
  return NotFound("definition.not_found", message + "; put it first, or list what there is");
}

Status BadCursor(const std::string& cursor) {
  return InvalidArgument("query.bad_cursor",
                         "'" + cursor.substr(0, 64) +
                             "' is not a cursor of this list; use next_cursor of the page before");
}

}  // namespace entente::storage
