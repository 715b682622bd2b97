#include "dsl/cel/functions/functions.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "dsl/cel/error.h"

namespace entente::dsl::cel {
namespace {

constexpr std::array<std::string_view, 14> kMethodMacros = {
    "all",    "exists",        "exists_one",   "existsOne",         "filter", "map",
    "sortBy", "transformList", "transformMap", "transformMapEntry", "optMap", "optFlatMap",
    "or",     "orValue"};

std::array<std::span<const Function>, 7> Tables() {
  return {ConversionFunctions(), StringFunctions(), TimeFunctions(),    MathFunctions(),
          ListFunctions(),       FormatFunctions(), OptionalFunctions()};
}

// How many letters must be inserted, removed or replaced to make one word of the other.
size_t EditDistance(std::string_view from, std::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

std::vector<std::string_view> NamesOf(bool is_method) {
  std::vector<std::string_view> names;
  for (const std::span<const Function> table : Tables()) {
    for (const Function& function : table) {
      if (function.is_method == is_method) {
        names.push_back(function.name);
      }
    }
  }
  if (is_method) {
    names.insert(names.end(), kMethodMacros.begin(), kMethodMacros.end());
  } else {
    names.push_back("has");
  }
  return names;
}

bool Has(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const Function* FindFunction(std::string_view name, bool is_method) {
  for (const std::span<const Function> table : Tables()) {
    for (const Function& function : table) {
      if (function.is_method == is_method && function.name == name) {
        return &function;
      }
    }
  }
  return nullptr;
}

std::string SuggestFunction(std::string_view name, bool is_method) {
  if (Has(NamesOf(!is_method), name)) {
    const std::string text(name);
    return is_method ? "; call it as a function: " + text + "(value)"
                     : "; call it as a method: value." + text + "(...)";
  }
  constexpr size_t kMaxComparedBytes = 64;
  const std::string wanted = Lower(name.substr(0, kMaxComparedBytes));
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, wanted.size() / 3) + 1;
  for (const std::string_view candidate : NamesOf(is_method)) {
    const size_t distance = EditDistance(wanted, Lower(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : "; did you mean " + Quote(best) + "?";
}

}  // namespace entente::dsl::cel
