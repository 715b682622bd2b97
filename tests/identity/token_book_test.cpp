#include <set>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "coordinator/identity/token_book.h"
#include "storage/memory/memory_journal.h"

namespace entente::identity {
namespace {

Instant At(int64_t seconds) {
  return InstantFromMicros(seconds * 1'000'000);
}

TokenRequest Of(const char* name, Role role) {
  TokenRequest request;
  request.name = name;
  request.role = role;
  return request;
}

// A store, and a book that reads it.
struct Fixture {
  storage::MemoryJournal journal;
  std::unique_ptr<TokenBook> book = Open();

  std::unique_ptr<TokenBook> Open() { return std::move(TokenBook::Open(journal)).value(); }
};

TEST_CASE("a token says who its bearer is, also after a restart") {
  Fixture f;
  TokenRequest request = Of("ci", Role::kSubmitter);
  request.scope = {{"trip-*"}, {{"team", "a"}}};
  const CreatedToken token = f.book->Create(request, "ann", At(1)).value();
  CHECK(token.text.starts_with("ent_" + token.info.id + "_"));
  for (const auto& book : {f.Open(), f.Open()}) {
    const PrincipalPtr who = book->Authenticate(token.text, At(2)).value();
    CHECK(who->name == "ci");
    CHECK(who->role == Role::kSubmitter);
    CHECK(who->scope == request.scope);
    CHECK(who->authenticated);
    CHECK(who->token_id == token.info.id);
    CHECK(book->List().at(0).created_by == "ann");
  }
}

TEST_CASE("what is stored of a token does not show it") {
  Fixture f;
  const CreatedToken token = f.book->Create(Of("ci", Role::kAdmin), "ann", At(1)).value();
  const std::string secret = ParseToken(token.text)->secret;
  const auto notes = f.journal.ListNotes("").value();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].second.find(secret) == std::string::npos);
}

TEST_CASE("a token that is not exactly right is refused, always in the same words") {
  Fixture f;
  TokenRequest request = Of("ci", Role::kAdmin);
  request.expires_at = At(10);
  const std::string text = f.book->Create(request, "ann", At(1)).value().text;
  const std::string other = f.book->Create(Of("b", Role::kAdmin), "ann", At(1)).value().text;
  const CreatedToken revoked = f.book->Create(Of("c", Role::kAdmin), "ann", At(1)).value();
  REQUIRE(f.book->Revoke(revoked.info.id, "ann", At(2)).ok());
  CHECK(f.book->Authenticate(text, At(9)).ok());
  std::string changed = text;
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  std::set<std::string> words;
  // The id of one with the secret of another is neither.
  for (const std::string& wrong :
       {changed, text + "A", text.substr(1), text.substr(0, 16) + other.substr(16),
        "ent_000000000000" + text.substr(16), std::string(), std::string("ent_"),
        std::string("ent_000000000000_"), revoked.text}) {
    CAPTURE(wrong);
    const Status refused = f.book->Authenticate(wrong, At(9)).status();
    CHECK(refused.code() == StatusCode::kUnauthenticated);
    words.insert(refused.ToString());
  }
  words.insert(f.book->Authenticate(text, At(10)).status().ToString());
  CHECK(words.size() == 1);
}

TEST_CASE("two tokens of one bearer are valid at once, until one is revoked") {
  Fixture f;
  const CreatedToken first = f.book->Create(Of("ci", Role::kSubmitter), "ann", At(1)).value();
  const CreatedToken second = f.book->Create(Of("ci", Role::kSubmitter), "ann", At(2)).value();
  CHECK(first.text != second.text);
  CHECK(f.book->Authenticate(first.text, At(3)).ok());
  CHECK(f.book->Authenticate(second.text, At(3)).ok());
  CHECK(f.book->Revoke(first.info.id, "bob", At(4)).value().revoked_by == "bob");
  CHECK_FALSE(f.book->Authenticate(first.text, At(5)).ok());
  CHECK(f.book->Authenticate(second.text, At(5)).ok());
  // A second time it changes nothing.
  CHECK(f.book->Revoke(first.info.id, "eve", At(6)).value().revoked_by == "bob");
  CHECK(f.book->Revoke("nobody", "bob", At(6)).status().reason() == "token.not_found");
  CHECK_FALSE(f.Open()->Authenticate(first.text, At(7)).ok());
}

