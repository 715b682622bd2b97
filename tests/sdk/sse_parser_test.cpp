#include "participant-sdk/src/client/sse_parser.h"

#include <vector>

#include <catch2/catch.hpp>

namespace entente::sdk {
namespace {

std::vector<std::string> Collect(SseParser& parser, std::string_view bytes) {
  std::vector<std::string> events;
  CHECK(parser
            .Feed(bytes,
                  [&events](const SseEvent& event) {
                    events.push_back(event.type + "|" + event.id + "|" + event.data);
                    return true;
                  })
            .ok());
  return events;
}

TEST_CASE("comments are not events, and an id lasts until the next one") {
  SseParser parser(1024);
  CHECK(Collect(parser, ": ready\n\nid: 1\ndata: {}\n\ndata: x\n\nevent: lost\ndata: y\n\n") ==
        std::vector<std::string>{"|1|{}", "|1|x", "lost|1|y"});
}

TEST_CASE("an event may arrive byte by byte, with carriage returns, on several data lines") {
  SseParser parser(1024);
  std::vector<std::string> events;
  for (const char c : std::string("id: 7\r\ndata: a\r\ndata: b\r\n\r\n")) {
    for (std::string& event : Collect(parser, std::string(1, c))) {
      events.push_back(std::move(event));
    }
  }
  CHECK(events == std::vector<std::string>{"|7|a\nb"});
}

TEST_CASE("nothing is delivered after the receiver has seen enough") {
  SseParser parser(1024);
  int seen = 0;
  CHECK(parser
            .Feed("data: a\n\ndata: b\n\n",
                  [&seen](const SseEvent&) {
                    ++seen;
                    return false;
                  })
            .ok());
  CHECK(seen == 1);
}

TEST_CASE("an event that never ends is refused") {
  SseParser parser(16);
  const Status status =
      parser.Feed("data: 0123456789abcdef0123", [](const SseEvent&) { return true; });
  CHECK(status.reason() == "client.bad_answer");
}

}  // namespace
}  // namespace entente::sdk
