// What the outboxes of both databases share. Internal to the SDK.
#pragma once

#include <string>

#include "entente/outbox.h"

namespace entente::sdk {

// Kept in the table: never change a number.
inline constexpr int kEntryWaiting = 0;
inline constexpr int kEntryDead = 1;

struct StoredSubmit {
  std::string gid;
  std::string request;
};
// Checks a request and writes it down, with a gid.
[[nodiscard]] Result<StoredSubmit> StoreSubmit(SubmitRequest request);

[[nodiscard]] Status CheckOutboxTable(const OutboxOptions& options);
[[nodiscard]] Instant OutboxNow(const OutboxOptions& options);
// What putting answers for a gid that is there already, as `request`.
[[nodiscard]] Result<std::string> PutAgain(const StoredSubmit& submit, const std::string& request,
                                           bool dead);
[[nodiscard]] Status NoSuchDeadEntry(std::string_view gid);
// At most what a column should hold for people to read.
[[nodiscard]] std::string ErrorText(std::string_view error);

}  // namespace entente::sdk
