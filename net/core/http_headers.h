// The fields of one HTTP message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace entente::net {

// An ordered list of (name, value). All text lies in one string, so a message's fields cost two
// allocations however many there are. A value type; not thread-safe. Views returned are valid
// until the next Add or the object's end.
class HttpHeaders {
 public:
  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  // Appends a field; a name may occur more than once. Nothing is checked here: the sender checks
  // with FirstInvalid.
  void Add(std::string_view name, std::string_view value);

  // The first value of the field `name`, compared without regard to case.
  [[nodiscard]] std::optional<std::string_view> Find(std::string_view name) const;
  [[nodiscard]] bool Has(std::string_view name) const { return Find(name).has_value(); }

  [[nodiscard]] size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::string_view name(size_t index) const;
  [[nodiscard]] std::string_view value(size_t index) const;
  void Clear();

  // The index of the first field that may not be sent: a name that is not a token, or a value with
  // CR, LF, NUL or another control byte (RFC 9110, 5.5), which would let text taken from a
  // payload end the field and begin another.
  [[nodiscard]] std::optional<size_t> FirstInvalid() const;

  // Appends "name: value\r\n" for each field.
  void AppendTo(std::string& text) const;

 private:
  struct Entry {
    uint32_t name_begin;
    uint32_t name_size;
    uint32_t value_size;  // The value follows the name.
  };

  std::string text_;
  std::vector<Entry> entries_;
};

// Whether two field names or tokens are equal without regard to ASCII case.
[[nodiscard]] bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// Whether `text` is a token (RFC 9110, 5.6.2): a method or a field name.
[[nodiscard]] bool IsHttpToken(std::string_view text);

// The standard reason phrase of a status code, or "Unknown".
[[nodiscard]] std::string_view HttpReasonPhrase(int status);

}  // namespace entente::net
