#include "coordinator/participants/endpoints.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "runtime/digest.h"
#include "runtime/participant_address.h"

namespace entente::participants {
namespace {

// Participants that are kept beyond the calls that use them.
constexpr size_t kMaxKept = 10'000;

Status ReadAddress(const dsl::HttpAddress& http, Target& target) {
  ENTENTE_ASSIGN_OR_RETURN(const net::Url url, net::ParseUrl(http.base_url));
  target.origin = url.origin;
  target.base_path = url.target == "/" ? std::string() : url.target;
  return Status();
}

Status ReadAddress(const dsl::GrpcAddress& grpc, Target& target) {
  ENTENTE_ASSIGN_OR_RETURN(target.origin, net::ParseAuthority(grpc.target, grpc.tls, 0));
  return Status();
}

// As if it had the one address alone.
dsl::Participant AtEndpoint(const dsl::Participant& participant, size_t endpoint) {
  dsl::Participant copy{participant.name,
                        dsl::HttpAddress{},
                        participant.timeout,
                        participant.max_concurrent_calls,
                        participant.max_calls_per_second,
                        participant.sensitive_headers};
  if (const auto* grpc = std::get_if<dsl::GrpcAddress>(&participant.address)) {
    copy.address = dsl::GrpcAddress{endpoint == 0 ? grpc->target : grpc->others[endpoint - 1],
                                    grpc->service,
                                    grpc->tls,
                                    {},
                                    grpc->metadata,
                                    grpc->secret_metadata};
  } else {
    const auto& http = std::get<dsl::HttpAddress>(participant.address);
    copy.address = dsl::HttpAddress{endpoint == 0 ? http.base_url : http.others[endpoint - 1],
                                    http.headers, http.secret_headers};
  }
  return copy;
}

std::string DigestOfDescriptors(const dsl::Participant& participant) {
  const auto* grpc = std::get_if<dsl::GrpcAddress>(&participant.address);
  return grpc == nullptr || grpc->descriptor_set.empty() ? std::string()
                                                         : runtime::Sha256Hex(grpc->descriptor_set);
}

// `participant` has one address; `definition` is where it is named.
Target MakeTarget(dsl::Participant participant, const std::string& definition, Gates& gates,
                  Instant now) {
  Target target;
  target.definition = definition;
  target.gate = gates.Find(participant, definition, now);
  target.unusable = std::visit(
      [&target](const auto& address) { return ReadAddress(address, target); }, participant.address);
  target.participant = std::move(participant);
  return target;
}

// Of the address that a call computed; `participant` has none of its own.
TargetPtr MakeComputed(const dsl::Participant& participant, const std::string& url,
                       const std::string& definition, Gates& gates, Instant now) {
  auto target = std::make_shared<Target>();
  target->participant = AtEndpoint(participant, 0);
  auto& http = std::get<dsl::HttpAddress>(target->participant.address);
  http.allowed = std::get<dsl::HttpAddress>(participant.address).allowed;
  http.base_url = url;
  target->definition = definition;
  target->unusable = ReadAddress(http, *target);
  auto allowed = net::AddressPolicy::Parse(http.allowed);
  if (target->unusable.ok()) {
    target->unusable = allowed.status();
  }
  if (target->unusable.ok()) {
    target->unusable = allowed->CheckOrigin(target->origin, net::AddressPolicy::Protocol::kHttp);
    target->allowed = std::make_shared<const net::AddressPolicy>(*std::move(allowed));
  }
  if (target->unusable.ok()) {
    target->gate =
        gates.FindComputed(target->participant, target->origin.ToString(), definition, now);
  }
  return target;
}

std::vector<TargetPtr> MakeListed(const dsl::Participant& participant,
                                  const std::string& definition, Gates& gates, Instant now) {
  std::vector<TargetPtr> targets;
  const std::string digest = DigestOfDescriptors(participant);
  for (size_t i = 0; i < runtime::EndpointCount(participant); ++i) {
    targets.push_back(
        std::make_shared<Target>(MakeTarget(AtEndpoint(participant, i), definition, gates, now)));
    targets.back()->descriptors_digest = digest;
  }
  return targets;
}

}  // namespace

Endpoints::Endpoints(std::vector<TargetPtr> targets) : targets_(std::move(targets)) {
  ENTENTE_CHECK(!targets_.empty());
}

TargetPtr Endpoints::At(const net::Origin& origin) const {
  const auto found = std::ranges::find_if(targets_, [&origin](const TargetPtr& target) {
    return target->unusable.ok() && target->origin == origin;
  });
  return found == targets_.end() ? nullptr : *found;
}

std::vector<bool> Endpoints::TriedAtFirst() const {
  std::vector<bool> tried;
  for (const TargetPtr& target : targets_) {
    tried.push_back(!target->unusable.ok());
  }
  if (std::find(tried.begin(), tried.end(), false) == tried.end()) {
    tried.front() = false;
  }
  return tried;
}

size_t Endpoints::Choose(const std::vector<bool>& tried, Instant now) {
  std::optional<size_t> best;
  SharedGate::Load least;
  turn_ = (turn_ + 1) % targets_.size();
  for (size_t n = 0; n < targets_.size(); ++n) {
    const size_t i = (turn_ + n) % targets_.size();
    if (tried[i]) {
      continue;
    }
    const SharedGate::Load load = targets_[i]->gate->LoadAt(now);
    if (!best || std::pair(load.away, load.calls) < std::pair(least.away, least.calls)) {
      best = i;
      least = load;
    }
  }
  return best.value();
}

size_t EndpointBook::KeyHash::operator()(const Key& key) const noexcept {
  const size_t own = std::hash<const dsl::Participant*>()(key.participant);
  return key.url.empty() ? own : own ^ std::hash<std::string>()(key.url);
}

EndpointsPtr EndpointBook::Find(const std::shared_ptr<const dsl::Plan>& plan, size_t index,
                                const std::string& url, Instant now) {
  const dsl::Participant& participant = plan->participants.at(index);
  Key key{&participant, url};
  if (EndpointsPtr known = Known(key)) {
    return known;
  }
  const std::string definition = plan->client_driven ? "" : plan->name;
  auto endpoints = std::make_shared<Endpoints>(
      url.empty()
          ? MakeListed(participant, definition, gates_, now)
          : std::vector<TargetPtr>{MakeComputed(participant, url, definition, gates_, now)});
  if (kept_.size() >= kMaxKept) {
    Erase(kept_.begin());
  }
  places_[key] = kept_.insert(kept_.end(), {key, plan, endpoints});
  return endpoints;
}

void EndpointBook::RenewGate(Target& target, Instant now) {
  target.gate = target.allowed == nullptr
                    ? gates_.Find(target.participant, target.definition, now)
                    : gates_.FindComputed(target.participant, target.origin.ToString(),
                                          target.definition, now);
}

EndpointsPtr EndpointBook::Known(const Key& key) {
  const auto found = places_.find(key);
  if (found == places_.end()) {
    return nullptr;
  }
  const Place place = found->second;
  if (place->plan.expired()) {  // Of a plan that had its memory before.
    Erase(place);
    return nullptr;
  }
  kept_.splice(kept_.end(), kept_, place);
  return place->endpoints;
}

void EndpointBook::Erase(Place place) {
  places_.erase(place->key);
  kept_.erase(place);
}

}  // namespace entente::participants
