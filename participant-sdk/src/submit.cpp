// Submitting, so that a transaction runs once whatever the network loses.
#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "base/ids.h"
#include "participant-sdk/src/client_impl.h"

namespace entente::sdk {
namespace {

constexpr Duration kMaxDelay = std::chrono::seconds(2);

std::string NewGid() {
  std::random_device random;
  const auto word = [&random] { return uint64_t{random()} << 32 | random(); };
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return FormatUuidV7(static_cast<uint64_t>(millis), word(), word());
}

Json BodyOf(const SubmitRequest& request) {
  Json body{{"gid", request.gid}, {"input", request.input}};
  if (!request.definition.empty()) {
    body["definition"] = request.definition;
  }
  if (!request.inline_definition.is_null()) {
    body["inline"] = request.inline_definition;
  }
  if (request.version) {
    body["version"] = *request.version;
  }
  if (!request.labels.empty()) {
    body["labels"] = request.labels;
  }
  if (request.deadline) {
    body["deadline"] = FormatDuration(*request.deadline);
  }
  if (request.wait) {
    body["wait"] = FormatDuration(*request.wait);
  }
  return body;
}

Status CheckRequest(const SubmitRequest& request) {
  if (request.definition.empty() == request.inline_definition.is_null()) {
    return InvalidArgument("client.bad_request",
                           "a submit names a definition or brings one inline: exactly one of both");
  }
  return request.gid.empty() ? Status() : ValidateGid(request.gid);
}

bool MayWorkLater(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kUnknownOutcome;
}

}  // namespace

bool Backoff::Wait(Duration at_least) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto now = std::chrono::steady_clock::now();
  if (!first_failure_) {
    first_failure_ = now;
  }
  const auto left = std::chrono::duration_cast<Duration>(*first_failure_ + budget_ - now);
  if (left <= Duration::zero()) {
    return false;
  }
  std::uniform_int_distribution<Duration::rep> spread(delay_.count() / 2, delay_.count());
  const Duration pause = std::min(std::max(Duration(spread(random)), at_least), left);
  std::this_thread::sleep_for(pause);
  delay_ = std::min(delay_ * 2, kMaxDelay);
  return true;
}

Result<SubmitResult> Client::Impl::Submit(SubmitRequest request) {
  ENTENTE_RETURN_IF_ERROR(CheckRequest(request));
  if (request.gid.empty()) {
    request.gid = NewGid();
  }
  const OutgoingRequest http{"POST", "/v1/transactions", DumpJson(BodyOf(request)), "", ""};
  Backoff backoff(options_.retry_for);
  bool may_have_arrived = false;
  while (true) {
    Result<Answered> answered = Call(http, request.wait.value_or(Duration::zero()));
    if (answered.ok()) {
      const bool created = answered->http.created;
      return SubmitResult{Transaction(std::move(answered->document)), created};
    }
    const Status failed = answered.status();
    may_have_arrived = may_have_arrived || failed.code() == StatusCode::kUnknownOutcome;
    // Nobody there at the very first attempt is a wrong address more often than a restart.
    const bool nobody = failed.reason() == "client.unreachable" && !may_have_arrived;
    if (nobody || !MayWorkLater(failed) || !backoff.Wait(retry_after_)) {
      if (!may_have_arrived || !MayWorkLater(failed)) {
        return failed;
      }
      return UnknownOutcome(failed.reason(), failed.message() + "; transaction " + request.gid +
                                                 " may have been accepted: ask for it, or submit "
                                                 "again with this gid");
    }
  }
}

}  // namespace entente::sdk
