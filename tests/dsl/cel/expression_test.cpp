#include "dsl/cel/expression.h"

#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::dsl::cel {
namespace {

Expression Parse(const std::string& text) {
  Expression::ParseResult parsed = Expression::Parse(text);
  if (const ParseError* error = std::get_if<ParseError>(&parsed)) {
    FAIL(text << " at " << error->offset << ": " << error->message);
  }
  return std::get<Expression>(std::move(parsed));
}

using Names = std::vector<std::string>;

std::vector<Names> References(const std::string& text) {
  std::vector<Names> names;
  const Expression expression = Parse(text);
  for (const ReferencePath& path : expression.references()) {
    names.push_back(path.names);
  }
  return names;
}

TEST_CASE("references are the free names with their constant selections") {
  CHECK(
      References("steps.flight.output.price + steps[\"car\"].output.x") ==
      std::vector<Names>{{"steps", "flight", "output", "price"}, {"steps", "car", "output", "x"}});
  CHECK(References("1 + 2").empty());
  CHECK(References("steps[which].output") == std::vector<Names>{{"steps"}, {"which"}});
  CHECK(References("input.rooms[0].price") == std::vector<Names>{{"input", "rooms"}});
  CHECK(References("has(input.car) && input.car.big") ==
        std::vector<Names>{{"input", "car"}, {"input", "car", "big"}});
  CHECK(References("size(input) + env.A.size()") == std::vector<Names>{{"input"}, {"env", "A"}});
  CHECK(References("(input).a") == std::vector<Names>{{"input", "a"}});
}

TEST_CASE("variables of macros are not free, what they hide elsewhere is") {
  CHECK(References("input.list.map(x, x.price)") == std::vector<Names>{{"input", "list"}});
  CHECK(References("x.map(x, x.y) + x.z") == std::vector<Names>{{"x"}, {"x", "z"}});
  CHECK(References("[1].map(x, .x.y)") == std::vector<Names>{{"x", "y"}});
  CHECK(References("[1].all(i, [2].all(j, i + j == k.l))") == std::vector<Names>{{"k", "l"}});
}

TEST_CASE("names of types are not references unless something is selected from them") {
  CHECK(References("type(1) == int").empty());
  CHECK(References("google.protobuf.Timestamp == type(input.at)") ==
        std::vector<Names>{{"input", "at"}});
  CHECK(References("list.first") == std::vector<Names>{{"list", "first"}});
}

TEST_CASE("a reference knows where it stands") {
  const Expression expression = Parse("1 +  steps.a[ input.b ]");
  const std::vector<ReferencePath>& references = expression.references();
  REQUIRE(references.size() == 2);
  CHECK(references[0].offset == 5);
  CHECK(references[1].offset == 14);
}

TEST_CASE("bindings may be documents and values, and later ones hide earlier ones") {
  const Json document = {{"a", 1}};
  const Json other = {{"a", 2}};
  Activation activation;
  activation.Bind("input", document).Bind("key", Value::String("k1")).Bind("input", other);
  CHECK(*Parse("[string(input.a), key]").EvaluateToJson(activation) == Json({"2", "k1"}));
}

TEST_CASE("an activation takes any number of names") {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) {
    names.push_back("n" + std::to_string(i));
  }
  Activation activation;
  for (size_t i = 0; i < names.size(); ++i) {
    activation.Bind(names[i], Value::Int(static_cast<int64_t>(i)));
  }
  CHECK(*Parse("n0 + n5 + n6 + n39").EvaluateToJson(activation) == Json(50));
}

// A state that is not one document, as an engine has it.
class StepOutputs : public Resolver {
 public:
  explicit StepOutputs(const Json& flight) : flight_(flight) {}

  std::optional<Resolved> Resolve(std::span<const std::string> path) const override {
    if (path[0] != "steps") {
      return std::nullopt;
    }
    if (path.size() > 2 && path[1] == "flight" && path[2] == "output") {
      return Resolved{Value::FromJson(flight_), 3};
    }
    return Resolved{Value::Map({{Value::String("flight"), Value::FromJson(flight_)}}), 1};
  }

 private:
  const Json& flight_;
};

TEST_CASE("a resolver answers for as much of a path as it can") {
  const Json flight = {{"price", 100}};
  const StepOutputs outputs(flight);
  Activation activation;
  activation.SetResolver(&outputs);
  const auto evaluate = [&activation](const std::string& text) {
    const Result<Json> result = Parse(text).EvaluateToJson(activation);
    return result.ok() ? *result : Json("error: " + result.status().message());
  };
  CHECK(evaluate("steps.flight.output.price") == Json(100));
  CHECK(evaluate("steps.flight.output") == flight);
  CHECK(evaluate("has(steps.flight.output)") == Json(true));
  CHECK(evaluate("has(steps.flight.output.tax)") == Json(false));
  CHECK(evaluate("has(steps.car)") == Json(false));
  CHECK(evaluate("steps.map(id, id)") == Json({"flight"}));
  CHECK(evaluate("steps.car.output") == Json("error: no such key: 'car' (in steps)"));
  CHECK(evaluate("other.x") == Json("error: undeclared reference to 'other'"));
  CHECK(evaluate("type(steps) == map") == Json(true));
}

TEST_CASE("a selected string is the document's own, not a copy") {
  const Json document = {{"a", {{"name", std::string(1000, 'x')}}}};
  const Result<Value> value = Parse("input.a.name").Evaluate(Activation().Bind("input", document));
  REQUIRE(value.ok());
  CHECK(&value->string_value() == document["a"]["name"].get_ptr<const std::string*>());
}

TEST_CASE("a result of literals outlives its expression") {
  Result<Value> value = Value();
  {
    const Expression expression = Parse("['a', {'b': b'c'}]");
    value = expression.Evaluate(Activation());
  }
  CHECK(*ToJson(*value) == Json::parse(R"(["a", {"b": "Yw=="}])"));
}

TEST_CASE("one expression is evaluated by many threads at once") {
  const Expression expression = Parse("input.list.filter(x, x.matches('^a')).size() + size('ab')");
  const Json document = {{"list", {"a", "b", "ab"}}};
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) {
        const Expression copy = expression;
        wrong[i] += *copy.EvaluateToJson(Activation().Bind("input", document)) == Json(4) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("an embedded expression ends at its own brace") {
  struct Row {
    std::string text;
    std::string rest;
  };
  const std::vector<Row> rows = {{"a.b} tail", " tail"},
                                 {"{'a': {'b': 1}}}x", "x"},
                                 {"'}' + \"}\" + r'}'}x", "x"},
                                 {"a // }\n}x", "x"},
                                 {"a }} 'unclosed", "} 'unclosed"}};
  for (const Row& row : rows) {
    INFO(row.text);
    size_t position = 0;
    CHECK(std::holds_alternative<Expression>(Expression::ParseUntilBrace(row.text, &position)));
    CHECK(row.text.substr(position) == row.rest);
  }
}

TEST_CASE("an embedded expression reports offsets from the start of the text") {
  size_t position = 5;
  const auto parsed = Expression::ParseUntilBrace("abc${1 + }", &position);
  REQUIRE(std::holds_alternative<ParseError>(parsed));
  CHECK(std::get<ParseError>(parsed).offset == 9);
  position = 2;
  const auto open = Expression::ParseUntilBrace("${a.b", &position);
  REQUIRE(std::holds_alternative<ParseError>(open));
  CHECK(std::get<ParseError>(open).offset == 5);
  CHECK(std::get<ParseError>(open).message ==
        "unexpected end of the expression; expected an operator, or '}' to close '${'");
}

}  // namespace
}  // namespace entente::dsl::cel
