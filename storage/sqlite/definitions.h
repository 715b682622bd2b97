// Definitions, settings and counters in their tables.
//
// The counter `epoch` is raised by every start (Leases).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/note_log.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// Free functions over a connection; as the methods of Journal with the same names. Those that write
// run inside a transaction of the writer's.
[[nodiscard]] Result<DefinitionRow> PutDefinition(Connection& writer, DefinitionRow row);
[[nodiscard]] Result<DefinitionRow> GetDefinition(Connection& reader, const std::string& name,
                                                  std::optional<uint32_t> version);
[[nodiscard]] Result<std::vector<DefinitionRow>> ListDefinitions(
    Connection& reader, const std::optional<std::string>& name);
// Kept among the settings, under a name that none of those has.
inline constexpr const char* kNotePrefix = "note:";
[[nodiscard]] Status PutNote(Connection& writer, const std::string& name,
                             const std::optional<std::string>& text);
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
    Connection& reader, const std::string& prefix);
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
    Connection& reader, const NoteRange& range);
[[nodiscard]] Result<size_t> RemoveNotes(Connection& writer, const NoteRange& range);
[[nodiscard]] Result<std::string> GetOrPutSetting(Connection& writer, const std::string& name,
                                                  const std::string& value);

[[nodiscard]] Result<std::optional<std::string>> FindSetting(const Connection& reader,
                                                             const std::string& name);
[[nodiscard]] Status PutSetting(const Connection& writer, const std::string& name,
                                std::string_view value);
[[nodiscard]] Status RemoveSetting(const Connection& writer, const std::string& name);

inline constexpr const char* kEpochCounter = "epoch";

// Raises the counter by one and returns it: 1 the first time.
[[nodiscard]] Result<uint64_t> Increment(Connection& writer, const std::string& name);

}  // namespace entente::storage::sqlite
