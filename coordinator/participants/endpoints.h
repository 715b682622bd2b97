// Endpoints: where the participants that a worker calls are reached, and which endpoint a call of
// one that has several goes to.
#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/participants/gates.h"
#include "dsl/plan.h"
#include "net/core/address_policy.h"
#include "net/core/url.h"
#include "observe/registry.h"

namespace entente::participants {

// One endpoint of a participant, with what each call needs worked out once. It keeps no plan: those
// are let go of when no transaction has them any more.
struct Target {
  dsl::Participant participant;      // At this address alone; but for its descriptor set.
  std::string definition;            // Where it is named.
  std::shared_ptr<SharedGate> gate;  // Shared with Gates, which may retire it.
  Status unusable;  // The address can not be read: every call is refused with this.
  net::Origin origin;
  std::string base_path;  // Of an HTTP address: no slash at the end.
  // Of an address that was computed: those that it may be. Null of any other.
  std::shared_ptr<const net::AddressPolicy> allowed;
  std::string descriptors_digest;  // Of a gRPC address; empty: reflection.
  // By mode and role, once met: they are looked up by names.
  std::array<std::array<observe::Histogram*, 4>, 4> durations{};
};
// Shared by the book of its worker and the calls under way.
using TargetPtr = std::shared_ptr<Target>;

// Purpose: the endpoints of one participant, at least one, and whose turn it is. How busy each is,
// and whether it fails, is its gate's to know: an endpoint whose breaker is open is ejected.
//
// Not thread-safe: a worker has its own.
class Endpoints {
 public:
  explicit Endpoints(std::vector<TargetPtr> targets);

  [[nodiscard]] size_t size() const { return targets_.size(); }
  [[nodiscard]] const TargetPtr& at(size_t endpoint) const { return targets_.at(endpoint); }
  // Null: no endpoint that can be called is there.
  [[nodiscard]] TargetPtr At(const net::Origin& origin) const;

  // By endpoint, for a call that begins: those that no call can be made to count as tried, unless
  // there is no other.
  [[nodiscard]] std::vector<bool> TriedAtFirst() const;
  // Of those that were not tried, at least one, the one with the fewest calls; those that fail
  // last.
  [[nodiscard]] size_t Choose(const std::vector<bool>& tried, Instant now);

 private:
  std::vector<TargetPtr> targets_;
  size_t turn_ = 0;  // Whose turn it is among those that are equally busy.
};
// Shared by the book and the calls under way, which may outlive its place in it.
using EndpointsPtr = std::shared_ptr<Endpoints>;

// Purpose: the endpoints of a worker's participants, those used last. Definitions are few; what
// clients describe, and definitions sent along with a transaction, come without end.
//
// `gates` must outlive it. Not thread-safe.
class EndpointBook {
 public:
  explicit EndpointBook(Gates& gates) : gates_(gates) {}

  // Of `plan`'s participant `index`. `url` is the address that the call computed; empty: the
  // participant has its own.
  [[nodiscard]] EndpointsPtr Find(const std::shared_ptr<const dsl::Plan>& plan, size_t index,
                                  const std::string& url, Instant now);

  // The target's gate, made anew if the one it had was retired since.
  void RenewGate(Target& target, Instant now);

 private:
  struct Key {
    const dsl::Participant* participant;
    std::string url;  // Empty: its own address.
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const noexcept;
  };
  struct Kept {
    Key key;
    std::weak_ptr<const dsl::Plan> plan;
    EndpointsPtr endpoints;
  };
  using Place = std::list<Kept>::iterator;

  // Null if it is not there.
  EndpointsPtr Known(const Key& key);
  void Erase(Place place);

  Gates& gates_;
  std::list<Kept> kept_;  // The one used longest ago first.
  std::unordered_map<Key, Place, KeyHash> places_;
};

}  // namespace entente::participants
