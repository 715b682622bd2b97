// TypeCache: the message types that one client made of descriptors, those that were used last.
// Internal to net.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>

#include "net/grpc/grpc_shapes.h"

namespace entente::net {

// What the types made of so many serialized bytes of descriptors take in memory, at most and about.
[[nodiscard]] size_t TypeBytes(size_t descriptor_bytes);

// Single-threaded. What calls in flight use is always here and counts: there is no room for others
// then. One set of types is let in however large it is, while there is no other.
class TypeCache {
 public:
  // What an owner keeps of types that may be let go of: null, or to be asked by Use.
  class Entry;
  using Handle = std::shared_ptr<Entry>;

  // `used` may be null: told how much is held; shared by the caches of a process.
  TypeCache(size_t max_bytes, std::shared_ptr<std::atomic<size_t>> used)
      : max_bytes_(max_bytes), total_(std::move(used)) {}
  ~TypeCache();
  TypeCache(const TypeCache&) = delete;
  TypeCache& operator=(const TypeCache&) = delete;

  // Whether Use would give any; but asking does not count as a use.
  [[nodiscard]] static bool Has(const Handle& handle);
  // Null for a null handle, and for types that were let go of.
  [[nodiscard]] std::shared_ptr<GrpcShapes> Use(const Handle& handle);

  // Lets go of types that no call uses, those used longest ago first, until there is room for so
  // many bytes. False if that is not enough.
  [[nodiscard]] bool MakeRoom(size_t bytes);
  [[nodiscard]] Handle Keep(std::shared_ptr<GrpcShapes> shapes, size_t bytes);
  // Calls that use them go on.
  void Drop(Handle& handle);

  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  void LetGo(Entry& entry);
  void Count(size_t added, size_t removed);

  const size_t max_bytes_;
  const std::shared_ptr<std::atomic<size_t>> total_;
  size_t bytes_ = 0;
  std::list<Handle> kept_;  // The one used longest ago first.
};

class TypeCache::Entry {
  friend class TypeCache;
  std::shared_ptr<GrpcShapes> shapes_;  // Null: let go of.
  size_t bytes_ = 0;
  std::list<Handle>::iterator place_;
};

}  // namespace entente::net
