#include "dsl/participants.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/limits.h"
#include "dsl/addresses.h"
#include "dsl/cel/template.h"
#include "dsl/expressions.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using SecretPairs = std::vector<std::pair<std::string, SecretText>>;

class ParticipantCompiler {
 public:
  ParticipantCompiler(const CompileOptions& options, Environment& environment,
                      ProblemList& problems)
      : options_(options),
        environment_(environment),
        problems_(problems),
        expressions_(no_steps_, nullptr, environment, problems) {}

  KnownParticipant::Kind KindOf(const Json& json, const std::string& pointer);
  // The methods of a gRPC participant that was compiled, if its descriptor set names them.
  std::optional<std::vector<std::string>> MethodsOf(const Participant& participant,
                                                    const std::string& pointer);
  std::optional<Participant> Compile(const std::string& name, const Json& json,
                                     const std::string& pointer, KnownParticipant::Kind kind);

 private:
  // Addresses with where they stand.
  using Addresses = std::vector<std::pair<std::string, std::string>>;

  HttpAddress Http(const ObjectReader& reader);
  GrpcAddress Grpc(const ObjectReader& reader);
  // Whether the address is computed by each call; reports what does not belong together.
  bool IsComputed(const ObjectReader& reader);
  std::vector<std::string> Allowed(const ObjectReader& reader);
  // The field as it is resolved, one address or a list of them.
  Addresses ReadAddresses(const ObjectReader& reader, std::string_view field);
  void Take(const Addresses& addresses, std::string* first, std::vector<std::string>* others);
  // Reports a service that is one of several addresses.
  void CheckAlone(const Addresses& addresses);
  // Reports what `bad` says, or that the coordinator does not call there.
  void CheckAddress(const std::string& address, bool grpc, const std::optional<BadName>& bad,
                    const std::string& pointer);
  // A string with `env` in it, resolved; nothing if that is not possible.
  std::optional<std::string> Resolved(const Json* value, const std::string& pointer,
                                      std::string_view place);
  // Those that name secrets go to `secrets`, as they are.
  Pairs ResolvedPairs(const ObjectReader& reader, std::string_view field,
                      std::optional<BadName> (*check)(std::string_view), SecretPairs& secrets);
  // Whether the value names a secret, and so is not resolved here.
  bool TakeSecret(const std::string& name, const Json& value, const std::string& pointer,
                  SecretPairs& secrets);
  // The names in the array `field`, in lower case.
  std::vector<std::string> Names(const ObjectReader& reader, std::string_view field,
                                 std::optional<BadName> (*check)(std::string_view));

  const CompileOptions& options_;
  Environment& environment_;
  ProblemList& problems_;
  StepTable no_steps_;
  ExpressionCompiler expressions_;
};

// Offline a value may be unknown, and stand for itself: then it can not be checked.
bool IsKnown(const std::string& text) {
  return text.find("${env.") == std::string::npos;
}

// Whether a text reads anything but the environment. What is no template is reported elsewhere.
bool ReadsData(const Json& value) {
  if (!value.is_string() || value.get_ref<const std::string&>().find("${") == std::string::npos) {
    return false;
  }
  const auto compiled = cel::Template::Compile(value);
  const auto* source = std::get_if<cel::Template>(&compiled);
  return source != nullptr &&
         std::any_of(source->references().begin(), source->references().end(),
                     [](const auto& reference) { return reference.path.names.front() != "env"; });
}

KnownParticipant::Kind ParticipantCompiler::KindOf(const Json& json, const std::string& pointer) {
  if (!ObjectReader::IsObject(json, pointer, "a participant", problems_)) {
    return KnownParticipant::Kind::kUnknown;
  }
  const bool http = json.contains("http");
  const bool grpc = json.contains("grpc");
  if (http && grpc) {
    problems_.AtKey(pointer + "/http", "ambiguous_participant",
                    "a participant is called over HTTP or over gRPC, not both",
                    "remove 'http' or 'grpc', or make it two participants");
    return KnownParticipant::Kind::kUnknown;
  }
  if (!http && !grpc) {
    std::string suggestion = "write \"http\": \"http://host:port\" or \"grpc\": \"host:port\"";
    for (const auto& [name, value] : json.items()) {
      if (auto similar = DidYouMean(name, {"http", "grpc"}); !similar.empty()) {
        suggestion = std::move(similar);
      }
    }
    problems_.AtValue(pointer, "missing_field", "a participant needs the field 'http' or 'grpc'",
                      std::move(suggestion));
    return KnownParticipant::Kind::kUnknown;
  }
  return http ? KnownParticipant::Kind::kHttp : KnownParticipant::Kind::kGrpc;
}

