#include "net/grpc/type_cache.h"

#include <utility>

namespace entente::net {

size_t TypeBytes(size_t descriptor_bytes) {
  // Measured: 16 for fields, 22 for values of enumerations, 29 for methods, 42 for files.
  constexpr size_t kBytesOfEach = size_t{64} << 10;
  constexpr size_t kBytesPerByte = 64;
  return kBytesOfEach + kBytesPerByte * descriptor_bytes;
}

TypeCache::~TypeCache() {
  Count(0, bytes_);
}

void TypeCache::Count(size_t added, size_t removed) {
  bytes_ += added - removed;
  if (total_ != nullptr) {
    total_->fetch_add(added - removed, std::memory_order_relaxed);
  }
}

bool TypeCache::Has(const Handle& handle) {
  return handle != nullptr && handle->shapes_ != nullptr;
}

std::shared_ptr<GrpcShapes> TypeCache::Use(const Handle& handle) {
  if (!Has(handle)) {
    return nullptr;
  }
  kept_.splice(kept_.end(), kept_, handle->place_);
  return handle->shapes_;
}

bool TypeCache::MakeRoom(size_t bytes) {
  for (auto next = kept_.begin(); next != kept_.end() && bytes_ + bytes > max_bytes_;) {
    Entry& entry = **next++;
    if (entry.shapes_.use_count() == 1) {
      LetGo(entry);
    }
  }
  return bytes_ + bytes <= max_bytes_ || kept_.empty();
}

TypeCache::Handle TypeCache::Keep(std::shared_ptr<GrpcShapes> shapes, size_t bytes) {
  auto handle = std::make_shared<Entry>();
  handle->shapes_ = std::move(shapes);
  handle->bytes_ = bytes;
  handle->place_ = kept_.insert(kept_.end(), handle);
  Count(bytes, 0);
  return handle;
}

void TypeCache::Drop(Handle& handle) {
  if (Has(handle)) {
    LetGo(*handle);
  }
  handle = nullptr;
}

void TypeCache::LetGo(Entry& entry) {
  Count(0, entry.bytes_);
  entry.shapes_ = nullptr;
  kept_.erase(entry.place_);  // Perhaps the last that knew the entry.
}

}  // namespace entente::net
