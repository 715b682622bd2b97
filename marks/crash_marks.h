// CrashMarks: what the process was working on when it ended badly, told to the next start.
//
// Each thread keeps the name of what it works on (a transaction, a definition being compiled) in a
// file that is mapped into memory. The kernel keeps the file's pages whatever becomes of the
// process; only a power failure loses them, and no input causes one. So the mark costs a copy of
// the name and no system call, and there is no moment of which the next start knows nothing.
//
// Two kinds of bad end tell differently much:
//  - A signal that the process raised itself (a failed check, an uncaught exception, a bad access)
//    names the very thread, and so the one thing, that ended it. Twice is enough to condemn it.
//  - SIGKILL names nobody: it may be the kernel, out of memory, or somebody's `kill -9`, which is
//    an ordinary way to stop. All that was being worked on is suspected, and condemned only if it
//    was at that in kMaxKills ends one after the other. What had let an answer out by then is not:
//    whoever is told may kill the process at once, while the thread that told is still at it.
//  - SIGBUS of a file that is mapped, and was cut or can not be read, is nobody's fault here.
//
// What is condemned is not worked on again until somebody forgives it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace entente::marks {

struct MarksLayout;  // Of the file.

// Thread-safe. At most one at a time in a process, whose signal handlers it sets; it outlives every
// thread that opens a WorkScope.
class CrashMarks {
 public:
  static constexpr int kMaxCrashes = 2;
  static constexpr int kMaxKills = 3;

  struct Suspect {
    std::string name;
    int crashes = 0;  // Ends that it caused.
    int kills = 0;    // Ends one after the other at which it was being worked on.
    bool condemned = false;
  };

  // Opens or makes the file, which nobody else may have open, reads how the last process that had
  // it ended and starts to mark. A file that can not be read is begun anew: it holds nothing that
  // was promised to anybody. kUnavailable, reason marks.unavailable, if there can be none. Blocks.
  [[nodiscard]] static Result<std::unique_ptr<CrashMarks>> Open(const std::string& path);

  // As EndWell.
  ~CrashMarks();
  CrashMarks(const CrashMarks&) = delete;
  CrashMarks& operator=(const CrashMarks&) = delete;

  // From here on, no end of the process counts: it is stopped on purpose.
  void EndWell();

  // Whether the process before this one ended badly.
  [[nodiscard]] bool ended_badly() const { return ended_badly_; }
  [[nodiscard]] std::vector<Suspect> Suspects() const;

  [[nodiscard]] bool IsCondemned(std::string_view name) const;
  // It may be worked on again; one more end like the last one condemns it again.
  void Forgive(std::string_view name);

 private:
  explicit CrashMarks(MarksLayout* layout);
  void Judge();

  MarksLayout* const layout_;
  bool ended_badly_ = false;
  mutable std::mutex mutex_;             // Of the table of suspects.
  std::atomic<int> condemned_count_{0};  // So that nothing is looked up while there is none.
};

// Names what this thread works on until it is destroyed. Scopes nest; the innermost counts. Costs
// next to nothing, and does nothing for an empty name or while there is no CrashMarks. `name` is
// copied.
class WorkScope {
 public:
  explicit WorkScope(std::string_view name);
  ~WorkScope();
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

 private:
  void* slot_;  // This thread's place in the file, or null.
};

// Call before an answer leaves that may make somebody kill the process: a kill is no evidence
// against what this thread's open scopes work on from here on. A crash still is.
void LetOut();

}  // namespace entente::marks
