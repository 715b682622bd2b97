#include "marks/crash_marks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace entente::marks {
namespace {

constexpr uint64_t kMagic = 0x32534B52414D4E45;  // "ENMARKS2"
constexpr size_t kSlots = 64;                    // Threads that mark; more go unmarked.
constexpr size_t kNesting = 3;
constexpr size_t kNameBytes = 1304;  // More than the gid of the deepest child has.
constexpr size_t kSuspects = 64;

enum class End : uint32_t { kRunning = 0, kWell = 1, kCrashed = 2 };

struct Name {
  uint32_t bytes = 0;
  std::array<char, kNameBytes> text{};

  [[nodiscard]] std::string_view view() const {
    return {text.data(), std::min<size_t>(bytes, kNameBytes)};
  }
  void Set(std::string_view name) {
    bytes = static_cast<uint32_t>(std::min(name.size(), kNameBytes));
    std::memcpy(text.data(), name.data(), bytes);
  }
};

// Written by its own thread, and read by the next process.
struct Slot {
  std::atomic<uint32_t> depth{0};
  std::array<std::atomic<bool>, kNesting> let_out{};
  std::array<Name, kNesting> names;
};

struct Entry {
  uint32_t crashes = 0;
  uint32_t kills = 0;
  Name name;

  [[nodiscard]] bool used() const { return name.bytes != 0; }
  [[nodiscard]] bool condemned() const {
    return crashes >= CrashMarks::kMaxCrashes || kills >= CrashMarks::kMaxKills;
  }
};

}  // namespace

// Only ever read by a program that writes the same magic number.
struct MarksLayout {
  uint64_t magic;
  std::atomic<End> end;
  std::atomic<uint32_t> guilty_slot;  // For End::kCrashed: its index plus 1; 0: none.
  std::array<Slot, kSlots> slots;
  std::array<Entry, kSuspects> suspects;
};
static_assert(std::atomic<End>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

namespace {

std::atomic<MarksLayout*> active{nullptr};
std::atomic<uint32_t> slots_taken{0};
thread_local Slot* own_slot = nullptr;
thread_local MarksLayout* own_layout = nullptr;  // Whose slot that is.

constexpr std::array kSignals = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
std::array<struct sigaction, kSignals.size()> earlier_actions;

// A file that is mapped was cut by somebody else, or could not be read from its disk: what the
// thread works on only happened to look there first.
bool IsLostMapping(int signal, const siginfo_t& info) {
  return signal == SIGBUS && (info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR);
}

// Not where the mapping that was lost is the marks' own: it would fail here again.
void BlameNobody(MarksLayout& layout, const siginfo_t& info) {
  const auto at = reinterpret_cast<uintptr_t>(info.si_addr);
  const auto begin = reinterpret_cast<uintptr_t>(&layout);
  if (at < begin || at >= begin + sizeof layout) {
    layout.end = End::kWell;
  }
}

// Runs on the thread that fails, so its slot names what ended the process. What was set before (the
// default, a sanitizer's report) then has its way.
void OnFatalSignal(int signal, siginfo_t* info, void* /*context*/) {
  if (MarksLayout* layout = active.load(std::memory_order_relaxed)) {
    if (IsLostMapping(signal, *info)) {
      BlameNobody(*layout, *info);
    } else {
      const bool marked = own_layout == layout && own_slot != nullptr;
      layout->guilty_slot = marked ? static_cast<uint32_t>(own_slot - layout->slots.data()) + 1 : 0;
      layout->end = End::kCrashed;
    }
  }
  for (size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] == signal) {
      sigaction(signal, &earlier_actions[i], nullptr);
    }
  }
  // An instruction that failed fails again, and whoever is next is told why. What was sent is sent
  // again.
  if (info->si_code <= 0) {
    raise(signal);
  }
}

