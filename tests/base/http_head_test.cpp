#include "base/http_head.h"

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/net/http_cases.h"

namespace entente {
namespace {

// Whether the request is taken, when its head comes `step` bytes at a time.
bool Taken(const std::string& text, size_t step) {
  const std::string_view input = std::string_view(text).substr(LeadingEmptyLines(text));
  HttpHeadReader reader(HttpSide::kRequest);
  for (size_t size = 0; size < input.size() && !reader.complete();) {
    size = std::min(size + step, input.size());
    const std::string moved(input.substr(0, size));
    if (const Status status = reader.Read(moved); !status.ok()) {
      CHECK(status.code() == StatusCode::kInvalidArgument);
      CHECK_FALSE(status.message().empty());
      return false;
    }
  }
  return reader.complete();
}

Status AnswerStatus(const std::string& text) {
  HttpHeadReader reader(HttpSide::kAnswer);
  const Status status = reader.Read(text);
  CHECK((!status.ok() || reader.complete()));
  return status;
}

TEST_CASE("a request's head is taken only when all who read it agree on it") {
  for (const auto& [text, taken] : net::testing::HeadCases()) {
    CAPTURE(text);
    // A length past 64 bits is a number all the same; the body's limit refuses it.
    const bool is_large = text.find("Content-Length: 18446744073709551616") != std::string::npos ||
                          text.find("Content-Length: 99999999999999999999999") != std::string::npos;
    CHECK(Taken(text, text.size()) == (taken || is_large));
    CHECK(Taken(text, 1) == (taken || is_large));
  }
  for (const auto& [text, taken] : net::testing::ChunkCases()) {
    CHECK(Taken(text, text.size()));
  }
}

TEST_CASE("the head ends at its first empty line") {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  HttpHeadReader reader(HttpSide::kRequest);
  REQUIRE(reader.Read(head + "\x01\n\r body").ok());
  CHECK(reader.complete());
  CHECK(reader.bytes() == head.size());
}

TEST_CASE("each refusal has the reason of its HTTP status") {
  const auto reason = [](const std::string& text) {
    return HttpHeadReader(HttpSide::kRequest).Read(text).reason();
  };
  CHECK(reason("GET / HTTP/2.0\r\n") == kHttpVersion);
  CHECK(reason("GET / HTTP/1.1\r\nExpect: x\r\n") == kHttpExpectation);
  CHECK(reason("GET / HTTP/1.0\r\nExpect: x\r\n\r\n").empty());
  CHECK(reason("GET / HTTP/1.1\r\nX\r\n") == kHttpMalformed);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (size_t i = 1; i < limits::kMaxHeaderFields; ++i) {
    many += "X: y\r\n";
  }
  CHECK(reason(many + "\r\n").empty());
  CHECK(reason(many + "X: y\r\n") == kHttpTooManyFields);
}

TEST_CASE("an answer whose end is in doubt is refused") {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  for (const char* fields :
       {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "X: folded\r\n here\r\n",
        "Set-Cookie: a\r\nSet-Cookie: b\r\n", "Content-Length: 5\r\nEntente-Vote: yes\r\n"}) {
    CAPTURE(fields);
    CHECK(AnswerStatus(line + fields + "\r\n").ok());
  }
  for (const char* fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: \r\n",
        "Content-Length:\r\n 5\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "X: a\nY: b\r\n", " X: a\r\n",
        "Entente-Vote: yes\r\nEntente-Vote: no\r\n", "Entente-Vote: yes\r\n no\r\n",
        "Entente-Pending: a\r\nentente-pending: b\r\n", "Location: /a\r\nLocation: /b\r\n",
        "Retry-After: 1\r\nRetry-After: 2\r\n",
        "Content-Type: text/plain\r\nContent-Type: application/json\r\n"}) {
    CAPTURE(fields);
    CHECK(AnswerStatus(line + fields + "\r\n").reason() == kHttpMalformed);
  }
  CHECK_FALSE(AnswerStatus("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok());
}

TEST_CASE("a target in any form says which path of which host is meant") {
  struct Row {
    const char* method;
    const char* target;
    const char* path;
    const char* authority;
  };
  for (const Row& row : std::vector<Row>{
           {"GET", "/a/b?c=%41", "/a/b?c=%41", "h:1"},
           {"GET", "/%68%65%61lthz", "/healthz", "h:1"},
           {"GET", "/%7euser/%2D%2e%5F", "/~user/-._", "h:1"},
           {"GET", "/a%2fb%2Fc%25%20", "/a%2fb%2Fc%25%20", "h:1"},
           {"GET", "http://g/a", "/a", "g"},
           {"GET", "http://g:2", "/", "g:2"},
           {"GET", "HTTPS://[::1]:2?x", "/?x", "[::1]:2"},
           {"OPTIONS", "*", "*", "h:1"},
           {"OPTIONS", "http://g", "*", "g"},
           {"OPTIONS", "http://g/", "/", "g"},
       }) {
    CAPTURE(row.target);
    const auto target = ReadHttpTarget(row.method, row.target, "h:1");
    REQUIRE(target.ok());
    CHECK(target->path_and_query == row.path);
    CHECK(target->authority == row.authority);
  }
  CHECK(ReadHttpTarget("GET", "https://g/", "h")->https == true);
  CHECK(ReadHttpTarget("GET", "http://g/", "h")->https == false);
  CHECK_FALSE(ReadHttpTarget("GET", "/", "h")->https);
  CHECK_FALSE(ReadHttpTarget("GET", "*", "h").ok());
}

}  // namespace
}  // namespace entente
