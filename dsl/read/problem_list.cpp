#include "dsl/read/problem_list.h"

#include <algorithm>
#include <utility>

#include "dsl/schema/closest.h"

namespace entente::dsl {
namespace {

constexpr size_t kMaxQuotedBytes = 64;

void SortByPlace(Problems& problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
}

}  // namespace

void ProblemList::AtValue(std::string_view pointer, std::string_view code, std::string message,
                          std::string suggestion) {
  if (!full()) {
    Add(problems_, map_.OfValue(pointer), pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::AtKey(std::string_view pointer, std::string_view code, std::string message,
                        std::string suggestion) {
  if (!full()) {
    Add(problems_, map_.OfKey(pointer), pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::InString(std::string_view pointer, size_t offset, std::string_view code,
                           std::string message, std::string suggestion) {
  if (!full()) {
    Add(problems_, map_.InString(pointer, offset), pointer, code, std::move(message),
        std::move(suggestion));
  }
}

void ProblemList::AtValueIfNew(std::string_view pointer, std::string_view code, std::string message,
                               std::string suggestion) {
  if (!stored_) {
    AtValue(pointer, code, std::move(message), std::move(suggestion));
  }
}

void ProblemList::WarnAtValue(std::string_view pointer, std::string_view code, std::string message,
                              std::string suggestion) {
  if (warnings_.size() < kMaxProblems) {
    Add(warnings_, map_.OfValue(pointer), pointer, code, std::move(message), std::move(suggestion),
        /*warning=*/true);
  }
}

void ProblemList::WarnInString(std::string_view pointer, size_t offset, std::string_view code,
                               std::string message, std::string suggestion) {
  if (warnings_.size() < kMaxProblems) {
    Add(warnings_, map_.InString(pointer, offset), pointer, code, std::move(message),
        std::move(suggestion), /*warning=*/true);
  }
}

void ProblemList::Add(Problems& list, Position position, std::string_view pointer,
                      std::string_view code, std::string message, std::string suggestion,
                      bool warning) {
  list.push_back({std::string(pointer), position.line, position.column,
                  "definition." + std::string(code), std::move(message), std::move(suggestion),
                  warning});
}

Problems ProblemList::Take() && {
  SortByPlace(problems_);
  return std::move(problems_);
}

Problems ProblemList::TakeWarnings() {
  SortByPlace(warnings_);
  return std::move(warnings_);
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