std::optional<Participant> ParticipantCompiler::Compile(const std::string& name, const Json& json,
                                                        const std::string& pointer,
                                                        KnownParticipant::Kind kind) {
  if (kind == KnownParticipant::Kind::kUnknown) {
    return std::nullopt;
  }
  const bool http = kind == KnownParticipant::Kind::kHttp;
  const ObjectSpec& spec = http ? fields::kHttpParticipant : fields::kGrpcParticipant;
  const ObjectSpec& other = http ? fields::kGrpcParticipant : fields::kHttpParticipant;
  const ObjectReader reader(json, pointer, spec, problems_);
  reader.RefuseUnknownFields(std::array{&other});
  Participant participant;
  participant.name = name;
  if (http) {
    participant.address = Http(reader);
    participant.sensitive_headers = Names(reader, "sensitiveHeaders", CheckHeaderName);
  } else {
    participant.address = Grpc(reader);
    participant.sensitive_headers = Names(reader, "sensitiveMetadata", CheckMetadataKey);
  }
  participant.timeout =
      reader.DurationIn("timeout", std::chrono::milliseconds(1), limits::kMaxCallTimeout);
  participant.max_concurrent_calls =
      reader.Integer("maxConcurrentCalls", 1, limits::kMaxConcurrentCalls);
  participant.max_calls_per_second =
      reader.Number("maxCallsPerSecond", limits::kMinCallsPerSecond, limits::kMaxCallsPerSecond);
  return participant;
}

bool ParticipantCompiler::IsComputed(const ObjectReader& reader) {
  const bool computed = ReadsData(*reader.Find("http"));
  if (computed && !reader.Has("allow")) {
    problems_.AtValue(
        reader.PointerTo("http"), "missing_field",
        "an address that is computed needs a list of those that it may be, or whoever "
        "submits could have anything called from here",
        R"(add "allow": ["https://*.example.org"])");
  } else if (!computed && reader.Has("allow")) {
    problems_.AtKey(reader.PointerTo("allow"), "contradiction",
                    "'allow' is of an address that is computed, and this one is fixed",
                    "remove it");
  }
  return computed;
}

std::vector<std::string> ParticipantCompiler::Allowed(const ObjectReader& reader) {
  std::vector<std::string> allowed;
  const Json* list = reader.Array("allow");
  if (list != nullptr && (list->empty() || list->size() > kMaxAllowed)) {
    problems_.AtValue(reader.PointerTo("allow"), "out_of_range",
                      "'allow' lists " + std::to_string(list->size()) +
                          " addresses; it must be between 1 and the limit of " +
                          std::to_string(kMaxAllowed));
    return allowed;
  }
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string pointer = reader.PointerTo("allow") + "/" + std::to_string(i);
    auto pattern = Resolved(&(*list)[i], pointer, "'allow'");
    if (!pattern) {
      continue;
    }
    if (const Status known = options_.check_pattern && IsKnown(*pattern)
                                 ? options_.check_pattern(*pattern)
                                 : Status();
        !known.ok()) {
      problems_.AtValue(
          pointer, "bad_address", known.message(),
          "write \"[scheme://]host[:port]\", where the host is a name, '*.suffix', an "
          "address or a network such as 10.0.0.0/8");
    }
    allowed.push_back(*std::move(pattern));
  }
  return allowed;
}

ParticipantCompiler::Addresses ParticipantCompiler::ReadAddresses(const ObjectReader& reader,
                                                                  std::string_view field) {
  const Json& json = *reader.Find(field);
  const std::string place = Quote(field);
  Addresses addresses;
  if (!json.is_array()) {
    if (auto one = Resolved(&json, reader.PointerTo(field), place)) {
      addresses.emplace_back(*std::move(one), reader.PointerTo(field));
    }
    return addresses;
  }
  if (json.empty() || json.size() > kMaxEndpoints) {
    problems_.AtValue(reader.PointerTo(field), json.empty() ? "missing_field" : "too_many",
                      place + " lists " + std::to_string(json.size()) +
                          " addresses; it must be between 1 and the limit of " +
                          std::to_string(kMaxEndpoints));
    return addresses;
  }
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string pointer = reader.PointerTo(field) + "/" + std::to_string(i);
    if (auto one = Resolved(&json[i], pointer, place)) {
      addresses.emplace_back(*std::move(one), pointer);
    }
  }
  return addresses;
}

