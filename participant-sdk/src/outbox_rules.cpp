#include "participant-sdk/src/outbox_rules.h"

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "participant-sdk/src/barrier_rules.h"
#include "participant-sdk/src/client_impl.h"

namespace entente::sdk {

Result<StoredSubmit> StoreSubmit(SubmitRequest request) {
  ENTENTE_RETURN_IF_ERROR(CheckSubmit(request));
  if (request.wait) {
    return InvalidArgument("client.bad_request",
                           "a submit in an outbox can not be waited for: nobody hears the answer");
  }
  if (request.gid.empty()) {
    request.gid = NewGid();
  }
  StoredSubmit stored{request.gid, DumpJson(SubmitBody(request))};
  if (stored.request.size() > limits::kMaxRequestBytes) {
    return InvalidArgument("outbox.too_large", "the submit has " +
                                                   std::to_string(stored.request.size()) +
                                                   " bytes; the coordinator takes at most " +
                                                   std::to_string(limits::kMaxRequestBytes));
  }
  return stored;
}

Status CheckOutboxTable(const OutboxOptions& options) {
  return CheckTableName(options.table);
}

Instant OutboxNow(const OutboxOptions& options) {
  return NowOf(BarrierOptions{.now = options.now});
}

Result<std::string> PutAgain(const StoredSubmit& submit, const std::string& request, bool dead) {
  if (request != submit.request) {
    return AlreadyExists(
        "outbox.gid_taken",
        "the outbox holds another transaction to submit under the gid '" + submit.gid + "'");
  }
  if (dead) {
    return FailedPrecondition(
        "outbox.dead", "the outbox holds this transaction as a dead entry under the gid '" +
                           submit.gid + "', since the coordinator refused it: revive or remove it");
  }
  return submit.gid;
}

Status NoSuchDeadEntry(std::string_view gid) {
  return NotFound("outbox.not_found",
                  "the outbox holds no dead entry for the gid '" + std::string(gid) + "'");
}

std::string ErrorText(std::string_view error) {
  error = error.substr(0, limits::kMaxErrorTextBytes);
  return std::string(error.substr(0, ValidUtf8Prefix(error)));
}

}  // namespace entente::sdk
