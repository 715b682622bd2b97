// --wait: how long a command waits for a transaction's end.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "entente/client.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace entente::cli {

// `--wait` as it was given: with a duration, or without one for as long as it takes.
struct WaitOption {
  std::string text;
  bool given = false;
};

struct WaitPlan {
  std::optional<Duration> first;  // Of the first request; nothing: it does not wait.
  std::optional<Instant> until;   // Nothing: as long as it takes.
};
// Fails with cli.bad_duration.
[[nodiscard]] Result<WaitPlan> ReadWait(const WaitOption& option);

// Asks until `transaction` has ended or `until` has passed: longer than one request may last.
[[nodiscard]] Result<sdk::Transaction> WaitOn(sdk::Client& client, sdk::Transaction transaction,
                                              std::optional<Instant> until);

// Adds the option to `command`; `option`, which must outlive the parse, gets its text, and was
// given if the result's count is not zero then.
CLI::Option* AddWaitOption(CLI::App& command, WaitOption& option, const char* help);

}  // namespace entente::cli