// Two that are written differently may be one: that is told once all are in their one form.
void ParticipantCompiler::Take(const Addresses& addresses, std::string* first,
                               std::vector<std::string>* others) {
  for (const auto& [address, pointer] : addresses) {
    const bool known =
        address == *first || std::find(others->begin(), others->end(), address) != others->end();
    if (first->empty()) {
      *first = address;
    } else if (known && IsKnown(address)) {
      problems_.AtValue(pointer, "contradiction",
                        "the address " + Quote(address) + " is listed twice", "remove one of them");
    } else {
      others->push_back(address);
    }
  }
}

void ParticipantCompiler::CheckAlone(const Addresses& addresses) {
  for (const auto& [address, pointer] : addresses) {
    if (addresses.size() > 1 && NamesService(address)) {
      problems_.AtValue(pointer, "contradiction",
                        Quote(address) +
                            " stands for all endpoints that its SRV records name, and "
                            "so can not be one of a list",
                        "write it alone, in place of the list");
    }
  }
}

HttpAddress ParticipantCompiler::Http(const ObjectReader& reader) {
  HttpAddress address;
  if (IsComputed(reader)) {
    address.allowed = Allowed(reader);
    address.headers = ResolvedPairs(reader, "headers", CheckHeaderName, address.secret_headers);
    return address;
  }
  Addresses urls = ReadAddresses(reader, "http");
  for (auto& [url, pointer] : urls) {
    const auto bad = CheckHttpUrl(url);
    CheckAddress(url, /*grpc=*/false, bad, pointer);
    url = bad ? url : NormalizedHttpUrl(url);
    while (url.ends_with('/')) {
      url.pop_back();
    }
  }
  CheckAlone(urls);
  Take(urls, &address.base_url, &address.others);
  address.headers = ResolvedPairs(reader, "headers", CheckHeaderName, address.secret_headers);
  return address;
}

GrpcAddress ParticipantCompiler::Grpc(const ObjectReader& reader) {
  GrpcAddress address;
  Addresses targets = ReadAddresses(reader, "grpc");
  for (auto& [target, pointer] : targets) {
    const auto bad = CheckGrpcTarget(target);
    CheckAddress(target, /*grpc=*/true, bad, pointer);
    target = !bad && NamesService(target) ? NormalizedHttpUrl(target) : target;
  }
  CheckAlone(targets);
  Take(targets, &address.target, &address.others);
  reader.Require("service", "write its full name, such as \"travel.v1.Hotels\"");
  if (const auto service = reader.String("service")) {
    address.service = *service;
    if (!IsProtoFullName(*service)) {
      problems_.AtValue(reader.PointerTo("service"), "bad_name",
                        Quote(*service) + " is not the full name of a gRPC service",
                        "write it as in its .proto file, with the package: \"travel.v1.Hotels\"");
    }
  }
  address.tls = reader.Bool("tls").value_or(false);
  if (const auto base64 = reader.String("descriptorSet")) {
    if (auto bytes = DecodeBase64(*base64); bytes && !bytes->empty()) {
      address.descriptor_set = *std::move(bytes);
    } else {
      problems_.AtValue(reader.PointerTo("descriptorSet"), "bad_base64",
                        "'descriptorSet' is not base64",
                        "encode what 'protoc --include_imports --descriptor_set_out' wrote");
    }
  }
  address.metadata = ResolvedPairs(reader, "metadata", CheckMetadataKey, address.secret_metadata);
  return address;
}

void ParticipantCompiler::CheckAddress(const std::string& address, bool grpc,
                                       const std::optional<BadName>& bad,
                                       const std::string& pointer) {
  if (!IsKnown(address)) {
    return;
  }
  if (bad) {
    problems_.AtValue(pointer, "bad_address", bad->message, bad->suggestion);
    return;
  }
  if (const Status allowed =
          options_.check_address ? options_.check_address(address, grpc) : Status();
      !allowed.ok()) {
    problems_.AtValue(pointer, "address_not_allowed", allowed.message());
  }
}

