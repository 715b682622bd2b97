// Documents: payloads as expressions read them. Internal to the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/json_text.h"
#include "dsl/cel/activation.h"
#include "dsl/cel/budget.h"

namespace entente::engine {

// Payloads are kept as text; what an expression wants of one is read here, once for a decision, and
// thrown away with it. From a large payload only the part that is asked for is read, unless too
// many are. All of it is paid from the budget given.
//
// Not thread-safe. The payloads' texts must outlive the Documents.
class Documents {
 public:
  using Resolved = dsl::cel::Resolver::Resolved;

  // The value at `path`, of whose names the first `known` stand for the payload itself; as Resolver
  // answers. The answer is a view that stays valid until the next Trim.
  [[nodiscard]] Resolved Resolve(const JsonText& payload, std::span<const std::string> path,
                                 size_t known, dsl::cel::Budget& budget);

  // To be called where no view is in use: lets go what was read if that is much, since trees may
  // take twenty times the memory of their texts.
  void Trim();

 private:
  using Place = std::pair<const char*, size_t>;

  const Json& Read(std::string_view text, dsl::cel::Budget& budget);

  std::map<Place, Json> trees_;
  std::map<const char*, int> searches_;  // By payload: how often a part was looked for.
  uint64_t held_ = 0;                    // What reading the trees took.
};

}  // namespace entente::engine
