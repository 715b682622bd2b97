#include "net/signing/call_signature.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "net/signing/structured_fields.h"

namespace entente::net {
namespace {

constexpr std::string_view kLabel = "entente";
constexpr std::string_view kTag = "entente-call";
constexpr std::string_view kAlgorithm = "ed25519";
constexpr std::string_view kInputField = "signature-input";
constexpr std::string_view kSignatureField = "signature";
constexpr std::string_view kContentDigest = "content-digest";
constexpr std::string_view kMessageDigest = "entente-message-digest";
constexpr std::string_view kOwnPrefix = "entente-";
constexpr std::string_view kIdempotencyKey = "idempotency-key";
constexpr std::array<std::string_view, 3> kDerived = {"@method", "@path", "@query"};

bool MustBeCovered(std::string_view name) {
  return EqualsIgnoringCase(name.substr(0, kOwnPrefix.size()), kOwnPrefix) ||
         EqualsIgnoringCase(name, kIdempotencyKey);
}

std::string_view DigestField(const SignedCall& call) {
  return call.protocol == CallProtocol::kGrpc ? kMessageDigest : kContentDigest;
}

std::string DigestOf(const SignedCall& call) {
  return "sha-256=:" + EncodeBase64(Sha256(call.body)) + ":";
}

std::string_view PathOf(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return path.empty() ? "/" : path;
}

// With its question mark, which is there even where there is no query.
std::string_view QueryOf(std::string_view target) {
  const size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view("?") : target.substr(mark);
}

std::string_view DerivedValue(const SignedCall& call, std::string_view name) {
  return name == "@method" ? call.method
         : name == "@path" ? PathOf(call.target)
                           : QueryOf(call.target);
}

void AppendLower(std::string_view name, std::string& text) {
  for (const char c : name) {
    text.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
  }
}

Status Fail(std::string reason, std::string message) {
  return {StatusCode::kUnauthenticated, "signature." + std::move(reason), std::move(message)};
}

// Of a field that may stand on several lines (RFC 9110, 5.3).
std::string AllOf(const HttpHeaders& headers, std::string_view name) {
  std::string all;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (EqualsIgnoringCase(headers.name(i), name)) {
      all += (all.empty() ? "" : ", ") + std::string(headers.value(i));
    }
  }
  return all;
}

template <class Member>
const Member* FindMember(const FieldDictionary<Member>& dictionary) {
  const auto found = std::find_if(dictionary.begin(), dictionary.end(),
                                  [](const auto& one) { return one.first == kLabel; });
  return found == dictionary.end() ? nullptr : &found->second;
}

struct Claim {
  FieldInnerList input;
  std::string signature;
  int64_t created = 0;
  std::string key_id;
};

// The parameters, each exactly once: what this profile does not know may change what a signature
// means.
Status ReadParameters(const FieldParameters& parameters, Claim& claim) {
  bool has_created = false;
  bool has_key = false;
  bool has_algorithm = false;
  bool has_tag = false;
  for (const auto& [name, value] : parameters) {
    const auto* text = std::get_if<std::string>(&value);
    if (const auto* number = std::get_if<int64_t>(&value); name == "created" && number != nullptr) {
      claim.created = *number;
      has_created = true;
    } else if (name == "keyid" && text != nullptr) {
      claim.key_id = *text;
      has_key = true;
    } else if (name == "alg" && text != nullptr && *text == kAlgorithm) {
      has_algorithm = true;
    } else if (name == "tag" && text != nullptr && *text == kTag) {
      has_tag = true;
    } else {
      return Fail("malformed", "its parameter '" + name + "' is not one of a coordinator's call");
    }
  }
  return has_created && has_key && has_algorithm && has_tag
             ? Status()
             : Fail("malformed", "it lacks one of created, keyid, alg and tag");
}

Result<Claim> ReadClaim(const HttpHeaders& headers) {
  const std::string input_text = AllOf(headers, kInputField);
  const std::string signature_text = AllOf(headers, kSignatureField);
  if (input_text.empty() || signature_text.empty()) {
    return Fail("missing", "the call is not signed: it has no Signature-Input and Signature");
  }
  const auto inputs = ParseInnerLists(input_text);
  const auto signatures = ParseItems(signature_text);
  if (!inputs.ok() || !signatures.ok()) {
    return Fail("malformed", "Signature-Input or Signature can not be read: " +
                                 (inputs.ok() ? signatures.status() : inputs.status()).message());
  }
  const FieldInnerList* input = FindMember(*inputs);
  const FieldItem* signature = FindMember(*signatures);
  if (input == nullptr || signature == nullptr) {
    return Fail("missing", "none of the call's signatures is labelled 'entente'");
  }
  const auto* bytes = std::get_if<FieldBytes>(&signature->value);
  if (bytes == nullptr || !signature->parameters.empty()) {
    return Fail("malformed", "the signature is no sequence of bytes");
  }
  Claim claim{*input, bytes->bytes, 0, {}};
  ENTENTE_RETURN_IF_ERROR(ReadParameters(input->parameters, claim));
  return claim;
}

// The names of the covered components, each once.
Result<std::vector<std::string>> CoveredBy(const Claim& claim) {
  std::vector<std::string> names;
  for (const FieldItem& item : claim.input.items) {
    const auto* name = std::get_if<std::string>(&item.value);
    if (name == nullptr || !item.parameters.empty() ||
        std::find(names.begin(), names.end(), *name) != names.end()) {
      return Fail("malformed", "a covered component is no name, has parameters, or stands twice");
    }
    names.push_back(*name);
  }
  return names;
}

Status CheckCoverage(const SignedCall& call, const HttpHeaders& headers,
                     const std::vector<std::string>& covered) {
  const auto is_covered = [&covered](std::string_view name) {
    return std::any_of(covered.begin(), covered.end(),
                       [name](const std::string& one) { return EqualsIgnoringCase(one, name); });
  };
  const auto uncovered = [](std::string_view name) {
    return Fail("uncovered", "'" + std::string(name) + "' is not covered by the signature");
  };
  for (const std::string_view name : kDerived) {
    if (!is_covered(name)) {
      return uncovered(name);
    }
  }
  if (!is_covered(DigestField(call))) {
    return uncovered(DigestField(call));
  }
  for (size_t i = 0; i < headers.size(); ++i) {
    if (MustBeCovered(headers.name(i)) && !is_covered(headers.name(i))) {
      return uncovered(headers.name(i));
    }
  }
  return {};
}

// The value of a covered component. A field that stands twice has none: whichever were taken, a
// reader further on might take the other.
std::optional<std::string_view> ValueOf(const SignedCall& call, const HttpHeaders& headers,
                                        const std::string& name) {
  if (std::find(kDerived.begin(), kDerived.end(), name) != kDerived.end()) {
    return DerivedValue(call, name);
  }
  std::optional<std::string_view> value;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (EqualsIgnoringCase(headers.name(i), name)) {
      if (value) {
        return std::nullopt;
      }
      value = headers.value(i);
    }
  }
  return value;
}

