#include "storage/sqlite/reader_pool.h"

#include <utility>

namespace entente::storage::sqlite {

ReaderPool::Lease::~Lease() {
  if (reader_ != nullptr) {
    pool_->Return(std::move(reader_));
  }
}

Result<ReaderPool::Lease> ReaderPool::Acquire() {
  {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return lent_ < max_readers_; });
    ++lent_;
    if (!free_.empty()) {
      std::unique_ptr<Reader> reader = std::move(free_.back());
      free_.pop_back();
      return Lease(*this, std::move(reader));
    }
  }
  Result<std::unique_ptr<Reader>> opened = OpenOwn();
  if (!opened.ok()) {
    Return(nullptr);
    return opened.status();
  }
  return Lease(*this, std::move(opened).value());
}

Result<std::unique_ptr<Reader>> ReaderPool::OpenOwn() {
  return Reader::Open(path_, vfs_, words_);
}

void ReaderPool::Return(std::unique_ptr<Reader> reader) {
  {
    const std::lock_guard lock(mutex_);
    --lent_;
    if (reader != nullptr) {
      free_.push_back(std::move(reader));
    }
  }
  returned_.notify_one();
}

}  // namespace entente::storage::sqlite
