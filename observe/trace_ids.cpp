#include "observe/trace_ids.h"

#include <array>
#include <cctype>

#include <openssl/evp.h>

namespace entente::observe {
namespace {

// "00-" trace "-" span "-" flags.
constexpr size_t kTraceparentBytes = 55;
constexpr size_t kTraceAt = 3;
constexpr size_t kSpanAt = 36;
constexpr size_t kTraceDigits = 32;
constexpr size_t kSpanDigits = 16;

std::string HashDigits(std::string_view text, size_t digits) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (size_t i = 0; hex.size() < digits; ++i) {
    hex += "0123456789abcdef"[hash[i] >> 4];
    hex += "0123456789abcdef"[hash[i] & 15];
  }
  if (hex.find_first_not_of('0') == std::string::npos) {
    hex.back() = '1';  // All zeros names nothing.
  }
  return hex;
}

// The digits of a UUID, lower case; empty for any other text.
std::string UuidDigits(std::string_view text) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) {
    return {};
  }
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (kShape[i] == '-' ? c != '-' : std::isxdigit(c) == 0) {
      return {};
    }
    if (c != '-') {
      digits += static_cast<char>(std::tolower(c));
    }
  }
  return digits.find_first_not_of('0') == std::string::npos ? std::string() : digits;
}

// Of the transaction that a caller submitted.
std::string_view RootOf(const Gid& gid) {
  const std::string_view text = gid.str();
  return text.substr(0, text.find('~'));
}

bool IsTraceparent(std::string_view text) {
  return text.size() >= kTraceparentBytes;
}

}  // namespace

std::string TraceIdOf(const Gid& gid, std::string_view traceparent) {
  if (IsTraceparent(traceparent)) {
    return std::string(traceparent.substr(kTraceAt, kTraceDigits));
  }
  const std::string_view root = RootOf(gid);
  std::string uuid = UuidDigits(root);
  return uuid.empty() ? HashDigits(root, kTraceDigits) : uuid;
}

std::string TransactionSpanId(const Gid& gid) {
  return HashDigits(gid.str(), kSpanDigits);
}

// No gid and no branch holds the byte that stands between them.
std::string BranchSpanId(const Gid& gid, const BranchId& branch) {
  return HashDigits(gid.str() + '\n' + branch.str(), kSpanDigits);
}

std::string AttemptSpanId(const Gid& gid, const BranchId& branch, std::string_view operation,
                          uint32_t alternative, uint32_t attempt) {
  std::string text = gid.str() + '\n' + branch.str() + '\n';
  text.append(operation);
  return HashDigits(text + '\n' + std::to_string(alternative) + '\n' + std::to_string(attempt),
                    kSpanDigits);
}

bool IsSampled(std::string_view traceparent) {
  if (!IsTraceparent(traceparent)) {
    return true;
  }
  const char flags = traceparent[kTraceparentBytes - 1];
  const int low = flags <= '9' ? flags - '0' : (flags | 0x20) - 'a' + 10;
  return (low & 1) != 0;
}

std::string TraceparentOf(std::string_view trace_id, std::string_view span_id, bool sampled) {
  std::string text = "00-";
  text.append(trace_id).append("-").append(span_id).append(sampled ? "-01" : "-00");
  return text;
}

std::string_view ParentSpanOf(std::string_view traceparent) {
  return IsTraceparent(traceparent) ? traceparent.substr(kSpanAt, kSpanDigits) : std::string_view();
}

}  // namespace entente::observe
