// Strong names. A Gid is never passed where a branch name is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace entente {

// A string with a type of its own. `Tag` only tells the types apart.
template <class Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}

  [[nodiscard]] const std::string& str() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  friend auto operator<=>(const StrongString&, const StrongString&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongString& id) {
    return out << id.value_;
  }

 private:
  std::string value_;
};

// An unsigned number with a type of its own.
template <class Tag>
class StrongNumber {
 public:
  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(uint64_t value) : value_(value) {}

  [[nodiscard]] constexpr uint64_t value() const { return value_; }
  [[nodiscard]] constexpr StrongNumber next() const { return StrongNumber(value_ + 1); }

  friend constexpr auto operator<=>(const StrongNumber&, const StrongNumber&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongNumber& number) {
    return out << number.value_;
  }

 private:
  uint64_t value_ = 0;
};

// The name of one transaction. A caller's own gid matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}. A child
// transaction's is its parent's gid, '~' and the branch that started it, so it can not collide
// with a caller's, and the whole family hashes to one shard.
using Gid = StrongString<struct GidTag>;

// One participant's part: the step's id, or "<step>:<index>" for one element of a forEach.
using BranchId = StrongString<struct BranchIdTag>;

// Position of a record in its transaction's journal: 1 for the first. Also the transaction's
// revision, which operator actions must name.
using Sequence = StrongNumber<struct SequenceTag>;

// Ownership of a shard; a later owner has a higher epoch.
using Epoch = StrongNumber<struct EpochTag>;

// A partition of the gid space, in [0, kShardCount).
using ShardId = StrongNumber<struct ShardIdTag>;

// Fixed for the life of a store: gids are assigned by hash modulo this number.
inline constexpr uint64_t kShardCount = 64;

// Checks a caller's gid. Fails with kInvalidArgument, reason gid.invalid.
[[nodiscard]] Status ValidateGid(std::string_view gid);

// The gid of the child that `branch` of `parent` starts.
[[nodiscard]] Gid ChildGid(const Gid& parent, const BranchId& branch);

// The shard of a transaction and all its descendants: FNV-1a of the root gid. Stable for ever,
// since stores keep it.
[[nodiscard]] ShardId ShardOf(const Gid& gid);

// A UUIDv7 (RFC 9562) from the given time and 74 bits of the given entropy.
[[nodiscard]] std::string FormatUuidV7(uint64_t unix_milliseconds, uint64_t entropy_high,
                                       uint64_t entropy_low);

}  // namespace entente

template <class Tag>
struct std::hash<entente::StrongString<Tag>> {
  size_t operator()(const entente::StrongString<Tag>& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};
template <class Tag>
struct std::hash<entente::StrongNumber<Tag>> {
  size_t operator()(const entente::StrongNumber<Tag>& number) const noexcept {
    return std::hash<uint64_t>()(number.value());
  }
};
