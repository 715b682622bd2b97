#include "dsl/cel/value.h"

#include <limits>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

namespace entente::dsl::cel {
namespace {

TEST_CASE("JSON numbers become int, uint or double") {
  CHECK(Value::FromJson(Json(-1)).kind() == Kind::kInt);
  CHECK(Value::FromJson(Json(1)).kind() == Kind::kInt);
  CHECK(Value::FromJson(Json(uint64_t{9223372036854775807u})).kind() == Kind::kInt);
  CHECK(Value::FromJson(Json(uint64_t{9223372036854775808u})).kind() == Kind::kUint);
  CHECK(Value::FromJson(Json(1.0)).kind() == Kind::kDouble);
}

TEST_CASE("a view shows the document without copying it") {
  const Json json = Json::parse(R"({"list": ["a", {"b": 1}]})");
  const Value view = Value::FromJson(json);
  CHECK(view.json_view() == &json);
  const Value list = *view.Find(std::string("list"));
  CHECK(list.json_view() == &json["list"]);
  CHECK(&list.ElementAt(0).string_value() == json["list"][0].get_ptr<const std::string*>());
}

TEST_CASE("an owned document lives as long as anything selected from it") {
  Value part;
  {
    const Value whole =
        Value::FromJson(Json::parse(R"({"a": {"b": ["long enough to be on the heap"]}})"));
    part = *whole.Find(std::string("a"));
  }
  CHECK(part.Find(std::string("b"))->ElementAt(0).string_value() ==
        "long enough to be on the heap");
  CHECK(part.Keys()[0].string_value() == "b");
}

TEST_CASE("maps find numbers across their kinds, small or large") {
  for (const int64_t size : {3, 100}) {
    std::vector<Value::Entry> entries;
    for (int64_t i = 0; i < size; ++i) {
      entries.emplace_back(i % 2 == 0 ? Value::Int(i) : Value::Uint(static_cast<uint64_t>(i)),
                           Value::Int(i * 10));
    }
    entries.emplace_back(Value::String("s"), Value::Int(-1));
    entries.emplace_back(Value::Bool(true), Value::Int(-2));
    const Value map = Value::Map(std::move(entries));
    CHECK(map.Find(Value::Double(2.0))->int_value() == 20);
    CHECK(map.Find(Value::Uint(2))->int_value() == 20);
    CHECK(map.Find(Value::Int(1))->int_value() == 10);
    CHECK(map.Find(std::string("s"))->int_value() == -1);
    CHECK(map.Find(Value::Bool(true))->int_value() == -2);
    CHECK_FALSE(map.Find(Value::Double(2.5)));
    CHECK_FALSE(map.Find(Value::Bool(false)));
    CHECK_FALSE(map.Find(Value()));
    CHECK_FALSE(map.Find(Value::Double(std::numeric_limits<double>::quiet_NaN())));
    CHECK_FALSE(map.Find(Value::Double(1e300)));
    CHECK(map.Keys().size() == static_cast<size_t>(size) + 2);
    CHECK(map.Keys()[0].int_value() == 0);
  }
}

TEST_CASE("values convert to the JSON their kinds stand for") {
  CHECK(*ToJson(Value()) == Json(nullptr));
  CHECK(*ToJson(Value::Uint(std::numeric_limits<uint64_t>::max())) ==
        Json(std::numeric_limits<uint64_t>::max()));
  CHECK(*ToJson(Value::Bytes("")) == Json(""));
  CHECK(*ToJson(Value::Bytes("f")) == Json("Zg=="));
  CHECK(*ToJson(Value::Bytes("fo")) == Json("Zm8="));
  CHECK(*ToJson(Value::Bytes("foo")) == Json("Zm9v"));
  CHECK(*ToJson(Value::Bytes("foob")) == Json("Zm9vYg=="));
  CHECK(*ToJson(Value::FromDuration({-1'500'000'000})) == Json("-1.5s"));
  CHECK(*ToJson(Value::FromDuration({std::numeric_limits<int64_t>::min()})) ==
        Json("-9223372036.854775808s"));
  CHECK(*ToJson(Value::FromTimestamp({0, 1000})) == Json("1970-01-01T00:00:00.000001Z"));
  CHECK(*ToJson(Value::Type(Kind::kNull)) == Json("null_type"));
  CHECK_FALSE(ToJson(Value::List({Value::Double(std::numeric_limits<double>::infinity())})).ok());
  CHECK_FALSE(ToJson(Value::Map({{Value::Bool(true), Value()}})).ok());
}

TEST_CASE("doubles are written plainly where people would") {
  const std::vector<std::pair<double, std::string>> rows = {
      {0.0, "0"},
      {-0.0, "-0"},
      {1.0, "1"},
      {0.1, "0.1"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1e-6, "0.000001"},
      {1e-7, "1e-07"},
      {123456789.0, "123456789"},
      {-2.5, "-2.5"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"}};
  for (const auto& [number, text] : rows) {
    CHECK(*ToText(Value::Double(number)) == text);
  }
}

TEST_CASE("depth counts what expressions build, not documents") {
  const Json json = Json::parse("[[[[1]]]]");
  CHECK(Value::FromJson(json).depth() == 0);
  CHECK(Value::List({Value::FromJson(json)}).depth() == 1);
  CHECK(Value::List({Value::Map({{Value::Int(1), Value::List({})}})}).depth() == 3);
}

}  // namespace
}  // namespace entente::dsl::cel
