// UTF-8: reading it, and showing to people what others wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace entente {

// The bytes, 1 to 4, of the well-formed character (Unicode 15, table 3-7) that `text` begins with;
// 0 when it is empty or begins with none.
[[nodiscard]] size_t Utf8CharacterBytes(std::string_view text);

// The length of the longest prefix of `text` that is well-formed.
[[nodiscard]] size_t ValidUtf8Prefix(std::string_view text);

// Text from outside, such as a participant's error page, as text that can be stored and shown: what
// is not UTF-8 becomes U+FFFD, and no more than `max_bytes` are kept, cut between two characters.
[[nodiscard]] std::string ToUtf8(std::string_view bytes, size_t max_bytes);

// `text` from outside, for a terminal or a log. What would act on the reader or on the screen
// stands there as its JSON escape, "\u001b": control characters, also those past ASCII, marks that
// turn the direction of text, and characters that have no width. Line breaks and tabs become
// blanks, and what is not UTF-8 U+FFFD.
[[nodiscard]] std::string ShowText(std::string_view text);

// The same, but line breaks and tabs stay. A JSON document is still the same document then.
[[nodiscard]] std::string ShowLines(std::string_view text);

// Appends `code_point`, which is at most 0x10FFFF and no surrogate.
void AppendUtf8(std::string& text, uint32_t code_point);

}  // namespace entente
