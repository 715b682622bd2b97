// Trials: the expressions of a definition, so that made-up data can be tried on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "dsl/cel/template.h"

namespace entente::explore {

// What an expression has to come to where it stands.
enum class Wanted : uint8_t { kAny, kBool, kList, kDuration, kInstant, kDurationOrInstant, kUrl };

// A place of the data that an expression reads: "input", "lines", "*", "price", or "steps", "pay",
// "output", "state". "*" stands for every element of a list.
using DataPath = std::vector<std::string>;

struct Trial {
  std::string pointer;  // JSON Pointer in the definition.
  std::string step;     // Of which step it is part, or empty.
  Wanted wanted = Wanted::kAny;
  dsl::cel::Template source;
  std::vector<DataPath> reads = {};
  std::vector<Json> constants = {};  // That stand in the text.
  std::vector<Json> one_of = {};     // If not empty: what it may come to.
  // A condition that decides where a transaction goes, and which way is the usual one.
  bool condition = false;
  bool usual = true;
  // Of a way of a choice: the pointer of its `choose`, and its number.
  std::string choice = {};
  size_t way = 0;
  // Of a value with a name (of the step, or of the definition if `step` is empty): that, and
  // whether it only stands for the one thing that it reads.
  std::string let = {};
  bool is_alias = false;
};

// Of every string of `definition` in which an expression stands, but for the input's schema; of the
// participants those of a computed address, for each step that calls there. `definition` is one
// that compiles.
[[nodiscard]] std::vector<Trial> TrialsOf(const Json& definition);

}  // namespace entente::explore
