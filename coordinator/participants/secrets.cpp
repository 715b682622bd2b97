#include "coordinator/participants/secrets.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>
#include <variant>

#include "base/redact.h"

namespace entente::participants {
namespace {

// What is shorter stands in answers by chance, and they would be broken by taking it out.
constexpr size_t kMinSecretBytes = 8;
constexpr size_t kMaxSecretBytes = size_t{8} * 1024;
constexpr std::string_view kShown = "[secret]";

// At most one byte more than there may be.
std::optional<std::string> ContentOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxSecretBytes + 1, '\0');
  if (!in || !(in.read(text.data(), static_cast<std::streamsize>(text.size())) || in.eof())) {
    return std::nullopt;
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

bool MayBeSent(std::string_view text, net::AddressPolicy::Protocol protocol) {
  const bool ascii = protocol == net::AddressPolicy::Protocol::kGrpc;
  return std::all_of(text.begin(), text.end(), [ascii](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f && (byte < 0x80 || !ascii);
  });
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    if (!line.empty() && line.front() != '#') {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace

Result<Secrets::Rendered> Secrets::Render(const dsl::SecretText& text, const net::Origin& origin,
                                          net::AddressPolicy::Protocol protocol) const {
  Rendered rendered;
  for (const dsl::SecretText::Part& part : text.parts) {
    if (!part.secret) {
      rendered.text += part.text;
      continue;
    }
    ENTENTE_RETURN_IF_ERROR(CheckHost(part.text, origin, protocol));
    ENTENTE_ASSIGN_OR_RETURN(std::string value, Read(part.text, protocol));
    rendered.text += value;
    rendered.values.push_back(std::move(value));
  }
  return rendered;
}

Result<std::string> Secrets::Read(const std::string& name,
                                  net::AddressPolicy::Protocol protocol) const {
  std::optional<std::string> text =
      folder_.empty() ? std::nullopt : ContentOf(folder_ + "/" + name);
  if (!text) {
    return Unavailable("secret.missing", "there is no secret '" + name +
                                             "' in the folder of --secrets-dir, or it can not be "
                                             "read");
  }
  while (text->ends_with('\n') || text->ends_with('\r')) {
    text->pop_back();
  }
  if (text->size() < kMinSecretBytes || text->size() > kMaxSecretBytes ||
      !MayBeSent(*text, protocol)) {
    return Unavailable("secret.unusable",
                       "the secret '" + name + "' is shorter than " +
                           std::to_string(kMinSecretBytes) + " bytes, longer than " +
                           std::to_string(kMaxSecretBytes) +
                           " bytes, more than one line, or no ASCII where it is metadata");
  }
  return std::move(*text);
}

Status Secrets::CheckHost(const std::string& name, const net::Origin& origin,
                          net::AddressPolicy::Protocol protocol) const {
  const std::string file = name + ".hosts";
  const std::optional<std::string> text =
      folder_.empty() ? std::nullopt : ContentOf(folder_ + "/" + file);
  const auto refused = [&name, &file](const std::string& why) {
    return Unavailable("secret.not_for",
                       "the secret '" + name + "' is not sent: " + file + " " + why);
  };
  if (!text) {
    return refused("is not there, which says who may receive it");
  }
  if (text->size() > kMaxSecretBytes) {  // The beginning of a host's name may be another host's.
    return refused("is longer than " + std::to_string(kMaxSecretBytes) + " bytes");
  }
  const std::vector<std::string> patterns = LinesOf(*text);
  const auto policy = net::AddressPolicy::Parse(patterns);
  // An empty list would allow everybody.
  if (patterns.empty() || !policy.ok()) {
    return refused("holds no list of hosts");
  }
  return policy->CheckOrigin(origin, protocol).ok() ? Status()
                                                    : refused("does not name this participant");
}

namespace {

// A Location that holds a secret leads nowhere then: it would be kept, and shown.
void RedactHeaders(const std::vector<std::string>& values, net::HttpHeaders& headers) {
  net::HttpHeaders shown;
  for (size_t i = 0; i < headers.size(); ++i) {
    std::string name(headers.name(i));
    std::string value(headers.value(i));
    Redact(values, name);
    Redact(values, value);
    shown.Add(name, value);
  }
  headers = std::move(shown);
}

}  // namespace

void Redact(const std::vector<std::string>& values, std::string& text) {
  entente::Redact(values, kShown, text);
}

void Redact(const std::vector<std::string>& values, Json& document) {
  entente::Redact(values, kShown, document);
}

void Redact(const std::vector<std::string>& values, net::HttpOutcome& outcome) {
  if (values.empty()) {
    return;
  }
  if (auto* response = std::get_if<net::HttpResponse>(&outcome)) {
    RedactHeaders(values, response->headers);
    Redact(values, response->body);
  } else {
    Redact(values, std::get<net::CallError>(outcome).message);
  }
}

void Redact(const std::vector<std::string>& values, net::GrpcOutcome& outcome) {
  if (values.empty()) {
    return;
  }
  if (auto* response = std::get_if<net::GrpcResponse>(&outcome)) {
    RedactHeaders(values, response->metadata);
    Redact(values, response->message);
    Redact(values, response->body);
  } else {
    Redact(values, std::get<net::CallError>(outcome).message);
  }
}

}  // namespace entente::participants
