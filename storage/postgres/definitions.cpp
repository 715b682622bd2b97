#include "storage/postgres/definitions.h"

#include <utility>

#include "storage/encryption.h"
#include "storage/journal_errors.h"
#include "storage/postgres/failure.h"
#include "storage/postgres/options.h"
#include "storage/postgres/schema.h"

namespace entente::storage::postgres {
namespace {

#define ENTENTE_DEFINITION_COLUMNS "SELECT name, version, source, env, digest, created_at"

constexpr std::string_view kNewest = ENTENTE_DEFINITION_COLUMNS
    " FROM entente_definition WHERE name = $1::text ORDER BY version DESC LIMIT 1";
constexpr std::string_view kVersion = ENTENTE_DEFINITION_COLUMNS
    " FROM entente_definition WHERE name = $1::text AND version = $2::integer";
constexpr std::string_view kVersions = ENTENTE_DEFINITION_COLUMNS
    " FROM entente_definition WHERE name = $1::text ORDER BY version DESC";
constexpr std::string_view kAllNewest = ENTENTE_DEFINITION_COLUMNS
    " FROM entente_definition AS d WHERE version ="
    " (SELECT max(o.version) FROM entente_definition AS o WHERE o.name = d.name) ORDER BY name";
constexpr std::string_view kInsert =
    "INSERT INTO entente_definition(name, version, source, env, digest, created_at)"
    " VALUES($1::text, $2::integer, $3::text, $4::text, $5::text, $6::bigint)"
    " ON CONFLICT DO NOTHING";
constexpr std::string_view kPutSetting =
    "INSERT INTO entente_setting(name, value) VALUES($1::text, $2::bytea) ON CONFLICT DO NOTHING";
constexpr std::string_view kGetSetting = "SELECT value FROM entente_setting WHERE name = $1::text";

constexpr std::string_view kPutNote =
    "INSERT INTO entente_note(name, value) VALUES($1::text, $2::bytea)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
constexpr std::string_view kRaiseVersion =
    "UPDATE entente_schema SET version = $1::integer WHERE only_row = 1 AND version < $1::integer";
constexpr std::string_view kRemoveNote = "DELETE FROM entente_note WHERE name = $1::text";
constexpr std::string_view kListNotes =
    "SELECT name, value FROM entente_note WHERE name >= $1::text"
    " AND left(name, length($1::text)) = $1::text ORDER BY name";
constexpr std::string_view kFirstNotes =
    "SELECT name, value FROM entente_note WHERE name >= $1::text AND name < $2::text"
    " ORDER BY name LIMIT $3::bigint";
constexpr std::string_view kLastNotes =
    "SELECT name, value FROM entente_note WHERE name >= $1::text AND name < $2::text"
    " ORDER BY name DESC LIMIT $3::bigint";
constexpr std::string_view kRemoveFirstNotes =
    "DELETE FROM entente_note WHERE name IN"
    " (SELECT name FROM entente_note WHERE name >= $1::text AND name < $2::text"
    " ORDER BY name LIMIT $3::bigint) RETURNING name";
constexpr std::string_view kRemoveLastNotes =
    "DELETE FROM entente_note WHERE name IN"
    " (SELECT name FROM entente_note WHERE name >= $1::text AND name < $2::text"
    " ORDER BY name DESC LIMIT $3::bigint) RETURNING name";

using Notes = std::vector<std::pair<std::string, std::string>>;

Notes NotesOf(const pg::PgResult& found) {
  Notes notes;
  for (int row = 0; row < found.rows(); ++row) {
    notes.emplace_back(found.Bytes(row, 0), found.Bytes(row, 1));
  }
  return notes;
}

pg::Params ParamsOf(const NoteRange& range) {
  pg::Params params;
  params.Bytes(range.from).Bytes(range.below).Int8(static_cast<int64_t>(range.limit));
  return params;
}

// As many as may put one definition at the same time.
constexpr int kTries = 100;

DefinitionRow Decode(const pg::PgResult& rows, int row) {
  DefinitionRow definition;
  definition.name = rows.Bytes(row, 0);
  definition.version = static_cast<uint32_t>(rows.Number(row, 1));
  definition.source = rows.Bytes(row, 2);
  definition.env = rows.Bytes(row, 3);
  definition.digest = rows.Bytes(row, 4);
  definition.created_at = InstantFromMicros(rows.Number(row, 5));
  return definition;
}

}  // namespace

Result<DefinitionRow> PutDefinition(pg::Connection& connection, DefinitionRow row,
                                    Duration timeout) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const Result<DefinitionRow> newest = GetDefinition(connection, row.name, std::nullopt, timeout);
    if (!newest.ok() && newest.status().code() != StatusCode::kNotFound) {
      return newest.status();
    }
    if (newest.ok() && newest->digest == row.digest) {
      return *newest;
    }
    row.version = newest.ok() ? newest->version + 1 : 1;
    pg::Params params;
    params.Bytes(row.name).Int4(static_cast<int32_t>(row.version)).Bytes(row.source);
    params.Bytes(row.env).Bytes(row.digest).Int8(ToMicros(row.created_at));
    const pg::PgResult inserted = connection.RunOne(kInsert, params, After(timeout));
    ENTENTE_RETURN_IF_ERROR(OutcomeOf(inserted, connection.warning(), "storing a definition"));
    // None: another one has put this version meanwhile.
    if (inserted.changed() == 1) {
      return row;
    }
  }
  return Unavailable("store.unavailable", "definition '" + row.name + "' is being put by others");
}

