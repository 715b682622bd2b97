// Definitions and settings: small tables that are written seldom.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/journal.h"
#include "storage/note_log.h"

namespace entente::storage::postgres {

// As the methods of Journal; the two that write can be repeated after any failure. Block.
[[nodiscard]] Result<DefinitionRow> PutDefinition(pg::Connection& connection, DefinitionRow row,
                                                  Duration timeout);
[[nodiscard]] Result<DefinitionRow> GetDefinition(pg::Connection& connection,
                                                  const std::string& name,
                                                  std::optional<uint32_t> version,
                                                  Duration timeout);
[[nodiscard]] Result<std::vector<DefinitionRow>> ListDefinitions(
    pg::Connection& connection, const std::optional<std::string>& name, Duration timeout);
[[nodiscard]] Result<std::string> GetOrPutSetting(pg::Connection& connection,
                                                  const std::string& name, const std::string& value,
                                                  Duration timeout);
[[nodiscard]] Status PutNote(pg::Connection& connection, const std::string& name,
                             const std::optional<std::string>& text, Duration timeout);
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
    pg::Connection& connection, const std::string& prefix, Duration timeout);
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
    pg::Connection& connection, const NoteRange& range, Duration timeout);
[[nodiscard]] Result<size_t> RemoveNotes(pg::Connection& connection, const NoteRange& range,
                                         Duration timeout);

}  // namespace entente::storage::postgres
