// The JSON mapping of messages, checked against the library's own converter.
#include "coordinator/transport/proto_json.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <catch2/catch.hpp>

#include "base/limits.h"
#include "inventory.pb.h"

namespace entente::transport {
namespace {

using inventory::v1::Everything;

constexpr JsonBudget kBudget{size_t{1} << 20, 64};

Json Parsed(const std::string& text) {
  auto json = ParseJson(text, limits::kPayloadJson);
  INFO(text);
  REQUIRE(json.ok());
  return std::move(json).value();
}

std::string Reference(const Everything& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  REQUIRE(google::protobuf::util::MessageToJsonString(message, &text, options).ok());
  return text;
}

// Texts that both converters must read alike.
const std::vector<std::string> kReadable = {
    "{}",
    R"({"int32Value": -5, "int64Value": "9223372036854775807", "uint32Value": 4294967295})",
    R"({"uint64Value": "18446744073709551615", "fixed": 18446744073709551615, "zigzag": -7})",
    R"({"int32_value": 3, "string_value": "original names"})",
    R"({"int32Value": 3.0, "int64Value": 1e3, "uint32Value": "12"})",
    R"({"floatValue": 1.5, "doubleValue": -2.25e-3})",
    R"({"doubleValue": "Infinity", "floatValue": "-Infinity"})",
    R"({"boolValue": true, "stringValue": "\u00e9\u0000x", "bytesValue": "AAEC/w=="})",
    R"({"bytesValue": "_-8"})",
    R"({"colour": "COLOUR_RED", "colours": ["COLOUR_RED", 0, 7]})",
    R"({"colour": 1})",
    R"({"nested": {"itemName": "bed", "count": 2}, "requests": [{}, {"count": 1}]})",
    R"({"numbers": [1, 2, 3], "byName": {"a": "1", "b": 2}, "byNumber": {"-4": {"count": 9}}})",
    R"({"byTruth": {"true": "yes", "false": "no"}})",
    R"({"textChoice": "t"})",
    R"({"numberChoice": 0})",
    R"({"maybe": 0})",
    R"({"at": "2026-01-02T03:04:05.25Z", "took": "-1.500s"})",
    R"({"details": {"a": [1, "x", null, true, {"b": {}}]}, "value": null, "list": [1, [2]]})",
    R"({"value": {"deep": [1.5]}})",
    R"({"wrappedString": "w", "wrappedInt64": "5"})",
    R"({"any": {"@type": "type.googleapis.com/inventory.v1.ReserveRequest", "itemName": "i"}})",
    R"({"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}})",
    R"({"mask": "itemName,nested.count", "Quite-Odd": "odd"})",
    R"({"nested": null, "numbers": null, "int32Value": null, "wrappedString": null})",
    R"({"deeper": {"deeper": {"deeper": {"int32Value": 1}}}})",
};

}  // namespace

TEST_CASE("JSON becomes the message the library makes of it") {
  for (const std::string& text : kReadable) {
    CAPTURE(text);
    Everything ours;
    Everything expected;
    REQUIRE(google::protobuf::util::JsonStringToMessage(text, &expected).ok());
    const Status status = MessageFromJson(Parsed(text), ours);
    INFO(status);
    REQUIRE(status.ok());
    CHECK(google::protobuf::util::MessageDifferencer::Equals(ours, expected));
  }
}

TEST_CASE("a message becomes the JSON the library makes of it") {
  for (const std::string& text : kReadable) {
    CAPTURE(text);
    Everything message;
    REQUIRE(google::protobuf::util::JsonStringToMessage(text, &message).ok());
    const auto ours = MessageToJson(message, kBudget);
    INFO(ours.status());
    REQUIRE(ours.ok());
    CHECK(*ours == Parsed(Reference(message)));
  }
}

TEST_CASE("floats print as the shortest text that reads back") {
  for (const float value : {0.1F, 1.0F / 3, 16777216.0F, 3.4028235e38F, 1e-45F, -0.0F}) {
    Everything message;
    message.set_float_value(value);
    const auto json = MessageToJson(message, kBudget);
    REQUIRE(json.ok());
    CHECK(json->at("floatValue").get<float>() == value);
  }
  Everything message;
  message.set_float_value(0.1F);
  CHECK(DumpJson(MessageToJson(message, kBudget)->at("floatValue")) == "0.1");
  message.set_double_value(std::numeric_limits<double>::quiet_NaN());
  CHECK(MessageToJson(message, kBudget)->at("doubleValue") == "NaN");
}

