// What the parts of Client share. Internal to the client.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "entente/client.h"
#include "participant-sdk/src/client/http_connection.h"

namespace entente::sdk {

struct Answered {
  HttpAnswer http;
  Document document;
};

// A pause between attempts: doubling, and shortened at random so that many clients spread.
class Backoff {
 public:
  explicit Backoff(Duration budget) : budget_(budget) {}

  // Waits for the next attempt, at least `at_least` unless that is past the budget. False: the
  // budget, counted from the first call, is used up.
  [[nodiscard]] bool Wait(Duration at_least = {});

 private:
  const Duration budget_;
  std::optional<std::chrono::steady_clock::time_point> first_failure_;
  Duration delay_ = std::chrono::milliseconds(50);
};

class Client::Impl {
 public:
  explicit Impl(ClientOptions options);

  // Sends one request. An answer that is not a success becomes its Status, unless its HTTP status
  // is `also_good`.
  [[nodiscard]] Result<Answered> Call(const OutgoingRequest& request, Duration extra_time = {},
                                      int also_good = 0);
  // The body of an answer that is not JSON.
  [[nodiscard]] Result<std::string> CallForText(const OutgoingRequest& request);
  [[nodiscard]] Result<Document> CallForDocument(const OutgoingRequest& request);
  [[nodiscard]] Result<Transaction> CallForTransaction(const OutgoingRequest& request,
                                                       Duration extra_time = {});

  // Repeats a call whose repetition changes nothing, as ClientOptions::retry_for says. `advice`
  // follows the message when it is given up after an attempt that may have arrived.
  [[nodiscard]] Result<Answered> CallRepeatedly(const OutgoingRequest& request, Duration extra_time,
                                                const std::string& advice);
  [[nodiscard]] Result<SubmitResult> CreateRepeatedly(const OutgoingRequest& request,
                                                      Duration extra_time,
                                                      const std::string& advice);
  [[nodiscard]] Status Watch(std::string_view gid, uint64_t after_revision,
                             const std::function<bool(const Event&)>& on_event);

  [[nodiscard]] const Json& problem() const { return problem_; }

 private:
  // An answer that is a success or `also_good`; else its Status.
  [[nodiscard]] Result<HttpAnswer> Ask(const OutgoingRequest& request, Duration extra_time,
                                       int also_good);
  // `request` with the token that is to be shown, if there is one.
  [[nodiscard]] Result<OutgoingRequest> WithToken(OutgoingRequest request) const;
  // The connection, or why there can be none.
  [[nodiscard]] Status Prepare();
  [[nodiscard]] Result<std::unique_ptr<HttpConnection>> Connect() const;
  [[nodiscard]] Status Failure(const OutgoingRequest& request, const HttpAnswer& answer);
  [[nodiscard]] Result<Json> ReadJson(std::string_view text, const OutgoingRequest& request) const;

  const ClientOptions options_;
  std::unique_ptr<HttpConnection> connection_;
  bool answered_ = false;   // Some coordinator was at this address once.
  Duration retry_after_{};  // What the latest failed answer asked for.
  Json problem_;
};

// "/v1/transactions/{gid}", then `rest`.
[[nodiscard]] std::string TransactionPath(std::string_view gid, std::string_view rest = {});

// The id of the coordinator that wrote a document; empty if it does not say.
[[nodiscard]] std::string CoordinatorOf(const Json& document);

// A UUIDv7.
[[nodiscard]] std::string NewGid();

// A submit as the coordinator reads it, and back. `request` has a gid.
[[nodiscard]] Json SubmitBody(const SubmitRequest& request);
[[nodiscard]] Result<SubmitRequest> ReadSubmitBody(const Json& body);
// Whether it contradicts itself.
[[nodiscard]] Status CheckSubmit(const SubmitRequest& request);

}  // namespace entente::sdk
