// A journal whose store can be read by nobody who does not have the key.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/status.h"
#include "storage/encryption.h"
#include "storage/journal.h"
#include "storage/sealed/key_ring.h"

namespace entente::storage {

using SealClock = std::chrono::steady_clock;

struct SealOptions {
  // Of a store that many share: how long after it may have stopped something that was written by a
  // node may still arrive, and who says that it writes and is not heard of is taken for one.
  SealClock::duration settle = std::chrono::minutes(10);
  std::function<SealClock::time_point()> now = SealClock::now;
};

// The journal `inner` with everything encrypted that payloads may stand in: records, the latest
// error and the messages of incidents, definitions with their `env`, notes and settings. What lists
// go by stays as it is: gids, names, labels, statuses, times, participants and codes. An error is
// looked for among rows that were read and opened, by the one pass that every list takes
// (OpenedQuery); over a journal that has none, a page may have fewer rows than it could. Each text
// is bound to its place, so that it can not be moved to another one.
//
// Which keys a store needs stands in its notes, before the first text is written under one. So a
// key that is missing is refused here, and not when the first text is read that needs it. Others
// that share a store may put a key to use later: that is looked for by Acquire, which fails then,
// by CheckHealth, which is fatal then, and by RewriteSome. Without `keys` (null), of a store that
// nobody shares, `inner` itself comes back, if its store needs none.
//
// A text whose key is missing fails what reads it: kFailedPrecondition, encryption.key_missing;
// another node can read it. A shard with such a transaction is not read at all (kUnavailable, with
// the same reason). What was damaged instead is handed on so that whoever reads it refuses it by
// name, and all others go on: records, sources, notes as they are stored; an error or an incident's
// message as a fixed text, which may be written again. A list, too, shows that text in place of one
// that can not be read. Of a setting it is kDataLoss, encryption.unreadable, since nobody could
// tell it from another value.
//
// Of a store that many share, a key is not needed any more when two whole looks found nothing under
// it that began SealOptions::settle apart or longer, and all nodes that were heard of lately write
// with another one meanwhile; of others, when one look has left nothing under it. What no key opens
// is looked at once, until the process or what is needed changes.
//
// The result is a NoteLog, with keys an Encryption, and a Membership if `inner` is; a look waits
// for the first Beat. kFailedPrecondition, encryption.key_missing. Blocks.
[[nodiscard]] Result<std::unique_ptr<Journal>> SealJournal(std::unique_ptr<Journal> inner,
                                                           std::shared_ptr<const KeyRing> keys,
                                                           SealOptions options = {});

}  // namespace entente::storage
