#include "dsl/schema/closest.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace entente::dsl {
namespace {

const std::vector<std::string_view> kWords = {"required", "properties", "type", "not", "items"};

TEST_CASE("a misspelt word finds the nearest one") {
  CHECK(Closest("requird", kWords) == "required");
  CHECK(Closest("reqiured", kWords) == "required");
  CHECK(Closest("Required", kWords) == "required");
  CHECK(Closest("propertys", kWords) == "properties");
  CHECK(Closest("tpye", kWords) == "type");
  CHECK(Closest("item", kWords) == "items");
  CHECK(Closest("nto", kWords) == "not");
}

TEST_CASE("a word that resembles none finds none") {
  CHECK_FALSE(Closest("colour", kWords));
  CHECK_FALSE(Closest("", kWords));
  CHECK_FALSE(Closest("xyz", kWords));
  CHECK_FALSE(Closest("a", {"b"}));
  CHECK_FALSE(
      Closest(std::string(33, 'a'), {std::string_view("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")}));
  CHECK_FALSE(Closest("type", {}));
}

TEST_CASE("a text is cut between characters") {
  CHECK(Cut("abc", 3) == "abc");
  CHECK(Cut("abcd", 3) == "abc...");
  CHECK(Cut("a\u00e9b", 2) == "a...");
  CHECK(Cut("a\u00e9b", 3) == "a\u00e9...");
  CHECK(Cut("\U0001F600x", 3) == "...");
}

}  // namespace
}  // namespace entente::dsl
