#include "dsl/schema/json_order.h"

#include <catch2/catch.hpp>
#include <vector>

namespace entente::dsl::schema_internal {
namespace {

bool Equal(const char* a, const char* b) {
  return CompareJson(Json::parse(a), Json::parse(b)) == 0;
}

TEST_CASE("values are equal as JSON Schema says") {
  CHECK(Equal("1", "1.0"));
  CHECK(Equal("[1, {\"a\": 2.0}]", "[1.0, {\"a\": 2}]"));
  CHECK(Equal("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"));
  CHECK(Equal("null", "null"));
  CHECK_FALSE(Equal("1", "true"));
  CHECK_FALSE(Equal("0", "false"));
  CHECK_FALSE(Equal("\"1\"", "1"));
  CHECK_FALSE(Equal("[]", "{}"));
  CHECK_FALSE(Equal("null", "false"));
  CHECK_FALSE(Equal("[1,2]", "[2,1]"));
  CHECK_FALSE(Equal("{\"a\":1}", "{\"b\":1}"));
  CHECK_FALSE(Equal("{\"a\":1}", "{\"a\":1,\"b\":1}"));
  CHECK_FALSE(Equal("9007199254740993", "9007199254740992.0"));
}

TEST_CASE("the order is total over values of all kinds") {
  const std::vector<Json> ascending = {
      Json(nullptr),  Json(false),    Json(true),       Json(-1),
      Json(0.5),      Json(2),        Json(""),         Json("a"),
      Json("b"),      Json::array(),  Json::array({2}), Json::array({1, 1}),
      Json::object(), Json{{"a", 2}}, Json{{"b", 1}},   Json{{"a", 1}, {"b", 1}}};
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      INFO(ascending[i] << " and " << ascending[j]);
      CHECK((CompareJson(ascending[i], ascending[j]) < 0) == (i < j));
      CHECK((CompareJson(ascending[i], ascending[j]) > 0) == (i > j));
    }
  }
}

}  // namespace
}  // namespace entente::dsl::schema_internal
