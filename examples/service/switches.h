// The ways in which a service can be told to misbehave, while it runs, one operation at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>

#include "entente/call.h"

namespace examples {

using entente::Json;
using entente::Result;
using entente::sdk::Answer;
using entente::sdk::Call;

struct SwitchValues {
  int64_t capacity = 1'000'000;          // Of each pool; only a service that has pools reads it.
  std::chrono::milliseconds hold_for{};  // How long a reservation is held; zero: see the service.
  std::chrono::milliseconds delay{};     // Waits so long before anything is done.
  int64_t fail_next = 0;                 // So many calls: "come again", nothing done.
  int64_t refuse_next = 0;               // Refused, nothing done.
  int64_t hang_before_next = 0;          // Held back for `hang_for`, then done.
  int64_t hang_next = 0;                 // Done, then the answer is held back.
  int64_t fail_after_next = 0;           // Done, then "come again".
  std::chrono::milliseconds hang_for{30'000};
  std::string only = "all";  // The operation that all but the first two hit, or "all".
};

// Thread-safe.
class Switches {
 public:
  explicit Switches(SwitchValues defaults) : values_(std::move(defaults)) {}

  // Sets all members of `changes`, named as above with '-' for '_', or, when it returns a message,
  // none of them. Durations are "200ms", "30s" or a number of milliseconds. Besides, "release":
  // true ends what hangs.
  [[nodiscard]] std::optional<std::string> Apply(const Json& changes);

  // All of them, counts as what is left, and the calls that hang: "hanging": [{"gid", "branch",
  // "operation", "done"}].
  [[nodiscard]] Json Show() const;

  [[nodiscard]] SwitchValues values() const;

  // Carries out `work` as far as the switches let it. Blocks as long as they say.
  [[nodiscard]] Result<Answer> Pass(const Call& call, const std::function<Result<Answer>()>& work);

  // Ends all waits, for good.
  void Stop();

 private:
  enum class Fault { kNone, kFail, kRefuse, kHangBefore, kHang, kFailAfter };
  struct Hanging {
    const Call& call;
    bool done;
  };

  Fault Draw(const Call& call);
  bool Wait(std::chrono::milliseconds duration);
  void Hang(const Call& call, bool done);

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  SwitchValues values_;  // Guarded by mutex_, as all below.
  std::list<Hanging> hanging_;
  uint64_t releases_ = 0;
  bool stopping_ = false;
};

}  // namespace examples
