#include "examples/travel/common/writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <utility>

namespace travel {
namespace {

constexpr size_t kMaxQueuedJobs = 10'000;

}  // namespace

// The lock dies with its process, so a service that was killed can start again at once.
Writer::FileLock::FileLock(const std::string& path)
    : descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (descriptor_ < 0) {
    throw SqliteError("cannot create '" + path + "': " + std::strerror(errno));
  }
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw SqliteError("'" + path + "' is locked: another service is running on this file");
  }
}

Writer::FileLock::~FileLock() {
  close(descriptor_);
}

Writer::Writer(const std::string& path, const Business& business)
    : lock_(path + ".lock"),
      database_(path, Database::Access::kReadWrite),
      book_(database_, business),
      thread_([this] { Loop(); }) {}

Writer::~Writer() {
  Stop();
}

bool Writer::Submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= kMaxQueuedJobs) {
      return false;
    }
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Writer::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Writer::Loop() {
  std::vector<Job> batch;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) {
        return;
      }
      batch.swap(queue_);
    }
    CommitBatch(batch);
    batch.clear();
  }
}

void Writer::CommitBatch(std::vector<Job>& batch) {
  bool committed = false;
  try {
    database_.Execute("BEGIN IMMEDIATE");
    for (const Job& job : batch) {
      job.work(book_);
    }
    database_.Execute("COMMIT");
    committed = true;
  } catch (const SqliteError& error) {
    std::fprintf(stderr, "the batch was not written: %s\n", error.what());
    // A failed COMMIT may leave the transaction open; when none is open there is nothing to undo.
    if (sqlite3_get_autocommit(database_.handle()) == 0) {
      sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }
  for (const Job& job : batch) {
    job.done(committed);
  }
}

}  // namespace travel
