#include "coordinator/api/problem.h"

#include <array>

#include "coordinator/api/json_writer.h"
#include "coordinator/api/text.h"
#include "net/core/http_headers.h"

namespace entente::api {
namespace {

// The numbers of gRPC's canonical codes.
enum GrpcCode : int {
  kGrpcOk = 0,
  kGrpcUnknown = 2,
  kGrpcInvalidArgument = 3,
  kGrpcDeadlineExceeded = 4,
  kGrpcNotFound = 5,
  kGrpcAlreadyExists = 6,
  kGrpcPermissionDenied = 7,
  kGrpcResourceExhausted = 8,
  kGrpcFailedPrecondition = 9,
  kGrpcAborted = 10,
  kGrpcInternal = 13,
  kGrpcUnavailable = 14,
  kGrpcDataLoss = 15,
  kGrpcUnauthenticated = 16,
};

struct Mapping {
  int http;
  GrpcCode grpc;
};

// Reasons for which a protocol has a more exact word than for their code.
struct ReasonRow {
  std::string_view prefix;  // Of the reason.
  StatusCode code;
  Mapping mapping;
};
constexpr std::array kReasons{
    ReasonRow{"json.too_large", StatusCode::kInvalidArgument, {413, kGrpcResourceExhausted}},
    ReasonRow{"payload.too_large", StatusCode::kInvalidArgument, {413, kGrpcResourceExhausted}},
    ReasonRow{"definition.too_large", StatusCode::kInvalidArgument, {413, kGrpcResourceExhausted}},
    ReasonRow{"definition.", StatusCode::kInvalidArgument, {422, kGrpcInvalidArgument}},
    ReasonRow{"input.", StatusCode::kInvalidArgument, {422, kGrpcInvalidArgument}},
    ReasonRow{"signal.payload_invalid", StatusCode::kInvalidArgument, {422, kGrpcInvalidArgument}},
    ReasonRow{"request.media_type", StatusCode::kInvalidArgument, {415, kGrpcInvalidArgument}},
    ReasonRow{"request.method", StatusCode::kInvalidArgument, {405, kGrpcInvalidArgument}},
    ReasonRow{"request.host", StatusCode::kInvalidArgument, {421, kGrpcInvalidArgument}},
};

Mapping MappingOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return {200, kGrpcOk};
    case StatusCode::kInvalidArgument: return {400, kGrpcInvalidArgument};
    case StatusCode::kNotFound: return {404, kGrpcNotFound};
    case StatusCode::kAlreadyExists: return {409, kGrpcAlreadyExists};
    case StatusCode::kConflict: return {409, kGrpcAborted};
    case StatusCode::kFailedPrecondition: return {409, kGrpcFailedPrecondition};
    case StatusCode::kResourceExhausted: return {429, kGrpcResourceExhausted};
    case StatusCode::kUnavailable: return {503, kGrpcUnavailable};
    // Not 503, which clients take for "it did not happen".
    case StatusCode::kUnknownOutcome: return {504, kGrpcUnknown};
    case StatusCode::kDataLoss: return {500, kGrpcDataLoss};
    case StatusCode::kDeadlineExceeded: return {504, kGrpcDeadlineExceeded};
    case StatusCode::kUnauthenticated: return {401, kGrpcUnauthenticated};
    case StatusCode::kPermissionDenied: return {403, kGrpcPermissionDenied};
    case StatusCode::kInternal: return {500, kGrpcInternal};
    case StatusCode::kFenced: return {503, kGrpcUnavailable};
  }
  CheckFailed("StatusCode is a declared enumerator", __FILE__, __LINE__);
}

Mapping MappingOf(const Status& status) {
  for (const ReasonRow& row : kReasons) {
    if (status.code() == row.code && status.reason().starts_with(row.prefix)) {
      return row.mapping;
    }
  }
  return MappingOf(status.code());
}

void WriteViolations(const std::vector<Violation>& violations, JsonWriter& json) {
  json.Key("violations");
  json.BeginArray();
  for (const Violation& violation : violations) {
    json.BeginObject();
    json.Key("field");
    json.String(violation.field);
    json.Key("message");
    json.String(violation.message);
    json.OptionalString("suggestion", violation.suggestion);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

void WriteProblems(const std::vector<dsl::Problem>& problems, JsonWriter& json) {
  json.BeginArray();
  for (const dsl::Problem& problem : problems) {
    json.BeginObject();
    json.Key("pointer");
    json.String(ShortText(problem.pointer));
    json.OptionalNumber("line", problem.line);
    json.OptionalNumber("column", problem.column);
    json.Key("code");
    json.String(problem.code);
    json.Key("message");
    json.String(ShortText(problem.message));
    json.OptionalString("suggestion", ShortText(problem.suggestion));
    json.EndObject();
  }
  json.EndArray();
}

std::string Summarize(const std::vector<Violation>& violations) {
  const Violation& first = violations.front();
  std::string text =
      violations.size() == 1
          ? std::string("the request has a mistake: ")
          : "the request has " + std::to_string(violations.size()) + " mistakes; the first: ";
  if (!first.field.empty()) {
    text += first.field + ": ";
  }
  text += first.message;
  if (!first.suggestion.empty()) {
    text += "; " + first.suggestion;
  }
  return text;
}

Error InvalidRequest(std::vector<Violation> violations) {
  ENTENTE_CHECK(!violations.empty());
  Status status = InvalidArgument("request.invalid", Summarize(violations));
  return {std::move(status), {}, std::move(violations)};
}

int HttpStatusOf(const Status& status) {
  return MappingOf(status).http;
}

std::string_view HttpTitle(const Status& status) {
  return net::HttpReasonPhrase(HttpStatusOf(status));
}

int GrpcCodeOf(const Status& status) {
  return MappingOf(status).grpc;
}

bool IsRetryable(const Status& status) {
  return status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kUnavailable;
}

std::string PublicDetail(const Status& status) {
  if (status.code() == StatusCode::kInternal || status.code() == StatusCode::kDataLoss) {
    return "the coordinator met a defect of its own or of its store; its log says which";
  }
  return status.message();
}

std::string ProblemType(const Status& status) {
  return "urn:entente:problem:" + status.reason();
}

std::string ProblemJson(const Error& error, std::string_view instance) {
  std::string text;
  JsonWriter json(text);
  const int http_status = HttpStatusOf(error.status);
  json.BeginObject();
  json.Key("type");
  json.String(ProblemType(error.status));
  json.Key("title");
  json.String(HttpTitle(error.status));
  json.Key("status");
  json.Number(static_cast<uint64_t>(http_status));
  json.Key("detail");
  json.String(PublicDetail(error.status));
  json.Key("code");
  json.String(error.status.reason());
  json.OptionalString("instance", instance);
  if (!error.problems.empty()) {
    json.Key("problems");
    WriteProblems(error.problems, json);
  }
  if (!error.violations.empty()) {
    WriteViolations(error.violations, json);
  }
  json.EndObject();
  return text;
}

}  // namespace entente::api