Result<DefinitionRow> GetDefinition(pg::Connection& connection, const std::string& name,
                                    std::optional<uint32_t> version, Duration timeout) {
  if (version && *version > INT32_MAX) {
    return DefinitionNotFound(name, version);
  }
  pg::Params params;
  params.Bytes(name);
  if (version) {
    params.Int4(static_cast<int32_t>(*version));
  }
  const pg::PgResult found =
      connection.RunOne(version ? kVersion : kNewest, params, After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "reading a definition");
  }
  if (found.rows() == 0) {
    return DefinitionNotFound(name, version);
  }
  return Decode(found, 0);
}

Result<std::vector<DefinitionRow>> ListDefinitions(pg::Connection& connection,
                                                   const std::optional<std::string>& name,
                                                   Duration timeout) {
  pg::Params params;
  if (name) {
    params.Bytes(*name);
  }
  const pg::PgResult found =
      connection.RunOne(name ? kVersions : kAllNewest, params, After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "listing definitions");
  }
  std::vector<DefinitionRow> rows;
  for (int row = 0; row < found.rows(); ++row) {
    rows.push_back(Decode(found, row));
  }
  return rows;
}

Result<std::string> GetOrPutSetting(pg::Connection& connection, const std::string& name,
                                    const std::string& value, Duration timeout) {
  pg::Params put;
  put.Bytes(name).Bytes(value);
  const pg::PgResult inserted = connection.RunOne(kPutSetting, put, After(timeout));
  ENTENTE_RETURN_IF_ERROR(OutcomeOf(inserted, connection.warning(), "storing a setting"));
  const pg::PgResult found =
      connection.RunOne(kGetSetting, std::move(pg::Params().Bytes(name)), After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "reading a setting");
  }
  return std::string(found.Bytes(0, 0));
}

Status PutNote(pg::Connection& connection, const std::string& name,
               const std::optional<std::string>& text, Duration timeout) {
  pg::Params params;
  params.Bytes(name);
  if (text) {
    params.Bytes(*text);
  }
  std::vector<pg::Statement> statements;
  const pg::Params raise = std::move(pg::Params().Int4(kEncryptedSchemaVersion));
  if (text && IsNoteOfKey(name)) {
    statements.push_back({kRaiseVersion, raise});
  }
  statements.push_back({text ? kPutNote : kRemoveNote, params});
  for (const pg::PgResult& changed : connection.Run(statements, After(timeout))) {
    ENTENTE_RETURN_IF_ERROR(OutcomeOf(changed, connection.warning(), "keeping a note"));
  }
  return {};
}

Result<std::vector<std::pair<std::string, std::string>>> ListNotes(pg::Connection& connection,
                                                                   const std::string& prefix,
                                                                   Duration timeout) {
  const pg::PgResult found =
      connection.RunOne(kListNotes, std::move(pg::Params().Bytes(prefix)), After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "listing notes");
  }
  return NotesOf(found);
}

Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(pg::Connection& connection,
                                                                       const NoteRange& range,
                                                                       Duration timeout) {
  const pg::PgResult found = connection.RunOne(range.last_first ? kLastNotes : kFirstNotes,
                                               ParamsOf(range), After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "listing notes");
  }
  return NotesOf(found);
}

Result<size_t> RemoveNotes(pg::Connection& connection, const NoteRange& range, Duration timeout) {
  const pg::PgResult removed = connection.RunOne(
      range.last_first ? kRemoveLastNotes : kRemoveFirstNotes, ParamsOf(range), After(timeout));
  ENTENTE_RETURN_IF_ERROR(OutcomeOf(removed, connection.warning(), "removing notes"));
  return static_cast<size_t>(removed.rows());
}

}  // namespace entente::storage::postgres
