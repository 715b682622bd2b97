#include "storage/sealed/sealed_text.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "storage/sealed/sealing.h"

namespace entente::storage {
namespace {

// No record, which is a protobuf message, begins with a field 0, and neither a note nor a setting
// with a NUL.
constexpr std::string_view kBytesMark("\0\1", 2);
// Definitions are JSON, which begins otherwise; of what a participant said, OpenText tells by the
// authentication.
constexpr std::string_view kTextMark = "\1sealed:";

bool IsCharacters(TextKind kind) {
  return kind == TextKind::kError || kind == TextKind::kIncident || kind == TextKind::kSource ||
         kind == TextKind::kEnv;
}

void PutNumber(std::string& out, uint64_t number) {
  for (size_t i = 0; i < sizeof(number); ++i) {
    out.push_back(static_cast<char>(number >> (8 * i)));
  }
}

// What binds a text to its place; no two places have the same.
std::string BoundTo(const TextPlace& place) {
  std::string bound(1, static_cast<char>(place.kind));
  PutNumber(bound, place.number);
  PutNumber(bound, place.name.size());
  bound.append(place.name).append(place.part);
  return bound;
}

// Key id, nonce, ciphertext and tag; nothing if the text is plain.
std::optional<std::string> EnvelopeOf(TextKind kind, std::string_view stored) {
  const std::string_view mark = IsCharacters(kind) ? kTextMark : kBytesMark;
  if (!stored.starts_with(mark)) {
    return std::nullopt;
  }
  stored.remove_prefix(mark.size());
  std::optional<std::string> envelope =
      IsCharacters(kind) ? DecodeBase64Url(stored) : std::optional<std::string>(stored);
  constexpr size_t kLeast = sizeof(KeyId) + kSealNonceBytes + kSealTagBytes;
  return envelope && envelope->size() >= kLeast ? std::move(envelope) : std::nullopt;
}

}  // namespace

std::string SealText(const EncryptionKey& key, const TextPlace& place, std::string_view plain) {
  std::string envelope(IsCharacters(place.kind) ? std::string_view() : kBytesMark);
  envelope.reserve(kBytesMark.size() + sizeof(KeyId) + kSealNonceBytes + plain.size() +
                   kSealTagBytes);
  envelope.append(reinterpret_cast<const char*>(key.id().data()), key.id().size());
  Seal(key, BoundTo(place), plain, envelope);
  return IsCharacters(place.kind) ? std::string(kTextMark) + EncodeBase64Url(envelope) : envelope;
}

OpenedText OpenText(const KeyRing* keys, const TextPlace& place, std::string stored) {
  using Outcome = OpenedText::Outcome;
  const std::optional<std::string> envelope = EnvelopeOf(place.kind, stored);
  if (!envelope) {
    return {Outcome::kPlain, std::nullopt, std::move(stored)};
  }
  KeyId id{};
  std::copy_n(envelope->begin(), id.size(), id.begin());
  const EncryptionKey* const key = keys == nullptr ? nullptr : keys->Find(id);
  if (key == nullptr) {
    return {Outcome::kNoKey, id, std::move(stored)};
  }
  auto plain = Unseal(*key, BoundTo(place), std::string_view(*envelope).substr(id.size()));
  return plain ? OpenedText{Outcome::kOpened, id, std::move(*plain)}
               : OpenedText{Outcome::kDamaged, id, std::move(stored)};
}

}  // namespace entente::storage
