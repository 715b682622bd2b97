#include "engine/core/documents.h"

#include "base/check.h"
#include "base/limits.h"

namespace entente::engine {
namespace {

using dsl::cel::Budget;
using dsl::cel::Value;

// After so many it is cheaper to read all of the payload.
constexpr int kMaxSearches = 3;

}  // namespace

Documents::Resolved Documents::Resolve(const JsonText& payload, std::span<const std::string> path,
                                       size_t known, Budget& budget) {
  const std::string_view text = payload.text();
  const bool is_read = trees_.contains({text.data(), text.size()});
  if (is_read || path.size() == known || ++searches_[text.data()] > kMaxSearches) {
    return {Value::FromJson(Read(text, budget)), known};
  }
  if (!budget.Charge(Budget::CostOfBytes(text.size()))) {
    return {Value(), path.size()};
  }
  const JsonText::Part part = payload.Select(path.subspan(known));
  return {Value::FromJson(Read(part.text, budget)), known + part.depth};
}

const Json& Documents::Read(std::string_view text, Budget& budget) {
  static const Json kNotPaid;
  const Place place(text.data(), text.size());
  if (const auto found = trees_.find(place); found != trees_.end()) {
    return found->second;
  }
  const uint64_t cost = Budget::CostOfJson(text);
  if (!budget.Charge(cost)) {
    return kNotPaid;
  }
  Result<Json> read = ParseExactJson(text, limits::kStoredJson);
  ENTENTE_CHECK(read.ok());  // It was checked when it entered.
  held_ += cost;
  return trees_.emplace(place, std::move(read).value()).first->second;
}

void Documents::Trim() {
  if (held_ > limits::kMaxExpressionCost) {
    trees_.clear();
    held_ = 0;
  }
}

}  // namespace entente::engine
