#include "storage/sealed/key_notes.h"

#include <utility>
#include <vector>

#include "storage/encryption.h"

namespace entente::storage {
namespace {

using Notes = std::vector<std::pair<std::string, std::string>>;

std::string Behind(std::string_view prefix, std::string_view name) {
  return std::string(name.substr(prefix.size()));
}

}  // namespace

bool IsKeyNote(std::string_view name) {
  return name.starts_with(kKeyNotes) || name.starts_with(kWriterNotes);
}

Result<KeyNames> KeysNeeded(Journal& journal) {
  ENTENTE_ASSIGN_OR_RETURN(const Notes notes, journal.ListNotes(kKeyNotes));
  KeyNames needed;
  for (const auto& [name, text] : notes) {
    needed.insert(Behind(kKeyNotes, name));
  }
  return needed;
}

Status CheckKeys(const KeyNames& needed, const KeyRing* keys) {
  std::string missing;
  for (const std::string& name : needed) {
    if (name != kPlainTexts && (keys == nullptr || keys->Find(name) == nullptr)) {
      missing += (missing.empty() ? "" : ", ") + name;
    }
  }
  if (missing.empty()) {
    return {};
  }
  return FailedPrecondition(
      kKeyMissing,
      keys == nullptr
          ? "the store is encrypted, by key " + missing +
                ": give the file that has it as --encryption-key-file; to have it decrypted, put "
                "a first line 'plain' there and wait until event=store_rewritten says so"
          : "the store has what is encrypted by key " + missing +
                ", which is not in the --encryption-key-file: add it there, behind the first");
}

KeyNotes::KeyNotes(Journal& journal, std::shared_ptr<const KeyRing> keys, std::string node,
                   SealOptions options)
    : journal_(journal),
      keys_(std::move(keys)),
      node_(std::move(node)),
      options_(std::move(options)) {}

std::string KeyNotes::writing() const {
  const EncryptionKey* const key = keys_ == nullptr ? nullptr : keys_->writing();
  return key == nullptr ? std::string(kPlainTexts) : KeyName(key->id());
}

Result<KeyNames> KeyNotes::Say() {
  ENTENTE_ASSIGN_OR_RETURN(KeyNames needed, KeysNeeded(journal_));
  ENTENTE_RETURN_IF_ERROR(CheckKeys(needed, keys_.get()));
  if (keys_ == nullptr) {
    return needed;
  }
  if (const std::lock_guard lock(mutex_); !node_.empty() && !left_) {
    const std::string own = kWriterNotes + node_;
    ENTENTE_ASSIGN_OR_RETURN(const Notes said, journal_.ListNotes(own));
    if (said.empty()) {
      ENTENTE_RETURN_IF_ERROR(journal_.PutNote(own, writing()));
      // Again, behind it: a key that was forgotten in between nobody else would note anew.
      ENTENTE_ASSIGN_OR_RETURN(needed, KeysNeeded(journal_));
    }
  }
  std::vector<std::string> added;
  if (needed.empty()) {
    added.emplace_back(kPlainTexts);  // Nobody knows what is in a store that was never encrypted.
  }
  added.push_back(writing());
  for (const std::string& name : added) {
    if (needed.insert(name).second) {
      ENTENTE_RETURN_IF_ERROR(journal_.PutNote(kKeyNotes + name, ""));
    }
  }
  return needed;
}

Status KeyNotes::Leave() {
  const std::lock_guard lock(mutex_);
  left_ = true;
  return keys_ == nullptr || node_.empty() ? Status()
                                           : journal_.PutNote(kWriterNotes + node_, std::nullopt);
}

Result<KeyNames> KeyNotes::OthersWrite(const MemberIds& members) {
  ENTENTE_ASSIGN_OR_RETURN(const Notes notes, journal_.ListNotes(kWriterNotes));
  const std::lock_guard lock(mutex_);
  const SealClock::time_point now = options_.now();
  KeyNames keys;
  MemberIds silent = members;
  silent.erase(node_);
  for (const auto& [name, key] : notes) {
    const std::string node = Behind(kWriterNotes, name);
    if (node == node_) {
      continue;
    }
    if (silent.erase(node) != 0) {
      unheard_.erase(node);
    } else if (now - unheard_.try_emplace(node, now).first->second >= options_.settle) {
      ENTENTE_RETURN_IF_ERROR(journal_.PutNote(name, std::nullopt));
      unheard_.erase(node);
      continue;
    }
    keys.insert(key);
  }
  if (!silent.empty()) {
    keys.insert(kPlainTexts);
  }
  return keys;
}

Result<bool> KeyNotes::Forget(const std::string& key, const MemberIds& members) {
  ENTENTE_RETURN_IF_ERROR(journal_.PutNote(kKeyNotes + key, std::nullopt));
  if (node_.empty()) {
    return true;
  }
  ENTENTE_ASSIGN_OR_RETURN(const KeyNames others, OthersWrite(members));
  if (!others.contains(key)) {
    return true;
  }
  ENTENTE_RETURN_IF_ERROR(journal_.PutNote(kKeyNotes + key, ""));
  return false;
}

}  // namespace entente::storage
