// UTF-8, as far as CEL's strings of code points need it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace entente::dsl::cel {

// The offset of the first byte that is not part of valid UTF-8 (no overlong forms, surrogates or
// code points past U+10FFFF), or npos.
[[nodiscard]] size_t FindInvalidUtf8(std::string_view text);

// The number of code points. `text` is valid UTF-8, here and below.
[[nodiscard]] size_t CountCodePoints(std::string_view text);

// The byte offset of code point `index`; text.size() when there are no more than `index`.
[[nodiscard]] size_t ByteOffset(std::string_view text, size_t index);

// The largest code point boundary that is at most `limit`.
[[nodiscard]] size_t Utf8Boundary(std::string_view text, size_t limit);

// Decodes the code point that starts at `*position` and moves past it.
[[nodiscard]] uint32_t NextCodePoint(std::string_view text, size_t* position);

// Appends `code_point`, which is a valid one.
void AppendCodePoint(std::string& text, uint32_t code_point);

}  // namespace entente::dsl::cel
