// The ways in which a service can be told to misbehave, while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "examples/travel/common/book.h"

namespace travel {

using Millis = std::chrono::milliseconds;

// What one call will suffer.
enum class Fault {
  kNone,
  kFail,       // 503, nothing done.
  kRefuse,     // 422, nothing done.
  kHang,       // Done, then the answer is held back.
  kFailAfter,  // Done, then 503.
  kGarbage,    // Done, then 200 with a body that is no JSON.
  kPending,    // 202 with a Location to poll.
};

std::string_view FaultName(Fault fault);  // "" for kNone.

struct Fate {
  Millis delay{0};
  Fault fault = Fault::kNone;
  Millis hold_for{0};     // For kHang.
  Millis pending_for{0};  // For kPending.
};

struct SwitchValues {
  int64_t capacity = 0;
  Millis delay{0};
  double fail_rate = 0;
  int64_t fail_next = 0;
  double fail_after_rate = 0;
  int64_t fail_after_next = 0;
  double hang_rate = 0;
  int64_t hang_next = 0;
  Millis hang_for{30'000};
  int64_t refuse_next = 0;
  int64_t garbage_next = 0;
  int64_t pending_next = 0;
  Millis pending_for{1'000};
  std::string only = "all";                    // Which calls the faults hit: all, forward, undo.
  std::map<std::string, int64_t> capacity_of;  // Single pools, before `capacity`.
};

// One switch: a command-line option `--name` and a member `name` of the control endpoint's JSON.
struct SwitchSpec {
  using Slot =
      std::variant<int64_t SwitchValues::*, double SwitchValues::*, Millis SwitchValues::*>;
  std::string_view name;
  Slot slot;
  std::string_view help;
  bool rest_only = false;  // It shapes an HTTP answer, so a gRPC service does not have it.
};

// Every switch but `only` and `capacity-of`, which are no plain numbers.
const std::vector<SwitchSpec>& SwitchSpecs();

// Thread-safe.
class Switches {
 public:
  // `seed` makes the rates' dice repeatable. `rest` tells whether the service answers over HTTP.
  Switches(int64_t default_capacity, uint64_t seed, bool rest);

  // Sets all members of `changes` or, when it returns a message, none of them. Members are named as
  // on the command line ("fail-next"; "_" is as good as "-"). Durations are "200ms", "30s", "2m" or
  // a number of milliseconds; `capacity-of` is an object from pool to number (null removes one).
  [[nodiscard]] std::optional<std::string> Apply(const Json& changes);

  [[nodiscard]] Json Show() const;

  // Throws the dice for one call and uses up one of a "-next" count.
  [[nodiscard]] Fate Draw(Direction direction);

  [[nodiscard]] int64_t CapacityOf(const std::string& pool) const;

 private:
  std::optional<std::string> ApplyOne(SwitchValues& values, const std::string& name,
                                      const Json& value) const;
  Fault DrawFault();

  const bool rest_;
  mutable std::mutex mutex_;
  SwitchValues values_;   // Guarded by mutex_.
  std::mt19937_64 dice_;  // Guarded by mutex_.
};

// "200ms", "1.5s", "2m" or "250" (milliseconds); nothing when it is none of them, negative, or
// longer than a day.
[[nodiscard]] std::optional<Millis> ParseDuration(std::string_view text);

}  // namespace travel
