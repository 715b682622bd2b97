// ProblemList: gathers what is wrong with one document while the compiler walks through it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/compiler.h"
#include "dsl/source_map.h"

namespace entente::dsl {

// Keeps a reference to the map. Takes at most kMaxProblems and drops the rest, so that a document
// made of mistakes costs no more than one with a few. Not thread-safe.
class ProblemList {
 public:
  // `stored`: the document was accepted before.
  explicit ProblemList(const SourceMap& map, bool stored = false) : map_(map), stored_(stored) {}

  // A problem of the value at `pointer`, of the name of the member there, or of byte `offset` of
  // the decoded string there. `code` without its "definition." prefix.
  void AtValue(std::string_view pointer, std::string_view code, std::string message,
               std::string suggestion = "");
  void AtKey(std::string_view pointer, std::string_view code, std::string message,
             std::string suggestion = "");
  void InString(std::string_view pointer, size_t offset, std::string_view code, std::string message,
                std::string suggestion = "");

  // The same as AtValue, of a rule that stored documents may be older than: they are left as they
  // are, for the transactions that run by them.
  void AtValueIfNew(std::string_view pointer, std::string_view code, std::string message,
                    std::string suggestion = "");

  // Something that is no mistake, but is likely not what was meant.
  void WarnAtValue(std::string_view pointer, std::string_view code, std::string message,
                   std::string suggestion = "");
  void WarnInString(std::string_view pointer, size_t offset, std::string_view code,
                    std::string message, std::string suggestion = "");

  [[nodiscard]] bool empty() const { return problems_.empty(); }
  [[nodiscard]] size_t size() const { return problems_.size(); }

  // The problems in the order of the text.
  [[nodiscard]] Problems Take() &&;
  // The warnings, likewise.
  [[nodiscard]] Problems TakeWarnings();

 private:
  static void Add(Problems& list, Position position, std::string_view pointer,
                  std::string_view code, std::string message, std::string suggestion,
                  bool warning = false);
  [[nodiscard]] bool full() const { return problems_.size() >= kMaxProblems; }

  const SourceMap& map_;
  const bool stored_;
  Problems problems_;
  Problems warnings_;
};

// "did you mean 'compensate'?" if one of `candidates` is close enough to `word`, else "".
[[nodiscard]] std::string DidYouMean(std::string_view word,
                                     const std::vector<std::string_view>& candidates);

// `text` in single quotes, cut to a readable length.
[[nodiscard]] std::string Quote(std::string_view text);

// "'a', 'b' or 'c'".
[[nodiscard]] std::string QuoteAll(const std::vector<std::string_view>& words,
                                   std::string_view conjunction = "or");

}  // namespace entente::dsl
