// Which transactions are meant: the options of every command that says so.
#pragma once

#include <string>

#include "base/status.h"
#include "entente/client.h"

namespace CLI {
class App;
}

namespace entente::cli {

struct ListOptions {
  sdk::ListRequest request;
  bool incident = false;
  bool paused = false;
  std::string unchanged_since;
  std::string since;
  std::string until;
};

// What transactions and incidents have in common; `request` must outlive the parse, as `options`.
void AddFilters(CLI::App& command, sdk::ListRequest& request);
void AddListOptions(CLI::App& command, ListOptions& options);
// --limit and --cursor.
void AddPageOptions(CLI::App& command, sdk::ListRequest& request);

// Completes the request with what was given as text: cli.usage for a time that is none.
[[nodiscard]] Status ReadListOptions(ListOptions& options);

}  // namespace entente::cli
