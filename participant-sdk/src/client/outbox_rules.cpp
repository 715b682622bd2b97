#include "participant-sdk/src/client/outbox_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "participant-sdk/src/client/client_impl.h"
#include "participant-sdk/src/core/barrier_rules.h"

namespace entente::sdk {
namespace {

// As the coordinator reads a submit's body: an input, or a definition, in one more object.
constexpr JsonLimits kSubmitJson{limits::kMaxRequestBytes, limits::kMaxJsonDepth + 1};

Status Bad(std::string message) {
  return InvalidArgument("client.bad_request", std::move(message));
}

Status CheckSize(std::string_view what, const Json& json, size_t limit) {
  const size_t bytes = DumpJson(json).size();
  return bytes <= limit ? Status()
                        : InvalidArgument("outbox.too_large",
                                          std::string(what) + " has " + std::to_string(bytes) +
                                              " bytes as JSON; the coordinator takes at most " +
                                              std::to_string(limit));
}

Status CheckLabels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > limits::kMaxLabels) {
    return Bad("a submit with " + std::to_string(labels.size()) +
               " labels: the coordinator takes at most " + std::to_string(limits::kMaxLabels));
  }
  for (const auto& [key, value] : labels) {
    if (key.empty()) {
      return Bad("a label's name is empty");
    }
    if (std::max(key.size(), value.size()) > limits::kMaxLabelBytes) {
      return Bad("the label '" + key.substr(0, limits::kMaxNameBytes) +
                 "': its name and its value may have at most " +
                 std::to_string(limits::kMaxLabelBytes) + " bytes each");
    }
  }
  return Status();
}

// What the coordinator would refuse for good, after the business write was committed.
Status CheckDeliverable(const SubmitRequest& request) {
  if (request.wait) {
    return Bad("a submit in an outbox can not be waited for: nobody hears the answer");
  }
  if (request.deadline && *request.deadline <= Duration::zero()) {
    return Bad("the deadline is " + FormatDuration(*request.deadline) +
               ": it must be longer than zero");
  }
  if (request.version && (*request.version == 0 || request.definition.empty())) {
    return Bad("versions count from 1, and an inline definition has none");
  }
  ENTENTE_RETURN_IF_ERROR(CheckLabels(request.labels));
  ENTENTE_RETURN_IF_ERROR(CheckSize("the input", request.input, limits::kMaxPayloadBytes));
  return CheckSize("the definition", request.inline_definition, limits::kMaxDefinitionBytes);
}

}  // namespace

Result<StoredSubmit> StoreSubmit(SubmitRequest request) {
  ENTENTE_RETURN_IF_ERROR(CheckSubmit(request));
  ENTENTE_RETURN_IF_ERROR(CheckDeliverable(request));
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
  const Result<Json> read = ParseExactJson(stored.request, kSubmitJson);
  if (!read.ok()) {
    return Bad("the coordinator could not read this submit: " + read.status().message());
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
