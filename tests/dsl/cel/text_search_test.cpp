#include "dsl/cel/functions/text_search.h"

#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace entente::dsl::cel {
namespace {

TEST_CASE("a search finds what the library's finds") {
  std::mt19937 random(7);
  const auto text_of = [&random](size_t size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) {
      text += random() % 8 == 0 ? 'b' : 'a';
    }
    return text;
  };
  size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = text_of(random() % 200);
    std::string needle = text_of(random() % 40);
    if (round % 2 == 0 && !text.empty()) {
      needle = text.substr(random() % text.size(), random() % 60);
    }
    const TextSearch search(needle);
    const size_t from = random() % (text.size() + 1);
    CHECK(search.Find(text, from) == text.find(needle, from));
    CHECK(search.FindLast(text, from) == text.rfind(needle, from));
    CHECK(search.FindLast(text, std::string::npos) == text.rfind(needle));
    found += text.find(needle) != std::string::npos ? 1 : 0;
  }
  CHECK(found > 1000);
}

}  // namespace
}  // namespace entente::dsl::cel
