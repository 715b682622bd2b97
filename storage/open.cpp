#include "storage/open.h"

#include <string>

#include "storage/memory/memory_journal.h"
#include "storage/sqlite/sqlite_journal.h"

namespace entente::storage {
namespace {

constexpr std::string_view kKnown = "use sqlite:<path of a file>, or memory: for a trial";

}  // namespace

Result<std::unique_ptr<Journal>> OpenJournal(std::string_view url) {
  const size_t colon = url.find(':');
  const std::string_view scheme = url.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view rest = url.substr(colon == std::string_view::npos ? 0 : colon + 1);
  if (scheme == "sqlite") {
    if (rest.empty()) {
      return InvalidArgument("store.bad_url",
                             "the store 'sqlite:' names no file; " + std::string(kKnown));
    }
    return sqlite::OpenSqliteJournal(std::string(rest));
  }
  if (scheme == "memory") {
    if (!rest.empty()) {
      return InvalidArgument("store.bad_url", "the store 'memory:' takes no path, but '" +
                                                  std::string(rest) + "' follows; " +
                                                  std::string(kKnown));
    }
    return std::unique_ptr<Journal>(std::make_unique<MemoryJournal>());
  }
  return InvalidArgument(
      "store.unknown_scheme",
      "'" + std::string(url) + "' is no store this build knows; " + std::string(kKnown));
}

}  // namespace entente::storage
