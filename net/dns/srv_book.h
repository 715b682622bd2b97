// SrvBook: what is known of services by their SRV records.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "net/dns/srv_answer.h"

namespace entente::net {

// Purpose: an answer is used for its records' time to live, within limits::kMinSrvTtl and
// kMaxSrvTtl. The first who asks after that gets it once more, and has it looked up again
// meanwhile: nobody waits for DNS but who asks for what is not known. While that fails (which
// includes that the name is gone: a registry that lost its members, or its mind, says so too) the
// answer before goes on being used for limits::kSrvStale. That the service is not offered is an
// answer.
//
// Names come from definitions, which clients may write: of more than limits::kMaxSrvNames those
// asked for longest ago are forgotten.
//
// Instants are handed in. Not thread-safe; answers are called for on the thread that asks.
class SrvBook {
 public:
  using AnswerPtr = std::shared_ptr<const SrvAnswer>;  // Shared with those who asked. Not empty.
  using Done = UniqueFunction<void()>;
  // Looks a name up and calls back, never from inside the call; the book is still there then.
  using Lookup =
      std::function<void(const std::string& name, UniqueFunction<void(Result<SrvAnswer>)> done)>;
  using Clock = std::function<Instant()>;

  SrvBook(Lookup lookup, Clock now) : lookup_(std::move(lookup)), now_(std::move(now)) {}

  // The answer that is known; nothing if it has to be waited for: WhenKnown.
  // A failure, as Lookup's, if a lookup has just failed and nothing else is known.
  [[nodiscard]] std::optional<Result<AnswerPtr>> Find(const std::string& name);
  // Calls `done` once the lookup under way has ended, never from inside this call: Find tells then.
  // Only where Find gave nothing.
  void WhenKnown(const std::string& name, Done done);

 private:
  struct Entry {
    AnswerPtr answer;  // Null: none is known.
    Status problem;    // Why there is none, or none after `answer`.
    Instant ask_again_at;
    Instant usable_until;
    Instant used_at;
    bool asking = false;
    std::vector<Done> waiting;
  };

  Entry& EntryOf(const std::string& name, Instant now);
  void Forget(Instant now);
  void LookUp(const std::string& name, Entry& entry);
  void OnAnswer(const std::string& name, Result<SrvAnswer> answer);

  const Lookup lookup_;
  const Clock now_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace entente::net
