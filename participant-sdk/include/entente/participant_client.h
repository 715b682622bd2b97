// Calls participants, from a service that drives a transaction itself.
//
//   entente::sdk::ParticipantClient participants;
//   const auto flight = participants.Call(*transaction, "flight", entente::sdk::Operation::kTry,
//                                         "http://flights:8081/flight/try", {{"seat", "12A"}});
//   if (!flight.ok() || !std::holds_alternative<entente::sdk::DoneAnswer>(*flight)) {
//     transaction->Abort("no flight");   // Undoes what may have happened, too.
//   }
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "entente/base/json.h"
#include "entente/base/limits.h"
#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/call.h"
#include "entente/global_transaction.h"
#include "entente/tls.h"

namespace entente::sdk {

struct ParticipantClientOptions {
  Duration connect_timeout = std::chrono::seconds(5);
  Duration call_timeout = std::chrono::seconds(10);  // Of one attempt, beside `connect_timeout`.
  // How long a call of which it is not known whether it was carried out is repeated, from its first
  // failure on. Zero: never.
  Duration retry_for = std::chrono::seconds(15);
  size_t max_answer_bytes = limits::kMaxPayloadBytes;
  std::vector<std::pair<std::string, std::string>> headers = {};  // Sent with every call.
  TlsOptions tls = {};                                            // Of https.
};

// Synchronous: every call blocks for the time-outs above. Keeps a connection to each participant.
// Thread-compatible: use one per thread. Movable.
class ParticipantClient {
 public:
  explicit ParticipantClient(ParticipantClientOptions options = {});
  ~ParticipantClient();
  ParticipantClient(ParticipantClient&&) noexcept;
  ParticipantClient& operator=(ParticipantClient&&) noexcept;

  // POSTs `input` as JSON to `url` with GlobalTransaction::HeadersFor, the attempt's number and its
  // deadline. For forward calls of branches that are enlisted. What the answer means is what it
  // means to the coordinator (docs/participants.md):
  //   Done     with the output.
  //   Refused  certainly no effect; `code` and `message` are those of the answer's problem document
  //            if it has one.
  //   Pending  its location is to be polled.
  // Errors, each after the last attempt:
  //   kUnavailable     client.unreachable: nothing was sent.
  //   kUnknownOutcome  client.broken, client.timeout, client.bad_answer, participant.unknown: it
  //                    may have been carried out. Also of a refusal after such an attempt, which
  //                    proves nothing. Abort; the coordinator undoes the branch.
  //   kInvalidArgument client.bad_url, client.bad_tls, client.bad_request: it can not be sent.
  [[nodiscard]] Result<Answer> Call(const GlobalTransaction& transaction, std::string_view branch,
                                    Operation operation, std::string_view url, const Json& input);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
