#include "coordinator/identity/token_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "coordinator/identity/json_members.h"

namespace entente::identity {
namespace {

constexpr const char* kNotePrefix = "token/";
constexpr JsonLimits kNoteLimits{size_t{64} * 1024, 8};

std::string NoteOf(const std::string& id) {
  return kNotePrefix + id;
}

Status Rejected() {
  return {
      StatusCode::kUnauthenticated, "token.rejected",
      "the token is not valid: it is unknown, revoked or over; ask an administrator for another"};
}

Status Damaged(const std::string& id) {
  return DataLoss("store.bad_token", "what the store says of token '" + id + "' can not be read");
}

Status CheckRequest(const TokenRequest& request, Instant now) {
  const auto invalid = [](const std::string& what) {
    return InvalidArgument("token.invalid", what);
  };
  if (request.name.empty() || request.name.size() > limits::kMaxNameBytes) {
    return invalid("a token's name says who bears it, in at most " +
                   std::to_string(limits::kMaxNameBytes) + " bytes");
  }
  if (!IsPrintableName(request.name)) {
    return invalid(
        "a token's name is made of printable ASCII characters without blanks, quotes and "
        "backslashes");
  }
  if (request.expires_at && *request.expires_at <= now) {
    return invalid("the token would be over at once: its expiry is not in the future");
  }
  return CheckScope(request.scope);
}

std::optional<Instant> InstantIn(const Json& note, const char* name) {
  const auto found = note.find(name);
  if (found == note.end() || !found->is_string()) {
    return std::nullopt;
  }
  const auto instant = ParseInstant(found->get_ref<const std::string&>());
  return instant.ok() ? std::optional(*instant) : std::nullopt;
}

PrincipalPtr PrincipalOf(const TokenInfo& info) {
  Principal principal;
  principal.name = info.name;
  principal.role = info.role;
  principal.payloads = info.role != Role::kViewer || info.payloads;
  principal.scope = info.scope;
  principal.token_id = info.id;
  return std::make_shared<const Principal>(std::move(principal));
}

}  // namespace

Result<std::unique_ptr<TokenBook>> TokenBook::Open(storage::Journal& journal) {
  std::unique_ptr<TokenBook> book(new TokenBook(journal));
  ENTENTE_RETURN_IF_ERROR(book->Refresh());
  return book;
}

Result<CreatedToken> TokenBook::Create(const TokenRequest& request, const std::string& by,
                                       Instant now) {
  ENTENTE_RETURN_IF_ERROR(CheckRequest(request, now));
  const TokenText token = NewTokenText();
  Entry entry;
  entry.info = {token.id, request.name, request.role,       request.payloads, request.scope,
                now,      by,           request.expires_at, std::nullopt,     {}};
  entry.digest = TokenDigest(token);
  entry.principal = PrincipalOf(entry.info);
  const std::lock_guard writing(writing_);
  ENTENTE_RETURN_IF_ERROR(RefreshLocked());
  ENTENTE_RETURN_IF_ERROR(MakeRoom(now));
  CreatedToken created{entry.info, token.ToString()};
  ENTENTE_RETURN_IF_ERROR(Keep(std::move(entry)));
  return created;
}

// Whoever makes one token each hour for a job must not be stopped by those that are over.
Status TokenBook::MakeRoom(Instant now) {
  std::string oldest;
  {
    const std::lock_guard lock(mutex_);
    if (entries_.size() < kMaxTokens) {
      return {};
    }
    const Entry* found = nullptr;
    for (const auto& [id, entry] : entries_) {
      if (!entry.ValidAt(now) &&
          (found == nullptr || entry.info.created_at < found->info.created_at)) {
        found = &entry;
        oldest = id;
      }
    }
  }
  if (oldest.empty()) {
    return ResourceExhausted("token.too_many", "there are " + std::to_string(kMaxTokens) +
                                                   " valid tokens, which is the limit; revoke one");
  }
  ENTENTE_RETURN_IF_ERROR(journal_.PutNote(NoteOf(oldest), std::nullopt));
  const std::lock_guard lock(mutex_);
  entries_.erase(oldest);
  return {};
}

Status TokenBook::Keep(Entry entry) {
  const std::string id = entry.info.id;
  ENTENTE_RETURN_IF_ERROR(journal_.PutNote(NoteOf(id), Encode(entry)));
  const std::lock_guard lock(mutex_);
  entries_.insert_or_assign(id, std::move(entry));
  return {};
}

Result<TokenInfo> TokenBook::Revoke(const std::string& id, const std::string& by, Instant now) {
  const std::lock_guard writing(writing_);
  ENTENTE_RETURN_IF_ERROR(RefreshLocked());
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
      return NotFound("token.not_found",
                      "there is no token '" + id.substr(0, limits::kMaxNameBytes) + "'");
    }
    if (found->second.info.revoked_at) {
      return found->second.info;
    }
    entry = found->second;
  }
  entry.info.revoked_at = now;
  entry.info.revoked_by = by;
  TokenInfo info = entry.info;
  ENTENTE_RETURN_IF_ERROR(Keep(std::move(entry)));
  return info;
}