TEST_CASE("what does not fit is refused with its place") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"colour": "COLOUR_BLUE"})", "/colour"},
      {R"({"int32Value": 2147483648})", "/int32Value"},
      {R"({"int32Value": 1.5})", "/int32Value"},
      {R"({"int32Value": "12x"})", "/int32Value"},
      {R"({"int32Value": true})", "/int32Value"},
      {R"({"uint32Value": -1})", "/uint32Value"},
      {R"({"uint64Value": 18446744073709551616})", "/uint64Value"},
      {R"({"int64Value": 9223372036854775808})", "/int64Value"},
      {R"({"floatValue": 1e39})", "/floatValue"},
      {R"({"doubleValue": "much"})", "/doubleValue"},
      {R"({"boolValue": "true"})", "/boolValue"},
      {R"({"boolValue": 1})", "/boolValue"},
      {R"({"stringValue": 5})", "/stringValue"},
      {R"({"bytesValue": "a"})", "/bytesValue"},
      {R"({"bytesValue": "!!!!"})", "/bytesValue"},
      {R"({"numbers": 1})", "/numbers"},
      {R"({"numbers": [1, "x"]})", "/numbers/1"},
      {R"({"numbers": [null]})", "/numbers/0"},
      {R"({"nested": []})", "/nested"},
      {R"({"nested": {"count": {}}})", "/nested/count"},
      {R"({"requests": [{}, {"itemNames": 1}]})", "/requests/1"},
      {R"({"byName": {"a/b": "x"}})", "/byName/a~1b"},
      {R"({"byNumber": {"x": {}}})", "/byNumber/x"},
      {R"({"byName": []})", "/byName"},
      {R"({"at": "yesterday"})", "/at"},
      {R"({"at": 5})", "/at"},
      {R"({"took": "5 minutes"})", "/took"},
      {R"({"details": [1]})", "/details"},
      {R"({"any": {"itemName": "x"}})", "/any"},
      {R"({"any": {"@type": "type.googleapis.com/no.such.Type"}})", "/any"},
      {R"({"noSuchField": 1})", ""},
      {R"({"int32Value": 1, "int32_value": 2})", ""},
      {R"({"textChoice": "a", "numberChoice": 1})", ""},
      {R"([])", ""},
      {R"("text")", ""},
  };
  for (const auto& [text, where] : cases) {
    CAPTURE(text);
    Everything message;
    const Status status = MessageFromJson(Parsed(text), message);
    REQUIRE_FALSE(status.ok());
    CHECK(status.reason() == "proto.mismatch");
    CHECK(status.message().find("at '" + where + "'") != std::string::npos);
  }
}

TEST_CASE("an unknown field's error lists the fields there are") {
  inventory::v1::ReserveRequest message;
  const Status status = MessageFromJson(Parsed(R"({"itemNam": "x"})"), message);
  CHECK(status.message().find("itemName, count") != std::string::npos);
}

TEST_CASE("a message that would print larger or deeper than the budget is refused") {
  Everything message;
  for (int i = 0; i < 1000; ++i) {
    message.add_requests();
  }
  CHECK(MessageToJson(message, JsonBudget{10'000, 64}).status().reason() == "proto.too_large");
  CHECK(MessageToJson(message, kBudget).ok());
  Everything* deepest = &message;
  for (int i = 0; i < 64; ++i) {
    deepest = deepest->mutable_deeper();
  }
  CHECK(MessageToJson(message, JsonBudget{size_t{1} << 30, 64}).status().reason() ==
        "proto.too_large");
}

TEST_CASE("base64 is read in every common spelling and written in one") {
  for (const std::string& bytes : {std::string(), std::string("f"), std::string("fo"),
                                   std::string("foo"), std::string("\0\xff\xfe", 3)}) {
    const std::string text = EncodeBase64(bytes);
    CHECK(*DecodeBase64(text) == bytes);
    CHECK(*DecodeBase64(text.substr(0, text.find('='))) == bytes);
  }
  CHECK(EncodeBase64("fo") == "Zm8=");
  CHECK(*DecodeBase64("-_8=") == *DecodeBase64("+/8"));
  for (const char* text : {"A", "A===", "AA=A", "AAAA====", "AA A", "AAA=A"}) {
    CAPTURE(text);
    CHECK_FALSE(DecodeBase64(text).ok());
  }
}

}  // namespace entente::transport
