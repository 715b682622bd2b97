// Code points of UTF-8 text, as CEL's strings count them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace entente::dsl::cel {

// The number of code points. `text` is valid UTF-8, here and below.
[[nodiscard]] size_t CountCodePoints(std::string_view text);

// The byte offset of code point `index`; text.size() when there are no more than `index`.
[[nodiscard]] size_t ByteOffset(std::string_view text, size_t index);

// The largest code point boundary that is at most `limit`.
[[nodiscard]] size_t Utf8Boundary(std::string_view text, size_t limit);

// Decodes the code point that starts at `*position` and moves past it.
[[nodiscard]] uint32_t NextCodePoint(std::string_view text, size_t* position);

}  // namespace entente::dsl::cel
