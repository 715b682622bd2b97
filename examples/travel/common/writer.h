// The one thread that writes a service's file, with group commit.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "examples/travel/common/book.h"

namespace travel {

// While one batch is being flushed to disk the next one gathers, so that many callers share the
// price of one fsync. Thread-safe.
class Writer {
 public:
  // `work` runs on the writer's thread, inside the batch's transaction. `done` runs there after the
  // commit; false means that nothing of it was written. Neither may block or throw, except that
  // `work` may throw SqliteError.
  struct Job {
    std::function<void(Book&)> work;
    std::function<void(bool committed)> done;
  };

  // Opens `path` and its book; throws SqliteError if it cannot, or if another process has it open.
  Writer(const std::string& path, const Business& business);
  ~Writer();  // Stops.

  // Queues `job`. False, and nothing is run, when the writer has stopped or its queue is full.
  bool Submit(Job job);

  // Finishes what is queued, then ends the thread. May be called more than once.
  void Stop();

 private:
  void Loop();
  void CommitBatch(std::vector<Job>& batch);

  class FileLock {
   public:
    explicit FileLock(const std::string& path);
    ~FileLock();
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

   private:
    int descriptor_;
  };

  FileLock lock_;
  Database database_;
  Book book_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;  // Guarded by mutex_.
  bool stopping_ = false;   // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace travel
