// Value: what an expression computes with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace entente::dsl::cel {

// The runtime types of CEL. The order is that of Value's alternatives, see kind().
enum class Kind {
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kList,
  kMap,
  kTimestamp,
  kDuration,
  kType,
  // A number of a document that 64 bits or a double would change. It can be handed on and written
  // out, with all its digits, and converted; it can not be computed or compared with.
  kDecimal,
  // A value that may be absent. As JSON and in text it is that value, or null.
  kOptional,
};

// The name of a type as CEL writes it: "int", "null_type", "google.protobuf.Timestamp".
[[nodiscard]] std::string_view KindName(Kind kind);

// An instant with the precision CEL asks for, from 0001-01-01T00:00:00Z to the end of year 9999.
struct Timestamp {
  int64_t seconds = 0;  // Since 1970-01-01T00:00:00Z.
  int32_t nanos = 0;    // 0 to 999'999'999, also before 1970.

  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// A span of time; CEL bounds it to what 64 bits of nanoseconds hold (292 years either way).
struct DurationNanos {
  int64_t nanos = 0;

  friend auto operator<=>(const DurationNanos&, const DurationNanos&) = default;
};

// An immutable CEL value.
//
// Ownership: a Value either owns what it shows (shared between its copies, hence the shared_ptr:
// an evaluation hands parts of one list or document to several results), or, when made by
// FromJson, is a view of a Json that must stay alive and unchanged as long as the Value and every
// Value selected out of it. Copying never copies strings, lists or maps.
// Thread-safety: as safe to share as any const object.
class Value {
 public:
  using Entry = std::pair<Value, Value>;

  // null.
  Value() = default;

  [[nodiscard]] static Value Bool(bool value);
  [[nodiscard]] static Value Int(int64_t value);
  [[nodiscard]] static Value Uint(uint64_t value);
  [[nodiscard]] static Value Double(double value);
  [[nodiscard]] static Value String(std::string utf8);
  [[nodiscard]] static Value Bytes(std::string octets);
  [[nodiscard]] static Value List(std::vector<Value> elements);
  // `entries` have keys of kind bool, int, uint or string, and keep their order. Of a key that
  // is there twice it is unspecified which entry Find returns; see RepeatedKey.
  [[nodiscard]] static Value Map(std::vector<Entry> entries);
  [[nodiscard]] static Value FromTimestamp(Timestamp value);
  [[nodiscard]] static Value FromDuration(DurationNanos value);
  [[nodiscard]] static Value Type(Kind kind);
  // A value that may be absent: present, and absent.
  [[nodiscard]] static Value Optional(Value value);
  [[nodiscard]] static Value None();

  // A view of `json`: nothing is copied or converted, however large the document. An integer
  // becomes an int (a uint above the int range), any other number a double if a double holds it
  // exactly, else a kDecimal. A number that the document keeps as text keeps its digits when it is
  // written out again.
  [[nodiscard]] static Value FromJson(const Json& json);
  // The same, owning the document.
  [[nodiscard]] static Value FromJson(Json&& json);

  [[nodiscard]] Kind kind() const;

  // The content. Asking for another kind than kind() is our own error and aborts. References stay
  // valid as long as some copy of this Value lives.
  [[nodiscard]] bool bool_value() const;
  [[nodiscard]] int64_t int_value() const;
  [[nodiscard]] uint64_t uint_value() const;
  [[nodiscard]] double double_value() const;
  [[nodiscard]] const std::string& string_value() const;
  [[nodiscard]] const std::string& bytes_value() const;
  [[nodiscard]] Timestamp timestamp_value() const;
  [[nodiscard]] DurationNanos duration_value() const;
  [[nodiscard]] Kind type_value() const;
  // What an optional holds; null if it is absent.
  [[nodiscard]] const Value* optional_value() const;
  // The digits of a number as its document has them; null unless it keeps them. A kDecimal has
  // them.
  [[nodiscard]] std::optional<std::string_view> written() const;

  // The number of elements of a list or entries of a map.
  [[nodiscard]] size_t size() const;
  // The element of a list at `index` < size().
  [[nodiscard]] Value ElementAt(size_t index) const;
  // The value of a map under `key`, which may be of any kind: numbers match across their kinds.
  [[nodiscard]] std::optional<Value> Find(const Value& key) const;
  // The value of a map under the string `key`.
  [[nodiscard]] std::optional<Value> Find(const std::string& key) const;
  // A key that a map made by Map() holds more than once.
  [[nodiscard]] std::optional<Value> RepeatedKey() const;
  // All keys of a map, in its order.
  [[nodiscard]] std::vector<Value> Keys() const;
  // All entries of a map, in its order.
  [[nodiscard]] std::vector<Entry> Entries() const;

  // The JSON that a list or map made by FromJson shows, else null.
  [[nodiscard]] const Json* json_view() const;

  // How many lists and maps built by expressions are nested here; scalars and views of JSON are 0.
  [[nodiscard]] size_t depth() const;

 private:
  using SharedString = std::shared_ptr<const std::string>;
  using SharedJson = std::shared_ptr<const Json>;

  struct BytesData {
    SharedString octets;
  };
  struct JsonList {
    SharedJson json;
  };
  struct JsonMap {
    SharedJson json;
  };
  // A number that `json` keeps as text, and what it is in 64 bits, if it is.
  struct Written {
    SharedJson json;
    std::variant<std::monostate, int64_t, double> number;
  };
  struct Perhaps {
    std::shared_ptr<const Value> value;  // Null: absent.
  };
  struct ListData;
  struct MapData;
  using SharedList = std::shared_ptr<const ListData>;
  using SharedMap = std::shared_ptr<const MapData>;

  using Content = std::variant<std::monostate, bool, int64_t, uint64_t, double, SharedString,
                               BytesData, SharedList, SharedMap, Timestamp, DurationNanos, Kind,
                               JsonList, JsonMap, Written, Perhaps>;

  explicit Value(Content content) : content_(std::move(content)) {}

  // A Value for `part` of the document that `root` keeps alive (or does not, for a pure view).
  static Value FromPart(const SharedJson& root, const Json& part);
  static Value FromNumberText(const SharedJson& root, const Json& part);

  Content content_;
};

// The JSON form of `value`: timestamps as RFC 3339 and durations as "3.5s" (as protobuf's JSON
// mapping has them), bytes as base64, types by their name. Fails with kInvalidArgument
// "expression.error" for NaN and infinities, for a map with a key that is not a string, and for a
// result larger than limits::kMaxExpressionResultBytes or deeper than limits::kMaxJsonDepth. The
// Json owns all it holds.
[[nodiscard]] Result<Json> ToJson(const Value& value);

// `value` spliced into text: strings as they are, numbers, bools, timestamps and durations as
// CEL's string() writes them, bytes as base64, types by name, null, lists and maps as JSON. Fails
// as ToJson does, except that NaN and infinities are written "NaN", "Infinity", "-Infinity".
[[nodiscard]] Result<std::string> ToText(const Value& value);

}  // namespace entente::dsl::cel
