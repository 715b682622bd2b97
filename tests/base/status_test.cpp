#include "base/status.h"

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <sstream>
#include <string>

namespace entente {
namespace {

Result<int> Halved(int value) {
  if (value % 2 != 0) {
    return InvalidArgument("number.odd", "the number is odd");
  }
  return value / 2;
}

Result<int> Quartered(int value) {
  ENTENTE_ASSIGN_OR_RETURN(const int half, Halved(value));
  ENTENTE_ASSIGN_OR_RETURN(const int quarter, Halved(half));
  return quarter;
}

Status CheckEven(int value) {
  ENTENTE_RETURN_IF_ERROR(Halved(value).status());
  return {};
}

TEST_CASE("a default status is success") {
  CHECK(Status().ok());
  CHECK(Status().ToString() == "ok");
}

TEST_CASE("a failure carries its code, reason and message") {
  const Status status = NotFound("transaction.not_found", "no transaction named 'x'");
  CHECK_FALSE(status.ok());
  CHECK(status.code() == StatusCode::kNotFound);
  CHECK(status.reason() == "transaction.not_found");
  std::ostringstream out;
  out << status;
  CHECK(out.str() == "not_found transaction.not_found: no transaction named 'x'");
  CHECK(status == NotFound("transaction.not_found", "no transaction named 'x'"));
  CHECK_FALSE(status == NotFound("transaction.not_found", "another"));
}

TEST_CASE("each code has a name of its own") {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    names.insert(StatusCodeName(static_cast<StatusCode>(code)));
  }
  CHECK(names.size() == static_cast<size_t>(StatusCode::kInternal) + 1);
}

TEST_CASE("each shorthand makes the code it is named for") {
  CHECK(InvalidArgument("r", "m").code() == StatusCode::kInvalidArgument);
  CHECK(AlreadyExists("r", "m").code() == StatusCode::kAlreadyExists);
  CHECK(Conflict("r", "m").code() == StatusCode::kConflict);
  CHECK(FailedPrecondition("r", "m").code() == StatusCode::kFailedPrecondition);
  CHECK(ResourceExhausted("r", "m").code() == StatusCode::kResourceExhausted);
  CHECK(Unavailable("r", "m").code() == StatusCode::kUnavailable);
  CHECK(UnknownOutcome("r", "m").code() == StatusCode::kUnknownOutcome);
  CHECK(DataLoss("r", "m").code() == StatusCode::kDataLoss);
  CHECK(DeadlineExceeded("r", "m").code() == StatusCode::kDeadlineExceeded);
  CHECK(Internal("r", "m").code() == StatusCode::kInternal);
}

TEST_CASE("the macros stop at the first failure and pass values on") {
  REQUIRE(Quartered(12).ok());
  CHECK(*Quartered(12) == 3);
  CHECK(Quartered(6).status().reason() == "number.odd");
  CHECK(Quartered(6).status().code() == StatusCode::kInvalidArgument);
  CHECK(CheckEven(2).ok());
  CHECK(CheckEven(3).reason() == "number.odd");
}

TEST_CASE("a result hands out values that can only be moved") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  REQUIRE(result.ok());
  CHECK(result.status().ok());
  const std::unique_ptr<int> taken = std::move(result).value();
  CHECK(*taken == 7);
}

}  // namespace
}  // namespace entente
