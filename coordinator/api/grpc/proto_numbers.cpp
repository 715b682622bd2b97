#include "coordinator/api/grpc/proto_numbers.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/struct.pb.h>

namespace entente::api {
namespace {

using google::protobuf::Value;

// The parser bounds the depth.
bool IsFinite(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue: return std::isfinite(value.number_value());
    case Value::kStructValue: {
      const auto& members = value.struct_value().fields();
      return std::all_of(members.begin(), members.end(),
                         [](const auto& member) { return IsFinite(member.second); });
    }
    case Value::kListValue: {
      const auto& elements = value.list_value().values();
      return std::all_of(elements.begin(), elements.end(),
                         [](const Value& element) { return IsFinite(element); });
    }
    default: return true;
  }
}

}  // namespace

std::optional<Error> CheckNumbers(const google::protobuf::Message& request) {
  std::vector<Violation> violations;
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    if (field->message_type() != Value::descriptor() || field->is_repeated()) {
      continue;
    }
    const auto& value =
        static_cast<const Value&>(request.GetReflection()->GetMessage(request, field));
    if (!IsFinite(value)) {
      violations.push_back({field->name(), "holds NaN or Infinity, which JSON has no number for",
                            "send a finite number, null or a string"});
    }
  }
  return violations.empty() ? std::nullopt
                            : std::optional<Error>(InvalidRequest(std::move(violations)));
}

}  // namespace entente::api
