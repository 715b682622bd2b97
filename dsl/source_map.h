// SourceMap: where the values of a JSON document stand in its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace entente::dsl {

// Line and column as people count: from one, columns in characters (code points).
struct Position {
  size_t line = 0;
  size_t column = 0;

  friend auto operator<=>(const Position&, const Position&) = default;
};

// Ownership: a view of the text, which must stay alive and unchanged; the map itself takes 12 bytes
// per value. Thread-safety: const after construction. Lookups are linear in the size of the text:
// they are for messages.
class SourceMap {
 public:
  // `text` is a JSON document that ParseJson accepted, of less than 4 GiB.
  explicit SourceMap(std::string_view text);

  // Where the value at `pointer` (RFC 6901) begins. If there is no such value, its nearest existing
  // ancestor's beginning: a missing member is shown at its object.
  [[nodiscard]] Position OfValue(std::string_view pointer) const;

  // Where the name of the member at `pointer` begins; for an element or the root, as OfValue.
  [[nodiscard]] Position OfKey(std::string_view pointer) const;

  // Where byte `offset` of the *decoded* string at `pointer` stands in the text, escapes counted as
  // they are written. An offset beyond the end is the closing quote. For anything but a string, as
  // OfValue.
  [[nodiscard]] Position InString(std::string_view pointer, size_t offset) const;

 private:
  static constexpr uint32_t kNoKey = UINT32_MAX;

  // The values in the order of the text, each followed by all that it contains.
  struct Node {
    uint32_t value;  // Offset of its first byte.
    uint32_t key;    // Offset of the quote that opens its name, or kNoKey.
    uint32_t end;    // Index of the first node that it does not contain.
  };

  [[nodiscard]] size_t SkipString(size_t quote) const;
  [[nodiscard]] size_t FindNode(std::string_view pointer, bool* exact) const;
  [[nodiscard]] bool FindChild(size_t parent, const std::string& token, size_t* child) const;
  [[nodiscard]] Position At(size_t offset) const;

  std::string_view text_;
  std::vector<Node> nodes_;
};

}  // namespace entente::dsl
