// Numbers of documents that 64 bits or a double would change.

#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/cel/expression.h"
#include "dsl/cel/template.h"

namespace entente::dsl::cel {
namespace {

Result<Json> Evaluate(const std::string& text, const std::string& data) {
  const Json names = ParseExactJson(data, limits::kPayloadJson).value();
  return std::get<Expression>(Expression::Parse(text)).EvaluateToJson(Activation(names));
}

std::string TextOf(const std::string& text, const std::string& data) {
  const Result<Json> value = Evaluate(text, data);
  return value.ok() ? DumpJson(*value) : value.status().message();
}

const std::vector<std::string> kInexact = {"18446744073709551616",
                                           "-9223372036854775809",
                                           "123456789012345678901234567890",
                                           "0.30000000000000000000001",
                                           "100000000000000000000.5",
                                           "12345678901234567.0",
                                           "1e400",
                                           "-1e-400"};

TEST_CASE("a number that is handed on keeps its digits, in whatever it is put") {
  std::vector<std::string> numbers = kInexact;
  numbers.insert(numbers.end(), {"0", "-0", "-0.0", "1", "1.0", "1.10", "1e2", "1E+2", "0.1",
                                 "1e21", "9007199254740993", "18446744073709551615", "5e-324"});
  for (const std::string& number : numbers) {
    INFO(number);
    const std::string data = "{\"n\":" + number + ",\"doc\":{\"list\":[" + number + "]}}";
    CHECK(TextOf("n", data) == number);
    CHECK(TextOf("doc", data) == "{\"list\":[" + number + "]}");
    CHECK(TextOf("[n, doc.list[0]]", data) == "[" + number + "," + number + "]");
    CHECK(TextOf("{'k': n}", data) == "{\"k\":" + number + "}");
    CHECK(TextOf("true ? n : 0", data) == number);
    CHECK(TextOf("doc.list.map(x, x)", data) == "[" + number + "]");
    CHECK(TextOf("string(n)", data) == "\"" + number + "\"");
    const Json names = ParseExactJson(data, limits::kPayloadJson).value();
    const auto spliced = std::get<Template>(Template::Compile("a ${n} b"));
    CHECK(spliced.Render(Activation(names)).value() == "a " + number + " b");
  }
}

TEST_CASE("computing or comparing with a number that does not fit is an error that says so") {
  for (const std::string& number : kInexact) {
    for (const std::string text :
         {"n + 1", "1.0 * n", "-n", "n - n", "n == n", "n != 1", "1 < n", "n >= 2.5", "n in [1, 2]",
          "[n] == [1]", "{'a': n} == {'a': 1}", "[1, 2].exists(x, x == n)", "1u % n"}) {
      INFO(text << " with " << number);
      const std::string message = TextOf(text, "{\"n\":" + number + "}");
      CHECK(message.find("has more digits than 64 bits or a double hold") != std::string::npos);
      CHECK(message.find(number) != std::string::npos);
    }
    CHECK(TextOf("n == 'text' || n == null", "{\"n\":" + number + "}") == "false");
  }
}

TEST_CASE("numbers that fit are computed with, however they are written") {
  const std::string data = R"({"price":10.00,"e":1e2,"zero":-0,"big":1e21})";
  CHECK(TextOf("price + 0.5", data) == "10.5");
  CHECK(TextOf("price == 10 && price == 10.0 && e == 100", data) == "true");
  CHECK(TextOf("[1, 2, 10].exists(x, x == price)", data) == "true");
  CHECK(TextOf("zero + 1", data) == "1");
  CHECK(TextOf("type(price) == double && type(zero) == int", data) == "true");
  CHECK(TextOf("big > 1e20", data) == "true");
}

TEST_CASE("conversions of numbers that do not fit") {
  const auto converted = [](const std::string& text, const std::string& number) {
    return TextOf(text, "{\"n\":" + number + "}");
  };
  CHECK(converted("double(n) == 18446744073709551616.0", "18446744073709551616") == "true");
  CHECK(converted("double(n)", "0.30000000000000000000001") == "0.3");
  CHECK(converted("double(n)", "1e400").find("does not fit the type double") != std::string::npos);
  CHECK(converted("int(n)", "12345678901234567.0") == "12345678901234567");
  CHECK(converted("int(n)", "-0.30000000000000000000001") == "0");
  CHECK(converted("uint(n)", "100000000000000000.50000000000000000001") == "100000000000000000");
  CHECK(converted("int(n)", "18446744073709551616").find("does not fit the type int") !=
        std::string::npos);
  CHECK(converted("uint(n)", "18446744073709551616").find("does not fit the type uint") !=
        std::string::npos);
  CHECK(converted("type(n) == int || type(n) == double", "1e400") == "false");
}

TEST_CASE("a number of any length is carried, and costs what its bytes do") {
  const std::string number = "1" + std::string(500'000, '0') + "1";
  CHECK(TextOf("n", "{\"n\":" + number + "}") == number);
  CHECK(TextOf("n + 1", "{\"n\":" + number + "}").size() < 300);
  CHECK(TextOf("int(n)", "{\"n\":" + number + "}").size() < 300);
  std::string many = "1";
  for (int i = 0; i < 200; ++i) {
    many += ",1";
  }
  CHECK(Evaluate("l.filter(x, string(n) == 'x').size()",
                 "{\"n\":" + number + ",\"l\":[" + many + "]}")
            .status()
            .reason() == "expression.too_costly");
}

}  // namespace
}  // namespace entente::dsl::cel
