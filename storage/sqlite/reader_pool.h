// A few read-only connections for many threads.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// Thread-safe. Opens connections as they are needed and keeps them.
class ReaderPool {
 public:
  // A reader on loan; goes back when destroyed. Must not outlive the pool, and a thread holds at
  // most one.
  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Reader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    ~Lease();
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    Reader* operator->() { return reader_.get(); }
    Reader& operator*() { return *reader_; }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  // `words` must outlive the pool.
  ReaderPool(std::string path, std::string vfs, Words& words, size_t max_readers)
      : path_(std::move(path)), vfs_(std::move(vfs)), words_(words), max_readers_(max_readers) {}

  // Waits while all readers are out.
  [[nodiscard]] Result<Lease> Acquire();

  // A reader beside the pool's, for a long scan that must not keep the others waiting.
  [[nodiscard]] Result<std::unique_ptr<Reader>> OpenOwn();

 private:
  void Return(std::unique_ptr<Reader> reader);

  const std::string path_;
  const std::string vfs_;
  Words& words_;
  const size_t max_readers_;

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Reader>> free_;
  size_t lent_ = 0;
};

}  // namespace entente::storage::sqlite
