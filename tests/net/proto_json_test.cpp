// The JSON mapping of messages, checked against the library's own converter.
#include "net/grpc/proto_json.h"

#include <random>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <catch2/catch.hpp>

#include "base/base64.h"
#include "base/limits.h"
#include "inventory.pb.h"
#include "legacy.pb.h"

namespace entente::net {
namespace {

using inventory::v1::Everything;

constexpr JsonBudget kBudget{size_t{1} << 20, 64};

Json Parsed(const std::string& text) {
  auto json = ParseJson(text, limits::kPayloadJson);
  INFO(text);
  REQUIRE(json.ok());
  return std::move(json).value();
}

Status FromJson(const Json& json, google::protobuf::Message& message) {
  FieldIndex fields;
  JsonReading reading{fields};
  return MessageFromJson(json, message, reading);
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
    const Status status = FromJson(Parsed(text), ours);
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
  for (const float value : {std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(),
                            std::numeric_limits<float>::min(), 1e-45F}) {
    message.set_float_value(value);
    Everything again;
    REQUIRE(FromJson(*MessageToJson(message, kBudget), again).ok());
    CHECK(again.float_value() == value);
  }
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
      {R"({"byNumber": {"1": {}, "1.0": {}}})", "/byNumber/1.0"},
      {R"({"at": "yesterday"})", "/at"},
      {R"({"at": 5})", "/at"},
      {R"({"took": "5 minutes"})", "/took"},
      {R"({"details": [1]})", "/details"},
      {R"({"any": {"itemName": "x"}})", "/any"},
      {R"({"any": {"@type": "type.googleapis.com/no.such.Type"}})", "/any"},
      {R"({"any": {"@type": "x/google.protobuf.Duration", "value": "3s", "more": 1}})", "/any"},
      {R"({"any": {"@type": "x/google.protobuf.Duration", "value": "3"}})", "/any/value"},
      {R"({"any": {"@type": "x/google.protobuf.Struct.FieldsEntry", "key": "a"}})", "/any"},
      {R"({"any": {"@type": "x/legacy.v1.Item", "count": 1}})", "/any"},
      {R"({"noSuchField": 1})", ""},
      {R"({"int32Value": 1, "int32_value": 2})", ""},
      {R"({"textChoice": "a", "numberChoice": 1})", ""},
      {R"([])", ""},
      {R"("text")", ""},
  };
  for (const auto& [text, where] : cases) {
    CAPTURE(text);
    Everything message;
    const Status status = FromJson(Parsed(text), message);
    REQUIRE_FALSE(status.ok());
    CHECK(status.reason() == "proto.mismatch");
    CHECK(status.message().find("at '" + where + "'") != std::string::npos);
  }
}

TEST_CASE("an unknown field's error lists the fields there are") {
  inventory::v1::ReserveRequest message;
  const Status status = FromJson(Parsed(R"({"itemNam": "x"})"), message);
  CHECK(status.message().find("itemName, count") != std::string::npos);
}

namespace {

// The texts of a type as both converters read them: what is sent, or that nothing is.
template <class Known>
std::string Read(const std::string& text, bool reference) {
  Known known;
  const Json json = text;
  const bool ok = reference
                      ? google::protobuf::util::JsonStringToMessage(DumpJson(json), &known).ok()
                      : FromJson(json, known).ok();
  return ok ? std::to_string(known.seconds()) + " " + std::to_string(known.nanos()) : "refused";
}

}  // namespace

TEST_CASE("a duration is sent as it is written or not at all") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0s", "0 0"},
      {"-0s", "0 0"},
      {"1.s", "1 0"},
      {"+1s", "1 0"},
      {"007s", "7 0"},
      {"-0.5s", "0 -500000000"},
      {"-3.54s", "-3 -540000000"},
      {"1.123456789s", "1 123456789"},
      {"0.000000001s", "0 1"},
      {"315576000000.999999999s", "315576000000 999999999"},
      {"-315576000000.999999999s", "-315576000000 -999999999"},
      {"0.30000000000000004s", "refused"},
      {" -3.54s", "refused"},
      {" 1s", "refused"},
      {"1 s", "refused"},
      {"1s ", "refused"},
      {"1.0000000001s", "refused"},
      {"1.9999999999s", "refused"},
      {"99999999999999999999s", "refused"},
      {"315576000001s", "refused"},
      {"-315576000001s", "refused"},
      {"--1s", "refused"},
      {"-+1s", "refused"},
      {"1.-5s", "refused"},
      {"1.+5s", "refused"},
      {"1.5.5s", "refused"},
      {"-s", "refused"},
      {".s", "refused"},
      {".5s", "refused"},
      {"s", "refused"},
      {"", "refused"},
      {"1", "refused"},
      {"1m", "refused"},
      {"1ss", "refused"},
      {"1e3s", "refused"},
      {"0x1s", "refused"},
      {"NaNs", "refused"},
      {std::string("1\0s", 3), "refused"},
  };
  for (const auto& [text, sent] : cases) {
    CAPTURE(text);
    CHECK(Read<google::protobuf::Duration>(text, false) == sent);
  }
}

