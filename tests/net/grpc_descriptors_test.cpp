// Descriptors as somebody who means harm would write them.
#include "net/grpc/grpc_descriptors.h"

#include <random>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>
#include <catch2/catch.hpp>

#include "base/limits.h"
#include "inventory.pb.h"
#include "legacy.pb.h"
#include "net/grpc/grpc_client.h"
#include "net/grpc/grpc_shapes.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

// In Protobuf's text format.
FileDescriptorProto File(const std::string& text) {
  FileDescriptorProto file;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &file));
  return file;
}

FileDescriptorProto FileOf(const google::protobuf::Descriptor& type) {
  FileDescriptorProto file;
  type.file()->CopyTo(&file);
  return file;
}

std::string SetOf(const std::vector<FileDescriptorProto>& files) {
  FileDescriptorSet set;
  for (const FileDescriptorProto& file : files) {
    *set.add_file() = file;
  }
  return set.SerializeAsString();
}

std::string SetOf(const std::string& text) {
  return SetOf({File(text)});
}

FieldDescriptorProto& AddField(DescriptorProto& message, const std::string& name, int number,
                               const std::string& type_name = {}) {
  FieldDescriptorProto& field = *message.add_field();
  field.set_name(name);
  field.set_number(number);
  field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
  field.set_type(type_name.empty() ? FieldDescriptorProto::TYPE_INT32
                                   : FieldDescriptorProto::TYPE_MESSAGE);
  if (!type_name.empty()) {
    field.set_type_name(type_name);
  }
  return field;
}

// A file "x.proto" of package x, whose service x.S has the method M from and to `type`.
FileDescriptorProto FileWithService(const std::string& type) {
  FileDescriptorProto file = File(R"(name: "x.proto" package: "x" syntax: "proto3"
      service { name: "S" method { name: "M" } })");
  auto& method = *file.mutable_service(0)->mutable_method(0);
  method.set_input_type(type);
  method.set_output_type(type);
  return file;
}

// What a call with this body comes to before it would be sent, and then what its echo does.
Status Call(GrpcShapes& shapes, const std::string& service, const std::string& method,
            const Json& body) {
  GrpcMethodShape* shape = shapes.FindMethod(service, method);
  if (shape == nullptr) {
    return InvalidArgument("request.method", "no such method");
  }
  JsonReading reading{shapes.fields()};
  ENTENTE_RETURN_IF_ERROR(MessageFromJson(body, *shape->input, reading));
  size_t memory = limits::kMaxMessageMemoryBytes;
  ENTENTE_RETURN_IF_ERROR(ParseMessage(shape->input->SerializeAsString(), *shape->output, memory));
  return MessageToJson(*shape->output, JsonBudget{limits::kMaxPayloadBytes, 64}).status();
}

void CheckRefused(const std::string& set, const std::string& word) {
  const auto shapes = ReadDescriptorSet(set);
  REQUIRE_FALSE(shapes.ok());
  CHECK(shapes.status().reason() == "descriptor_set.invalid");
  INFO(shapes.status().message());
  CHECK(shapes.status().message().find(word) != std::string::npos);
  CHECK(shapes.status().message().size() < 1'000);
}

const std::vector<std::string> kTypesWithOwnForm = {
    "Any",       "BoolValue",  "BytesValue",  "DoubleValue", "Duration",  "Empty",
    "FieldMask", "FloatValue", "Int32Value",  "Int64Value",  "ListValue", "StringValue",
    "Struct",    "Timestamp",  "UInt32Value", "UInt64Value", "Value"};

}  // namespace

