// JsonWriter: values as JSON, within a bound on the whole of it. Private to dsl/cel.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "dsl/cel/budget.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Counts before it builds: values share their parts, so a small one can be huge when written out,
// and what is too large or nests too deep is never put together. Bytes are those of the compact
// JSON text. One writer may write several parts of one document, whose bytes then add up. The
// functions fail with kInvalidArgument "expression.error" and name the limit. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(const JsonLimits& limits) : limits_(limits) {}

  [[nodiscard]] Result<Json> Write(const Value& value);
  [[nodiscard]] Result<Json> Write(const Json& literal);
  [[nodiscard]] Result<Json> WriteString(std::string text);

  // For a container that the caller puts together: before its parts, and after them.
  [[nodiscard]] Status Open(size_t parts);
  void Close() { --depth_; }
  // For each member of an object, before its value.
  [[nodiscard]] Status CountKey(std::string_view key);

  // So far, in a Budget's units.
  [[nodiscard]] uint64_t cost() const { return Budget::CostOfJson(bytes_, values_); }

 private:
  Status Count(size_t bytes);
  Status CountJson(const Json& json);
  Result<Json> Scalar(Json json);
  Result<Json> WriteDouble(double number);
  Result<Json> WriteList(const Value& list);
  Result<Json> WriteMap(const Value& map);

  const JsonLimits limits_;
  size_t bytes_ = 0;
  size_t values_ = 0;
  size_t depth_ = 0;
};

}  // namespace entente::dsl::cel