std::optional<std::vector<std::string>> ParticipantCompiler::MethodsOf(
    const Participant& participant, const std::string& pointer) {
  const auto* grpc = std::get_if<GrpcAddress>(&participant.address);
  if (grpc == nullptr || grpc->descriptor_set.empty() || !options_.read_descriptors) {
    return std::nullopt;
  }
  const Result<std::vector<std::string>> described =
      options_.read_descriptors(grpc->descriptor_set);
  if (!described.ok()) {
    problems_.AtValue(pointer + "/descriptorSet", "bad_descriptor_set",
                      "'descriptorSet': " + described.status().message(),
                      "encode what 'protoc --include_imports --descriptor_set_out' wrote");
    return std::nullopt;
  }
  std::vector<std::string> methods;
  std::vector<std::string_view> services;
  for (const std::string_view method : *described) {
    const std::string_view service = method.substr(0, method.find('/'));
    services.push_back(service);
    if (service == grpc->service) {
      methods.emplace_back(method.substr(service.size() + 1));
    }
  }
  if (methods.empty()) {
    problems_.AtValue(
        pointer + "/service", "unknown_service",
        "'descriptorSet' describes no service " + Quote(grpc->service) + " with a unary method",
        DidYouMean(grpc->service, services));
    return std::nullopt;
  }
  return methods;
}

std::optional<std::string> ParticipantCompiler::Resolved(const Json* value,
                                                         const std::string& pointer,
                                                         std::string_view place) {
  if (value == nullptr) {
    return std::nullopt;
  }
  const size_t problems_before = problems_.size();
  const Scope scope{.place = place, .input = false, .gid = false, .steps = false};
  const std::optional<cel::Template> text = expressions_.Text(*value, pointer, scope);
  if (!text || problems_.size() != problems_before) {
    return std::nullopt;
  }
  cel::Activation activation;
  activation.Bind("env", environment_.values());
  Result<std::string> rendered = text->RenderText(
      activation, [](const cel::Value&, std::string_view spliced) { return std::string(spliced); });
  if (!rendered.ok()) {
    problems_.AtValue(pointer, "expression_fails",
                      std::string(place) + " fails: " + rendered.status().message());
    return std::nullopt;
  }
  return *std::move(rendered);
}

bool ParticipantCompiler::TakeSecret(const std::string& name, const Json& value,
                                     const std::string& pointer, SecretPairs& secrets) {
  const auto* text = value.get_ptr<const std::string*>();
  if (text == nullptr || !NamesSecret(*text)) {
    return false;
  }
  Result<SecretText> parsed = ParseSecretText(*text);
  if (!parsed.ok()) {
    problems_.AtValue(pointer, "bad_secret", parsed.status().message(),
                      "put the whole value into the secret");
  } else if (!IsHeaderValue(*text)) {
    problems_.AtValue(pointer, "bad_header",
                      "the value of " + Quote(name) + " holds a line break or a control character");
  } else {
    secrets.emplace_back(name, std::move(parsed).value());
  }
  return true;
}

Pairs ParticipantCompiler::ResolvedPairs(const ObjectReader& reader, std::string_view field,
                                         std::optional<BadName> (*check)(std::string_view),
                                         SecretPairs& secrets) {
  Pairs pairs;
  const Json* object = reader.Object(field);
  if (object == nullptr) {
    return pairs;
  }
  for (const auto& [name, value] : object->items()) {
    const std::string pointer = reader.PointerTo(field) + "/" + EscapePointerToken(name);
    if (const auto bad = check(name)) {
      problems_.AtKey(pointer, "bad_header", bad->message, bad->suggestion);
    }
    if (TakeSecret(name, value, pointer, secrets)) {
      continue;
    }
    auto text = Resolved(&value, pointer, Quote(name));
    if (text && !IsHeaderValue(*text)) {
      problems_.AtValue(
          pointer, "bad_header",
          "the value of " + Quote(name) + " holds a line break or a control character");
    }
    pairs.emplace_back(name, text.value_or(""));
  }
  return pairs;
}

std::vector<std::string> ParticipantCompiler::Names(
    const ObjectReader& reader, std::string_view field,
    std::optional<BadName> (*check)(std::string_view)) {
  std::vector<std::string> names;
  const Json* array = reader.Array(field);
  if (array == nullptr) {
    return names;
  }
  if (array->size() > limits::kMaxSensitiveHeaders) {
    problems_.AtValue(reader.PointerTo(field), "too_many",
                      Quote(field) + " has more names than the limit of " +
                          std::to_string(limits::kMaxSensitiveHeaders));
  }
  for (size_t i = 0; i < array->size(); ++i) {
    const std::string pointer = reader.PointerTo(field) + "/" + std::to_string(i);
    const auto* name = (*array)[i].get_ptr<const std::string*>();
    if (name == nullptr) {
      problems_.AtValue(pointer, "wrong_type",
                        "a header is named by a string, not " + std::string(TypeName((*array)[i])));
    } else if (const auto bad = check(*name)) {
      problems_.AtValue(pointer, "bad_header", bad->message, bad->suggestion);
    } else {
      std::string& lower = names.emplace_back(*name);
      for (char& c : lower) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
    }
  }
  return names;
}

