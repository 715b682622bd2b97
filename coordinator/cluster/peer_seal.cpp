#include "coordinator/cluster/peer_seal.h"

#include <charconv>
#include <utility>

namespace entente::cluster {
namespace {

// Processes that may have been there since this one began; each costs half a KiB.
constexpr size_t kMaxSenders = 10'000;

Status BadSeal() {
  return {StatusCode::kUnauthenticated, "cluster.bad_seal",
          "the message is not sealed by a node of this cluster for this process"};
}

std::string Covered(std::string_view receiver, std::string_view head, std::string_view message) {
  std::string text(receiver);
  text.append("\n").append(head).append("\n").append(message);
  return text;
}

}  // namespace

PeerSeals::PeerSeals(std::string_view secret, std::string self)
    : mac_(secret), self_(std::move(self)) {}

std::string PeerSeals::Seal(const std::string& receiver, std::string_view message) {
  const std::string head = self_ + '.' + std::to_string(next_.fetch_add(1));
  return head + '.' + runtime::ToBase64Url(mac_.Of(Covered(receiver, head, message)));
}

Status PeerSeals::Open(std::string_view seal, std::string_view message) {
  const size_t dot = seal.find('.');
  const size_t last = seal.rfind('.');
  uint64_t number = 0;
  if (dot == std::string_view::npos || last <= dot) {
    return BadSeal();
  }
  const std::string_view digits = seal.substr(dot + 1, last - dot - 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number == 0) {
    return BadSeal();
  }
  const std::string code = mac_.Of(Covered(self_, seal.substr(0, last), message));
  if (!runtime::EqualInConstantTime(code, runtime::FromBase64Url(seal.substr(last + 1)))) {
    return BadSeal();
  }
  const std::lock_guard lock(mutex_);
  const std::string_view sender = seal.substr(0, dot);
  auto found = used_.find(sender);
  if (found == used_.end()) {
    if (used_.size() >= kMaxSenders) {
      return BadSeal();  // Rather than to forget what was used.
    }
    found = used_.try_emplace(std::string(sender)).first;
  }
  return found->second.Take(number) ? Status() : BadSeal();
}

bool PeerSeals::Used::Take(uint64_t number) {
  if (number + kSpan <= highest) {
    return false;
  }
  for (; highest < number; ++highest) {
    if (number - highest > kSpan) {
      highest = number - kSpan;
    }
    seen[(highest + 1) % kSpan] = false;
  }
  const bool fresh = !seen[number % kSpan];
  seen[number % kSpan] = true;
  return fresh;
}

std::string PeerSeals::SealAnswer(std::string_view seal, std::string_view answer) const {
  return runtime::ToBase64Url(mac_.Of(Covered("answer", seal, answer)));
}

bool PeerSeals::IsAnswerTo(std::string_view seal, std::string_view answer_seal,
                           std::string_view answer) const {
  return runtime::EqualInConstantTime(mac_.Of(Covered("answer", seal, answer)),
                                      runtime::FromBase64Url(answer_seal));
}

}  // namespace entente::cluster
