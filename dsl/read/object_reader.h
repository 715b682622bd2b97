// ObjectReader: one object of a definition, read field by field; every mistake goes to the list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"
#include "dsl/read/fields.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {

// "a string", "an object", ...: for messages.
[[nodiscard]] std::string_view TypeName(const Json& value);

// Borrows the object, the spec and the list. A getter of a field that is absent reports nothing and
// returns nothing; of a field with the wrong type or range, it reports that and returns nothing.
class ObjectReader {
 public:
  ObjectReader(const Json& object, std::string pointer, const ObjectSpec& spec,
               ProblemList& problems)
      : object_(object), pointer_(std::move(pointer)), spec_(spec), problems_(problems) {}

  // Reports `value` if it is not an object.
  [[nodiscard]] static bool IsObject(const Json& value, const std::string& pointer,
                                     std::string_view what, ProblemList& problems);

  // Reports every field that the spec does not name; if `elsewhere` names it, says that it belongs
  // there.
  void RefuseUnknownFields(std::span<const ObjectSpec* const> elsewhere = {}) const;

  [[nodiscard]] bool Has(std::string_view field) const { return Find(field) != nullptr; }
  // The field's value, null if it is absent.
  [[nodiscard]] const Json* Find(std::string_view field) const;
  // The same, reporting a missing field.
  const Json* Require(std::string_view field, std::string suggestion = "") const;

  std::optional<std::string> String(std::string_view field) const;
  std::optional<bool> Bool(std::string_view field) const;
  std::optional<uint64_t> Integer(std::string_view field, uint64_t min, uint64_t max) const;
  std::optional<double> Number(std::string_view field, double min, double max) const;
  // A duration as ParseDuration reads it, in [min, max].
  std::optional<Duration> DurationIn(std::string_view field, Duration min, Duration max) const;
  const Json* Object(std::string_view field) const;
  const Json* Array(std::string_view field) const;

  // The pointer of the object and of a field of it.
  [[nodiscard]] const std::string& pointer() const { return pointer_; }
  [[nodiscard]] std::string PointerTo(std::string_view field) const;
  [[nodiscard]] const Json& json() const { return object_; }

 private:
  void WrongType(std::string_view field, std::string_view expected, const Json& value) const;

  const Json& object_;
  std::string pointer_;
  const ObjectSpec& spec_;
  ProblemList& problems_;
};

// The longest duration that ParseDuration reads.
inline constexpr Duration kMaxDuration = std::chrono::days(3660);

}  // namespace entente::dsl
