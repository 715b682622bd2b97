// Finding one text in another, in time that grows with their lengths and not with their product.
// Private to dsl/cel.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace entente::dsl::cel {

// Knuth, Morris and Pratt. The library's searches take the product of both lengths for texts made
// to that end ("aaa...a" and "aa...ab"), which both may come from a client.
class TextSearch {
 public:
  // `needle` must outlive the search.
  explicit TextSearch(std::string_view needle);

  // Where `needle` first begins in `text` at `from` or later; npos if nowhere. Takes time for the
  // bytes from `from` to the end of what was found.
  [[nodiscard]] size_t Find(std::string_view text, size_t from) const;
  // Where it last begins, at `last` or earlier.
  [[nodiscard]] size_t FindLast(std::string_view text, size_t last) const;

 private:
  [[nodiscard]] bool IsShort() const { return borders_.empty(); }
  // The length of what is matched once `c` follows `matched` bytes of the needle.
  [[nodiscard]] size_t Advance(size_t matched, char c) const;

  std::string_view needle_;
  // Of each prefix of the needle, the longest proper prefix that also ends it. Empty for a short
  // needle, of which the library's search takes little.
  std::vector<uint32_t> borders_;
};

}  // namespace entente::dsl::cel
