#include "storage/sealed/key_ring.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/check.h"

namespace entente::storage {
namespace {

constexpr std::string_view kIdPurpose = "entente: the name of an encryption key";
constexpr std::string_view kPlain = "plain";
constexpr size_t kMaxFileBytes = size_t{64} << 10;

KeyId IdOf(std::string_view key) {
  std::string named(kIdPurpose);
  named.append(key);
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const uint8_t*>(named.data()), named.size(), digest.data());
  OPENSSL_cleanse(named.data(), named.size());
  KeyId id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

uint64_t NextSerial() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

// Wipes a text that held keys, whichever way its scope ends.
class Wiped {
 public:
  explicit Wiped(std::string& text) : text_(text) {}
  ~Wiped() { OPENSSL_cleanse(text_.data(), text_.size()); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  std::string& text_;
};

std::string_view Trimmed(std::string_view line) {
  constexpr std::string_view kSpaces = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kSpaces), line.size()));
  return line.substr(0, line.find_last_not_of(kSpaces) + 1);
}

Status BadLine(size_t line, std::string_view why) {
  return InvalidArgument("encryption.bad_key",
                         "line " + std::to_string(line) + " " + std::string(why));
}

Status BadFile(const std::string& path, const std::string& why) {
  return InvalidArgument("encryption.bad_file", "the encryption keys in " + path + ": " + why);
}

}  // namespace

std::string KeyName(const KeyId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name;
  for (const uint8_t byte : id) {
    name += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return name;
}

EncryptionKey::EncryptionKey(std::string_view bytes) : id_(IdOf(bytes)), serial_(NextSerial()) {
  ENTENTE_CHECK(bytes.size() == kBytes);
  std::memcpy(bytes_.data(), bytes.data(), kBytes);
}

EncryptionKey::~EncryptionKey() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

Result<std::shared_ptr<const KeyRing>> KeyRing::Parse(std::string_view text) {
  std::shared_ptr<KeyRing> ring(new KeyRing());
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (line == kPlain && ring->keys_.empty() && !ring->writes_plain_) {
      ring->writes_plain_ = true;
      continue;
    }
    std::optional<std::string> key = DecodeBase64(line);
    std::string none;
    const Wiped wiped(key ? *key : none);
    if (!key || key->size() != EncryptionKey::kBytes) {
      return BadLine(number, "is no key: 32 bytes in base64, as `openssl rand -base64 32` makes");
    }
    auto made = std::make_unique<const EncryptionKey>(*key);
    if (ring->Find(made->id()) != nullptr) {
      return BadLine(number, "is a key that stands there already");
    }
    ring->keys_.push_back(std::move(made));
  }
  if (ring->keys_.empty()) {
    return InvalidArgument("encryption.bad_key", "there is none");
  }
  return std::shared_ptr<const KeyRing>(std::move(ring));
}

Result<std::shared_ptr<const KeyRing>> KeyRing::Read(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return BadFile(path, "it can not be read: " + std::generic_category().message(errno));
  }
  struct stat info {};
  std::string text(kMaxFileBytes + 1, '\0');
  const Wiped wiped(text);
  const bool looked = fstat(file, &info) == 0;
  const ssize_t size = looked ? read(file, text.data(), text.size()) : -1;
  const int error = errno;
  close(file);
  if (size < 0) {
    return BadFile(path, "it can not be read: " + std::generic_category().message(error));
  }
  if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return BadFile(path, "others may read it, or its group may change it; chmod 600 it");
  }
  if (static_cast<size_t>(size) > kMaxFileBytes) {
    return BadFile(path, "it is longer than 64 KiB");
  }
  auto ring = Parse(std::string_view(text).substr(0, static_cast<size_t>(size)));
  return ring.ok() ? ring
                   : Result<std::shared_ptr<const KeyRing>>(InvalidArgument(
                         ring.status().reason(),
                         "the encryption keys in " + path + ": " + ring.status().message()));
}

const EncryptionKey* KeyRing::Find(const KeyId& id) const {
  const auto found =
      std::ranges::find_if(keys_, [&id](const auto& key) { return key->id() == id; });
  return found == keys_.end() ? nullptr : found->get();
}

const EncryptionKey* KeyRing::Find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(keys_, [name](const auto& key) { return KeyName(key->id()) == name; });
  return found == keys_.end() ? nullptr : found->get();
}

}  // namespace entente::storage
