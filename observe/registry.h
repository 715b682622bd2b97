// Registry: every histogram of the process.
//
// Each thread that measures has a Recorder of its own, in which it alone counts; whoever reads adds
// them up. So nothing is locked where transactions are driven, and no cache line is shared there.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/exposition.h"
#include "observe/histogram.h"

namespace entente::observe {

// What is measured; registry.cpp has the name, unit and labels of each.
enum class Family : uint8_t {
  kTransaction,     // By definition and status.
  kCall,            // By participant and operation.
  kCallWait,        // By participant.
  kBatchGathering,  // The rest has no labels.
  kAppend,
  kAppendRecords,
  kLoopLag,
};
inline constexpr size_t kFamilies = 7;

// So many definitions, and as many participants, are told apart; further ones count together as
// kOther. Clients name them without end, and a reader keeps whatever it was once told of.
inline constexpr size_t kMaxNames = 50;
inline constexpr std::string_view kOther = "~other";
// Where there is no definition: a transaction that its client drives.
inline constexpr std::string_view kClientDriven = "~client-driven";

// The names that one label may have. Thread-safe.
class LabelNames {
 public:
  // Whether `name` is told apart: it is among the first kMaxNames that were asked for.
  [[nodiscard]] bool Admit(std::string_view name);
  // No further name is admitted. Never turns back.
  [[nodiscard]] bool full() const { return full_.load(std::memory_order_acquire); }
  [[nodiscard]] std::vector<std::string> all();

 private:
  std::mutex mutex_;
  std::set<std::string, std::less<>> names_;
  std::atomic<bool> full_{false};
};

// One thread's histograms. Find is that thread's own; the references that it returns stay valid as
// long as the registry, and are that thread's too.
class Recorder {
 public:
  using Names = std::array<LabelNames, kFamilies>;

  explicit Recorder(Names& names) : names_(names) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // `name` is the first label's value, and may be anything; `kind` the second's, one of few.
  [[nodiscard]] Histogram& Find(Family family, std::string_view name = {},
                                std::string_view kind = {});

  // Any thread.
  using Series = std::map<std::pair<std::string, std::string>, HistogramSnapshot>;
  void AddTo(Family family, Series& series) const;

 private:
  using Kinds = std::map<std::string, std::unique_ptr<Histogram>, std::less<>>;
  using Table = std::map<std::string, Kinds, std::less<>>;

  [[nodiscard]] Histogram& Make(Family family, std::string_view name, std::string_view kind);
  void TakeAllNames(Family family);

  Names& names_;
  // Locked to add, and by those who read; the thread itself looks without.
  mutable std::mutex mutex_;
  std::array<Table, kFamilies> tables_;
  std::array<bool, kFamilies> complete_{};  // Every name that is told apart is in its table.
};

// Thread-safe.
class Registry {
 public:
  // Of a thread by its number: always the same one.
  [[nodiscard]] Recorder& RecorderOf(size_t thread);

  void Write(Exposition& out) const;
  [[nodiscard]] Recorder::Series Read(Family family) const;

 private:
  mutable std::mutex mutex_;
  Recorder::Names names_;
  std::map<size_t, std::unique_ptr<Recorder>> recorders_;
};

// What a histogram of durations counts: microseconds. A clock that was set back measures nothing.
[[nodiscard]] inline uint64_t Micros(Duration duration) {
  return duration < Duration::zero() ? 0 : static_cast<uint64_t>(duration.count());
}

}  // namespace entente::observe
