// TraceExporter: sends the trace of every transaction that ends to an OpenTelemetry collector.
//
// A trace is made of the transaction's history, once it has ended. What its events told is kept
// until then, as far as there is room; what came before this process, or had no room, is read back
// from the store. So a trace is whole, whatever was killed meanwhile, and a transaction that waits
// for days costs nothing. Nothing is sent of one whose submitter said that it is not sampled.
//
// Sent is as much as can be: when the collector does not keep up, or is away for longer than a few
// repetitions, traces are dropped and counted. A process that is killed loses those that it had not
// sent.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "coordinator/outlets/poster.h"
#include "coordinator/outlets/spans.h"
#include "observe/exposition.h"
#include "runtime/coordinator.h"

namespace entente::outlets {

struct TraceExporterOptions {
  net::Url url;         // Of the collector's traces, ".../v1/traces".
  PostHeaders headers;  // Beside the content type.
  net::TlsSource tls;   // May be empty.
  // Told when traces begin to be dropped, and when they get through again; on the exporter's
  // thread. May be empty.
  std::function<void(bool failing, const std::string& why)> on_failing;
  size_t max_held_records = 50'000;  // Of transactions that have not ended.
  size_t max_queued = 4096;          // Transactions that ended and were not sent.
  Duration timeout = std::chrono::seconds(10);
  uint32_t attempts = 5;
  Duration longest_pause = std::chrono::seconds(30);
};

// Thread-safe. `coordinator` outlives it.
class TraceExporter {
 public:
  TraceExporter(runtime::Coordinator& coordinator, TraceExporterOptions options);
  // As End.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  // Takes no further traces, sends what is queued for at most `grace`, and ends its thread. Blocks;
  // once, before the coordinator stops.
  void End(Duration grace);

  void Write(observe::Exposition& out) const;

 private:
  struct Held {
    runtime::History history;
    std::list<Gid>::iterator age;
    size_t weight = 0;
  };

  void OnEvent(const runtime::TxnEvent& event);
  void Hold(const runtime::TxnEvent& event);
  void MakeRoom();
  void Forget(std::unordered_map<Gid, Held>::iterator held);
  void Queue(runtime::History history);
  void Run();
  [[nodiscard]] std::vector<runtime::History> Take();
  [[nodiscard]] std::vector<Span> SpansOfAll(std::vector<runtime::History> histories);
  void Send(const std::vector<Span>& spans);
  void Drop(uint64_t spans, const std::string& why);
  // False: it is to end.
  [[nodiscard]] bool Pause(Duration pause);

  runtime::Coordinator& coordinator_;
  const TraceExporterOptions options_;
  const std::string coordinator_id_;
  Poster poster_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<Gid, Held> held_;  // Transactions that have not ended.
  std::list<Gid> ages_;                 // Of held_: the one that was heard of longest ago first.
  size_t held_records_ = 0;
  std::deque<runtime::History> queue_;  // That ended. Without a beginning: to be read back.
  bool ending_ = false;
  bool ended_ = false;  // Nothing is waited for any more.
  bool failing_ = false;

  std::atomic<uint64_t> spans_sent_{0};
  std::atomic<uint64_t> spans_dropped_{0};
  std::atomic<uint64_t> traces_dropped_{0};

  std::thread thread_;
  std::unique_ptr<runtime::Subscription> subscription_;  // Last: its events use what is above.
};

}  // namespace entente::outlets
