// URLs, header fields and callables.
#include <memory>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "base/unique_function.h"
#include "net/core/http_headers.h"
#include "net/core/url.h"
#include "net/http/http_parser.h"

namespace entente::net {
namespace {

// As a connection does: what was not taken is handed in again, with what came since.
template <class Parser>
std::string BodyInPieces(const std::string& message, size_t first, size_t second) {
  Parser parser(ParseLimits{16 * 1024, 1024});
  std::string held;
  boost::system::error_code error;
  for (size_t at = 0; at < message.size() && !error; ++at) {
    held += message[at];
    if (at + 1 == first || at + 1 == second || at + 1 == message.size()) {
      held.erase(0, parser.Parse(held, error));
    }
  }
  return !error && parser.is_done() ? parser.message().body : "not read: " + error.message();
}

template <class Parser>
void CheckEveryCut(const std::string& message, const std::string& body) {
  for (size_t first = 0; first < message.size(); ++first) {
    for (size_t second = first; second < message.size(); ++second) {
      CAPTURE(first, second);
      REQUIRE(BodyInPieces<Parser>(message, first, second) == body);
    }
  }
}

}  // namespace

TEST_CASE("a chunked message is the same one wherever it is cut") {
  for (const auto& [chunks, body] : {std::pair<std::string, std::string>{"0\r\n\r\n", ""},
                                     {"00\r\n\r\n", ""},
                                     {"0;a=b\r\n\r\n", ""},
                                     {"0\r\nX: y\r\n\r\n", ""},
                                     {"1\r\na\r\n0\r\n\r\n", "a"},
                                     {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"}}) {
    CAPTURE(chunks);
    CheckEveryCut<RequestParser>(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, body);
    CheckEveryCut<ResponseParser>("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
                                  body);
  }
}

TEST_CASE("a URL is read into origin and target") {
  const auto url = ParseUrl("HTTP://Example.ORG:8080/a/b?c=d%20e");
  REQUIRE(url.ok());
  CHECK(url->origin == Origin{false, "example.org", 8080});
  CHECK(url->target == "/a/b?c=d%20e");
  CHECK(url->origin.ToString() == "http://example.org:8080");
  CHECK(ParseUrl("https://h")->origin == Origin{true, "h", 443});
  CHECK(ParseUrl("https://h")->target == "/");
  CHECK(ParseUrl("https://h")->origin.HostField() == "h");
  CHECK(ParseUrl("http://h?x=1")->target == "/?x=1");
  CHECK(ParseUrl("http://[::1]:81/")->origin == Origin{false, "::1", 81});
  CHECK(ParseUrl("http://[::1]:81/")->origin.HostField() == "[::1]:81");
}

TEST_CASE("a reference is read as an answer to a request means it") {
  const Url base = ParseUrl("http://h:81/a/b/c?d=e").value();
  const auto [reference, absolute] = GENERATE(table<std::string, std::string>({
      {"http://x/y", "http://x/y"},
      {"HTTPS://x", "HTTPS://x"},
      {"mailto:x", "mailto:x"},
      {"//x/y", "http://x/y"},
      {"/", "http://h:81/"},
      {"/y/../z", "http://h:81/z"},
      {"/y?u=../v", "http://h:81/y?u=../v"},
      {"y", "http://h:81/a/b/y"},
      {"y/", "http://h:81/a/b/y/"},
      {"./y", "http://h:81/a/b/y"},
      {"../y?z", "http://h:81/a/y?z"},
      {"..", "http://h:81/a/"},
      {"../../../../y", "http://h:81/y"},
      {"?y=1", "http://h:81/a/b/c?y=1"},
      {"y#part", "http://h:81/a/b/y"},
      {"y/z:1", "http://h:81/a/b/y/z:1"},
      {"", "http://h:81/a/b/c?d=e"},
  }));
  CAPTURE(reference);
  CHECK(ResolveReference(base, reference) == absolute);
}

TEST_CASE("what is not an absolute http URL is refused") {
  for (const char* text :
       {"", "http:", "http://", "ftp://h/", "/path", "http://h:0/", "http://h:65536/",
        "http://h:1x/", "http://user:secret@h/", "http://h/a b", "http://h/\r\nX: y",
        "http://h/#part", "http://[::1/", "http://[h]/", "http://h\xc3\xa9/", "http://h\x01/"}) {
    CAPTURE(text);
    const auto url = ParseUrl(text);
    REQUIRE_FALSE(url.ok());
    CHECK(url.status().reason() == "url.invalid");
  }
}

TEST_CASE("an authority without port takes the default or is refused") {
  CHECK(ParseAuthority("rooms:50051", false, 0)->port == 50051);
  CHECK(ParseAuthority("rooms", false, 443)->port == 443);
  CHECK_FALSE(ParseAuthority("rooms", false, 0).ok());
}

TEST_CASE("fields are found without regard to case and keep their order") {
  HttpHeaders headers{{"Content-Type", "text/plain"}, {"X-A", "1"}, {"x-a", "2"}};
  CHECK(headers.Find("content-type") == "text/plain");
  CHECK(headers.Find("X-a") == "1");
  CHECK(headers.value(2) == "2");
  CHECK_FALSE(headers.Find("x-b"));
  std::string text;
  headers.AppendTo(text);
  CHECK(text == "Content-Type: text/plain\r\nX-A: 1\r\nx-a: 2\r\n");
}

TEST_CASE("a field that could end its line is found out") {
  CHECK_FALSE(HttpHeaders({{"a", "b\tc \xc3\xa9"}}).FirstInvalid());
  CHECK(HttpHeaders({{"a", "b"}, {"c", "d\r\ne: f"}}).FirstInvalid() == 1U);
  CHECK(HttpHeaders({{"a", std::string_view("b\0c", 3)}}).FirstInvalid() == 0U);
  CHECK(HttpHeaders({{"a b", "c"}}).FirstInvalid() == 0U);
  CHECK(HttpHeaders({{"", "c"}}).FirstInvalid() == 0U);
  CHECK(HttpHeaders({{"a:", "c"}}).FirstInvalid() == 0U);
}

TEST_CASE("a unique function owns small and large callables alike") {
  auto counter = std::make_shared<int>(0);
  struct Large {
    std::shared_ptr<int> counter;
    char padding[200];
    void operator()(int n) { *counter += n; }
  };
  UniqueFunction<void(int)> small = [counter](int n) { *counter += n; };
  UniqueFunction<void(int)> large = Large{counter, {}};
  UniqueFunction<void(int)> moved = std::move(large);
  CHECK_FALSE(large);
  small(1);
  moved(10);
  CHECK(*counter == 11);
  CHECK(counter.use_count() == 3);
  small = nullptr;
  moved = nullptr;
  CHECK(counter.use_count() == 1);
}

}  // namespace entente::net
