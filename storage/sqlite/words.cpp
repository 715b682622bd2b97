#include "storage/sqlite/words.h"

#include <mutex>

namespace entente::storage::sqlite {

Status Words::Load(const Connection& connection) {
  Statement select;
  ENTENTE_RETURN_IF_ERROR(select.Prepare(connection, "SELECT id, text FROM word"));
  int code = select.Step();
  for (; code == SQLITE_ROW; code = select.Step()) {
    Add(select.Integer(0), select.Bytes(1));
  }
  return code == SQLITE_DONE ? Status() : select.Failure(code, "reading the dictionary");
}

std::optional<int64_t> Words::Find(std::string_view text) const {
  const std::shared_lock lock(mutex_);
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Words::Text(int64_t id) const {
  const std::shared_lock lock(mutex_);
  const auto found = texts_.find(id);
  return found == texts_.end() ? std::nullopt : std::optional(found->second);
}

void Words::Add(int64_t id, std::string_view text) {
  const std::unique_lock lock(mutex_);
  ids_.insert_or_assign(std::string(text), id);
  texts_.insert_or_assign(id, std::string(text));
}

void Words::Remove(int64_t id) {
  const std::unique_lock lock(mutex_);
  const auto found = texts_.find(id);
  if (found != texts_.end()) {
    ids_.erase(found->second);
    texts_.erase(found);
  }
}

}  // namespace entente::storage::sqlite
