#include "dsl/cel/value.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/json_number.h"

namespace entente::dsl::cel {
namespace {

constexpr std::array<std::string_view, 14> kKindNames = {"null_type",
                                                         "bool",
                                                         "int",
                                                         "uint",
                                                         "double",
                                                         "string",
                                                         "bytes",
                                                         "list",
                                                         "map",
                                                         "google.protobuf.Timestamp",
                                                         "google.protobuf.Duration",
                                                         "type",
                                                         "decimal",
                                                         "optional_type"};

// Small maps are searched one by one, larger ones through a sorted index.
constexpr size_t kIndexedMapSize = 8;

// The place of a map key in the order the index uses. Numbers that are equal in CEL are equal
// here whatever their kinds. No value for what can not be a key.
using MapKey = std::variant<bool, int64_t, uint64_t, std::string_view>;

std::optional<MapKey> KeyOfDouble(double value) {
  constexpr double kTwo63 = 9223372036854775808.0;
  if (std::trunc(value) != value) {
    return std::nullopt;
  }
  if (value >= -kTwo63 && value < kTwo63) {
    return static_cast<int64_t>(value);
  }
  if (value >= kTwo63 && value < 2 * kTwo63) {
    return static_cast<uint64_t>(value);
  }
  return std::nullopt;
}

std::optional<MapKey> KeyOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool: return value.bool_value();
    case Kind::kInt: return value.int_value();
    case Kind::kUint: {
      const uint64_t number = value.uint_value();
      if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return static_cast<int64_t>(number);
      }
      return number;
    }
    case Kind::kDouble: return KeyOfDouble(value.double_value());
    case Kind::kString: return std::string_view(value.string_value());
    default: return std::nullopt;
  }
}

size_t DepthOf(const std::vector<Value>& elements) {
  size_t deepest = 0;
  for (const Value& element : elements) {
    deepest = std::max(deepest, element.depth());
  }
  return deepest + 1;
}

}  // namespace

struct Value::ListData {
  std::vector<Value> elements;
  size_t depth;
};

struct Value::MapData {
  std::vector<Entry> entries;
  std::vector<uint32_t> sorted;  // Positions in key order; empty for a small map.
  size_t depth;

  [[nodiscard]] const Value* Find(const MapKey& key) const {
    if (sorted.empty()) {
      for (const Entry& entry : entries) {
        if (KeyOf(entry.first) == key) {
          return &entry.second;
        }
      }
      return nullptr;
    }
    const auto found = std::lower_bound(
        sorted.begin(), sorted.end(), key,
        [this](uint32_t at, const MapKey& k) { return *KeyOf(entries[at].first) < k; });
    if (found == sorted.end() || KeyOf(entries[*found].first) != key) {
      return nullptr;
    }
    return &entries[*found].second;
  }
};

