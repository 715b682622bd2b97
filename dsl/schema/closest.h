// Help for people who misspell: the nearest known name, and texts cut to a readable length.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace entente::dsl {

// The candidate that `word` was most likely meant to be, or nothing when none is near enough: at
// most a third of its characters wrong, a swap of neighbours counting once and case not at all.
// Words longer than 32 bytes and candidates past the first 1000 are not compared. The result views
// an element of `candidates`.
[[nodiscard]] std::optional<std::string_view> Closest(
    std::string_view word, const std::vector<std::string_view>& candidates);

// How much of a text a message shows.
inline constexpr size_t kMaxShownBytes = 80;

// `text`, cut between two characters to at most `max_bytes` and "..." if it is longer.
[[nodiscard]] std::string Cut(std::string_view text, size_t max_bytes);

}  // namespace entente::dsl