void SetHandlers() {
  struct sigaction action {};
  action.sa_sigaction = OnFatalSignal;
  // On the alternative stack where a thread has one: without it a stack that overflowed counts as a
  // kill.
  action.sa_flags = SA_ONSTACK | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &earlier_actions[i]);
  }
}

void ResetHandlers() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &earlier_actions[i], nullptr);
  }
}

Status CanNotHave(const std::string& path) {
  return Unavailable("marks.unavailable", path + ": " + std::strerror(errno) +
                                              "; what the process works on can not be marked");
}

// Room is taken at once: a page that finds none when it is first written to would be a SIGBUS.
Result<MarksLayout*> Map(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    return CanNotHave(path);
  }
  struct stat status {};
  const bool fits = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                    status.st_size == static_cast<off_t>(sizeof(MarksLayout));
  void* mapped = MAP_FAILED;
  if (fits || ftruncate(file, 0) == 0) {
    errno = posix_fallocate(file, 0, sizeof(MarksLayout));
    if (errno == 0) {
      mapped = mmap(nullptr, sizeof(MarksLayout), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
  }
  const Status failed = mapped == MAP_FAILED ? CanNotHave(path) : Status();
  close(file);
  if (!failed.ok()) {
    return failed;
  }
  auto* layout = static_cast<MarksLayout*>(mapped);
  if (layout->magic != kMagic) {
    std::memset(mapped, 0, sizeof(MarksLayout));
    layout->end = End::kWell;
    layout->magic = kMagic;
  }
  return layout;
}

Entry* Find(MarksLayout& layout, std::string_view name) {
  name = name.substr(0, kNameBytes);
  const auto found = std::find_if(layout.suspects.begin(), layout.suspects.end(),
                                  [name](const Entry& one) { return one.name.view() == name; });
  return found == layout.suspects.end() ? nullptr : &*found;
}

// Its entry; in the place of the least suspicious one if there is none free.
Entry& FindOrAdd(MarksLayout& layout, std::string_view name) {
  if (Entry* known = Find(layout, name)) {
    return *known;
  }
  Entry& place = *std::min_element(layout.suspects.begin(), layout.suspects.end(),
                                   [](const Entry& a, const Entry& b) {
                                     const auto weight = [](const Entry& one) {
                                       return one.used() ? 1 + 2 * one.crashes + one.kills : 0;
                                     };
                                     return weight(a) < weight(b);
                                   });
  place.crashes = place.kills = 0;
  place.name.Set(name);
  return place;
}

// The place of the innermost of `depth` scopes that is named; `depth` is not 0.
size_t PlaceOf(uint32_t depth) {
  return std::min<size_t>(depth, kNesting) - 1;
}

std::string_view Innermost(const Slot& slot) {
  const uint32_t depth = slot.depth;
  return depth == 0 ? std::string_view() : slot.names[PlaceOf(depth)].view();
}

// What a kill is evidence against; empty if nothing.
std::string_view SuspectOfKill(const Slot& slot) {
  const uint32_t depth = slot.depth;
  return depth == 0 || slot.let_out[PlaceOf(depth)] ? std::string_view() : Innermost(slot);
}

// This thread's slot of the marks there are, or null.
Slot* OwnSlot() {
  MarksLayout* layout = active.load(std::memory_order_acquire);
  if (layout == nullptr) {
    return nullptr;
  }
  if (own_layout != layout) {
    const uint32_t index = slots_taken.fetch_add(1);
    own_slot = index < kSlots ? &layout->slots[index] : nullptr;
    own_layout = layout;
  }
  return own_slot;
}

}  // namespace

Result<std::unique_ptr<CrashMarks>> CrashMarks::Open(const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(MarksLayout * layout, Map(path));
  return std::unique_ptr<CrashMarks>(new CrashMarks(layout));
}

CrashMarks::CrashMarks(MarksLayout* layout) : layout_(layout) {
  ENTENTE_CHECK(active.load() == nullptr);
  Judge();
  for (Slot& slot : layout_->slots) {
    slot.depth = 0;
  }
  slots_taken = 0;
  layout_->guilty_slot = 0;
  layout_->end = End::kRunning;
  active = layout_;
  SetHandlers();
}