std::string_view KindName(Kind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

Value Value::Bool(bool value) {
  return Value(Content(value));
}
Value Value::Int(int64_t value) {
  return Value(Content(value));
}
Value Value::Uint(uint64_t value) {
  return Value(Content(value));
}
Value Value::Double(double value) {
  return Value(Content(value));
}
Value Value::FromTimestamp(Timestamp value) {
  return Value(Content(value));
}
Value Value::FromDuration(DurationNanos value) {
  return Value(Content(value));
}
Value Value::Type(Kind kind) {
  return Value(Content(kind));
}

Value Value::String(std::string utf8) {
  return Value(Content(std::make_shared<const std::string>(std::move(utf8))));
}

Value Value::Bytes(std::string octets) {
  return Value(Content(BytesData{std::make_shared<const std::string>(std::move(octets))}));
}

Value Value::List(std::vector<Value> elements) {
  const size_t depth = DepthOf(elements);
  return Value(Content(std::make_shared<const ListData>(ListData{std::move(elements), depth})));
}

Value Value::Map(std::vector<Entry> entries) {
  MapData data{std::move(entries), {}, 1};
  for (const Entry& entry : data.entries) {
    data.depth = std::max(data.depth, entry.second.depth() + 1);
  }
  if (data.entries.size() > kIndexedMapSize) {
    data.sorted.resize(data.entries.size());
    for (size_t i = 0; i < data.sorted.size(); ++i) {
      data.sorted[i] = static_cast<uint32_t>(i);
    }
    std::sort(data.sorted.begin(), data.sorted.end(), [&data](uint32_t a, uint32_t b) {
      return *KeyOf(data.entries[a].first) < *KeyOf(data.entries[b].first);
    });
  }
  return Value(Content(std::make_shared<const MapData>(std::move(data))));
}

Value Value::Optional(Value value) {
  return Value(Content(Perhaps{std::make_shared<const Value>(std::move(value))}));
}
Value Value::None() {
  return Value(Content(Perhaps{}));
}

Value Value::FromJson(const Json& json) {
  // An empty owner makes an aliasing pointer that counts nothing and frees nothing.
  return FromPart(SharedJson(), json);
}

Value Value::FromJson(Json&& json) {
  const SharedJson root = std::make_shared<const Json>(std::move(json));
  return FromPart(root, *root);
}

Value Value::FromPart(const SharedJson& root, const Json& part) {
  switch (part.type()) {
    case Json::value_t::boolean: return Bool(*part.get_ptr<const bool*>());
    case Json::value_t::number_integer: return Int(*part.get_ptr<const int64_t*>());
    case Json::value_t::number_unsigned: {
      const uint64_t number = *part.get_ptr<const uint64_t*>();
      if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Int(static_cast<int64_t>(number));
      }
      return Uint(number);
    }
    case Json::value_t::number_float: return Double(*part.get_ptr<const double*>());
    case Json::value_t::string:
      return Value(Content(SharedString(root, part.get_ptr<const std::string*>())));
    case Json::value_t::array: return Value(Content(JsonList{SharedJson(root, &part)}));
    case Json::value_t::object: return Value(Content(JsonMap{SharedJson(root, &part)}));
    case Json::value_t::binary: return FromNumberText(root, part);
    case Json::value_t::null:
    case Json::value_t::discarded: return Value();
  }
  return Value();
}

Value Value::FromNumberText(const SharedJson& root, const Json& part) {
  Written written{SharedJson(root, &part), {}};
  if (const std::optional<Json> exact = ExactNumber(NumberText(part))) {
    if (exact->is_number_float()) {
      written.number = exact->get<double>();
    } else {
      written.number = exact->get<int64_t>();  // Minus zero; other integers need no text.
    }
  }
  return Value(Content(std::move(written)));
}

Kind Value::kind() const {
  constexpr size_t kJsonListIndex = 12;
  constexpr size_t kJsonMapIndex = 13;
  switch (content_.index()) {
    case kJsonListIndex: return Kind::kList;
    case kJsonMapIndex: return Kind::kMap;
    default: break;
  }
  if (std::holds_alternative<Perhaps>(content_)) {
    return Kind::kOptional;
  }
  if (const Written* written = std::get_if<Written>(&content_)) {
    constexpr std::array<Kind, 3> kKinds = {Kind::kDecimal, Kind::kInt, Kind::kDouble};
    return kKinds[written->number.index()];
  }
  return static_cast<Kind>(content_.index());
}

