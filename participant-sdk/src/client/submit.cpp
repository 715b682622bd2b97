// What may be repeated: submitting, and driving a transaction, so that each happens once whatever
// the network loses.
#include <algorithm>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "base/ids.h"
#include "base/limits.h"
#include "participant-sdk/src/client/client_impl.h"

namespace entente::sdk {
namespace {

constexpr Duration kMaxDelay = std::chrono::seconds(2);

bool MayWorkLater(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kUnknownOutcome;
}

Json WaitBody(std::optional<Duration> wait) {
  Json body = Json::object();
  if (wait) {
    body["wait"] = FormatDuration(*wait);
  }
  return body;
}

Status GivenUp(const Status& status, int attempts) {
  return MayWorkLater(status)
             ? Unavailable(status.reason(), status.message() + "; given up after " +
                                                std::to_string(attempts) + " attempts")
             : status;
}

OutgoingRequest PostTo(std::string target, const Json& body) {
  return {"POST", std::move(target), DumpJson(body)};
}

}  // namespace

std::string NewGid() {
  std::random_device random;
  const auto word = [&random] { return uint64_t{random()} << 32 | random(); };
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return FormatUuidV7(static_cast<uint64_t>(millis), word(), word());
}

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

Result<Answered> Client::Impl::CallRepeatedly(const OutgoingRequest& request, Duration extra_time,
                                              const std::string& advice) {
  Backoff backoff(options_.retry_for);
  bool may_have_arrived = false;
  for (int attempts = 1;; ++attempts) {
    Result<Answered> answered = Call(request, extra_time);
    if (answered.ok()) {
      return answered;
    }
    const Status failed = answered.status();
    may_have_arrived = may_have_arrived || failed.code() == StatusCode::kUnknownOutcome;
    // Nobody there who ever was is a wrong address more often than a restart.
    const bool nobody = failed.reason() == "client.unreachable" && !may_have_arrived && !answered_;
    if (nobody || !MayWorkLater(failed) || !backoff.Wait(retry_after_)) {
      if (!may_have_arrived || !MayWorkLater(failed)) {
        return attempts == 1 ? failed : GivenUp(failed, attempts);
      }
      return UnknownOutcome(failed.reason(), failed.message() + "; " + advice);
    }
  }
}

Result<SubmitResult> Client::Impl::CreateRepeatedly(const OutgoingRequest& request,
                                                    Duration extra_time,
                                                    const std::string& advice) {
  ENTENTE_ASSIGN_OR_RETURN(Answered answered, CallRepeatedly(request, extra_time, advice));
  return SubmitResult{Transaction(std::move(answered.document)),
                      answered.http.Header("Entente-Created") == "true"};
}

// ---- Submit.

Json SubmitBody(const SubmitRequest& request) {
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

Result<SubmitRequest> ReadSubmitBody(const Json& body) {
  SubmitRequest request;
  try {
    request.gid = body.at("gid").get<std::string>();
    request.input = body.at("input");
    request.definition = body.value("definition", "");
    request.inline_definition = body.value("inline", Json());
    if (body.contains("version")) {
      request.version = body.at("version").get<uint32_t>();
    }
    request.labels = body.value("labels", request.labels);
    if (body.contains("deadline")) {
      ENTENTE_ASSIGN_OR_RETURN(request.deadline,
                               ParseDuration(body.at("deadline").get<std::string>()));
    }
  } catch (const Json::exception& error) {
    return DataLoss("outbox.bad_row",
                    std::string("a stored submit can not be read: ") + error.what());
  }
  return request;
}

Status CheckSubmit(const SubmitRequest& request) {
  if (request.definition.empty() == request.inline_definition.is_null()) {
    return InvalidArgument("client.bad_request",
                           "a submit names a definition or brings one inline: exactly one of both");
  }
  return request.gid.empty() ? Status() : ValidateGid(request.gid);
}

Result<SubmitResult> Client::Submit(SubmitRequest request) {
  ENTENTE_RETURN_IF_ERROR(CheckSubmit(request));
  if (request.gid.empty()) {
    request.gid = NewGid();
  }
  return impl_->CreateRepeatedly(PostTo("/v1/transactions", SubmitBody(request)),
                                 request.wait.value_or(Duration::zero()),
                                 "transaction " + request.gid +
                                     " may have been accepted: ask for it, or submit again with "
                                     "this gid");
}

// ---- Driving a transaction.

Result<SubmitResult> Client::Begin(BeginRequest request) {
  if (request.gid.empty()) {
    request.gid = NewGid();
  }
  ENTENTE_RETURN_IF_ERROR(ValidateGid(request.gid));
  Json body{{"gid", request.gid}, {"mode", request.mode}};
  if (request.time_limit) {
    body["timeLimit"] = FormatDuration(*request.time_limit);
  }
  if (!request.labels.empty()) {
    body["labels"] = request.labels;
  }
  return impl_->CreateRepeatedly(
      PostTo("/v1/transactions:begin", body), Duration::zero(),
      "transaction " + request.gid + " may have begun: begin again with this gid, or abort it");
}

Result<SubmitResult> Client::Enlist(std::string_view gid, std::string_view branch) {
  return impl_->CreateRepeatedly(
      {"POST", TransactionPath(gid, "/branches"), std::string(branch), "", ""}, Duration::zero(),
      "the branch may have been enlisted: enlist it again, or abort transaction " +
          std::string(gid));
}

Result<Transaction> Client::Commit(std::string_view gid, std::optional<Duration> wait) {
  ENTENTE_ASSIGN_OR_RETURN(
      Answered answered,
      impl_->CallRepeatedly(PostTo(TransactionPath(gid, ":commit"), WaitBody(wait)),
                            wait.value_or(Duration::zero()),
                            "ask for the decision on transaction " + std::string(gid)));
  return Transaction(std::move(answered.document));
}

Result<Transaction> Client::Abort(std::string_view gid, std::string_view reason,
                                  std::optional<Duration> wait, std::string_view actor) {
  Json body = WaitBody(wait);
  if (!reason.empty()) {
    body["reason"] = reason;
  }
  if (!actor.empty()) {
    body["actor"] = actor;
  }
  ENTENTE_ASSIGN_OR_RETURN(
      Answered answered,
      impl_->CallRepeatedly(PostTo(TransactionPath(gid, ":abort"), body),
                            wait.value_or(Duration::zero()),
                            "ask for the decision on transaction " + std::string(gid)));
  return Transaction(std::move(answered.document));
}

Result<Document> Client::Decision(std::string_view gid) {
  return impl_->CallForDocument({"GET", TransactionPath(gid, "/decision"), "", "", ""});
}

Result<Decision> ReadDecision(const Document& document) {
  const auto found = document.json.find("decision");
  const std::string word = found != document.json.end() && found->is_string()
                               ? found->get<std::string>()
                               : std::string();
  if (word == "committed") {
    return Decision::kCommitted;
  }
  if (word == "aborted") {
    return Decision::kAborted;
  }
  if (word == "undecided") {
    return Decision::kUndecided;
  }
  return Internal("client.bad_answer",
                  "the coordinator's answer holds no decision that this "
                  "version knows: '" +
                      word.substr(0, 100) + "'");
}

std::string CoordinatorOf(const Json& document) {
  const auto found = document.find("coordinator");
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

DecisionSource AskCoordinator(ClientOptions options) {
  struct Asker {
    explicit Asker(ClientOptions chosen) : client(std::move(chosen)) {}
    std::mutex mutex;
    Client client;
  };
  // Shared by the copies that std::function makes of the source.
  auto asker = std::make_shared<Asker>(std::move(options));
  return [asker](const Gid& gid) -> Result<DecisionReply> {
    const std::lock_guard lock(asker->mutex);
    ENTENTE_ASSIGN_OR_RETURN(const Document document, asker->client.Decision(gid.str()));
    ENTENTE_ASSIGN_OR_RETURN(const sdk::Decision decision, ReadDecision(document));
    const auto known = document.json.find("known");
    return DecisionReply{decision,
                         known == document.json.end() || !known->is_boolean() || known->get<bool>(),
                         CoordinatorOf(document.json)};
  };
}

}  // namespace entente::sdk
