#include "cli/wait.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/answers.h"
#include "cli/context.h"
#include "cli/text/instants.h"

namespace entente::cli {

Result<WaitPlan> ReadWait(const WaitOption& option) {
  WaitPlan plan;
  if (!option.given) {
    return plan;
  }
  plan.first = limits::kMaxWait;
  if (option.text != kToTheEnd) {
    ENTENTE_ASSIGN_OR_RETURN(const Duration wait, ReadDurationArgument("--wait", option.text));
    plan.first = std::min(wait, limits::kMaxWait);
    plan.until = Now() + wait;
  }
  return plan;
}

Result<sdk::Transaction> WaitOn(sdk::Client& client, sdk::Transaction transaction,
                                std::optional<Instant> until) {
  while (!transaction.finished()) {
    Duration wait = limits::kMaxWait;
    if (until) {
      wait = std::min(wait, *until - Now());
      if (wait <= Duration::zero()) {
        break;
      }
    }
    ENTENTE_ASSIGN_OR_RETURN(transaction, Checked(client.Get(transaction.gid(), wait)));
  }
  return transaction;
}

CLI::Option* AddWaitOption(CLI::App& command, WaitOption& option, const char* help) {
  return command.add_option("--wait", option.text, help)
      ->type_name("[DURATION]")
      ->expected(0, 1)
      ->default_str(kToTheEnd);
}

}  // namespace entente::cli
