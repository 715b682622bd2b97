#include "dsl/problem_list.h"

#include <algorithm>
#include <utility>

#include "dsl/schema/closest.h"

namespace entente::dsl {
namespace {

constexpr size_t kMaxQuotedBytes = 64;

}  // namespace

void ProblemList::AtValue(std::string_view pointer, std::string_view code, std::string message,
                          std::string suggestion) {
  if (!full()) {
    Add(map_.OfValue(pointer), pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::AtKey(std::string_view pointer, std::string_view code, std::string message,
                        std::string suggestion) {
  if (!full()) {
    Add(map_.OfKey(pointer), pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::InString(std::string_view pointer, size_t offset, std::string_view code,
                           std::string message, std::string suggestion) {
  if (!full()) {
    Add(map_.InString(pointer, offset), pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::Add(Position position, std::string_view pointer, std::string_view code,
                      std::string message, std::string suggestion) {
  problems_.push_back({std::string(pointer), position.line, position.column,
                       "definition." + std::string(code), std::move(message),
                       std::move(suggestion)});
}

Problems ProblemList::Take() && {
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::move(problems_);
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const auto closest = Closest(word, candidates);
  return closest ? "did you mean " + Quote(*closest) + "?" : "";
}

std::string Quote(std::string_view text) {
  return "'" + Cut(text, kMaxQuotedBytes) + "'";
}

std::string QuoteAll(const std::vector<std::string_view>& words, std::string_view conjunction) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) {
      text += i + 1 == words.size() ? " " + std::string(conjunction) + " " : ", ";
    }
    text += Quote(words[i]);
  }
  return text;
}

}  // namespace entente::dsl
