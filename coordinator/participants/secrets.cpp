#include "coordinator/participants/secrets.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace entente::participants {
namespace {

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

bool IsHeaderText(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '\x7f'; });
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
    ENTENTE_ASSIGN_OR_RETURN(std::string value, Read(part.text));
    rendered.text += value;
    rendered.values.push_back(std::move(value));
  }
  return rendered;
}

Result<std::string> Secrets::Read(const std::string& name) const {
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
  if (text->empty() || text->size() > kMaxSecretBytes || !IsHeaderText(*text)) {
    return Unavailable("secret.unusable", "the secret '" + name + "' is empty, longer than " +
                                              std::to_string(kMaxSecretBytes) +
                                              " bytes or more than one line");
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

void Redact(const std::vector<std::string>& values, std::string& text) {
  for (const std::string& value : values) {
    for (size_t at = text.find(value); at != std::string::npos; at = text.find(value, at)) {
      text.replace(at, value.size(), kShown);
      at += kShown.size();
    }
  }
}

void Redact(const std::vector<std::string>& values, Json& document) {
  if (values.empty()) {
    return;
  }
  if (auto* text = document.get_ptr<std::string*>()) {
    Redact(values, *text);
  } else if (document.is_object()) {
    Json shown = Json::object();
    for (auto& [name, value] : document.items()) {
      std::string key = name;
      Redact(values, key);
      Redact(values, value);
      shown[key] = std::move(value);
    }
    document = std::move(shown);
  } else if (document.is_array()) {
    for (Json& value : document) {
      Redact(values, value);
    }
  }
}

}  // namespace entente::participants