TEST_CASE("what one node makes and revokes, another knows once it has looked") {
  Fixture f;
  const auto other = f.Open();
  const CreatedToken token = f.book->Create(Of("ci", Role::kViewer), "ann", At(1)).value();
  CHECK_FALSE(other->Authenticate(token.text, At(2)).ok());
  REQUIRE(other->Refresh().ok());
  CHECK(other->Authenticate(token.text, At(2)).ok());
  REQUIRE(other->Revoke(token.info.id, "bob", At(3)).ok());
  CHECK(f.book->Authenticate(token.text, At(4)).ok());
  REQUIRE(f.book->Refresh().ok());
  CHECK_FALSE(f.book->Authenticate(token.text, At(4)).ok());
}

TEST_CASE("a note that can not be read is no reason to go on as if it were not there") {
  Fixture f;
  const CreatedToken token = f.book->Create(Of("ci", Role::kViewer), "ann", At(1)).value();
  const std::string name = "token/" + token.info.id;
  const std::string good = f.journal.ListNotes(name).value().at(0).second;
  const auto spoiled = [&good](const char* member, const Json& value) {
    Json note = Json::parse(good);
    note[member] = value;
    return note.dump();
  };
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string("{}"), spoiled("role", "owner"),
        spoiled("expiresAt", "soon"), spoiled("revokedAt", 4), spoiled("scope", nullptr),
        spoiled("id", "000000000000"), spoiled("digest", "")}) {
    CAPTURE(bad);
    REQUIRE(f.journal.PutNote(name, bad).ok());
    CHECK(TokenBook::Open(f.journal).status().code() == StatusCode::kDataLoss);
    CHECK(f.book->Refresh().code() == StatusCode::kDataLoss);
    CHECK(f.book->Authenticate(token.text, At(2)).ok());
  }
}

TEST_CASE("payloads are kept from a viewer who was not granted them, and from nobody else") {
  Fixture f;
  for (int i = 0; i < kRoleCount; ++i) {
    const Role role = static_cast<Role>(i);
    TokenRequest request = Of("x", role);
    request.payloads = false;
    const std::string text = f.book->Create(request, "ann", At(1)).value().text;
    CHECK(f.book->Authenticate(text, At(2)).value()->payloads == (role != Role::kViewer));
  }
}

TEST_CASE("an administrator is one who can reach everything, and whose token is valid") {
  Fixture f;
  CHECK_FALSE(f.book->HasAdmin(At(1)));
  TokenRequest scoped = Of("a", Role::kAdmin);
  scoped.scope.definitions = {"trip"};
  REQUIRE(f.book->Create(scoped, "ann", At(1)).ok());
  REQUIRE(f.book->Create(Of("o", Role::kOperator), "ann", At(1)).ok());
  CHECK_FALSE(f.book->HasAdmin(At(1)));
  TokenRequest short_lived = Of("b", Role::kAdmin);
  short_lived.expires_at = At(5);
  const CreatedToken token = f.book->Create(short_lived, "ann", At(1)).value();
  CHECK(f.book->HasAdmin(At(4)));
  CHECK_FALSE(f.book->HasAdmin(At(5)));
  REQUIRE(f.book->Revoke(token.info.id, "ann", At(2)).ok());
  CHECK_FALSE(f.book->HasAdmin(At(4)));
}

TEST_CASE("there are only so many tokens, of which those that are over make room") {
  Fixture f;
  TokenRequest hourly = Of("job", Role::kSubmitter);
  hourly.expires_at = At(10);
  const std::string oldest = f.book->Create(hourly, "ann", At(0)).value().info.id;
  for (size_t i = 1; i < kMaxTokens; ++i) {
    REQUIRE(f.book->Create(Of("x", Role::kViewer), "ann", At(1)).ok());
  }
  CHECK(f.book->Create(Of("y", Role::kViewer), "ann", At(9)).status().reason() == "token.too_many");
  CHECK(f.book->Create(Of("y", Role::kViewer), "ann", At(10)).ok());
  CHECK(f.book->Revoke(oldest, "ann", At(11)).status().reason() == "token.not_found");
  CHECK(f.Open()->List().size() == kMaxTokens);
}

TEST_CASE("a token with a name that could be taken for something else is not made") {
  Fixture f;
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a\n"),
                                  std::string("a\"b"), std::string(129, 'a'), std::string("é")}) {
    CAPTURE(name);
    CHECK(f.book->Create(Of(name.c_str(), Role::kViewer), "ann", At(1)).status().reason() ==
          "token.invalid");
  }
  TokenRequest over = Of("a", Role::kViewer);
  over.expires_at = At(1);
  CHECK(f.book->Create(over, "ann", At(1)).status().reason() == "token.invalid");
  CHECK(f.book->List().empty());
}

}  // namespace
}  // namespace entente::identity
