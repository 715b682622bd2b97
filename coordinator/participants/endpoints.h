// Endpoints: where the participants that a worker calls are reached, and which endpoint a call of
// one that has several goes to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "coordinator/participants/gates.h"
#include "dsl/plan.h"
#include "net/core/address_policy.h"
#include "net/core/url.h"
#include "net/dns/service_url.h"
#include "net/dns/srv_book.h"
#include "observe/registry.h"

namespace entente::participants {

// One endpoint of a participant, with what each call needs worked out once. It keeps no plan: those
// are let go of when no transaction has them any more.
struct Target {
  dsl::Participant participant;      // At this address alone; but for its descriptor set.
  std::string definition;            // Where it is named.
  std::shared_ptr<SharedGate> gate;  // Shared with Gates, which may retire it.
  Status unusable;                   // Why no call is made there.
  net::Origin origin;  // What it is called: by Host, certificate, secrets and signatures.
  // Where it is, if the service's SRV records say that; then `origin` is the service's.
  std::optional<net::Origin> place;
  std::string service;    // As the definition names it, if it is looked up.
  std::string base_path;  // Of an HTTP address: no slash at the end.
  // Of an address that was computed: those that it may be. Null of any other.
  std::shared_ptr<const net::AddressPolicy> allowed;
  std::string descriptors_digest;  // Of a gRPC address; empty: reflection.
  // By mode and role, once met: they are looked up by names.
  std::array<std::array<observe::Histogram*, 4>, 4> durations{};

  // Where it is.
  [[nodiscard]] const net::Origin& address() const { return place ? *place : origin; }
  // What it is called, if that is not where it is; else null.
  [[nodiscard]] const net::Origin* called() const { return place ? &origin : nullptr; }
};
// Shared by the book of its worker and the calls under way.
using TargetPtr = std::shared_ptr<Target>;

// One of the endpoints of a participant. Those of a list are all alike.
struct Endpoint {
  TargetPtr target;
  uint16_t priority = 0;  // The lowest that does not fail is called.
  uint16_t weight = 0;    // Its share among those of the same priority.
};

// Purpose: the endpoints of one participant, at least one, and whose turn it is. How busy each is,
// and whether it fails, is its gate's to know: an endpoint whose breaker is open is ejected.
//
// Not thread-safe: a worker has its own.
class Endpoints {
 public:
  explicit Endpoints(std::vector<Endpoint> endpoints);

  [[nodiscard]] size_t size() const { return endpoints_.size(); }
  [[nodiscard]] const TargetPtr& at(size_t endpoint) const {
    return endpoints_.at(endpoint).target;
  }
  // Null: no endpoint that can be called is there.
  [[nodiscard]] TargetPtr At(const net::Origin& address) const;

  // By endpoint, for a call that begins: those that no call can be made to count as tried, unless
  // there is no other.
  [[nodiscard]] std::vector<bool> TriedAtFirst() const;
  // Of those that were not tried, at least one: those that fail last, and before that by priority.
  // Among equals the one with the fewest calls; where their weights differ each has its turn in
  // proportion to its weight over the calls that it has (weighted least request).
  [[nodiscard]] size_t Choose(const std::vector<bool>& tried, Instant now);

 private:
  // Of those that were not tried, what may be chosen of.
  [[nodiscard]] std::vector<size_t> Candidates(const std::vector<bool>& tried, Instant now);
  [[nodiscard]] bool WeightsDiffer(const std::vector<size_t>& candidates) const;

  std::vector<Endpoint> endpoints_;
  std::vector<size_t> calls_;    // By endpoint, as they were when candidates were last looked for.
  std::vector<double> credits_;  // By endpoint: how long its turn has been coming.
};
// Shared by the book and the calls under way, which may outlive its place in it.
using EndpointsPtr = std::shared_ptr<Endpoints>;

// Purpose: the endpoints of a worker's participants, those used last. Definitions are few; what
// clients describe, and definitions sent along with a transaction, come without end. They are what
// the definition lists, what a call computed, or what SRV records name at the moment.
//
// What records say is anybody's word who can answer for DNS: each host that they name is held to
// `policy` as if the definition had named it.
//
// `gates` and `services` must outlive it. Not thread-safe.
class EndpointBook {
 public:
  EndpointBook(Gates& gates, net::SrvBook& services, net::AddressPolicy policy)
      : gates_(gates), services_(services), policy_(std::move(policy)) {}

  // Of `plan`'s participant `index`. `url` is the address that the call computed; empty: the
  // participant has its own. Nothing if they have to be waited for, and a failure if they can not
  // be known, as net::SrvBook::Find.
  [[nodiscard]] std::optional<Result<EndpointsPtr>> Find(
      const std::shared_ptr<const dsl::Plan>& plan, size_t index, const std::string& url,
      Instant now);
  // Calls `done` later, where Find gave nothing, when it would give something.
  void WhenKnown(const std::shared_ptr<const dsl::Plan>& plan, size_t index,
                 UniqueFunction<void()> done);

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
    EndpointsPtr endpoints;                  // Null: never looked up.
    std::optional<net::ServiceUrl> service;  // Whose records name them.
    std::string descriptors_digest;          // Target's, if there is a service.
    net::SrvBook::AnswerPtr answer;          // Which they were made of, or the same again.
  };
  using Place = std::list<Kept>::iterator;

  // Null if it is not there.
  Kept* Known(const Key& key);
  Kept Make(const Key& key, const std::shared_ptr<const dsl::Plan>& plan, Instant now);
  // Of what its records say now. Those that they said before stay the same targets; where they say
  // the same again, whose turn it is stays as well.
  void Renew(Kept& kept, const std::string& definition, net::SrvBook::AnswerPtr answer,
             Instant now);
  TargetPtr MakeNamed(const Kept& kept, const std::string& definition, const net::Origin& place,
                      Instant now);
  void Erase(Place place);

  Gates& gates_;
  net::SrvBook& services_;
  const net::AddressPolicy policy_;
  std::list<Kept> kept_;  // The one used longest ago first.
  std::unordered_map<Key, Place, KeyHash> places_;
};

}  // namespace entente::participants
