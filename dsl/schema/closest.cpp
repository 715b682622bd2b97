#include "dsl/schema/closest.h"

#include <algorithm>
#include <array>

namespace entente::dsl {
namespace {

constexpr size_t kMaxWordBytes = 32;
constexpr size_t kMaxCandidates = 1000;

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Edits that turn `a` into `b`: insert, delete, replace, or swap two neighbours (optimal string
// alignment). Both are at most kMaxWordBytes long.
size_t Distance(std::string_view a, std::string_view b) {
  std::array<std::array<size_t, kMaxWordBytes + 1>, kMaxWordBytes + 1> edits;
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      edits[i][j] = std::min(
          {edits[i - 1][j] + 1, edits[i][j - 1] + 1, edits[i - 1][j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
                           Lower(a[i - 2]) == Lower(b[j - 1]);
      if (swapped) {
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
      }
    }
  }
  return edits[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> Closest(std::string_view word,
                                        const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kMaxWordBytes) {
    return std::nullopt;
  }
  std::optional<std::string_view> closest;
  size_t fewest = std::max<size_t>(1, word.size() / 3) + 1;
  for (size_t i = 0; i < std::min(candidates.size(), kMaxCandidates); ++i) {
    const std::string_view candidate = candidates[i];
    // Fewer edits than the difference in length are impossible.
    if (candidate.size() > kMaxWordBytes || candidate.size() >= word.size() + fewest ||
        word.size() >= candidate.size() + fewest) {
      continue;
    }
    // A word that shares nothing with the candidate is not a misspelling of it.
    const size_t edits = Distance(word, candidate);
    if (edits < fewest && edits < candidate.size()) {
      fewest = edits;
      closest = candidate;
    }
  }
  return closest;
}

std::string Cut(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) {
    return std::string(text);
  }
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace entente::dsl