TEST_CASE("a type with a JSON form of its own can not be defined in another way") {
  const std::string own_field =
      R"(field { name: "x" number: 9 label: LABEL_OPTIONAL type: TYPE_INT32 })";
  const std::vector<std::string> contents = {
      "", own_field, R"(field { name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 })",
      R"(field { name: "a" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
         field { name: "b" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE })"};
  for (const std::string& name : kTypesWithOwnForm) {
    for (const std::string& content : contents) {
      if (name == "Empty" && content.empty()) {
        continue;  // That is how it is.
      }
      CAPTURE(name, content);
      const std::string type = "name: \"" + name + "\" " + content;
      CheckRefused(SetOf(R"(name: "evil.proto" package: "google.protobuf" syntax: "proto3"
                            message_type { )" +
                         type + "}"),
                   "another way than Protobuf");
      // The same name by nesting.
      CheckRefused(SetOf(R"(name: "evil.proto" package: "google" syntax: "proto3"
                            message_type { name: "protobuf" nested_type { )" +
                         type + "} }"),
                   "another way than Protobuf");
    }
  }
  CheckRefused(SetOf(R"(name: "evil.proto" package: "google.protobuf" syntax: "proto3"
                        enum_type { name: "NullValue" value { name: "N" number: 0 } })"),
               "NullValue");
  CheckRefused(SetOf(R"(name: "google/protobuf/timestamp.proto" package: "google.protobuf"
                        syntax: "proto2" message_type { name: "Timestamp"
                          field { name: "seconds" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
                          field { name: "nanos" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 } })"),
               "Timestamp");
}

TEST_CASE("Protobuf's own files are taken as a compiler and a server give them") {
  const auto& own = *google::protobuf::Any::descriptor()->file()->pool();
  std::vector<FileDescriptorProto> files;
  for (const char* name : {"any", "duration", "empty", "field_mask", "struct", "timestamp",
                           "wrappers", "descriptor", "type", "api", "source_context"}) {
    const auto* file = own.FindFileByName("google/protobuf/" + std::string(name) + ".proto");
    REQUIRE(file != nullptr);
    file->CopyTo(&files.emplace_back());
    if (files.size() % 2 == 0) {
      file->CopyJsonNameTo(&files.back());  // protoc writes them, servers do not.
      file->CopySourceCodeInfoTo(&files.back());
    }
  }
  files.push_back(FileOf(*inventory::v1::Everything::descriptor()));
  std::shuffle(files.begin(), files.end(), std::mt19937(3));  // NOLINT(cert-msc51-cpp)
  const auto shapes = ReadDescriptorSet(SetOf(files));
  INFO(shapes.status());
  REQUIRE(shapes.ok());
  CHECK(Call(**shapes, "inventory.v1.Inventory", "Mirror",
             Json{{"at", "2026-01-02T03:04:05Z"}, {"details", {{"a", 1}}}, {"value", nullptr}})
            .ok());
}

TEST_CASE("files that import one another in a circle, or in a long chain, are no danger") {
  CheckRefused(SetOf({File(R"(name: "a" dependency: "b")"), File(R"(name: "b" dependency: "a")")}),
               "imports itself");
  CheckRefused(SetOf({File(R"(name: "a" dependency: "a")")}), "imports itself");
  CheckRefused(SetOf({File(R"(name: "a" dependency: "b")")}), "include_imports");
  std::vector<FileDescriptorProto> chain;
  for (size_t i = 0; i < limits::kMaxDescriptorFiles; ++i) {
    FileDescriptorProto& file = chain.emplace_back();
    file.set_name("f" + std::to_string(i));
    if (i + 1 < limits::kMaxDescriptorFiles) {
      file.add_dependency("f" + std::to_string(i + 1));
      file.add_public_dependency(0);
    }
  }
  CHECK(ReadDescriptorSet(SetOf(chain)).ok());
  chain.emplace_back().set_name("one too many");
  CheckRefused(SetOf(chain), "files");
}

TEST_CASE("one file twice is one file, two of one name are refused") {
  const FileDescriptorProto file = FileWithService(".x.R");
  FileDescriptorProto with_type = file;
  with_type.add_message_type()->set_name("R");
  CHECK(ReadDescriptorSet(SetOf({with_type, with_type})).ok());
  CheckRefused(SetOf({with_type, file}), "two different files");
}

TEST_CASE("types that hold one another in a chain or a circle as long as may be can be used") {
  FileDescriptorProto file = FileWithService(".x.M0");
  const size_t count = limits::kMaxDescriptorMessages;
  for (size_t i = 0; i < count; ++i) {
    DescriptorProto& message = *file.add_message_type();
    message.set_name("M" + std::to_string(i));
    AddField(message, "f", 1, ".x.M" + std::to_string((i + 1) % count));
  }
  const auto shapes = ReadDescriptorSet(SetOf({file}));
  REQUIRE(shapes.ok());
  CHECK(Call(**shapes, "x.S", "M", Json{{"f", {{"f", Json::object()}}}}).ok());
  file.add_message_type()->set_name("OneTooMany");
  CheckRefused(SetOf({file}), "messages");
}

TEST_CASE("more fields, values or ranges than may be are refused") {
  FileDescriptorProto file = FileWithService(".x.R");
  DescriptorProto& message = *file.add_message_type();
  message.set_name("R");
  for (size_t i = 1; i <= limits::kMaxMessageFields; ++i) {
    AddField(message, "f" + std::to_string(i), static_cast<int>(i < 19'000 ? i : i + 1'000));
  }
  auto shapes = ReadDescriptorSet(SetOf({file}));
  REQUIRE(shapes.ok());
  CHECK(Call(**shapes, "x.S", "M", Json{{"f4096", 1}}).ok());
  CHECK(Call(**shapes, "x.S", "M", Json{{"none", 1}}).message().size() < 1'000);
  AddField(message, "more", 5'000);
  CheckRefused(SetOf({file}), "fields in one message");

  FileDescriptorProto large = File(R"(name: "e" syntax: "proto2" enum_type { name: "E" })");
  for (size_t i = 0; i <= limits::kMaxDescriptorFields; ++i) {
    auto& value = *large.mutable_enum_type(0)->add_value();
    value.set_name("V" + std::to_string(i));
    value.set_number(static_cast<int>(i));
  }
  CheckRefused(SetOf({large}), "enum values");
}

TEST_CASE("fields whose JSON names differ in case only are two fields") {
  FileDescriptorProto file = FileWithService(".x.R");
  DescriptorProto& message = *file.add_message_type();
  message.set_name("R");
  AddField(message, "ob", 1);
  AddField(message, "o_b", 2);
  AddField(message, "OB", 3);
  DescriptorProto& nested = *message.add_nested_type();
  nested.set_name("N");
  AddField(nested, "fieldname", 1);
  AddField(nested, "field_name", 2).set_json_name("fieldName");
  AddField(message, "n", 4, ".x.R.N");
  const auto shapes = ReadDescriptorSet(SetOf({file}));
  INFO(shapes.status());
  REQUIRE(shapes.ok());
  GrpcMethodShape& shape = *(*shapes)->FindMethod("x.S", "M");
  const Json body = {{"ob", 1}, {"oB", 2}, {"OB", 3}, {"n", {{"fieldname", 4}, {"field_name", 5}}}};
  JsonReading reading{(*shapes)->fields()};
  REQUIRE(MessageFromJson(body, *shape.input, reading).ok());
  CHECK(shape.input->SerializeAsString() ==
        std::string("\x08\x01\x10\x02\x18\x03\x22\x04\x08\x04\x10\x05", 12));
  Json shown = body;
  shown["n"] = {{"fieldname", 4}, {"fieldName", 5}};
  CHECK(*MessageToJson(*shape.input, JsonBudget{10'000, 64}) == shown);
  shape.input->Clear();
  CHECK(MessageFromJson(Json{{"o_b", 1}, {"oB", 2}}, *shape.input, reading).reason() ==
        "proto.mismatch");
}

TEST_CASE("fields with one JSON name are not mistaken for each other") {
  FileDescriptorProto file = FileWithService(".x.R");
  file.set_syntax("proto2");
  DescriptorProto& message = *file.add_message_type();
  message.set_name("R");
  AddField(message, "a_b", 1);
  AddField(message, "aB", 2);
  const auto shapes = ReadDescriptorSet(SetOf({file}));
  INFO(shapes.status());
  REQUIRE(shapes.ok());
  CHECK(Call(**shapes, "x.S", "M", Json{{"aB", 1}}).reason() == "proto.mismatch");
  CHECK(Call(**shapes, "x.S", "M", Json{{"a_b", 1}}).ok());
}

TEST_CASE("a service of an edition is refused with what is missing") {
  FileDescriptorProto file = FileWithService(".x.R");
  file.add_message_type()->set_name("R");
  file.set_syntax("editions");
  file.GetReflection()->MutableUnknownFields(&file)->AddVarint(14, 1000);
  CheckRefused(SetOf({file}), "edition");
}

TEST_CASE("entries of maps are no messages of their own") {
  FileDescriptorProto file = FileWithService(".x.R.FooEntry");
  DescriptorProto& message = *file.add_message_type();
  message.set_name("R");
  DescriptorProto& entry = *message.add_nested_type();
  entry.set_name("FooEntry");
  entry.mutable_options()->set_map_entry(true);
  const auto empty = ReadDescriptorSet(SetOf({file}));
  CHECK((!empty.ok() || (*empty)->FindMethod("x.S", "M") == nullptr));
  AddField(entry, "key", 1);
  AddField(entry, "value", 2);
  AddField(message, "foo", 1, ".x.R.FooEntry").set_label(FieldDescriptorProto::LABEL_REPEATED);
  const auto whole = ReadDescriptorSet(SetOf({file}));
  REQUIRE(whole.ok());
  CHECK((*whole)->FindMethod("x.S", "M") == nullptr);
}

TEST_CASE("descriptors that break a rule are refused and do no harm") {
  const std::vector<std::string> broken = {
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_GROUP label: LABEL_OPTIONAL } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 0 type: TYPE_INT32 label: LABEL_OPTIONAL } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: -1 type: TYPE_INT32 label: LABEL_OPTIONAL } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 536870912 type: TYPE_INT32 label: LABEL_OPTIONAL } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL oneof_index: 7 } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL oneof_index: -7 } oneof_decl { name: "o" } })",
      R"(name: "a" message_type { name: "M" oneof_decl { name: "o" } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_ENUM label: LABEL_OPTIONAL type_name: ".M" } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: ".N" } })",
      R"(name: "a" message_type { name: "M" } message_type { name: "M" })",
      R"(name: "a" message_type { name: "" })",
      R"(name: "a" enum_type { name: "E" })",
      R"(name: "a" syntax: "proto3" enum_type { name: "E" value { name: "V" number: 1 } })",
      R"(name: "a" syntax: "proto9")",
      R"(name: "a" public_dependency: 3)",
      R"(name: "a" message_type { name: "M" extension_range { start: 5 end: 2 } })",
      R"(name: "a" message_type { name: "M" extension_range { start: -5 end: 2147483647 } })",
      R"(name: "a" extension { name: "x" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL extendee: ".N" })",
      R"(name: "a" message_type { name: "M" options { message_set_wire_format: true } extension_range { start: 4 end: 2147483647 } })",
      R"(name: "a" message_type { name: "M" options { map_entry: true } field { name: "f" number: 1 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: ".M" } })",
      R"(name: "a" service { name: "S" method { name: "M" input_type: ".E" output_type: ".E" } } enum_type { name: "E" value { name: "V" number: 0 } })",
      R"(name: "a" service { name: "S" method { name: "M" } })",
      R"(name: "a" message_type { name: "M" field { name: "f" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL default_value: "much" } })",
      R"(name: "a" syntax: "proto3" message_type { name: "M" field { name: "f" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL proto3_optional: true } })",
  };
  for (const std::string& text : broken) {
    CAPTURE(text);
    const auto shapes = ReadDescriptorSet(SetOf(text));
    REQUIRE_FALSE(shapes.ok());
    CHECK(shapes.status().reason() == "descriptor_set.invalid");
  }
}