std::string ContentTypeOf(const Participant& participant) {
  const auto* http = std::get_if<HttpAddress>(&participant.address);
  if (http == nullptr) {
    return {};
  }
  constexpr std::string_view kName = "content-type";
  for (const auto& [name, value] : http->headers) {
    const bool same =
        std::equal(name.begin(), name.end(), kName.begin(), kName.end(),
                   [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
    if (same) {
      return value;
    }
  }
  return {};
}

}  // namespace

Participants CompileParticipants(const Json& participants, const std::string& pointer,
                                 const CompileOptions& options, Environment& environment,
                                 ProblemList& problems) {
  Participants result;
  if (participants.size() > limits::kMaxParticipants) {
    problems.AtValue(pointer, "too_many",
                     "a definition has " + std::to_string(participants.size()) +
                         " participants, more than the limit of " +
                         std::to_string(limits::kMaxParticipants));
    // Known all the same, so that one mistake is not reported as many.
    for (const auto& [name, json] : participants.items()) {
      result.known.push_back({name, KnownParticipant::Kind::kUnknown});
    }
    return result;
  }
  ParticipantCompiler compiler(options, environment, problems);
  for (const auto& [name, json] : participants.items()) {
    const std::string own_pointer = pointer + "/" + EscapePointerToken(name);
    if (const auto bad = CheckName(name, "a participant's name")) {
      problems.AtKey(own_pointer, "bad_name", bad->message, bad->suggestion);
    }
    const KnownParticipant::Kind kind = compiler.KindOf(json, own_pointer);
    result.known.push_back({name, kind});
    if (auto participant = compiler.Compile(name, json, own_pointer, kind)) {
      result.known.back().timeout = participant->timeout;
      result.known.back().content_type = ContentTypeOf(*participant);
      if (const auto* http = std::get_if<HttpAddress>(&participant->address);
          http != nullptr && !http->allowed.empty()) {
        result.known.back().computed_url = json["http"].get<std::string>();
        result.known.back().pointer = own_pointer + "/http";
      }
      result.known.back().methods = compiler.MethodsOf(*participant, own_pointer);
      result.compiled.push_back(*std::move(participant));
    }
  }
  return result;
}

Participants CompileParticipant(const Json& participant, const std::string& pointer,
                                Environment& environment, ProblemList& problems) {
  Participants result;
  const CompileOptions none;
  ParticipantCompiler compiler(none, environment, problems);
  const KnownParticipant::Kind kind = compiler.KindOf(participant, pointer);
  result.known.push_back({"", kind});
  if (kind == KnownParticipant::Kind::kHttp && ReadsData(participant["http"])) {
    problems.AtValue(pointer + "/http", "computed_not_here",
                     "a branch that is enlisted has no data that its address could be computed of",
                     "write the address");
    return result;
  }
  if (auto compiled = compiler.Compile("", participant, pointer, kind)) {
    const auto* http = std::get_if<HttpAddress>(&compiled->address);
    compiled->name =
        http != nullptr ? http->base_url : std::get<GrpcAddress>(compiled->address).target;
    result.known.front().name = compiled->name;
    result.compiled.push_back(*std::move(compiled));
  }
  return result;
}

std::optional<size_t> ReadParticipant(const ObjectReader& reader,
                                      const std::vector<KnownParticipant>& known,
                                      ProblemList& problems) {
  const std::optional<std::string> name = reader.String("participant");
  if (!name) {
    return std::nullopt;
  }
  std::vector<std::string_view> names;
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i].name == *name) {
      return i;
    }
    names.push_back(known[i].name);
  }
  std::string suggestion = DidYouMean(*name, names);
  if (suggestion.empty()) {
    suggestion = names.empty() ? "add it to 'participants'"
                               : "the participants are " + QuoteAll(names, "and");
  }
  problems.AtValue(reader.PointerTo("participant"), "unknown_participant",
                   "there is no participant " + Quote(*name), std::move(suggestion));
  return std::nullopt;
}

}  // namespace entente::dsl
