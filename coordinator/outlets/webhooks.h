// Webhooks: tells a receiver over HTTP of incidents, ends and overdue transactions, at least once.
//
// What is told is in the journal already, so nothing is written for it beside a note that says, of
// each shard, up to which instant everything was told, and what since (WebhookProgress). Whoever
// begins to drive a shard looks for whatever else the journal holds of it from that instant on, and
// tells it: the same process after a start, or another node after the one before it was killed. So
// does a process for which events came faster than the receiver takes them. The note is a second
// old when the process is killed: what was told in that second is told again, under the same id; a
// receiver that must not act twice keeps the ids of late. Events come in no particular order.
//
// Records are stamped before they are durable, and heard of after. So the cursor stays behind the
// clock by more than the store takes: otherwise a record that is stamped at 5.0 and durable at 5.3
// would be behind a cursor that was set at 5.2, and a kill at 5.3 would lose it.
//
// An event that the receiver refuses, or does not take after so many attempts, is a dead letter. It
// is kept in the journal, said, counted, and told once more at the next start, and whenever
// somebody asks for that. Where several coordinators share a store they share what is kept too:
// each looks once a minute for what the others left there or took away.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "coordinator/outlets/poster.h"
#include "coordinator/outlets/webhook_progress.h"
#include "observe/exposition.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::outlets {

enum class WebhookKind : uint8_t { kIncident, kEnded, kOverdue };
inline constexpr std::array kAllWebhookKinds{WebhookKind::kIncident, WebhookKind::kEnded,
                                             WebhookKind::kOverdue};
// "incident", "ended", "overdue".
[[nodiscard]] std::string_view WebhookKindName(WebhookKind kind);

struct Webhook {
  std::string id;  // The transaction's gid, ':' and the revision: the same each time.
  Instant at;
  std::string body;  // JSON
};

// What a durable record has to tell, if anything.
[[nodiscard]] std::optional<WebhookKind> KindOf(const engine::Record& record);
[[nodiscard]] Webhook MakeWebhook(const runtime::TxnEvent& event);

// The fields of Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature: "v1,", and
// base64 of HMAC-SHA-256 of "<id>.<timestamp>.<body>"). Without a secret, no signature.
[[nodiscard]] PostHeaders SignedHeaders(const Webhook& webhook, Instant now,
                                        std::string_view secret);

// What a file with a secret holds: "whsec_" and base64, or any other text, as it is. White space at
// the end does not count. Nothing: it is empty, or no base64.
[[nodiscard]] std::optional<std::string> ReadSecret(std::string_view text);

// An event that was not taken.
struct DeadLetter {
  Webhook webhook;
  std::string why;       // What the receiver answered last, for people.
  Instant since;         // When it was given up.
  bool waiting = false;  // To be told again.
};

// How one is kept. A note that was written before reasons were kept is the body alone.
[[nodiscard]] std::string EncodeDeadLetter(const DeadLetter& letter);
// Nothing: it is none.
[[nodiscard]] std::optional<DeadLetter> DecodeDeadLetter(std::string id, const std::string& text);

struct WebhooksOptions {
  net::Url url;
  std::string secret;                                                 // Empty: not signed.
  net::TlsSource tls;                                                 // May be empty.
  std::array<bool, kAllWebhookKinds.size()> kinds{true, true, true};  // By WebhookKind.
  // Told of each dead letter, and of what keeps the receiver or the journal from being reached when
  // that begins. On the thread of webhooks. May be empty.
  std::function<void(const std::string& id, const std::string& why)> on_dead;
  std::function<void(const std::string& why)> on_failing;
  std::function<Instant()> now;
  // Under which it keeps its note: other than that of every process beside it on the same store.
  std::string node = "local";
  size_t max_queued = 10'000;
  Duration timeout = std::chrono::seconds(10);
  uint32_t attempts = 10;
  Duration longest_pause = std::chrono::minutes(5);
};