CrashMarks::~CrashMarks() {
  EndWell();
  ResetHandlers();
  active = nullptr;
  munmap(layout_, sizeof(MarksLayout));
}

void CrashMarks::EndWell() {
  layout_->end = End::kWell;
}

void CrashMarks::Judge() {
  const End end = layout_->end;
  ended_badly_ = end != End::kWell;
  if (end == End::kCrashed) {
    const uint32_t guilty = layout_->guilty_slot;
    if (guilty != 0 && guilty <= kSlots) {
      if (const auto name = Innermost(layout_->slots[guilty - 1]); !name.empty()) {
        ++FindOrAdd(*layout_, name).crashes;
      }
    }
  } else {
    // Killed, or stopped as it should be: only what is at it every time is not there by chance.
    std::array<bool, kSuspects> again{};
    for (const Slot& slot : layout_->slots) {
      if (const auto name = SuspectOfKill(slot); end == End::kRunning && !name.empty()) {
        Entry& entry = FindOrAdd(*layout_, name);
        bool& counted = again[static_cast<size_t>(&entry - layout_->suspects.data())];
        entry.kills += counted ? 0 : 1;
        counted = true;
      }
    }
    for (size_t i = 0; i < kSuspects; ++i) {
      Entry& entry = layout_->suspects[i];
      if (!again[i] && !entry.condemned()) {
        entry.kills = 0;
      }
    }
  }
  condemned_count_ = static_cast<int>(
      std::count_if(layout_->suspects.begin(), layout_->suspects.end(),
                    [](const Entry& one) { return one.used() && one.condemned(); }));
}

std::vector<CrashMarks::Suspect> CrashMarks::Suspects() const {
  const std::lock_guard lock(mutex_);
  std::vector<Suspect> suspects;
  for (const Entry& one : layout_->suspects) {
    if (one.used() && one.crashes + one.kills > 0) {
      suspects.push_back({std::string(one.name.view()), static_cast<int>(one.crashes),
                          static_cast<int>(one.kills), one.condemned()});
    }
  }
  return suspects;
}

bool CrashMarks::IsCondemned(std::string_view name) const {
  if (condemned_count_.load(std::memory_order_relaxed) == 0) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const Entry* entry = Find(*layout_, name);
  return entry != nullptr && entry->condemned();
}

void CrashMarks::Forgive(std::string_view name) {
  const std::lock_guard lock(mutex_);
  Entry* entry = Find(*layout_, name);
  if (entry != nullptr && entry->condemned()) {
    entry->crashes = std::min<uint32_t>(entry->crashes, kMaxCrashes - 1);
    entry->kills = std::min<uint32_t>(entry->kills, kMaxKills - 1);
    condemned_count_.fetch_sub(1);
  }
}

WorkScope::WorkScope(std::string_view name) : slot_(name.empty() ? nullptr : OwnSlot()) {
  if (auto* slot = static_cast<Slot*>(slot_)) {
    const uint32_t depth = slot->depth.load(std::memory_order_relaxed);
    if (depth < kNesting) {
      slot->names[depth].Set(name);
      slot->let_out[depth].store(false, std::memory_order_relaxed);
    }
    // Only what is complete counts, also if the process ends between the two.
    slot->depth.store(depth + 1, std::memory_order_release);
  }
}

WorkScope::~WorkScope() {
  if (auto* slot = static_cast<Slot*>(slot_)) {
    slot->depth.fetch_sub(1, std::memory_order_release);
  }
}

void LetOut() {
  if (Slot* slot = OwnSlot()) {
    const uint32_t depth = slot->depth.load(std::memory_order_relaxed);
    for (size_t i = 0; i < std::min<size_t>(depth, kNesting); ++i) {
      slot->let_out[i].store(true, std::memory_order_release);
    }
  }
}

}  // namespace entente::marks
