// What a journal does that does not say otherwise.
#include "storage/journal.h"

#include <memory>

#include "storage/append_answers.h"

namespace entente::storage {
namespace {

Status NoNotes() {
  return FailedPrecondition(kNoNotes, "this store keeps no notes, which bulk actions need");
}

}  // namespace

void Journal::AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) {
  const auto answers = std::make_shared<AppendAnswers>(batches.size(), std::move(on_durable));
  for (size_t i = 0; i < batches.size(); ++i) {
    Append(batches[i].shard, batches[i].epoch, std::move(batches[i].batch),
           [answers, i](Status status) { answers->Put(i, std::move(status)); });
  }
}

Status Journal::PutNote(const std::string&, const std::optional<std::string>&) {
  return NoNotes();
}

Result<std::vector<std::pair<std::string, std::string>>> Journal::ListNotes(const std::string&) {
  return NoNotes();
}

}  // namespace entente::storage