// Thread-safe. The journal and the coordinator outlive it.
class Webhooks {
 public:
  // Of each shard that this process drives, and is sure to at the moment of the call, the epoch; 0
  // of all others. Any thread.
  using ServedEpochs = std::function<std::array<Epoch, kShardCount>()>;

  static constexpr size_t kMaxDead = 1000;  // Further ones are said and counted, not kept.

  Webhooks(storage::Journal& journal, WebhooksOptions options);
  // As End.
  ~Webhooks();
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  // Reads how far it had come. Blocks; once, before Follow. Fails as the journal does.
  [[nodiscard]] Status Load();
  // Begins to follow what happens: before `coordinator` drives anything.
  void Follow(runtime::Coordinator& coordinator, ServedEpochs served);

  // Tells what is left for at most `grace`, keeps how far it has come, and ends its thread. Blocks;
  // once, when the coordinator has drained.
  void End(Duration grace);

  // By id.
  [[nodiscard]] std::vector<DeadLetter> DeadLetters() const;
  // Tells these again, or all there are if `ids` is empty, after what is queued; says how many. An
  // id that is not among them has been taken meanwhile, and is passed over. Does not wait for the
  // receiver: when it does not answer to one, the others are left for the next time.
  size_t SendAgain(const std::vector<std::string>& ids);

  void Write(observe::Exposition& out) const;

 private:
  struct Note {
    std::string name;
    WebhookProgress progress;
  };
  struct Shard {
    Epoch epoch;          // 0: it is not driven here.
    bool behind = false;  // The journal may hold what was not told, from the cursor on.
  };

  void OnEvent(const runtime::SharedEventPtr& event);
  [[nodiscard]] bool IsWanted(const engine::Record& record) const;
  void Run();
  [[nodiscard]] Result<std::vector<Note>> ReadNotes();
  void LookAtShards();
  [[nodiscard]] bool IsBehind() const;
  void FallBehind();
  void Scan();
  [[nodiscard]] bool ScanRow(const storage::SummaryRow& row, Instant from);
  [[nodiscard]] bool Tell(const Webhook& webhook);
  void Remember(const Webhook& webhook);
  void Bury(const Webhook& webhook, const std::string& why);
  [[nodiscard]] Status ReadDead();
  [[nodiscard]] std::optional<DeadLetter> NextDead();
  void RetryDead(DeadLetter letter);
  [[nodiscard]] bool KeepDead(DeadLetter letter);
  [[nodiscard]] size_t DeadCount() const;
  [[nodiscard]] bool ForgetDead(const std::string& id);
  void KeepProgress(bool at_once);
  void AdvanceCursors();
  void ForgetTheGone();
  [[nodiscard]] Instant SafeCursor();
  void Fail(const std::string& why);
  // False: it is to end at once.
  [[nodiscard]] bool Pause(Duration pause);

  storage::Journal& journal_;
  const WebhooksOptions options_;
  const std::string note_name_;
  Poster poster_;
  runtime::Coordinator* coordinator_ = nullptr;  // Since Follow, as served_.
  ServedEpochs served_;

  // The thread's own.
  WebhookProgress progress_;
  std::array<Shard, kShardCount> shards_;
  Duration lag_{};                   // Of the store, of late.
  Instant kept_at_;                  // When the note was written.
  Instant forgot_at_;                // When notes of others were looked through.
  bool changed_since_kept_ = false;  // Something was told since.
  bool failing_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, DeadLetter>
      dead_;  // As in the journal. Written by the thread alone, but for `waiting`.
  std::deque<Webhook> queue_;
  bool left_out_ = false;  // Something that happened here is not in the queue.
  bool ending_ = false;
  bool idle_ = false;    // Everything is told.
  bool halted_ = false;  // Nothing is waited for any more.

  std::atomic<uint64_t> delivered_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> buried_{0};

  std::thread thread_;
  std::unique_ptr<runtime::Subscription> subscription_;  // Last: its events use what is above.
};

}  // namespace entente::outlets
