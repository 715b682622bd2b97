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

// What `--wait` has where no duration follows it: for as long as it takes. Never empty, so that an
// empty value, of a variable that a script failed to fill in, is told from none.
inline constexpr const char* kToTheEnd = "the end";

// `--wait` as it was given.
struct WaitOption {
  std::string text;  // A duration, or kToTheEnd.
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
