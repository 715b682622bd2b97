#include "coordinator/store_rewriter.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/log/process_log.h"

namespace entente::coordinator {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTryAgainAfter = std::chrono::seconds(1);
// Another node may have put a key to use.
constexpr auto kLookAgainAfter = std::chrono::minutes(1);
// As long as a piece takes, or longer: what others write has the larger half of the store.
constexpr auto kLeastRest = std::chrono::milliseconds(2);

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ",") + name;
  }
  return text;
}

}  // namespace

StoreRewriter::StoreRewriter(storage::Encryption& encryption) : encryption_(encryption) {
  const storage::EncryptionReport report = encryption_.report();
  Log(LogLevel::kInfo,
      LogLine("store_encrypted").Word("key", report.writing).Word("needed", Joined(report.needed)));
  every_.emplace(kTryAgainAfter, [this] { Work(); });
}

StoreRewriter::~StoreRewriter() {
  ending_ = true;
}

void StoreRewriter::Work() {
  if (look_again_at_ && Clock::now() < *look_again_at_) {
    return;
  }
  const Status gone_through = GoThrough();
  if (!gone_through.ok() && !failing_) {
    Log(LogLevel::kWarning, LogLine("store_rewriting_waits")
                                .Word("reason", gone_through.reason())
                                .Text("message", gone_through.message()));
  }
  failing_ = !gone_through.ok();
  look_again_at_ =
      failing_ ? std::nullopt : std::optional<Clock::time_point>(Clock::now() + kLookAgainAfter);
}

Status StoreRewriter::GoThrough() {
  bool more = true;
  while (more && !ending_) {
    const storage::EncryptionReport before = encryption_.report();
    const auto begun = Clock::now();
    ENTENTE_ASSIGN_OR_RETURN(more, encryption_.RewriteSome());
    if (!before.rewriting && more) {
      Log(LogLevel::kInfo, LogLine("store_rewriting")
                               .Word("key", before.writing)
                               .Word("needed", Joined(encryption_.report().needed)));
    }
    if (before.rewriting && !more) {
      SayEnd(before);
    }
    std::this_thread::sleep_for(std::max<Clock::duration>(kLeastRest, Clock::now() - begun));
  }
  return {};
}

void StoreRewriter::SayEnd(const storage::EncryptionReport& before) const {
  const storage::EncryptionReport after = encryption_.report();
  Log(after.unreadable == 0 ? LogLevel::kInfo : LogLevel::kError,
      LogLine("store_rewritten")
          .Word("key", after.writing)
          .Word("needed", Joined(after.needed))
          .Number("rewritten", after.rewritten - before.rewritten)
          .Number("unreadable", after.unreadable));
}

void StoreRewriter::Write(observe::Exposition& out) const {
  const storage::EncryptionReport report = encryption_.report();
  out.Family("entente_store_key_needed", "gauge",
             "Whether the store may need the key; of the one that writes always.");
  for (const std::string& key : report.needed) {
    out.Sample({{"key", key}}, 1);
  }
  out.Family("entente_store_texts_found", "gauge",
             "Texts by the key they were under when the store was last looked through.");
  for (const storage::KeyUse& use : report.found) {
    out.Sample({{"key", use.key}}, static_cast<double>(use.texts));
  }
  out.Single("entente_store_rewriting", "gauge", "Whether texts are being brought under one key.",
             report.rewriting ? 1 : 0);
  out.Single("entente_store_rewritten_texts_total", "counter",
             "Texts that were brought under the key that writes.",
             static_cast<double>(report.rewritten));
  out.Single("entente_store_unreadable_texts", "gauge",
             "Texts that no key opened when the store was last looked through.",
             static_cast<double>(report.unreadable));
}

}  // namespace entente::coordinator
