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

std::vector<Endpoint> MakeListed(const dsl::Participant& participant, const std::string& definition,
                                 Gates& gates, Instant now) {
  std::vector<Endpoint> endpoints;
  const std::string digest = DigestOfDescriptors(participant);
  for (size_t i = 0; i < runtime::EndpointCount(participant); ++i) {
    endpoints.push_back(
        {std::make_shared<Target>(MakeTarget(AtEndpoint(participant, i), definition, gates, now))});
    endpoints.back().target->descriptors_digest = digest;
  }
  return endpoints;
}

net::AddressPolicy::Protocol ProtocolOf(const dsl::Participant& participant) {
  return std::holds_alternative<dsl::HttpAddress>(participant.address)
             ? net::AddressPolicy::Protocol::kHttp
             : net::AddressPolicy::Protocol::kGrpc;
}

// The service whose records name the participant's endpoints; nothing if it names them itself.
std::optional<net::ServiceUrl> ServiceOf(const dsl::Participant& participant) {
  const auto* grpc = std::get_if<dsl::GrpcAddress>(&participant.address);
  const std::string& address =
      grpc != nullptr ? grpc->target : std::get<dsl::HttpAddress>(participant.address).base_url;
  if (!net::IsServiceUrl(address)) {
    return std::nullopt;
  }
  auto service = net::ParseServiceUrl(address, grpc != nullptr && grpc->tls);
  return service.ok() ? std::optional(*std::move(service)) : std::nullopt;
}

// As if it had that address.
void MoveTo(const net::Origin& place, const std::string& path, dsl::Participant& participant) {
  if (auto* grpc = std::get_if<dsl::GrpcAddress>(&participant.address)) {
    grpc->target = place.host + ":" + std::to_string(place.port);
  } else {
    std::get<dsl::HttpAddress>(participant.address).base_url = place.ToString() + path;
  }
}

}  // namespace

Endpoints::Endpoints(std::vector<Endpoint> endpoints)
    : endpoints_(std::move(endpoints)), calls_(endpoints_.size()), credits_(endpoints_.size()) {
  ENTENTE_CHECK(!endpoints_.empty());
}

TargetPtr Endpoints::At(const net::Origin& address) const {
  const auto found = std::ranges::find_if(endpoints_, [&address](const Endpoint& endpoint) {
    return endpoint.target->unusable.ok() && endpoint.target->address() == address;
  });
  return found == endpoints_.end() ? nullptr : found->target;
}

std::vector<bool> Endpoints::TriedAtFirst() const {
  std::vector<bool> tried;
  for (const Endpoint& endpoint : endpoints_) {
    tried.push_back(!endpoint.target->unusable.ok());
  }
  if (std::find(tried.begin(), tried.end(), false) == tried.end()) {
    tried.front() = false;
  }
  return tried;
}

// By smooth weighted round robin: each that has a share is credited with it, and whoever's turn it
// is pays for all. With equal shares they take turns.
size_t Endpoints::Choose(const std::vector<bool>& tried, Instant now) {
  const std::vector<size_t> candidates = Candidates(tried, now);
  const bool weighted = WeightsDiffer(candidates);
  size_t best = candidates.front();
  double all = 0;
  for (const size_t i : candidates) {
    // RFC 2782: the weight 0 is for a very small chance.
    const double weight = endpoints_[i].weight == 0 ? 0.01 : endpoints_[i].weight;
    const double share = weighted ? weight / static_cast<double>(calls_[i] + 1) : 1;
    credits_[i] += share;
    all += share;
    best = credits_[i] >= credits_[best] ? i : best;
  }
  credits_[best] -= all;
  return best;
}

std::vector<size_t> Endpoints::Candidates(const std::vector<bool>& tried, Instant now) {
  std::vector<size_t> candidates;
  std::pair<bool, uint16_t> least;
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    if (tried[i]) {
      continue;
    }
    const SharedGate::Load load = endpoints_[i].target->gate->LoadAt(now);
    calls_[i] = load.calls;
    const std::pair rank(load.away, endpoints_[i].priority);
    if (candidates.empty() || rank < least) {
      candidates.clear();
      least = rank;
    }
    if (rank == least) {
      candidates.push_back(i);
    }
  }
  ENTENTE_CHECK(!candidates.empty());
  if (!WeightsDiffer(candidates)) {
    size_t fewest = calls_[candidates.front()];
    for (const size_t i : candidates) {
      fewest = std::min(fewest, calls_[i]);
    }
    std::erase_if(candidates, [this, fewest](size_t i) { return calls_[i] > fewest; });
  }
  return candidates;
}

bool Endpoints::WeightsDiffer(const std::vector<size_t>& candidates) const {
  return std::ranges::any_of(candidates, [&](size_t i) {
    return endpoints_[i].weight != endpoints_[candidates.front()].weight;
  });
}

