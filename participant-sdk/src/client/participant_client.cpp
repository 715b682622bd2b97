#include "entente/participant_client.h"

#include <map>
#include <optional>

#include "participant-sdk/src/client/client_impl.h"
#include "participant-sdk/src/client/http_connection.h"

namespace entente::sdk {
namespace {

constexpr JsonLimits kAnswerJson{limits::kMaxPayloadBytes, limits::kMaxJsonDepth};

Status Unknown(const HttpAnswer& answer, const std::string& why) {
  return UnknownOutcome("participant.unknown", "the participant answered " +
                                                   std::to_string(answer.status) + why +
                                                   "; the call may have been carried out");
}

// A success is done, unless it says that it is not, or can not be understood.
Result<Answer> ReadSuccess(const HttpAnswer& answer) {
  if (answer.status == 202 && !answer.Header("Location").empty()) {
    return Pending(std::string(answer.Header("Location")));
  }
  if (answer.body.empty()) {
    return Done();
  }
  const std::string_view type = answer.Header("Content-Type");
  Result<Json> json = ParseJson(answer.body, kAnswerJson);
  if (type.starts_with("text/plain") && (!json.ok() || !json->is_structured())) {
    return Done(answer.body);
  }
  return json.ok() ? Result<Answer>(Done(std::move(json).value()))
                   : Unknown(answer, " with what is no JSON");
}

std::string TextOf(const Json& problem, const char* member, const std::string& otherwise) {
  const auto found = problem.find(member);
  return found != problem.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

Answer ReadRefusal(const HttpAnswer& answer) {
  const Result<Json> body = ParseJson(answer.body, kAnswerJson);
  const Json problem = body.ok() && body->is_object() ? *body : Json::object();
  const std::string status = std::to_string(answer.status);
  return Refused(TextOf(problem, "code", "http." + status),
                 TextOf(problem, "detail", "the participant answered " + status));
}

// As docs/participants.md says of forward calls.
Result<Answer> ReadAnswer(const HttpAnswer& answer) {
  if (answer.status >= 200 && answer.status < 300) {
    return ReadSuccess(answer);
  }
  const bool in_doubt = answer.status == 408 || answer.status == 425 || answer.status == 429;
  if (answer.status >= 400 && answer.status < 500 && !in_doubt) {
    return ReadRefusal(answer);
  }
  return Unknown(answer, "");
}

}  // namespace

class ParticipantClient::Impl {
 public:
  explicit Impl(ParticipantClientOptions options) : options_(std::move(options)) {}

  Result<Answer> Call(const OutgoingRequest& request, std::string_view url) {
    const Result<net::Url> target = net::ParseUrl(url);
    if (!target.ok()) {
      return InvalidArgument("client.bad_url", target.status().message());
    }
    ENTENTE_ASSIGN_OR_RETURN(HttpConnection* const connection, ConnectionTo(target->origin));
    Backoff backoff(options_.retry_for);
    bool in_doubt = false;
    for (int attempt = 1;; ++attempt) {
      Duration retry_after{};
      Result<Answer> answer =
          Once(*connection, Attempt(request, target->target, attempt), retry_after);
      if (answer.ok() && in_doubt && std::holds_alternative<RefusedAnswer>(*answer)) {
        return UnknownOutcome("participant.unknown",
                              "the participant refused a repeat of the call, whose first attempt "
                              "may have been carried out: " +
                                  std::get<RefusedAnswer>(*answer).message);
      }
      const StatusCode code = answer.ok() ? StatusCode::kOk : answer.status().code();
      in_doubt = in_doubt || code == StatusCode::kUnknownOutcome;
      const bool again = code == StatusCode::kUnknownOutcome || code == StatusCode::kUnavailable;
      if (!again || !backoff.Wait(retry_after)) {
        return in_doubt && code == StatusCode::kUnavailable
                   ? UnknownOutcome(answer.status().reason(),
                                    answer.status().message() +
                                        "; an attempt before may have been "
                                        "carried out")
                   : answer;
      }
    }
  }

 private:
  Result<HttpConnection*> ConnectionTo(const net::Origin& origin) {
    std::unique_ptr<HttpConnection>& connection = connections_[origin];
    if (connection == nullptr) {
      ENTENTE_ASSIGN_OR_RETURN(
          connection,
          HttpConnection::Make(origin, {options_.connect_timeout, options_.max_answer_bytes,
                                        options_.headers, options_.tls}));
    }
    return connection.get();
  }

  [[nodiscard]] OutgoingRequest Attempt(OutgoingRequest request, const std::string& target,
                                        int number) const {
    const auto deadline = std::chrono::system_clock::now() + options_.call_timeout;
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline.time_since_epoch());
    request.target = target;
    request.headers.emplace_back("Entente-Attempt", std::to_string(number));
    request.headers.emplace_back("Entente-Deadline", std::to_string(millis.count()));
    return request;
  }

  Result<Answer> Once(HttpConnection& connection, const OutgoingRequest& request,
                      Duration& retry_after) const {
    Result<HttpAnswer> answer = connection.Call(request, options_.call_timeout);
    if (answer.ok()) {
      retry_after = answer->retry_after();
      return ReadAnswer(*answer);
    }
    // An answer came that can not be used.
    return answer.status().code() == StatusCode::kInternal
               ? UnknownOutcome(answer.status().reason(), answer.status().message())
               : answer.status();
  }

  const ParticipantClientOptions options_;
  std::map<net::Origin, std::unique_ptr<HttpConnection>> connections_;
};

ParticipantClient::ParticipantClient(ParticipantClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
ParticipantClient::~ParticipantClient() = default;
ParticipantClient::ParticipantClient(ParticipantClient&&) noexcept = default;
ParticipantClient& ParticipantClient::operator=(ParticipantClient&&) noexcept = default;

Result<Answer> ParticipantClient::Call(const GlobalTransaction& transaction,
                                       std::string_view branch, Operation operation,
                                       std::string_view url, const Json& input) {
  OutgoingRequest request{"POST", ""};
  request.body = DumpJson(input);
  request.headers = transaction.HeadersFor(branch, operation);
  return impl_->Call(request, url);
}

}  // namespace entente::sdk