TEST_CASE("a timestamp is sent as it is written or not at all") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1970-01-01T00:00:00Z", "0 0"},
      {"0001-01-01T00:00:00Z", "-62135596800 0"},
      {"0001-01-01T23:59:00+23:59", "-62135596800 0"},
      {"9999-12-31T23:59:59.999999999Z", "253402300799 999999999"},
      {"9999-12-31T18:59:59.9999999-05:00", "253402300799 999999900"},
      {"2024-02-29T00:00:00.5-00:00", "1709164800 500000000"},
      {"1969-12-31T23:59:59.5Z", "-1 500000000"},
      {"0001-01-01T00:00:00+23:59", "refused"},
      {"0001-01-01T00:00:00+00:01", "refused"},
      {"9999-12-31T23:59:59-00:01", "refused"},
      {"9999-12-31T23:59:59.9999999-05:00", "refused"},
      {"0000-01-01T00:00:00Z", "refused"},
      {"10000-01-01T00:00:00Z", "refused"},
      {"-0001-01-01T00:00:00Z", "refused"},
      {"2026-02-29T00:00:00Z", "refused"},
      {"2026-13-01T00:00:00Z", "refused"},
      {"2026-00-01T00:00:00Z", "refused"},
      {"2026-01-00T00:00:00Z", "refused"},
      {"2026-1-02T03:04:05Z", "refused"},
      {"2026-01-02T24:00:00Z", "refused"},
      {"2026-01-02T03:60:00Z", "refused"},
      {"2026-01-02T03:04:60Z", "refused"},
      {"2026-01-02T03:04:05.Z", "refused"},
      {"2026-01-02T03:04:05.1234567891Z", "refused"},
      {"2026-01-02T03:04:05", "refused"},
      {"2026-01-02T03:04:05z", "refused"},
      {"2026-01-02t03:04:05Z", "refused"},
      {"2026-01-02 03:04:05Z", "refused"},
      {"2026-01-02T03:04:05+24:00", "refused"},
      {"2026-01-02T03:04:05+0100", "refused"},
      {"2026-01-02T03:04:05+01", "refused"},
      {"2026-01-02T03:04:05Z ", "refused"},
      {" 2026-01-02T03:04:05Z", "refused"},
      {"2026-01-02", "refused"},
      {"", "refused"},
  };
  for (const auto& [text, sent] : cases) {
    CAPTURE(text);
    CHECK(Read<google::protobuf::Timestamp>(text, false) == sent);
  }
}

// What the library takes and this does not: more than nine digits of a fraction (cut there), spaces
// before a number, single digits in a date, a time whose UTC can not be held. The other way round
// there is nothing.
TEST_CASE("times that are taken are the library's own") {
  std::mt19937 dice(20260102);  // NOLINT(cert-msc51-cpp): the same run every time.
  const std::vector<std::string> seeds = {"1.5s",
                                          "-3.54s",
                                          "315576000000s",
                                          "2026-01-02T03:04:05.25Z",
                                          "0001-01-01T00:00:00+00:00",
                                          "9999-12-31T23:59:59.9-05:00"};
  const std::string letters = "0123456789.-+:TZs e";
  size_t taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[dice() % seeds.size()];
    for (size_t changes = dice() % 3; changes > 0 && !text.empty(); --changes) {
      const size_t at = dice() % text.size();
      switch (dice() % 3) {
        case 0: text[at] = letters[dice() % letters.size()]; break;
        case 1: text.insert(at, 1, letters[dice() % letters.size()]); break;
        default: text.erase(at, 1);
      }
    }
    CAPTURE(text);
    const std::string duration = Read<google::protobuf::Duration>(text, false);
    const std::string timestamp = Read<google::protobuf::Timestamp>(text, false);
    if (duration != "refused") {
      ++taken;
      CHECK(duration == Read<google::protobuf::Duration>(text, true));
    }
    if (timestamp != "refused") {
      ++taken;
      CHECK(timestamp == Read<google::protobuf::Timestamp>(text, true));
    }
  }
  CHECK(taken > 5'000);
}

TEST_CASE("NaN and Infinity have no place in a JSON value") {
  for (const double number :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    Everything message;
    message.mutable_value()->set_number_value(number);
    CHECK(MessageToJson(message, kBudget).status().reason() == "proto.unprintable");
    message.Clear();
    (*message.mutable_details()->mutable_fields())["a"].set_number_value(number);
    CHECK(MessageToJson(message, kBudget).status().reason() == "proto.unprintable");
    message.Clear();
    message.mutable_list()->add_values()->set_number_value(number);
    CHECK(MessageToJson(message, kBudget).status().reason() == "proto.unprintable");
  }
}