TEST_CASE("a set of many empty things is refused before it takes memory") {
  FileDescriptorSet set;
  std::string bytes;
  for (int i = 0; i < 500'000; ++i) {
    bytes += std::string("\x0a\x00", 2);
  }
  CheckRefused(bytes, "memory");
}

TEST_CASE("mangled descriptor sets are refused or usable, never worse") {
  SilenceProtobuf();
  std::vector<std::string> seeds;
  for (const auto* type :
       {inventory::v1::Everything::descriptor(), legacy::v1::Item::descriptor()}) {
    std::vector<FileDescriptorProto> files = {FileOf(*type)};
    for (int i = 0; i < type->file()->dependency_count(); ++i) {
      type->file()->dependency(i)->CopyTo(&files.emplace_back());
    }
    seeds.push_back(SetOf(files));
  }
  std::mt19937 dice(42);  // NOLINT(cert-msc51-cpp)
  size_t usable = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = seeds[dice() % seeds.size()];
    for (size_t changes = 1 + dice() % 3; changes > 0; --changes) {
      bytes[dice() % bytes.size()] = static_cast<char>(dice());
    }
    const auto shapes = ReadDescriptorSet(bytes);
    if (!shapes.ok()) {
      continue;
    }
    for (const std::string& service : (*shapes)->services()) {
      for (const char* method : {"Mirror", "Reserve", "Flood"}) {
        const Json body = {{"details", {{"a", Json::array({1, "x", nullptr})}}},
                           {"at", "2026-01-02T03:04:05Z"},
                           {"any", {{"@type", "x/google.protobuf.Duration"}, {"value", "1s"}}},
                           {"byNumber", {{"3", Json::object()}}}};
        usable += Call(**shapes, service, method, body).reason() != "proto.fault" ? 1 : 0;
        usable += Call(**shapes, service, method, Json::object()).ok() ? 1 : 0;
      }
    }
  }
  CHECK(usable > 100);
}

}  // namespace entente::net
