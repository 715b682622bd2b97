// A statement's parameters in PostgreSQL's binary form: nothing is escaped, and an array of a
// thousand rows is one parameter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace entente::pg {

// What an array holds, as the server numbers its types.
enum class ElementType : uint32_t {
  kBool = 16,
  kBytes = 17,  // bytea
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
};

// One array, built element by element. The methods must fit the element type.
class ArrayParam {
 public:
  explicit ArrayParam(ElementType type);

  void AddBool(bool value);
  void AddNumber(int64_t value);  // In the width of the type.
  void AddBytes(std::string_view value);
  void AddNull();
  // One element of which the bytes are written by the caller into `out()`, between these two.
  std::string& BeginBytes();
  void EndBytes();

  [[nodiscard]] size_t size() const { return count_; }

  // The wire form; the array is empty after it.
  [[nodiscard]] std::string Take();

 private:
  void PutLength(size_t length);

  const ElementType type_;
  std::string bytes_;
  size_t count_ = 0;
  size_t element_ = 0;  // Where the one that was begun begins.
  bool nulls_ = false;
};

// The parameters $1, $2, ... in order. Types are those that the statement's own casts give.
class Params {
 public:
  Params& Bool(bool value);
  Params& Int2(int16_t value);
  Params& Int4(int32_t value);
  Params& Int8(int64_t value);
  Params& Bytes(std::string value);  // text, bytea
  Params& Array(ArrayParam array);
  Params& Null();

  [[nodiscard]] const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
};

}  // namespace entente::pg
