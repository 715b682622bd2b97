#include "net/dns/srv_book.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace entente::net {
namespace {

Status NotOffered(const std::string& name) {
  return Unavailable("dns.failed", "the SRV record of " + name +
                                       " says that the service is not offered (its target is '.')");
}

Status Unknown(const std::string& name, const Status& why) {
  return Status(why.code(), why.reason(),
                "the SRV record of " + name + " can not be looked up: " + why.message() +
                    "; check the name, and --dns-server");
}

}  // namespace

std::optional<Result<SrvBook::AnswerPtr>> SrvBook::Find(const std::string& name) {
  const Instant now = now_();
  Entry& entry = EntryOf(name, now);
  entry.used_at = now;
  if (!entry.asking && now >= entry.ask_again_at) {
    LookUp(name, entry);
  }
  if (entry.answer != nullptr && now < entry.usable_until) {
    return entry.answer;
  }
  return entry.asking ? std::nullopt : std::optional<Result<AnswerPtr>>(entry.problem);
}

void SrvBook::WhenKnown(const std::string& name, Done done) {
  const auto found = entries_.find(name);
  ENTENTE_CHECK(found != entries_.end() && found->second.asking);
  found->second.waiting.push_back(std::move(done));
}

SrvBook::Entry& SrvBook::EntryOf(const std::string& name, Instant now) {
  if (entries_.size() >= limits::kMaxSrvNames && !entries_.contains(name)) {
    Forget(now);
  }
  return entries_[name];
}

// Half of those that nobody waits for, so that the next one does not look at all of them again.
void SrvBook::Forget(Instant now) {
  std::vector<Instant> used;
  for (const auto& [name, entry] : entries_) {
    used.push_back(entry.used_at);
  }
  const auto middle = used.begin() + static_cast<std::ptrdiff_t>(used.size() / 2);
  std::nth_element(used.begin(), middle, used.end());
  const Instant oldest = std::min(*middle, now);
  std::erase_if(entries_, [oldest](const auto& each) {
    return !each.second.asking && each.second.used_at <= oldest;
  });
}

void SrvBook::LookUp(const std::string& name, Entry& entry) {
  entry.asking = true;
  lookup_(name, [this, name](Result<SrvAnswer> answer) { OnAnswer(name, std::move(answer)); });
}

void SrvBook::OnAnswer(const std::string& name, Result<SrvAnswer> answer) {
  Entry& entry = entries_.at(name);  // What is asked for is not forgotten.
  const Instant now = now_();
  entry.asking = false;
  if (!answer.ok()) {
    entry.problem = Unknown(name, answer.status());
    entry.ask_again_at = now + limits::kSrvPause;
  } else {
    const Duration ttl = std::clamp(answer->ttl, limits::kMinSrvTtl, limits::kMaxSrvTtl);
    entry.ask_again_at = now + ttl;
    entry.usable_until = now + ttl + limits::kSrvStale;
    const bool offered = !answer->targets.empty();
    entry.problem = offered ? Status() : NotOffered(name);
    entry.answer = offered ? std::make_shared<const SrvAnswer>(*std::move(answer)) : nullptr;
  }
  // Whoever is told may ask again, and the entry be another one then.
  for (Done& done : std::exchange(entry.waiting, {})) {
    done();
  }
}

}  // namespace entente::net
