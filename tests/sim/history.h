// What happened, as it is seen from outside: on the wire, at the participants, by the clients. The
// checks judge a run by this and by the journal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace entente::sim {

enum class Verb : uint8_t { kDo, kUndo, kFinish };

// One call that a coordinator sent, as it is on the wire.
struct Sent {
  std::string gid;
  std::string branch;
  Verb verb = Verb::kDo;
  std::string target;
  uint32_t alternative = 0;
  uint32_t attempt = 0;
  bool one_phase = false;
  uint64_t epoch = 0;  // Which of a shard's owners sent it.
  Instant at;
  Duration limit{};

  // Once the coordinator was told; never, if its process ended before.
  enum class Answer : uint8_t { kNone, kDone, kRefused, kUnknown, kNotSent, kPending, kHeuristic };
  Answer answer = Answer::kNone;
  Instant answered{};
  std::optional<Duration> retry_after = {};
  std::string tag = {};  // Its If-Match.

  // From here on nothing can come of it that anybody still waits for. Who is stopped for a while
  // takes the answer in when it goes on, long after its time.
  [[nodiscard]] Instant over() const {
    return answer == Answer::kNone ? at + limit : std::min(answered, at + limit);
  }
};

// Something that became visible at a participant: a saga's action, its compensation, a confirm, a
// commit.
struct Effect {
  std::string gid;
  std::string branch;
  std::string place;  // "<protocol>/<step>/<way>".
  std::string key;
  bool undo = false;
  bool by_hand = false;
  Instant at;
};

// A participant did, or reserved, or prepared what it was asked for, for the first time.
struct Work {
  std::string gid;
  std::string branch;
  Instant at;
};

// What one client asked for and was told.
struct ClientFacts {
  bool acknowledged = false;
  bool cancel_taken = false;
  bool commit_taken = false;
  bool resolved = false;
  std::set<std::string> skipped;   // Branches that an operator vouched for.
  bool retried = false;            // By an operator.
  std::map<int, Instant> signals;  // Taken, by what is in them.
  std::vector<std::string> enlisted;
  std::set<std::string> ends;
  Instant first_end;
  // While it is certainly paused: from the answer to the request on, until another is made.
  std::vector<std::pair<Instant, Instant>> pauses;
  std::optional<Instant> paused_since;
  int resumes = 0;  // Asked for.
};

struct History {
  std::vector<Sent> sent;
  std::vector<Effect> ledger;
  std::vector<Work> work;
  std::vector<Work> completions;  // Said by the participant itself, whatever became of the call.
  std::set<std::pair<std::string, std::string>> read_only;  // Votes, by gid and branch.
  std::map<std::string, ClientFacts> clients;               // By gid.
  std::vector<std::string> violations;                      // Noticed while it happened.
  std::map<std::string, uint64_t> probes;                   // Rare paths, by name.

  // When a shard was acquired under an epoch.
  std::map<std::pair<uint64_t, uint64_t>, Instant> acquired;
  uint64_t crashes = 0;
  uint64_t failed_appends = 0;
  uint64_t disturbed = 0;     // A shard changed hands, or its owner was stopped for a while.
  bool clock_jumped = false;  // Or nodes have clocks of different speed.

  // No crash, no write that failed, one owner and one time for all: what is promised "unless" holds
  // without it.
  [[nodiscard]] bool calm() const {
    return crashes == 0 && failed_appends == 0 && disturbed == 0 && !clock_jumped;
  }
  void Probe(const std::string& name) { ++probes[name]; }
  void Violation(std::string what) { violations.push_back(std::move(what)); }
};

}  // namespace entente::sim
