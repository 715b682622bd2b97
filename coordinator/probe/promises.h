// What each promise of docs/participants.md is, and what it costs if it is broken.
#pragma once

#include <string_view>

namespace entente::probe {

// The rules of "What a participant owes" that can be tried from outside.
enum class Broken {
  kRepeatRefused,      // 2
  kRepeatUnknown,      // 2
  kRepeatDiffers,      // 2
  kRepeatActs,         // 1
  kUndoUnseen,         // 3
  kLateActs,           // 3
  kUndoAgain,          // 4
  kUndoDoesNothing,    // 4
  kUndoOfOthers,       // 1
  kTogetherActs,       // 2
  kTogetherRefused,    // 2
  kTogetherUnsettled,  // 2
  kCutRefused,         // 1
  kCutUnsettled,       // 1
  kFinishFails,        // 6
  kFinishAgain,        // 4
};

struct Promise {
  int number;              // On the page.
  std::string_view code;   // Stable, for scripts: "repeat.refused".
  std::string_view says;   // What it is that was broken.
  std::string_view costs;  // On a bad day.
};
[[nodiscard]] const Promise& PromiseOf(Broken broken);

}  // namespace entente::probe
