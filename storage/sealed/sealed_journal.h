// A journal whose store can be read by nobody who does not have the key.
#pragma once

#include <memory>

#include "base/status.h"
#include "storage/encryption.h"
#include "storage/journal.h"
#include "storage/sealed/key_ring.h"

namespace entente::storage {

// The journal `inner` with everything encrypted that payloads may stand in: records, the latest
// error and the messages of incidents, definitions with their `env`, notes and settings. What lists
// go by stays as it is: gids, names, labels, statuses, times, participants and codes. An error is
// looked for among rows that were read and opened: a page that is filtered by one may have fewer
// rows than it could. Each text is bound to its place, so that it can not be moved to another one.
//
// Which keys a store needs stands in its notes, before the first text is written under one. So a
// key that is missing is refused here, and not when the first text is read that needs it. Without
// `keys` (null), `inner` itself comes back, if its store needs none.
//
// A text that can not be opened is handed on as it is stored, as one that was damaged on the disk
// would be: whoever reads it refuses it by name, and all others go on. Of a setting it is
// kDataLoss, encryption.unreadable, since nobody could tell it from another value.
//
// A shard with an open transaction whose key is not here, because another node has put it to use
// since, is not read (kUnavailable, encryption.key_missing): it is well where the key is.
//
// The result is a NoteLog, an Encryption, and a Membership if `inner` is. kFailedPrecondition,
// encryption.key_missing. Blocks.
[[nodiscard]] Result<std::unique_ptr<Journal>> SealJournal(std::unique_ptr<Journal> inner,
                                                           std::shared_ptr<const KeyRing> keys);

}  // namespace entente::storage
