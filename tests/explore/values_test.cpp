#include <catch2/catch.hpp>

#include "explore/values.h"
#include "tests/explore/support.h"

namespace entente::explore {
namespace {

using test::Compile;
using test::WithSteps;

Values Made(const std::string& steps, const std::string& more = "", const GivenValues& given = {}) {
  const test::Definition definition = Compile(WithSteps(steps, more));
  return MakeValues(*definition.plan, definition.source, given).value();
}

TEST_CASE("values are made up so that the expressions that read them work") {
  const Values values = Made(
      R"({"id": "price", "participant": "a", "action": {"get": "/prices"}, "compensate": null},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/charges", "body": {
           "total": "${sum(input.lines.map(l, l.price * l.count)) * 1.5 + double(steps.price.output.fee)}",
           "for": "${input.first + ' ' + input.last}"}}})");
  REQUIRE(!values.inputs.empty());
  const Json& input = values.inputs.front();
  CHECK(input["first"].is_string());
  CHECK(input["last"].is_string());
  REQUIRE(input["lines"].is_array());
  CHECK(input["lines"][0]["price"].is_number());
  CHECK(values.outputs.at("price").front().contains("fee"));
}

TEST_CASE("a member that two expressions lack is added once") {
  const std::string cheapest = "${steps.quote.output.sortBy(q, q.rate)[0].bank}";
  const Values values = Made(
      R"({"id": "quote", "participant": "a", "forEach": {"items": "${input.banks}"},
          "action": {"get": "/rates/${item}"}, "compensate": null},
         {"id": "loan", "participant": "a", "pivot": true, "action": {"post": "/loans", "body": [")" +
      cheapest + R"(", ")" + cheapest + R"("]}})");
  const Json& quote = values.outputs.at("quote").front();
  CHECK(quote.contains("bank"));
  CHECK_FALSE(quote["rate"].is_object());
}

TEST_CASE("a forEach that is only its list has items") {
  const Values values = Made(
      R"({"id": "stock", "participant": "a", "forEach": "${input.lines}",
          "action": {"put": "/stock/${key}", "body": "${item.sku}"}, "compensate": {"delete": "/stock/${key}"}},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/charges"}})");
  const Json& lines = values.inputs.front()["lines"];
  REQUIRE(lines.is_array());
  CHECK(lines.front().contains("sku"));
}

TEST_CASE("values fit the schema, and come without what it does not require") {
  const Values values = Made(
      R"({"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/x", "body": "${input}"}})",
      R"("input": {"type": "object", "required": ["kind", "count"], "additionalProperties": false,
          "properties": {"kind": {"enum": ["small", "big"]}, "count": {"type": "integer", "minimum": 5},
                         "at": {"type": "string", "format": "date-time"}}}, )");
  REQUIRE(values.inputs.size() == 2);
  CHECK(values.inputs[0] == Json{{"kind", "small"}, {"count", 5}, {"at", "2030-01-01T00:00:00Z"}});
  CHECK(values.inputs[1] == Json{{"kind", "small"}, {"count", 5}});
}

TEST_CASE("a schema that asks for what is not made up says how to go on") {
  const test::Definition definition = Compile(
      WithSteps(R"({"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/x"}})",
                R"("input": {"type": "object", "required": ["code"], "properties":
          {"code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}}}, )"));
  const auto made = MakeValues(*definition.plan, definition.source, {});
  CHECK(made.status().reason() == "explore.input_needed");
  GivenValues given;
  given.input = Json{{"code", "ABC-1234"}};
  CHECK(MakeValues(*definition.plan, definition.source, given).value().inputs.size() == 1);
  given.input = Json{{"code", "abc"}};
  CHECK(MakeValues(*definition.plan, definition.source, given).status().reason() ==
        "input.invalid");
}

TEST_CASE("what a signal brings fits its schema") {
  const std::string steps =
      R"({"id": "ok", "wait": {"signal": "approved", "payload": {"type": "object", "required": ["by", "level"],
            "additionalProperties": false,
            "properties": {"by": {"type": "string"}, "level": {"type": "integer", "minimum": 5}}}}},
         {"id": "again", "wait": {"signal": "approved"}},
         {"id": "boss", "when": "${steps.ok.output.level > 7}", "refuse": {"code": "too-high"}},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/x", "body": "${steps.again.output.by}"}})";
  const Values values = Made(steps);
  for (const char* step : {"ok", "again"}) {
    REQUIRE(!values.outputs.at(step).empty());
    for (const Json& payload : values.outputs.at(step)) {
      CHECK(payload["by"].is_string());
      CHECK(payload["level"].get<int>() >= 5);
    }
  }
  CHECK(values.left_out.empty());
}

