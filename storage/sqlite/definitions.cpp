#include "storage/sqlite/definitions.h"

#include <string>
#include <utility>
#include <vector>

#include "storage/encryption.h"
#include "storage/journal_errors.h"
#include "storage/sqlite/schema.h"

namespace entente::storage::sqlite {
namespace {

constexpr std::string_view kSelect =
    "SELECT name, version, source, env, digest, created_at FROM definition ";

DefinitionRow Decode(const Statement& row) {
  DefinitionRow definition;
  definition.name = row.Bytes(0);
  definition.version = static_cast<uint32_t>(row.Integer(1));
  definition.source = row.Bytes(2);
  definition.env = row.Bytes(3);
  definition.digest = row.Bytes(4);
  definition.created_at = InstantFromMicros(row.Integer(5));
  return definition;
}

Status Insert(Connection& writer, const DefinitionRow& row) {
  Statement insert;
  ENTENTE_RETURN_IF_ERROR(
      insert.Prepare(writer,
                     "INSERT INTO definition(name, version, source, env, digest, created_at)"
                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  insert.BindText(1, row.name);
  insert.Bind(2, row.version);
  insert.BindText(3, row.source);
  insert.BindText(4, row.env);
  insert.BindText(5, row.digest);
  insert.Bind(6, ToMicros(row.created_at));
  return insert.Run("storing a definition");
}

}  // namespace

Result<DefinitionRow> PutDefinition(Connection& writer, DefinitionRow row) {
  const Result<DefinitionRow> newest = GetDefinition(writer, row.name, std::nullopt);
  if (!newest.ok() && newest.status().code() != StatusCode::kNotFound) {
    return newest.status();
  }
  if (newest.ok() && newest->digest == row.digest) {
    return *newest;
  }
  row.version = newest.ok() ? newest->version + 1 : 1;
  ENTENTE_RETURN_IF_ERROR(Insert(writer, row));
  return row;
}

Result<DefinitionRow> GetDefinition(Connection& reader, const std::string& name,
                                    std::optional<uint32_t> version) {
  Statement select;
  const std::string_view which = version ? "WHERE name = ?1 AND version = ?2"
                                         : "WHERE name = ?1 ORDER BY version DESC LIMIT 1";
  ENTENTE_RETURN_IF_ERROR(select.Prepare(reader, std::string(kSelect) + std::string(which)));
  select.BindText(1, name);
  if (version) {
    select.Bind(2, *version);
  }
  const int code = select.Step();
  if (code == SQLITE_DONE) {
    return DefinitionNotFound(name, version);
  }
  if (code != SQLITE_ROW) {
    return select.Failure(code, "reading a definition");
  }
  return Decode(select);
}

Result<std::vector<DefinitionRow>> ListDefinitions(Connection& reader,
                                                   const std::optional<std::string>& name) {
  Statement select;
  const std::string_view which =
      name ? "WHERE name = ?1 ORDER BY version DESC"
           : "AS d WHERE version = (SELECT max(version) FROM definition WHERE name = d.name)"
             " ORDER BY name";
  ENTENTE_RETURN_IF_ERROR(select.Prepare(reader, std::string(kSelect) + std::string(which)));
  if (name) {
    select.BindText(1, *name);
  }
  std::vector<DefinitionRow> rows;
  int code = select.Step();
  for (; code == SQLITE_ROW; code = select.Step()) {
    rows.push_back(Decode(select));
  }
  if (code != SQLITE_DONE) {
    return select.Failure(code, "listing definitions");
  }
  return rows;
}

Result<std::string> GetOrPutSetting(Connection& writer, const std::string& name,
                                    const std::string& value) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> found, FindSetting(writer, name));
  if (found) {
    return *found;
  }
  ENTENTE_RETURN_IF_ERROR(PutSetting(writer, name, value));
  return value;
}

Result<std::optional<std::string>> FindSetting(const Connection& reader, const std::string& name) {
  Statement select;
  ENTENTE_RETURN_IF_ERROR(select.Prepare(reader, "SELECT value FROM setting WHERE name = ?1"));
  select.BindText(1, name);
  const int code = select.Step();
  if (code == SQLITE_ROW) {
    return std::optional<std::string>(select.Bytes(0));
  }
  return code == SQLITE_DONE ? Result<std::optional<std::string>>(std::optional<std::string>())
                             : select.Failure(code, "reading a setting");
}

Status PutSetting(const Connection& writer, const std::string& name, std::string_view value) {
  Statement replace;
  ENTENTE_RETURN_IF_ERROR(
      replace.Prepare(writer, "REPLACE INTO setting(name, value) VALUES(?1, ?2)"));
  replace.BindText(1, name);
  replace.BindBlob(2, value);
  return replace.Run("storing a setting");
}

Status RemoveSetting(const Connection& writer, const std::string& name) {
  Statement remove;
  ENTENTE_RETURN_IF_ERROR(remove.Prepare(writer, "DELETE FROM setting WHERE name = ?1"));
  remove.BindText(1, name);
  return remove.Run("removing a setting");
}

Status PutNote(Connection& writer, const std::string& name,
               const std::optional<std::string>& text) {
  const std::string key = kNotePrefix + name;  // The statement does not copy it.
  Statement change;
  ENTENTE_RETURN_IF_ERROR(
      change.Prepare(writer, text ? "INSERT INTO setting(name, value) VALUES(?1, ?2)"
                                    " ON CONFLICT(name) DO UPDATE SET value = excluded.value"
                                  : "DELETE FROM setting WHERE name = ?1"));
  change.BindText(1, key);
  if (text) {
    change.BindBlob(2, *text);
  }
  ENTENTE_RETURN_IF_ERROR(change.Run("storing a note"));
  return text && IsNoteOfKey(name) ? NoteEncrypted(writer) : Status();
}

Result<std::vector<std::pair<std::string, std::string>>> ListNotes(Connection& reader,
                                                                   const std::string& prefix) {
  const std::string from = kNotePrefix + prefix;
  Statement select;
  ENTENTE_RETURN_IF_ERROR(
      select.Prepare(reader, "SELECT name, value FROM setting WHERE name >= ?1 ORDER BY name"));
  select.BindText(1, from);
  std::vector<std::pair<std::string, std::string>> notes;
  int code = select.Step();
  for (; code == SQLITE_ROW && select.Bytes(0).starts_with(from); code = select.Step()) {
    notes.emplace_back(std::string(select.Bytes(0).substr(std::string_view(kNotePrefix).size())),
                       std::string(select.Bytes(1)));
  }
  if (code != SQLITE_DONE && code != SQLITE_ROW) {
    return select.Failure(code, "listing notes");
  }
  return notes;
}

Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(Connection& reader,
                                                                       const NoteRange& range) {
  const std::string from = kNotePrefix + range.from;
  const std::string below = kNotePrefix + range.below;
  Statement select;
  ENTENTE_RETURN_IF_ERROR(select.Prepare(
      reader, range.last_first ? "SELECT name, value FROM setting WHERE name >= ?1 AND name < ?2"
                                 " ORDER BY name DESC LIMIT ?3"
                               : "SELECT name, value FROM setting WHERE name >= ?1 AND name < ?2"
                                 " ORDER BY name LIMIT ?3"));
  select.BindText(1, from);
  select.BindText(2, below);
  select.Bind(3, static_cast<int64_t>(range.limit));
  std::vector<std::pair<std::string, std::string>> notes;
  int code = select.Step();
  for (; code == SQLITE_ROW; code = select.Step()) {
    notes.emplace_back(std::string(select.Bytes(0).substr(std::string_view(kNotePrefix).size())),
                       std::string(select.Bytes(1)));
  }
  if (code != SQLITE_DONE) {
    return select.Failure(code, "listing notes");
  }
  return notes;
}

Result<size_t> RemoveNotes(Connection& writer, const NoteRange& range) {
  ENTENTE_ASSIGN_OR_RETURN(const auto notes, ListNoteRange(writer, range));
  for (const auto& [name, text] : notes) {
    ENTENTE_RETURN_IF_ERROR(PutNote(writer, name, std::nullopt));
  }
  return notes.size();
}

Result<uint64_t> Increment(Connection& writer, const std::string& name) {
  Statement raise;
  ENTENTE_RETURN_IF_ERROR(
      raise.Prepare(writer,
                    "INSERT INTO counter(name, value) VALUES(?1, 1)"
                    " ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value"));
  raise.BindText(1, name);
  const int code = raise.Step();
  if (code != SQLITE_ROW) {
    return raise.Failure(code, "raising a counter");
  }
  return static_cast<uint64_t>(raise.Integer(0));
}

}  // namespace entente::storage::sqlite