bool Value::bool_value() const {
  const bool* content = std::get_if<bool>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

int64_t Value::int_value() const {
  const Written* written = std::get_if<Written>(&content_);
  const int64_t* content =
      written != nullptr ? std::get_if<int64_t>(&written->number) : std::get_if<int64_t>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

uint64_t Value::uint_value() const {
  const uint64_t* content = std::get_if<uint64_t>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

double Value::double_value() const {
  const Written* written = std::get_if<Written>(&content_);
  const double* content =
      written != nullptr ? std::get_if<double>(&written->number) : std::get_if<double>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

const std::string& Value::string_value() const {
  const SharedString* content = std::get_if<SharedString>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return **content;
}

const std::string& Value::bytes_value() const {
  const BytesData* content = std::get_if<BytesData>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content->octets;
}

Timestamp Value::timestamp_value() const {
  const Timestamp* content = std::get_if<Timestamp>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

DurationNanos Value::duration_value() const {
  const DurationNanos* content = std::get_if<DurationNanos>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

Kind Value::type_value() const {
  const Kind* content = std::get_if<Kind>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return *content;
}

const Value* Value::optional_value() const {
  const Perhaps* content = std::get_if<Perhaps>(&content_);
  ENTENTE_CHECK(content != nullptr);
  return content->value.get();
}

std::optional<std::string_view> Value::written() const {
  const Written* written = std::get_if<Written>(&content_);
  return written == nullptr ? std::nullopt : std::optional(NumberText(*written->json));
}

size_t Value::size() const {
  if (const Json* json = json_view()) {
    return json->size();
  }
  if (const SharedList* list = std::get_if<SharedList>(&content_)) {
    return (*list)->elements.size();
  }
  const SharedMap* map = std::get_if<SharedMap>(&content_);
  ENTENTE_CHECK(map != nullptr);
  return (*map)->entries.size();
}

Value Value::ElementAt(size_t index) const {
  ENTENTE_CHECK(kind() == Kind::kList);
  ENTENTE_CHECK(index < size());
  if (const JsonList* list = std::get_if<JsonList>(&content_)) {
    return FromPart(list->json, (*list->json)[index]);
  }
  return (*std::get_if<SharedList>(&content_))->elements[index];
}

std::optional<Value> Value::Find(const Value& key) const {
  ENTENTE_CHECK(kind() == Kind::kMap);
  if (std::holds_alternative<JsonMap>(content_)) {
    return key.kind() == Kind::kString ? Find(key.string_value()) : std::nullopt;
  }
  const std::optional<MapKey> map_key = KeyOf(key);
  if (!map_key) {
    return std::nullopt;
  }
  const Value* found = (*std::get_if<SharedMap>(&content_))->Find(*map_key);
  return found == nullptr ? std::nullopt : std::optional<Value>(*found);
}

std::optional<Value> Value::Find(const std::string& key) const {
  ENTENTE_CHECK(kind() == Kind::kMap);
  if (const JsonMap* map = std::get_if<JsonMap>(&content_)) {
    const auto found = map->json->find(key);
    if (found == map->json->end()) {
      return std::nullopt;
    }
    return FromPart(map->json, *found);
  }
  const Value* found = (*std::get_if<SharedMap>(&content_))->Find(MapKey(std::string_view(key)));
  return found == nullptr ? std::nullopt : std::optional<Value>(*found);
}

std::optional<Value> Value::RepeatedKey() const {
  const SharedMap* map = std::get_if<SharedMap>(&content_);
  if (map == nullptr) {
    return std::nullopt;
  }
  const std::vector<Entry>& entries = (*map)->entries;
  const std::vector<uint32_t>& sorted = (*map)->sorted;
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (KeyOf(entries[sorted[i - 1]].first) == KeyOf(entries[sorted[i]].first)) {
      return entries[sorted[i]].first;
    }
  }
  for (size_t i = 1; sorted.empty() && i < entries.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (KeyOf(entries[j].first) == KeyOf(entries[i].first)) {
        return entries[i].first;
      }
    }
  }
  return std::nullopt;
}

std::vector<Value> Value::Keys() const {
  std::vector<Value> keys;
  keys.reserve(size());
  for (Entry& entry : Entries()) {
    keys.push_back(std::move(entry.first));
  }
  return keys;
}

std::vector<Value::Entry> Value::Entries() const {
  ENTENTE_CHECK(kind() == Kind::kMap);
  const JsonMap* map = std::get_if<JsonMap>(&content_);
  if (map == nullptr) {
    return (*std::get_if<SharedMap>(&content_))->entries;
  }
  std::vector<Entry> entries;
  entries.reserve(map->json->size());
  for (const auto& [key, part] : map->json->get_ref<const Json::object_t&>()) {
    entries.emplace_back(Value(Content(SharedString(map->json, &key))), FromPart(map->json, part));
  }
  return entries;
}

const Json* Value::json_view() const {
  if (const JsonList* list = std::get_if<JsonList>(&content_)) {
    return list->json.get();
  }
  if (const JsonMap* map = std::get_if<JsonMap>(&content_)) {
    return map->json.get();
  }
  return nullptr;
}

size_t Value::depth() const {
  if (const SharedList* list = std::get_if<SharedList>(&content_)) {
    return (*list)->depth;
  }
  if (const SharedMap* map = std::get_if<SharedMap>(&content_)) {
    return (*map)->depth;
  }
  if (const Perhaps* perhaps = std::get_if<Perhaps>(&content_)) {
    return perhaps->value == nullptr ? 0 : perhaps->value->depth() + 1;
  }
  return 0;
}

}  // namespace entente::dsl::cel