TEST_CASE("a signal that nothing fits is not sent, and that is said") {
  const std::string steps =
      R"({"id": "ok", "wait": {"signal": "approved", "payload": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}}},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/x"}})";
  const Values none = Made(steps);
  CHECK(none.outputs.at("ok").empty());
  REQUIRE(none.left_out.size() == 1);
  CHECK(none.left_out.front().find("'ok'") != std::string::npos);

  const test::Definition definition = Compile(WithSteps(steps));
  const Json answers = {{"events",
                         {{{"at", "1s"}, {"signal", "approved"}, {"payload", "ABC-1234"}},
                          {{"at", "2s"}, {"signal", "approved"}, {"payload", 7}}}}};
  const GivenValues given{std::nullopt, OutputsOf(*definition.plan, answers)};
  const Values found = MakeValues(*definition.plan, definition.source, given).value();
  CHECK(found.outputs.at("ok") == std::vector<Json>{"ABC-1234"});
}

TEST_CASE("which child runs is one of those that may be chosen") {
  const Values values = Made(
      R"({"id": "pay", "action": {"transaction": {"definition": "${'pay-' + input.by}", "among": ["pay-card", "pay-invoice"]}},
          "compensate": null},
         {"id": "tell", "action": {"transaction": {"definition": "${input.teller}", "among": ["mail", "letter"]}},
          "compensate": null})");
  const std::string teller = values.inputs.front()["teller"].get<std::string>();
  CHECK((teller == "mail" || teller == "letter"));
}

TEST_CASE("an address that is computed is one that could be called") {
  const test::Definition definition = Compile(
      R"({"name": "d", "participants": {"a": {"http": "http://a"}, "hook": {"http": "${item.url}", "allow": ["*"]}},
          "steps": [
            {"id": "find", "participant": "a", "action": {"get": "/hooks"}, "compensate": null},
            {"id": "tell", "participant": "hook", "forEach": "${steps.find.output.hooks}", "compensate": null,
             "action": {"post": "/"}}]})");
  const Values values = MakeValues(*definition.plan, definition.source, {}).value();
  const Json& hooks = values.outputs.at("find").front()["hooks"];
  REQUIRE(hooks.is_array());
  CHECK(hooks.front()["url"].get<std::string>().starts_with("http://"));
}

TEST_CASE("a condition is made to go both ways, also one within a way of a choice") {
  const Values values = Made(
      R"({"id": "how", "choose": [
            {"when": "${input.kind == 'gift'}", "steps": [
              {"id": "wrap", "when": "${input.total > 100}", "participant": "a",
               "action": {"get": "/x"}, "compensate": null}]},
            {"steps": [{"id": "plain", "participant": "a", "action": {"get": "/y"}, "compensate": null}]}]})");
  std::set<std::pair<bool, bool>> seen;
  for (const Json& input : values.inputs) {
    seen.insert({input["kind"] == "gift", input["total"] > 100});
  }
  CHECK(seen.contains({true, true}));
  CHECK(seen.contains({true, false}));
  CHECK((seen.contains({false, true}) || seen.contains({false, false})));
}

}  // namespace
}  // namespace entente::explore
