#include "coordinator/signing_keys.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <tuple>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "base/json.h"
#include "coordinator/log/process_log.h"

namespace entente::coordinator {
namespace {

constexpr const char* kFirstKeySetting = "signing-key";
constexpr const char* kNotePrefix = "signing-key/";
constexpr JsonLimits kNoteJson{size_t{16} << 10, 4};

Status Damaged(const std::string& note) {
  return DataLoss("store.bad_signing_key", "what the store says of '" + note + "' can not be read");
}

Result<net::SigningKey> KeyOfSeed(const std::string& note, std::string_view text) {
  const auto seed = DecodeBase64Url(text);
  auto key = seed ? net::SigningKey::FromSeed(*seed) : Result<net::SigningKey>(Damaged(note));
  return key.ok() ? key : Result<net::SigningKey>(Damaged(note));
}

std::string TextIn(const Json& note, const char* name) {
  const auto found = note.find(name);
  return found != note.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::shared_ptr<const net::SigningKey> Share(net::SigningKey key) {
  return std::make_shared<const net::SigningKey>(std::move(key));
}

}  // namespace

Result<std::unique_ptr<SigningKeys>> SigningKeys::Open(const Config& config,
                                                       storage::Journal& journal, Now now) {
  std::unique_ptr<SigningKeys> keys(new SigningKeys(config, journal, now));
  ENTENTE_ASSIGN_OR_RETURN(keys->ring_, keys->Read());
  const auto published = keys->Published();
  ENTENTE_CHECK(!published.empty());
  Log(LogLevel::kInfo, LogLine("calls_signed")
                           .Word("key", published.front().key.id())
                           .Word("public", EncodeBase64Url(published.front().key.bytes())));
  keys->refresh_.emplace(kRefreshEvery, [raw = keys.get()] {
    const Status refreshed = raw->Refresh();
    if (!refreshed.ok() && !raw->failing_) {
      Log(LogLevel::kWarning, LogLine("signing_keys_stale")
                                  .Word("reason", refreshed.reason())
                                  .Text("message", refreshed.message()));
    }
    raw->failing_ = !refreshed.ok();
  });
  return keys;
}

std::shared_ptr<const net::SigningKey> SigningKeys::Current() const {
  const std::lock_guard lock(mutex_);
  return SignerOf(ring_, now_())->key;
}

std::vector<SigningKeyInfo> SigningKeys::Published() const {
  const Instant now = now_();
  const std::lock_guard lock(mutex_);
  const Entry* signer = SignerOf(ring_, now);
  std::vector<SigningKeyInfo> published;
  for (size_t place = 0; place < ring_.size(); ++place) {
    if (IsPublished(ring_, place, now)) {
      published.push_back(
          {ring_[place].key->public_key(), ring_[place].signs_from, &ring_[place] == signer});
    }
  }
  std::stable_partition(published.begin(), published.end(),
                        [](const SigningKeyInfo& info) { return info.is_signing; });
  return published;
}

// Never null: a ring begins with a key that signs from the beginning of time, and the one that
// outlives a revocation signs from that moment.
const SigningKeys::Entry* SigningKeys::SignerOf(const Ring& ring, Instant now) {
  const Entry* signer = nullptr;
  for (const Entry& entry : ring) {
    if (!entry.revoked && (signer == nullptr || entry.signs_from <= now)) {
      signer = &entry;
    }
  }
  ENTENTE_CHECK(signer != nullptr);
  return signer;
}

bool SigningKeys::IsPublished(const Ring& ring, size_t place, Instant now) {
  if (ring[place].revoked) {
    return false;
  }
  const auto next = std::find_if(ring.begin() + static_cast<std::ptrdiff_t>(place) + 1, ring.end(),
                                 [](const Entry& entry) { return !entry.revoked; });
  return next == ring.end() || now - kKeptAfter < next->signs_from;
}

Result<SigningKeyInfo> SigningKeys::Rotate(Duration notice, bool revoke) {
  if (!files_.empty()) {
    return FailedPrecondition("keys.in_files",
                              "the keys are in the files that --signing-key names: add one there, "
                              "and make it the first when participants know it");
  }
  const std::lock_guard writing(writing_);
  const Instant now = now_();
  ENTENTE_ASSIGN_OR_RETURN(Ring ring, ReadStore());
  // The new one first: should the coordinator end in between, there is one that signs.
  const Entry made{Share(net::SigningKey::Generate()), now + notice, false};
  ENTENTE_RETURN_IF_ERROR(Keep(made));
  for (Entry& entry : ring) {
    if (revoke && !entry.revoked) {
      entry.revoked = true;
      ENTENTE_RETURN_IF_ERROR(Keep(entry));
    }
  }
  ENTENTE_RETURN_IF_ERROR(Forget(ring, now));
  ENTENTE_ASSIGN_OR_RETURN(ring, ReadStore());
  const std::lock_guard lock(mutex_);
  ring_ = std::move(ring);
  return SigningKeyInfo{made.key->public_key(), made.signs_from,
                        SignerOf(ring_, now)->key->id() == made.key->id()};
}

// What nobody is told of any more, but for the first key, which is a setting: its note is what says
// that it was revoked.
Status SigningKeys::Forget(const Ring& ring, Instant now) {
  for (size_t place = 1; place < ring.size(); ++place) {
    if (!IsPublished(ring, place, now)) {
      ENTENTE_RETURN_IF_ERROR(journal_.PutNote(kNotePrefix + ring[place].key->id(), std::nullopt));
    }
  }
  return {};
}

Status SigningKeys::Keep(const Entry& entry) {
  return journal_.PutNote(kNotePrefix + entry.key->id(),
                          DumpJson(Json{{"seed", EncodeBase64Url(entry.key->seed())},
                                        {"signsFrom", FormatInstant(entry.signs_from)},
                                        {"revoked", entry.revoked}}));
}

Status SigningKeys::Refresh() {
  const std::lock_guard writing(writing_);
  ENTENTE_ASSIGN_OR_RETURN(Ring ring, Read());
  const std::lock_guard lock(mutex_);
  ring_ = std::move(ring);
  return {};
}

Result<SigningKeys::Ring> SigningKeys::Read() {
  return files_.empty() ? ReadStore() : ReadFiles();
}

Result<SigningKeys::Ring> SigningKeys::ReadFiles() const {
  Ring ring;
  for (const std::string& path : files_) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    auto key = net::SigningKey::ReadPem(text.str());
    if (!file || !key.ok()) {
      return InvalidArgument(
          "config.invalid",
          "--signing-key " + path + ": " + (file ? key.status().message() : "it can not be read"));
    }
    // The first one signs. The others are told of as those that may be next.
    ring.push_back(
        {Share(std::move(key).value()), ring.empty() ? Instant() : Instant::max(), false});
  }
  return ring;
}

Result<SigningKeys::Ring> SigningKeys::ReadStore() {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::string first,
      journal_.GetOrPutSetting(kFirstKeySetting,
                               EncodeBase64Url(net::SigningKey::Generate().seed())));
  ENTENTE_ASSIGN_OR_RETURN(net::SigningKey first_key, KeyOfSeed(kFirstKeySetting, first));
  ENTENTE_ASSIGN_OR_RETURN(const auto notes, journal_.ListNotes(kNotePrefix));
  Ring ring{{Share(std::move(first_key)), Instant(), false}};
  for (const auto& [name, text] : notes) {
    const auto note = ParseJson(text, kNoteJson);
    if (!note.ok() || !note->is_object() || !note->contains("revoked")) {
      return Damaged(name);
    }
    ENTENTE_ASSIGN_OR_RETURN(net::SigningKey key, KeyOfSeed(name, TextIn(*note, "seed")));
    const auto signs_from = ParseInstant(TextIn(*note, "signsFrom"));
    if (!signs_from.ok() || name != kNotePrefix + key.id()) {
      return Damaged(name);
    }
    const bool revoked = note->at("revoked") != false;
    if (key.id() == ring.front().key->id()) {
      ring.front().revoked = revoked;
    } else {
      ring.push_back({Share(std::move(key)), *signs_from, revoked});
    }
  }
  std::sort(ring.begin() + 1, ring.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.signs_from, a.key->id()) < std::tie(b.signs_from, b.key->id());
  });
  const bool signs =
      std::any_of(ring.begin(), ring.end(), [](const Entry& entry) { return !entry.revoked; });
  return signs ? Result<Ring>(std::move(ring)) : Damaged(kNotePrefix);
}

}  // namespace entente::coordinator
