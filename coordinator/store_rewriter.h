// Brings what a store has under the key that it is written with, in the background.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "base/status.h"
#include "coordinator/process/every.h"
#include "observe/exposition.h"
#include "storage/encryption.h"

namespace entente::coordinator {

// On a thread of its own, in small pieces with pauses, so that appends hardly wait for it. Says on
// the log what the store is written with, when a look through it begins and ends, and which keys
// nothing needs any more.
class StoreRewriter {
 public:
  // `encryption` outlives it.
  explicit StoreRewriter(storage::Encryption& encryption);
  // Waits for the piece that is under way.
  ~StoreRewriter();
  StoreRewriter(const StoreRewriter&) = delete;
  StoreRewriter& operator=(const StoreRewriter&) = delete;

  // The families of metrics about it. Any thread.
  void Write(observe::Exposition& out) const;

 private:
  void Work();
  [[nodiscard]] Status GoThrough();
  void SayEnd(const storage::EncryptionReport& before) const;

  storage::Encryption& encryption_;
  std::atomic<bool> ending_ = false;
  bool failing_ = false;  // Used by every_ alone, as the next.
  std::optional<std::chrono::steady_clock::time_point> look_again_at_;
  std::optional<Every> every_;  // Last: it uses the others.
};

}  // namespace entente::coordinator
