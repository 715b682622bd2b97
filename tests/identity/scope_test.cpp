#include <catch2/catch.hpp>

#include "base/limits.h"
#include "coordinator/identity/scope.h"

namespace entente::identity {
namespace {

TEST_CASE("a scope covers names, families of names, and labels that are all there") {
  const Scope all;
  CHECK(all.Everything());
  CHECK(all.Covers("", {}));
  const Scope some{{"trip", "hotel-*"}, {{"team", "a"}}};
  CHECK_FALSE(some.Everything());
  CHECK(some.CoversDefinition("trip"));
  CHECK(some.CoversDefinition("hotel-"));
  CHECK(some.CoversDefinition("hotel-night"));
  for (const char* name : {"", "tri", "trip2", "Trip", "hotel", "a-hotel-b", "*"}) {
    CAPTURE(name);
    CHECK_FALSE(some.CoversDefinition(name));
  }
  CHECK(some.Covers("trip", {{"x", "y"}, {"team", "a"}}));
  CHECK_FALSE(some.Covers("trip", {{"team", "b"}}));
  CHECK_FALSE(some.Covers("trip", {}));
  CHECK(Scope{{"*"}, {}}.CoversDefinition(""));
  CHECK_FALSE(Scope{{"*"}, {}}.Everything());
}

TEST_CASE("a pattern has its star at the end or not at all") {
  CHECK(CheckScope({{"a", "a*", "*"}, {{"k", ""}}}).ok());
  for (const std::string& pattern :
       {std::string(), std::string("*a"), std::string("a*b"), std::string("a**"),
        std::string("a b"), std::string("a\n"), std::string(limits::kMaxNameBytes + 1, 'a')}) {
    CAPTURE(pattern);
    CHECK(CheckScope({{pattern}, {}}).reason() == "token.invalid");
  }
  CHECK(CheckScope({{}, {{"", "v"}}}).reason() == "token.invalid");
  CHECK(CheckScope({std::vector<std::string>(kMaxTokenPatterns, "a"), {}}).ok());
  CHECK(CheckScope({std::vector<std::string>(kMaxTokenPatterns, "a"), {{"k", "v"}}}).reason() ==
        "token.invalid");
}

TEST_CASE("a scope is read as it was written, and what can not be read is not everything") {
  for (const Scope& scope : {Scope{}, Scope{{"a*", "b"}, {}}, Scope{{}, {{"k", "v"}}},
                             Scope{{"a"}, {{"k", "v"}, {"l", ""}}}}) {
    CHECK(ScopeFrom(ScopeJson(scope)).value() == scope);
  }
  for (const char* text :
       {"null", "[]", R"({"definitions":"a"})", R"({"definitions":[]})", R"({"definitions":[1]})",
        R"({"labels":{}})", R"({"labels":{"a":1}})", R"({"definition":["a"]})"}) {
    CAPTURE(text);
    CHECK(ScopeFrom(Json::parse(text)).status().reason() == "store.bad_scope");
  }
}

}  // namespace
}  // namespace entente::identity
