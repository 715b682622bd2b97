// The notes of an encrypted store that say which keys it needs, and who writes with which.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/sealed/key_ring.h"
#include "storage/sealed/sealed_journal.h"

namespace entente::storage {

using KeyNames = std::set<std::string>;

// By name of a node.
using MemberIds = std::set<std::string>;

// Never encrypted: one who has no key must be able to read which one he lacks.
[[nodiscard]] bool IsKeyNote(std::string_view name);

[[nodiscard]] Result<KeyNames> KeysNeeded(Journal& journal);

// kFailedPrecondition, encryption.key_missing, naming those that `keys` (null: none) does not have.
[[nodiscard]] Status CheckKeys(const KeyNames& needed, const KeyRing* keys);

// Of one journal, which outlives it. Thread-safe; every method blocks, and fails as PutNote does.
//
// A key may be taken off the list only when nobody writes with it any more, and no single look
// through the store can tell that: what a member writes behind the look is not seen by it. So each
// member of a cluster says what it writes with, in a note of its own, before it writes anything.
class KeyNotes {
 public:
  // `node`: who this is among those that share the store; empty: nobody shares it.
  KeyNotes(Journal& journal, std::shared_ptr<const KeyRing> keys, std::string node,
           SealOptions options);

  [[nodiscard]] std::string writing() const;

  // Says what this one writes with, if that is not there (any more), and returns all that is
  // needed. First who writes, then what is needed: see Forget. Without keys it says nothing.
  [[nodiscard]] Result<KeyNames> Say();

  // Takes this one off the list of those who write; Say does not put it back.
  [[nodiscard]] Status Leave();

  // What the others write with. `members` are those the store has heard of lately, this one
  // included or not; one of them that says nothing knows no keys, and writes plain text. Who says
  // something and has not been heard of for SealOptions::settle is gone, and taken off.
  [[nodiscard]] Result<KeyNames> OthersWrite(const MemberIds& members);

  // Takes the key off the list, unless somebody has begun to write with it meanwhile: who begins
  // puts his own note first and the key's behind it, so that of a note that is removed here at the
  // same moment either he puts it back or this does. Returns whether it is gone.
  [[nodiscard]] Result<bool> Forget(const std::string& key, const MemberIds& members);

 private:
  Journal& journal_;
  const std::shared_ptr<const KeyRing> keys_;
  const std::string node_;
  const SealOptions options_;

  std::mutex mutex_;
  bool left_ = false;
  // Who says what it writes with and is no member: since when that is seen here.
  std::map<std::string, SealClock::time_point> unheard_;
};

}  // namespace entente::storage
