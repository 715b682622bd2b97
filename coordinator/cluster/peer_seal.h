// How nodes know that they talk to each other: every message is sealed with the cluster's secret.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "runtime/digest.h"

namespace entente::cluster {

// A seal is "<sender>.<number>.<code>": who sends, a number that it never uses twice, and a code
// (HMAC-SHA-256) over both, the id of the process it is for, and the message. So a message is good
// once, at one process; one that was recorded is refused when it is sent again, and by the next
// process at the same address. An answer is sealed under the number of what it answers.
//
// Who listens in reads everything all the same: the network between nodes must be a trusted one.
//
// Thread-safe.
class PeerSeals {
 public:
  // `self` is this process's id: letters and digits.
  PeerSeals(std::string_view secret, std::string self);

  [[nodiscard]] std::string Seal(const std::string& receiver, std::string_view message);
  // kUnauthenticated, cluster.bad_seal: made with another secret, for another process, or used.
  [[nodiscard]] Status Open(std::string_view seal, std::string_view message);

  // What belongs to the answer to a message that was sealed so.
  [[nodiscard]] std::string SealAnswer(std::string_view seal, std::string_view answer) const;
  [[nodiscard]] bool IsAnswerTo(std::string_view seal, std::string_view answer_seal,
                                std::string_view answer) const;

 private:
  // The numbers of one sender that were used: all up to the highest but kSpan, and what `seen`
  // says.
  struct Used {
    static constexpr uint64_t kSpan = 4096;  // So many messages may overtake one.
    uint64_t highest = 0;
    std::bitset<kSpan> seen;
    [[nodiscard]] bool Take(uint64_t number);
  };

  const runtime::Hmac mac_;
  const std::string self_;
  std::atomic<uint64_t> next_{1};
  std::mutex mutex_;
  std::map<std::string, Used, std::less<>> used_;  // By sender.
};

}  // namespace entente::cluster