size_t EndpointBook::KeyHash::operator()(const Key& key) const noexcept {
  const size_t own = std::hash<const dsl::Participant*>()(key.participant);
  return key.url.empty() ? own : own ^ std::hash<std::string>()(key.url);
}

std::optional<Result<EndpointsPtr>> EndpointBook::Find(const std::shared_ptr<const dsl::Plan>& plan,
                                                       size_t index, const std::string& url,
                                                       Instant now) {
  const Key key{&plan->participants.at(index), url};
  Kept* kept = Known(key);
  if (kept == nullptr) {
    if (kept_.size() >= kMaxKept) {
      Erase(kept_.begin());
    }
    places_[key] = kept_.insert(kept_.end(), Make(key, plan, now));
    kept = &kept_.back();
  }
  if (kept->service) {
    auto answer = services_.Find(kept->service->name);
    if (!answer) {
      return std::nullopt;
    }
    if (!answer->ok()) {
      return answer->status();
    }
    if (kept->answer != **answer) {
      Renew(*kept, plan->client_driven ? "" : plan->name, **std::move(answer), now);
    }
  }
  return kept->endpoints;
}

void EndpointBook::WhenKnown(const std::shared_ptr<const dsl::Plan>& plan, size_t index,
                             UniqueFunction<void()> done) {
  const Kept* kept = Known({&plan->participants.at(index), {}});
  ENTENTE_CHECK(kept != nullptr && kept->service.has_value());
  services_.WhenKnown(kept->service->name, std::move(done));
}

void EndpointBook::RenewGate(Target& target, Instant now) {
  if (target.allowed != nullptr) {
    target.gate =
        gates_.FindComputed(target.participant, target.origin.ToString(), target.definition, now);
  } else if (target.place) {
    target.gate = gates_.FindNamed(target.participant, target.service, target.definition, now);
  } else {
    target.gate = gates_.Find(target.participant, target.definition, now);
  }
}

EndpointBook::Kept* EndpointBook::Known(const Key& key) {
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
  return &*place;
}

EndpointBook::Kept EndpointBook::Make(const Key& key, const std::shared_ptr<const dsl::Plan>& plan,
                                      Instant now) {
  const dsl::Participant& participant = *key.participant;
  const std::string definition = plan->client_driven ? "" : plan->name;
  Kept kept{key, plan, nullptr, std::nullopt, {}, nullptr};
  if (!key.url.empty()) {
    kept.endpoints = std::make_shared<Endpoints>(
        std::vector<Endpoint>{{MakeComputed(participant, key.url, definition, gates_, now)}});
    return kept;
  }
  kept.service = ServiceOf(participant);
  if (!kept.service) {
    kept.endpoints = std::make_shared<Endpoints>(MakeListed(participant, definition, gates_, now));
    return kept;
  }
  // DNS is not even asked for a service that may not be called.
  if (Status allowed = policy_.CheckOrigin(kept.service->origin, ProtocolOf(participant));
      !allowed.ok()) {
    auto target = std::make_shared<Target>();
    target->unusable = std::move(allowed);
    kept.endpoints = std::make_shared<Endpoints>(std::vector<Endpoint>{{std::move(target)}});
    kept.service.reset();
    return kept;
  }
  kept.descriptors_digest = DigestOfDescriptors(participant);
  return kept;
}

void EndpointBook::Renew(Kept& kept, const std::string& definition, net::SrvBook::AnswerPtr answer,
                         Instant now) {
  if (kept.answer != nullptr && kept.answer->targets == answer->targets) {
    kept.answer = std::move(answer);
    return;
  }
  const EndpointsPtr before = kept.endpoints;
  std::vector<Endpoint> endpoints;
  for (const net::SrvTarget& named : answer->targets) {
    const net::Origin place{kept.service->origin.tls, named.host, named.port};
    TargetPtr target = before != nullptr ? before->At(place) : nullptr;
    if (target == nullptr) {
      target = MakeNamed(kept, definition, place, now);
    }
    endpoints.push_back({std::move(target), named.priority, named.weight});
  }
  kept.endpoints = std::make_shared<Endpoints>(std::move(endpoints));
  kept.answer = std::move(answer);
}

TargetPtr EndpointBook::MakeNamed(const Kept& kept, const std::string& definition,
                                  const net::Origin& place, Instant now) {
  const dsl::Participant& named = *kept.key.participant;
  auto target = std::make_shared<Target>();
  target->participant = AtEndpoint(named, 0);
  MoveTo(place, kept.service->path, target->participant);
  target->definition = definition;
  target->service = runtime::AddressOf(named);
  target->origin = kept.service->origin;
  target->place = place;
  target->base_path = kept.service->path;
  target->descriptors_digest = kept.descriptors_digest;
  target->unusable = policy_.CheckOrigin(place, ProtocolOf(named));
  target->gate = gates_.FindNamed(target->participant, target->service, definition, now);
  return target;
}

void EndpointBook::Erase(Place place) {
  places_.erase(place->key);
  kept_.erase(place);
}

}  // namespace entente::participants
