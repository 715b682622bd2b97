#include "coordinator/api/access/keys.h"

#include <memory>
#include <utility>

#include "coordinator/api/command_checks.h"

namespace entente::api {
namespace {

// Which keys there are, and which of them signs.
Json StandingOf(const KeyList& keys) {
  Json ids = Json::array();
  Json standing = Json::object();
  for (const KeyInfo& key : keys) {
    ids.push_back(key.id);
    if (key.signing) {
      standing["signing"] = key.id;
    }
  }
  standing["keys"] = std::move(ids);
  return standing;
}

}  // namespace

KeyList Keys::List() const {
  return store_ == nullptr ? KeyList() : store_->list();
}

void Keys::Rotate(const RotateKeysCommand& command, Done<KeyList> done) const {
  if (store_ == nullptr) {
    done(Error{FailedPrecondition("keys.off",
                                  "this coordinator does not sign its calls; start it with "
                                  "--sign-calls on"),
               {},
               {}});
    return;
  }
  Checker check;
  std::optional<Duration> notice;
  if (command.notice) {
    notice = check.ReadDuration("notice", *command.notice);
  }
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  audit::AuditEntry entry = AuditTrail::Begin(*command.by, "", Action::kRotateKeys, "keys", "");
  entry.before = StandingOf(store_->list());
  if (command.revoke) {
    entry.after = Json{{"revoke", true}};
  }
  Done<KeyList> recorded = audit_.Recorded<KeyList>(
      std::move(entry), std::move(done), [](const KeyList& keys, audit::AuditEntry& told) {
        Json standing = StandingOf(keys);
        if (told.after.is_object()) {
          standing.update(told.after);
        }
        told.after = std::move(standing);
      });
  const auto rotated = std::make_shared<Status>(Internal("keys.failed", "it was not carried out"));
  coordinator_.Offload([store = store_, notice, revoke = command.revoke,
                        rotated] { *rotated = store->rotate(notice, revoke); },
                       [store = store_, rotated, done = std::move(recorded)] {
                         if (rotated->ok()) {
                           done(store->list());
                         } else {
                           done(Error{*rotated, {}, {}});
                         }
                       });
}

}  // namespace entente::api
