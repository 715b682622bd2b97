#include "coordinator/identity/web_token.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/base64.h"
#include "base/json.h"
#include "base/limits.h"
#include "coordinator/identity/json_members.h"

namespace entente::identity {
namespace {

constexpr JsonLimits kPartJson{kMaxWebTokenBytes, 16};
// Seconds since 1970 beyond which no clock goes, and arithmetic would overflow.
constexpr int64_t kMaxSeconds = 253'402'300'799;  // The end of the year 9999.

Status NotTaken(const std::string& why = "") {
  return {StatusCode::kUnauthenticated, "token.rejected",
          why.empty() ? "the token is not valid" : "the token is not valid: " + why};
}

struct Parts {
  std::string_view signed_text;  // What the signature is of.
  Json header;
  Json claims;
  std::string signature;
};

std::optional<Json> ObjectIn(std::string_view part) {
  const auto text = DecodeBase64Url(part);
  auto document = text ? ParseJson(*text, kPartJson) : Result<Json>(NotTaken());
  return document.ok() && document->is_object() ? std::optional(std::move(*document))
                                                : std::nullopt;
}

std::optional<Parts> TakeApart(std::string_view text) {
  const size_t first = text.find('.');
  const size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (text.size() > kMaxWebTokenBytes || second == std::string_view::npos ||
      text.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  auto header = ObjectIn(text.substr(0, first));
  auto claims = ObjectIn(text.substr(first + 1, second - first - 1));
  auto signature = DecodeBase64Url(text.substr(second + 1));
  if (!header || !claims || !signature) {
    return std::nullopt;
  }
  return Parts{text.substr(0, second), std::move(*header), std::move(*claims),
               std::move(*signature)};
}

std::optional<SigningAlgorithm> AlgorithmOf(const Json& header) {
  const std::string name = TextIn(header, "alg");
  for (const SigningAlgorithm one :
       {SigningAlgorithm::kRs256, SigningAlgorithm::kEs256, SigningAlgorithm::kEdDsa}) {
    if (name == SigningAlgorithmName(one)) {
      return one;
    }
  }
  return std::nullopt;
}

// The instant that a claim says (NumericDate: seconds, maybe with a fraction).
std::optional<Instant> NumericDateIn(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) {
    return std::nullopt;
  }
  const double seconds = found->get<double>();
  return seconds >= 0 && seconds <= static_cast<double>(kMaxSeconds)
             ? std::optional(InstantFromMicros(static_cast<int64_t>(seconds) * 1'000'000))
             : std::nullopt;
}

// Whether a claim is the text, or a list with it.
bool Says(const Json& claims, const std::string& name, const std::string& text) {
  const auto found = claims.find(name);
  if (found == claims.end()) {
    return false;
  }
  return *found == text ||
         (found->is_array() && std::find(found->begin(), found->end(), Json(text)) != found->end());
}

Status CheckTimes(const Json& claims, Instant now) {
  const auto over = NumericDateIn(claims, "exp");
  if (!over) {
    return NotTaken("it does not say when it ends (exp)");
  }
  if (now >= *over + kWebTokenLeeway) {
    return NotTaken("it is over (exp)");
  }
  for (const char* name : {"nbf", "iat"}) {
    const auto from = NumericDateIn(claims, name);
    if (claims.contains(name) && (!from || *from > now + kWebTokenLeeway)) {
      return NotTaken("it is not valid yet (" + std::string(name) + ")");
    }
  }
  return {};
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= limits::kMaxNameBytes && IsPrintableName(text);
}

}  // namespace

WebTokens::WebTokens(WebTokenRules rules, WebKeys keys)
    : rules_(std::move(rules)), keys_(std::make_shared<const WebKeys>(std::move(keys))) {}

bool WebTokens::IsOne(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') == 2;
}

Result<PrincipalPtr> WebTokens::Authenticate(std::string_view text, Instant now) const {
  const std::optional<Parts> parts = TakeApart(text);
  const auto algorithm = parts ? AlgorithmOf(parts->header) : std::nullopt;
  // `crit` names what a reader must understand, and there is nothing of it that this one does.
  if (!algorithm || parts->header.contains("crit")) {
    return NotTaken();
  }
  std::shared_ptr<const WebKeys> keys;
  {
    const std::lock_guard lock(mutex_);
    keys = keys_;
  }
  const auto verdict =
      keys->Verify(TextIn(parts->header, "kid"), *algorithm, parts->signed_text, parts->signature);
  if (verdict == WebKeys::Verdict::kUnknownKey && on_unknown_key_) {
    on_unknown_key_();
  }
  if (verdict != WebKeys::Verdict::kVerified) {
    return NotTaken();
  }
  const Json& claims = parts->claims;
  if (TextIn(claims, "iss") != rules_.issuer) {
    return NotTaken("another issuer made it (iss)");
  }
  if (!Says(claims, "aud", rules_.audience)) {
    return NotTaken("it is for another audience (aud)");
  }
  ENTENTE_RETURN_IF_ERROR(CheckTimes(claims, now));
  auto principal = std::make_shared<Principal>();
  principal->name = TextIn(claims, "sub");
  if (!IsName(principal->name)) {
    return NotTaken("it does not say whose it is (sub)");
  }
  const auto role = std::find_if(
      rules_.roles.begin(), rules_.roles.end(),
      [this, &claims](const auto& pair) { return Says(claims, rules_.role_claim, pair.first); });
  if (role == rules_.roles.end()) {
    return NotTaken("it gives no role here (" + rules_.role_claim + ")");
  }
  principal->role = role->second;
  principal->payloads = role->second != Role::kViewer;
  const std::string id = TextIn(claims, "jti");
  principal->token_id = IsName(id) ? "jwt:" + id : "jwt";
  return PrincipalPtr(std::move(principal));
}

void WebTokens::Use(WebKeys keys) {
  auto shared = std::make_shared<const WebKeys>(std::move(keys));
  const std::lock_guard lock(mutex_);
  keys_ = std::move(shared);
}

}  // namespace entente::identity