Status TokenBook::Refresh() {
  const std::lock_guard writing(writing_);
  return RefreshLocked();
}

// A note that can not be read fails the whole: it could be the one that revokes.
Status TokenBook::RefreshLocked() {
  ENTENTE_ASSIGN_OR_RETURN(const auto notes, journal_.ListNotes(kNotePrefix));
  std::map<std::string, Entry> entries;
  for (const auto& [name, text] : notes) {
    ENTENTE_ASSIGN_OR_RETURN(Entry entry, Decode(text));
    const std::string id = entry.info.id;
    if (name != NoteOf(id)) {
      return Damaged(id);
    }
    entries.emplace(id, std::move(entry));
  }
  const std::lock_guard lock(mutex_);
  entries_ = std::move(entries);
  return {};
}

std::string TokenBook::Encode(const Entry& entry) {
  const TokenInfo& info = entry.info;
  Json note{{"id", info.id},
            {"digest", entry.digest},
            {"name", info.name},
            {"role", RoleName(info.role)},
            {"payloads", info.payloads},
            {"scope", ScopeJson(info.scope)},
            {"createdAt", FormatInstant(info.created_at)},
            {"createdBy", info.created_by}};
  if (info.expires_at) {
    note["expiresAt"] = FormatInstant(*info.expires_at);
  }
  if (info.revoked_at) {
    note["revokedAt"] = FormatInstant(*info.revoked_at);
    note["revokedBy"] = info.revoked_by;
  }
  return DumpJson(note);
}

Result<TokenBook::Entry> TokenBook::Decode(const std::string& text) {
  const auto note = ParseJson(text, kNoteLimits);
  if (!note.ok() || !note->is_object()) {
    return Damaged("");
  }
  Entry entry;
  TokenInfo& info = entry.info;
  info.id = TextIn(*note, "id");
  info.name = TextIn(*note, "name");
  info.created_by = TextIn(*note, "createdBy");
  info.revoked_by = TextIn(*note, "revokedBy");
  const auto payloads = note->find("payloads");
  info.payloads = payloads != note->end() && payloads->is_boolean() && payloads->get<bool>();
  info.expires_at = InstantIn(*note, "expiresAt");
  info.revoked_at = InstantIn(*note, "revokedAt");
  entry.digest = TextIn(*note, "digest");
  const std::optional<Role> role = RoleFrom(TextIn(*note, "role"));
  const std::optional<Instant> created = InstantIn(*note, "createdAt");
  const auto scope = note->find("scope");
  // An expiry or a revocation that can not be read must not become none.
  if (info.id.empty() || entry.digest.empty() || !role || !created || scope == note->end() ||
      note->contains("expiresAt") != info.expires_at.has_value() ||
      note->contains("revokedAt") != info.revoked_at.has_value()) {
    return Damaged(info.id);
  }
  ENTENTE_ASSIGN_OR_RETURN(info.scope, ScopeFrom(*scope));
  info.role = *role;
  info.created_at = *created;
  entry.principal = PrincipalOf(info);
  return entry;
}

std::vector<TokenInfo> TokenBook::List() const {
  std::vector<TokenInfo> infos;
  {
    const std::lock_guard lock(mutex_);
    infos.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) {
      infos.push_back(entry.info);
    }
  }
  std::ranges::sort(infos, [](const TokenInfo& a, const TokenInfo& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  });
  return infos;
}

bool TokenBook::HasAdmin(Instant now) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [now](const auto& entry) {
    const TokenInfo& info = entry.second.info;
    return info.role == Role::kAdmin && info.scope.Everything() && entry.second.ValidAt(now);
  });
}

void TokenBook::Know(std::shared_ptr<const CertificateRoles> roles) {
  const std::lock_guard lock(mutex_);
  certificates_ = std::move(roles);
}

PrincipalPtr TokenBook::OfCertificate(const std::vector<std::string>& names) const {
  std::shared_ptr<const CertificateRoles> roles;
  {
    const std::lock_guard lock(mutex_);
    roles = certificates_;
  }
  return roles == nullptr ? nullptr : roles->Find(names);
}

Result<PrincipalPtr> TokenBook::Authenticate(std::string_view text, Instant now) const {
  if (others_ != nullptr && WebTokens::IsOne(text)) {
    return others_->Authenticate(text, now);
  }
  const std::optional<TokenText> token = ParseToken(text);
  if (!token) {
    return Rejected();
  }
  std::string digest;
  PrincipalPtr principal;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(token->id);
    if (found != entries_.end() && found->second.ValidAt(now)) {
      digest = found->second.digest;
      principal = found->second.principal;
    }
  }
  // Outside the lock, which every worker takes for every request.
  return principal != nullptr && MatchesDigest(*token, digest) ? Result(principal) : Rejected();
}

}  // namespace entente::identity
