// What an answer of PostgreSQL is taken for.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "net/postgres/backoff.h"
#include "net/postgres/errors.h"
#include "net/postgres/params.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::pg {
namespace {

TEST_CASE("only an error of the COMMIT itself says that nothing was committed") {
  for (const char* state : {"40001", "40P01", "23505", "25P02", "53100", "XX001"}) {
    CHECK(CertainlyNotCommitted("ERROR", state));
    CHECK_FALSE(CertainlyNotCommitted("FATAL", state));
  }
  for (const char* state : {"40003", "08006", "08007", "57014", "57P01", "57P02", "57P03"}) {
    CHECK_FALSE(CertainlyNotCommitted("ERROR", state));
  }
  CHECK_FALSE(CertainlyNotCommitted("", ""));
}

TEST_CASE("a failure is told apart by what can be done about it") {
  CHECK(Classify("") == Failure::kLost);
  for (const char* state : {"40001", "40P01", "55P03", "57014", "53300", "08006", "57P01"}) {
    CHECK(Classify(state) == Failure::kRetry);
  }
  CHECK(Classify("25006") == Failure::kReadOnly);
  CHECK(Classify("23505") == Failure::kDuplicate);
  CHECK(Classify("42P01") == Failure::kNoTable);
  CHECK(Classify("XX001") == Failure::kCorrupt);
  CHECK(Classify("42501") == Failure::kOther);
}

TEST_CASE("tries come further apart each time, up to a bound, and at once after a success") {
  Backoff backoff(std::chrono::milliseconds(10), std::chrono::milliseconds(50));
  const Backoff::Clock::time_point now{};
  CHECK(backoff.IsDue(now));
  for (const int most : {10, 20, 40, 50, 50}) {
    backoff.Failed(now);
    CHECK_FALSE(backoff.IsDue(now));
    CHECK(backoff.next() - now >= std::chrono::milliseconds(most / 2));
    CHECK(backoff.next() - now <= std::chrono::milliseconds(most));
  }
  backoff.Succeeded();
  CHECK(backoff.IsDue(now));
}

TEST_CASE("parameters arrive as they are, alone and in arrays") {
  const storage::PostgresPlace place;
  const auto connection = place.Connect();
  const auto deadline = storage::postgres::After(std::chrono::seconds(60));
  const std::string bytes("\0\xff text", 7);
  ArrayParam texts(ElementType::kBytes);
  texts.AddBytes(bytes);
  texts.AddNull();
  texts.BeginBytes() += bytes;
  texts.EndBytes();
  ArrayParam numbers(ElementType::kInt8);
  numbers.AddNumber(INT64_MIN);
  numbers.AddNumber(-1);
  numbers.AddNumber(INT64_MAX);
  ArrayParam small(ElementType::kInt2);
  small.AddNumber(-32'768);
  small.AddNumber(7);
  small.AddNumber(32'767);
  ArrayParam yes(ElementType::kBool);
  yes.AddBool(true);
  yes.AddBool(false);
  yes.AddNull();
  Params params;
  params.Array(std::move(texts)).Array(std::move(numbers)).Array(std::move(small));
  params.Array(std::move(yes)).Int4(-5).Bool(true).Null();
  const PgResult rows = connection->RunOne(
      "SELECT t.*, $5::integer, $6::boolean, $7::text FROM unnest($1::bytea[], $2::bigint[],"
      " $3::smallint[], $4::boolean[]) AS t(a, b, c, d)",
      params, deadline);
  INFO(rows.message());
  REQUIRE(rows.rows() == 3);
  CHECK(rows.Bytes(0, 0) == bytes);
  CHECK(rows.IsNull(1, 0));
  CHECK(rows.Bytes(2, 0) == bytes);
  CHECK(rows.Number(0, 1) == INT64_MIN);
  CHECK(rows.Number(1, 1) == -1);
  CHECK(rows.Number(2, 1) == INT64_MAX);
  CHECK(rows.Number(0, 2) == -32'768);
  CHECK(rows.Number(2, 2) == 32'767);
  CHECK(rows.Number(0, 3) == 1);
  CHECK(rows.Number(1, 3) == 0);
  CHECK(rows.IsNull(2, 3));
  CHECK(rows.Number(0, 4) == -5);
  CHECK(rows.Number(0, 5) == 1);
  CHECK(rows.IsNull(0, 6));
  const PgResult none =
      connection->RunOne("SELECT cardinality($1::text[])",
                         std::move(Params().Array(ArrayParam(ElementType::kText))), deadline);
  CHECK(none.Number(0, 0) == 0);
}

TEST_CASE("what stands behind a failed statement of a flight is not executed") {
  const storage::PostgresPlace place;
  const auto connection = place.Connect();
  const auto deadline = storage::postgres::After(std::chrono::seconds(60));
  place.Query("CREATE TABLE t(n integer)");
  for (const char* wrong : {"SELECT 1 / $1::integer", "SELECT nonsense"}) {
    Params zero;
    zero.Int4(0);
    const bool divides = std::string(wrong).find("$1") != std::string::npos;
    const auto results = connection->Run({{"INSERT INTO t VALUES(1)", {}},
                                          {wrong, divides ? zero : Params()},
                                          {"INSERT INTO t VALUES(2)", {}}},
                                         deadline);
    REQUIRE(results.size() == 3);
    CHECK(results[0].ok());
    CHECK(results[1].severity() == "ERROR");
    CHECK(results[2].skipped());
    CHECK_FALSE(connection->broken());
  }
  CHECK(place.Query("SELECT count(*) FROM t") == "0");
  // What could not be prepared then can be when there is a table.
  CHECK_FALSE(connection->RunOne("SELECT n FROM later", {}, deadline).ok());
  place.Query("CREATE TABLE later(n integer)");
  CHECK(connection->RunOne("SELECT n FROM later", {}, deadline).ok());
}

TEST_CASE("a statement that is not answered in time breaks the session") {
  const storage::PostgresPlace place;
  const auto connection = place.Connect();
  const PgResult late = connection->RunOne("SELECT pg_sleep(60)", {},
                                           storage::postgres::After(std::chrono::milliseconds(50)));
  CHECK_FALSE(late.ok());
  CHECK(late.sqlstate().empty());
  CHECK(connection->broken());
  CHECK_FALSE(
      connection->Execute("SELECT 1", storage::postgres::After(std::chrono::seconds(1))).ok());
}

}  // namespace
}  // namespace entente::pg
