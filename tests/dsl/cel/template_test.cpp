#include "dsl/cel/template.h"

#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"

namespace entente::dsl::cel {
namespace {

const Json& Data() {
  static const Json data = Json::parse(
      R"({"i": 7, "d": 2.5, "s": "a b/c", "t": true, "n": null, "l": [1, "x"], "o": {"k": 1}})");
  return data;
}

Template Compile(const Json& json) {
  Template::CompileResult compiled = Template::Compile(json);
  if (const auto* errors = std::get_if<std::vector<TemplateError>>(&compiled)) {
    FAIL(json << " " << errors->front().pointer << ": " << errors->front().message);
  }
  return std::get<Template>(std::move(compiled));
}

Json Render(const Json& json) {
  const Result<Json> rendered = Compile(json).Render(Activation(Data()));
  return rendered.ok() ? *rendered : Json("error: " + rendered.status().message());
}

std::vector<TemplateError> Errors(const Json& json) {
  Template::CompileResult compiled = Template::Compile(json);
  REQUIRE(std::holds_alternative<std::vector<TemplateError>>(compiled));
  return std::get<std::vector<TemplateError>>(std::move(compiled));
}

TEST_CASE("a string that is one expression keeps its type") {
  CHECK(Render("${i}") == Json(7));
  CHECK(Render("${d + 1.0}") == Json(3.5));
  CHECK(Render("${ t }") == Json(true));
  CHECK(Render("${n}") == Json(nullptr));
  CHECK(Render("${l}") == Data()["l"]);
  CHECK(Render("${{'a': {'b': o}}}") == Json::parse(R"({"a": {"b": {"k": 1}}})"));
  CHECK(Render("${s}") == Json("a b/c"));
}

TEST_CASE("any other string gets the values as text") {
  CHECK(Render(" ${i}") == Json(" 7"));
  CHECK(Render("${i}${t}") == Json("7true"));
  CHECK(Render("<${s}> ${d} ${n} ${l} ${o}") == Json("<a b/c> 2.5 null [1,\"x\"] {\"k\":1}"));
  CHECK(Render("${timestamp(0)} ${duration('90s')} ${b'hi'} ${int} ${1u} ${100000.0}") ==
        Json("1970-01-01T00:00:00Z 90s aGk= int 1 100000"));
}

TEST_CASE("a dollar sign is only special before a brace") {
  CHECK(Render("$") == Json("$"));
  CHECK(Render("$5 and $$") == Json("$5 and $$"));
  CHECK(Render("$${i}") == Json("${i}"));
  CHECK(Render("cost: $${ ${i} }") == Json("cost: ${ 7 }"));
  CHECK(Render("$$${i}") == Json("$${i}"));
  CHECK(Render("{}}{ $i") == Json("{}}{ $i"));
}

TEST_CASE("braces inside an expression do not end it") {
  CHECK(Render("${'}'}") == Json("}"));
  CHECK(Render("${'${' + \"}\"}!") == Json("${}!"));
  CHECK(Render("${{'a': 1}.a}") == Json(1));
  CHECK(Render("x${{'a': {'}': 1}}}") == Json("x{\"a\":{\"}\":1}}"));
}

TEST_CASE("documents are rendered all the way down, keys are literal") {
  const Json json = Json::parse(
      R"({"${i}": ["${i}", {"deep": "n=${i}", "plain": 1.5}], "lit": {"a": [null, "$${x}"]}})");
  CHECK(
      Render(json) ==
      Json::parse(R"({"${i}": [7, {"deep": "n=7", "plain": 1.5}], "lit": {"a": [null, "${x}"]}})"));
}

TEST_CASE("a template without expressions is literal and keeps every value") {
  const Json json = Json::parse(R"({"a": [1, 2.5, "x", null, {"b": true}], "c": "$"})");
  const Template literal = Compile(json);
  CHECK(literal.is_literal());
  CHECK(literal.references().empty());
  CHECK(*literal.Render(Activation()) == json);
  CHECK_FALSE(Compile(Json::array({"${i}"})).is_literal());
}

TEST_CASE("every wrong string is reported with its pointer and offset") {
  const std::vector<TemplateError> errors = Errors(Json::parse(
      R"({"a/b": "ok ${1 +}", "c": ["${i}", "${startswith(s)}", "x ${y"], "d": "${s.startswith('x')}"})"));
  REQUIRE(errors.size() == 4);
  CHECK(errors[0].pointer == "/a~1b");
  CHECK(errors[0].offset == 8);
  CHECK(errors[0].message == "unexpected '}'; expected a value");
  CHECK(errors[1].pointer == "/c/1");
  CHECK(errors[1].offset == 2);
  CHECK(errors[2].pointer == "/c/2");
  CHECK(errors[2].offset == 5);
  CHECK(errors[2].message ==
        "unexpected end of the expression; expected an operator, or '}' to close '${'");
  CHECK(errors[3].pointer == "/d");
  CHECK(errors[3].message ==
        "undeclared reference to 'startswith': no such method; did you mean 'startsWith'?");
  CHECK(Errors("${}")[0].message == "unexpected '}'; expected a value");
  CHECK(Errors("${a} ${")[0].offset == 7);
}

TEST_CASE("references carry the pointer and the offset in the string") {
  const Template compiled = Compile(Json::parse(R"({"b": ["x ${i + o.k}"], "c": "${s}"})"));
  const std::vector<TemplateReference>& references = compiled.references();
  REQUIRE(references.size() == 3);
  CHECK(references[0].pointer == "/b/0");
  CHECK(references[0].path.names == std::vector<std::string>{"i"});
  CHECK(references[0].path.offset == 4);
  CHECK(references[1].path.names == std::vector<std::string>{"o", "k"});
  CHECK(references[1].path.offset == 8);
  CHECK(references[2].pointer == "/c");
}

TEST_CASE("an error while rendering says in which string") {
  CHECK(Render(Json::parse(R"({"a": [1, "${o.x}"]})")) ==
        Json("error: no such key: 'x' (in o) (at /a/1)"));
  CHECK(Render(Json::parse(R"({"a": "n: ${1 / 0}"})")) == Json("error: divide by zero (at /a)"));
  CHECK(Render("${missing}") == Json("error: undeclared reference to 'missing'"));
  CHECK(Render(Json::parse(R"({"a": "${1.0 / 0.0}"})")) ==
        Json("error: the double Infinity has no JSON form (at /a)"));
}

std::string Bracket(const Value& /*value*/, std::string_view text) {
  return "[" + std::string(text) + "]";
}

TEST_CASE("text is rendered with spliced values encoded and literal text left alone") {
  const Activation activation(Data());
  CHECK(*Compile("/a b/${s}/${i}?x").RenderText(activation, Bracket) == "/a b/[a b/c]/[7]?x");
  CHECK(*Compile("${s}").RenderText(activation, Bracket) == "[a b/c]");
  CHECK(*Compile("/plain $${x}").RenderText(activation, Bracket) == "/plain ${x}");
  const Result<std::string> failed = Compile("/${o.x}").RenderText(activation, Bracket);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.status().message() == "no such key: 'x' (in o)");
}

TEST_CASE("only strings are text") {
  CHECK(Compile("x").is_text());
  CHECK(Compile("${i}").is_text());
  CHECK(Compile("a${i}").is_text());
  CHECK_FALSE(Compile(1).is_text());
  CHECK_FALSE(Compile(Json::array({"${i}"})).is_text());
}

TEST_CASE("a template deeper than JSON may be is refused") {
  Json json = "${i}";
  for (size_t i = 0; i < limits::kMaxJsonDepth; ++i) {
    json = Json::array({std::move(json)});
  }
  CHECK(std::holds_alternative<Template>(Template::Compile(json)));
  json = Json::array({std::move(json)});
  CHECK(Errors(json)[0].message == "the template nests deeper than 64 levels");
}

std::string ErrorOf(const Json& json, const Json& data) {
  const Result<Json> rendered = Compile(json).Render(Activation(data));
  return rendered.ok() ? "" : rendered.status().message();
}

TEST_CASE("text past the size limit is refused") {
  const Json data = {{"s", std::string(1 << 19, 'x')}};
  CHECK(ErrorOf("${s}${s}${s}", data) == "the text is longer than the limit of 1048576 bytes");
  CHECK(ErrorOf("${s}x", data).empty());
}

TEST_CASE("a rendered document is as large as a payload may be, and no larger") {
  const auto message = [](const char* pointer) {
    return "the result is larger than the limit of 1048576 bytes of JSON (at " +
           std::string(pointer) + ")";
  };
  const std::vector<Json> documents = {
      Json::parse(R"({"a":"${s}"})"),
      Json::parse(R"({"a":"${s}","b":[],"c":["${i}",-1.5,null,"q\"\n\u0001"],"k\t":{}})"),
      Json::parse(R"({"a":"${s}","l":"${l}","n":"${[1,2.0,'x',timestamp(0),b'x']}"})"),
      Json::parse(R"({"a":"${s}","t":"<${i}>\"","o":"${{'a\"': o, 'b': {}}}"})"),
  };
  for (const Json& document : documents) {
    INFO(document);
    Json data = Data();
    data["s"] = "";
    const size_t rest = DumpJson(*Compile(document).Render(Activation(data))).size();
    data["s"] = std::string(limits::kMaxPayloadBytes - rest, 'x');
    CHECK(ErrorOf(document, data).empty());
    data["s"] = std::string(limits::kMaxPayloadBytes - rest + 1, 'x');
    CHECK_FALSE(ErrorOf(document, data).empty());
  }
  const Json data = {{"s", std::string(900'000, 'x')}};
  CHECK(ErrorOf(std::vector<std::string>(310, "${s}"), data) == message("/1"));
  // Escaped, a control character is six bytes.
  CHECK(ErrorOf(Json::array({"${s}"}), {{"s", std::string(200'000, '\x01')}}) == message("/0"));
}

TEST_CASE("a rendered document is as deep as a payload may be, and no deeper") {
  const auto nest = [](Json inner, size_t levels) {
    for (size_t i = 0; i < levels; ++i) {
      inner = Json::array({std::move(inner)});
    }
    return inner;
  };
  const std::string message = "the result nests deeper than the limit of 64 levels (at ";
  const Json data = {{"v", nest(1, 40)}};
  CHECK(ErrorOf(nest("${v}", 24), data).empty());
  CHECK(ErrorOf(nest("${v}", 25), data).starts_with(message));
  CHECK(ErrorOf(nest("${[v, [v]]}", 22), data).empty());
  CHECK(ErrorOf(nest("${[v, [v]]}", 23), data).starts_with(message));
  CHECK(ErrorOf(nest("${{'k': v}}", 24), data).starts_with(message));
  CHECK(ErrorOf("${v}", {{"v", nest(1, 65)}}) ==
        "the result nests deeper than the limit of 64 levels");
}

}  // namespace
}  // namespace entente::dsl::cel
