// JSON as google.protobuf.Value, and back. Internal to the SDK.
#pragma once

#include <google/protobuf/struct.pb.h>

#include "base/json.h"
#include "base/status.h"

namespace entente::sdk {

// Fails with kInvalidArgument, reason value.too_deep or value.inexact, if the value can not be
// carried without a change.
[[nodiscard]] Status ToProtoValue(const Json& json, int max_depth, google::protobuf::Value& value);

// A whole number becomes an integer again. An empty value is null. Fails with value.too_deep or
// value.not_finite.
[[nodiscard]] Result<Json> FromProtoValue(const google::protobuf::Value& value, int max_depth);

}  // namespace entente::sdk