TEST_CASE("extension fields are read and shown by their full names") {
  legacy::v1::Item item;
  const std::string text = R"({"name": "bed", "box": {"size": 3}, "[legacy.v1.nick]": "b",
                               "[legacy.v1.Scope.sizes]": [1, 2], "[legacy.v1.maker]": {"name": "m"}})";
  REQUIRE(FromJson(Parsed(text), item).ok());
  CHECK(item.GetExtension(legacy::v1::nick) == "b");
  CHECK(item.GetExtension(legacy::v1::Scope::sizes, 1) == 2);
  CHECK(item.GetExtension(legacy::v1::maker).name() == "m");
  const auto json = MessageToJson(item, kBudget);
  REQUIRE(json.ok());
  CHECK(json->at("[legacy.v1.nick]") == "b");
  CHECK(json->at("[legacy.v1.Scope.sizes]") == Json::array({1, 2}));
  legacy::v1::Item again;
  REQUIRE(FromJson(*json, again).ok());
  CHECK(google::protobuf::util::MessageDifferencer::Equals(item, again));
  for (const char* name : {"[legacy.v1.elsewhere]", "[legacy.v1.none]", "[]", "[", "legacy.v1.nick",
                           "nick", "[legacy.v1.name]"}) {
    CAPTURE(name);
    legacy::v1::Item other;
    CHECK(FromJson(Json{{"name", "bed"}, {name, "x"}}, other).reason() == "proto.mismatch");
  }
}

TEST_CASE("a required field is missed wherever it is") {
  legacy::v1::Item item;
  CHECK(FromJson(Parsed(R"({"box": {}})"), item).reason() == "proto.mismatch");
  Everything message;
  const std::string url = "type.googleapis.com/legacy.v1.Item";
  CHECK(FromJson(Json{{"any", {{"@type", url}, {"name", "bed"}}}}, message).ok());
  message.Clear();
  message.mutable_any()->set_type_url(url);  // Nothing in it.
  CHECK(MessageToJson(message, kBudget).status().reason() == "proto.malformed");
}

TEST_CASE("text that is not UTF-8 is no JSON") {
  legacy::v1::Item item;
  item.set_name("\xff\xfe");
  CHECK(MessageToJson(item, kBudget).status().reason() == "proto.unprintable");
}

TEST_CASE("a field that hides the type of an Any is no JSON") {
  Everything message;
  legacy::v1::Disguised content;
  content.set_type("x/other");
  message.mutable_any()->PackFrom(content);
  CHECK(MessageToJson(message, kBudget).status().reason() == "proto.unprintable");
}

TEST_CASE("bytes that would become far more memory are not parsed") {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) {
    bytes += std::string("\x6a\x00", 2);  // An empty element of `requests`.
  }
  Everything message;
  size_t memory = 10'000'000;
  CHECK(ParseMessage(bytes, message, memory).reason() == "proto.too_large");
  CHECK(message.requests_size() == 0);
  memory = limits::kMaxMessageMemoryBytes;
  CHECK(ParseMessage(bytes, message, memory).ok());
  CHECK(memory < limits::kMaxMessageMemoryBytes - 300'000 * 64);
  Json many = Json::array();
  for (int i = 0; i < 800'000; ++i) {
    many.push_back(Json::object());
  }
  message.Clear();
  CHECK(FromJson(Json{{"requests", std::move(many)}}, message).reason() == "proto.too_large");
}

TEST_CASE("cut, empty and mangled bytes are refused or parsed, never worse") {
  Everything seed;
  REQUIRE(google::protobuf::util::JsonStringToMessage(
              R"({"details": {"a": [1, "x", {"b": {}}]}, "byNumber": {"-4": {"count": 9}},
                  "any": {"@type": "type.googleapis.com/inventory.v1.ReserveRequest", "itemName": "i"},
                  "at": "2026-01-02T03:04:05.25Z", "took": "-1.5s", "mask": "itemName",
                  "deeper": {"deeper": {"numbers": [1, 2, 3]}}})",
              &seed)
              .ok());
  const std::string whole = seed.SerializeAsString();
  std::mt19937 dice(7);  // NOLINT(cert-msc51-cpp)
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole + std::string(round % 2 == 0 ? 0 : 2'000, '\0') + whole;
    for (size_t changes = 1 + dice() % 4; changes > 0; --changes) {
      bytes[dice() % bytes.size()] = static_cast<char>(dice());
    }
    bytes.resize(bytes.size() - dice() % (whole.size() / 2));
    Everything message;
    size_t memory = limits::kMaxMessageMemoryBytes;
    if (ParseMessage(bytes, message, memory).ok()) {
      const auto json = MessageToJson(message, kBudget);
      if (json.ok()) {
        Everything again;
        CHECK(FromJson(*json, again).reason() != "proto.fault");
      }
    }
  }
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

}  // namespace entente::net
