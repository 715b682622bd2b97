#include "coordinator/participants/completion_places.h"

#include <algorithm>
#include <cctype>
#include <variant>

#include "dsl/read/body_kind.h"
#include "net/core/http_headers.h"

namespace entente::participants {
namespace {

std::string PercentEncoded(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 0xF]};
    }
  }
  return encoded;
}

void Replace(std::string_view place, std::string_view by, std::string& text) {
  for (size_t at = text.find(place); at != std::string::npos;
       at = text.find(place, at + by.size())) {
    text.replace(at, place.size(), by);
  }
}

void Put(std::string_view token, std::string_view url, std::string& text) {
  Replace(engine::kCompletionUrlPlace, url, text);
  Replace(engine::kTokenPlace, token, text);
}

// The call's own type, else the participant's.
bool IsForm(const engine::RenderedHttp& request, const dsl::Participant& participant) {
  net::HttpHeaders headers;
  for (const auto& [name, value] : request.headers) {
    headers.Add(name, value);
  }
  for (const auto& [name, value] : std::get<dsl::HttpAddress>(participant.address).headers) {
    headers.Add(name, value);
  }
  const auto type = headers.Find("content-type");
  return type && dsl::KindOfBody(*type) == dsl::BodyKind::kForm;
}

bool Names(const Json& value) {
  if (value.is_string()) {
    return value.get_ref<const std::string&>().find(engine::kCompletionUrlPlace) !=
           std::string::npos;
  }
  return value.is_structured() && std::any_of(value.begin(), value.end(), Names);
}

}  // namespace

std::string CompletionUrl(std::string_view public_url, std::string_view token) {
  return public_url.empty() ? std::string()
                            : std::string(public_url) + "/v1/callbacks/" + std::string(token);
}

bool NamesUrl(const engine::CallBranch& call) {
  const auto names = [](const std::string& text) {
    return text.find(engine::kCompletionUrlPlace) != std::string::npos;
  };
  if (const auto* http = std::get_if<engine::RenderedHttp>(&call.request)) {
    return names(http->target) || (http->body && names(*http->body)) ||
           std::any_of(http->headers.begin(), http->headers.end(),
                       [&names](const auto& header) { return names(header.second); });
  }
  return Names(std::get<engine::RenderedGrpc>(call.request).body.Read());
}

void PutPlaces(const CompletionPlace& place, const dsl::Participant& participant,
               engine::RenderedHttp& request) {
  const std::string encoded = PercentEncoded(place.url);
  Put(place.token, encoded, request.target);
  for (auto& [name, value] : request.headers) {
    Put(place.token, place.url, value);
  }
  if (request.body) {
    Put(place.token, IsForm(request, participant) ? encoded : place.url, *request.body);
  }
}

void PutPlaces(const CompletionPlace& place, Json& message) {
  if (message.is_string()) {
    Put(place.token, place.url, message.get_ref<std::string&>());
  } else if (message.is_structured()) {
    for (Json& part : message) {
      PutPlaces(place, part);
    }
  }
}

}  // namespace entente::participants