Result<std::string> BaseOf(const SignedCall& call, const HttpHeaders& headers, const Claim& claim) {
  ENTENTE_ASSIGN_OR_RETURN(const std::vector<std::string> covered, CoveredBy(claim));
  ENTENTE_RETURN_IF_ERROR(CheckCoverage(call, headers, covered));
  std::vector<SignedComponent> components;
  for (const std::string& name : covered) {
    const auto value = ValueOf(call, headers, name);
    if (!value) {
      return Fail("uncovered", "'" + name + "' is covered by the signature and not there once");
    }
    components.emplace_back(name, *value);
  }
  return SignatureBase(components, claim.input.text);
}

// What Signature-Input says of `components`.
std::string InputOf(const std::vector<SignedComponent>& components, Instant created,
                    const std::string& key_id) {
  std::string input = "(";
  for (const auto& [name, value] : components) {
    input += input.size() > 1 ? " \"" : "\"";
    AppendLower(name, input);
    input += '"';
  }
  return input + ");created=" + std::to_string(ToMicros(created) / 1'000'000) +
         ";keyid=" + QuoteFieldString(key_id) + ";alg=\"" + std::string(kAlgorithm) + "\";tag=\"" +
         std::string(kTag) + '"';
}

Status CheckCreated(const Claim& claim, Instant now, Duration window) {
  const int64_t now_seconds = ToMicros(now) / 1'000'000;
  const int64_t apart = std::abs(now_seconds - claim.created);  // Both have far fewer digits.
  if (std::chrono::seconds(apart) <= window) {
    return {};
  }
  return Fail("stale", "it was signed " + std::to_string(apart) + " s " +
                           (claim.created < now_seconds ? "ago" : "ahead of this clock") +
                           "; at most " + FormatDuration(window) +
                           " are taken: compare the clocks of coordinator and participant");
}

}  // namespace

std::string SignatureBase(const std::vector<SignedComponent>& components,
                          std::string_view parameters) {
  std::string base;
  base.reserve(1024);
  for (const auto& [name, value] : components) {
    base += '"';
    AppendLower(name, base);
    base += "\": ";
    base += value;
    base += '\n';
  }
  base += "\"@signature-params\": ";
  base += parameters;
  return base;
}

void SignCall(const SigningKey& key, const SignedCall& call, Instant created,
              HttpHeaders& headers) {
  headers.Add(call.protocol == CallProtocol::kGrpc ? kMessageDigest : "Content-Digest",
              DigestOf(call));
  std::vector<SignedComponent> components;
  for (const std::string_view name : kDerived) {
    components.emplace_back(name, DerivedValue(call, name));
  }
  for (size_t i = 0; i < headers.size(); ++i) {
    if (MustBeCovered(headers.name(i)) || EqualsIgnoringCase(headers.name(i), kContentDigest)) {
      components.emplace_back(headers.name(i), headers.value(i));
    }
  }
  const std::string input = InputOf(components, created, key.id());
  const std::string signature = key.Sign(SignatureBase(components, input));
  const std::string label = std::string(kLabel) + '=';
  const bool lower = call.protocol == CallProtocol::kGrpc;
  headers.Add(lower ? kInputField : "Signature-Input", label + input);
  headers.Add(lower ? kSignatureField : "Signature", label + ':' + EncodeBase64(signature) + ':');
}

Status VerifyCall(const SignedCall& call, const HttpHeaders& headers, Instant now, Duration window,
                  const FindKey& find_key) {
  ENTENTE_ASSIGN_OR_RETURN(const Claim claim, ReadClaim(headers));
  ENTENTE_RETURN_IF_ERROR(CheckCreated(claim, now, window));
  ENTENTE_ASSIGN_OR_RETURN(const std::string base, BaseOf(call, headers, claim));
  if (headers.Find(DigestField(call)) != DigestOf(call)) {
    return Fail("altered", "the body is not the one that was signed: its digest is another");
  }
  ENTENTE_ASSIGN_OR_RETURN(const VerifyingKey key, find_key(claim.key_id));
  if (!key.Verifies(base, claim.signature)) {
    return Fail("altered",
                "the signature does not fit the call: its method, path, query or one of its "
                "Entente headers was changed on the way, by a proxy for example");
  }
  return {};
}

}  // namespace entente::net
