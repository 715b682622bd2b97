#include "entente/call_verifier.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "entente/participant.h"
#include "net/core/http_headers.h"
#include "net/signing/call_signature.h"
#include "net/signing/json_web_keys.h"
#include "participant-sdk/src/client/http_connection.h"
#include "participant-sdk/src/client/server_url.h"
#include "participant-sdk/src/participant/coordinator_keys.h"

namespace entente::sdk {
namespace {

constexpr size_t kMaxKeySetBytes = size_t{64} << 10;

Instant Now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(now));
}

// A name that only looks like loopback may lead anywhere.
bool IsThisMachine(const net::Origin& origin) {
  return origin.host == "localhost" || origin.host == "127.0.0.1" || origin.host == "::1";
}

Result<std::vector<net::VerifyingKey>> FetchKeys(const net::Origin& origin,
                                                 const VerifierOptions& options) {
  ConnectionOptions connection;
  connection.connect_timeout = options.fetch_timeout;
  connection.max_answer_bytes = kMaxKeySetBytes;
  connection.tls = options.tls;
  ENTENTE_ASSIGN_OR_RETURN(const auto client, HttpConnection::Make(origin, std::move(connection)));
  ENTENTE_ASSIGN_OR_RETURN(
      const HttpAnswer answer,
      client->Call({.method = "GET", .target = "/v1/keys"}, options.fetch_timeout));
  if (answer.status != 200) {
    return Unavailable("keys.refused", origin.ToString() + "/v1/keys answered HTTP " +
                                           std::to_string(answer.status));
  }
  return net::ReadKeySet(answer.body);
}

}  // namespace

class CallVerifier::Impl {
 public:
  Impl(VerifierOptions options, std::vector<net::VerifyingKey> pinned, CoordinatorKeys::Fetch fetch)
      : options_(std::move(options)),
        keys_(std::move(pinned), std::move(fetch),
              {options_.refresh_after, options_.least_pause, options_.fetch_timeout}) {}

  Status Verify(const net::SignedCall& call, const net::HttpHeaders& headers) {
    ENTENTE_RETURN_IF_ERROR(
        net::VerifyCall(call, headers, Now(), options_.window,
                        [this](const std::string& id) { return keys_.Find(id); }));
    const std::string audience(headers.Find("entente-audience").value_or(""));
    const auto& ours = options_.audiences;
    if (ours.empty() || std::find(ours.begin(), ours.end(), audience) != ours.end()) {
      return {};
    }
    return {StatusCode::kUnauthenticated, "signature.wrong_audience",
            "the call was signed for the participant at '" + audience + "', not for this one"};
  }

 private:
  const VerifierOptions options_;
  CoordinatorKeys keys_;
};

CallVerifier::CallVerifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CallVerifier::~CallVerifier() = default;

Result<std::shared_ptr<const CallVerifier>> CallVerifier::Make(VerifierOptions options) {
  std::vector<net::VerifyingKey> pinned;
  for (const std::string& text : options.keys) {
    ENTENTE_ASSIGN_OR_RETURN(net::VerifyingKey key, net::VerifyingKey::Read(text));
    pinned.push_back(std::move(key));
  }
  CoordinatorKeys::Fetch fetch;
  if (!options.coordinator.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(const net::Origin origin, ParseServer(options.coordinator));
    if (!origin.tls && !IsThisMachine(origin)) {
      return InvalidArgument("verifier.insecure",
                             "keys fetched from " + options.coordinator +
                                 " could be anybody's on the way: name it by https, or give its "
                                 "public keys themselves");
    }
    fetch = [origin, options] { return FetchKeys(origin, options); };
  }
  if (pinned.empty() && !fetch) {
    return InvalidArgument("verifier.no_keys",
                           "name the coordinator, or one of its public keys: without either no "
                           "call could be told to be its");
  }
  return std::shared_ptr<const CallVerifier>(new CallVerifier(
      std::make_unique<Impl>(std::move(options), std::move(pinned), std::move(fetch))));
}

Status CallVerifier::Verify(const HttpRequest& request) const {
  net::HttpHeaders headers;
  for (const auto& [name, value] : request.headers) {
    headers.Add(name, value);
  }
  return impl_->Verify({net::CallProtocol::kHttp, request.method, request.target, request.body},
                       headers);
}

Status CallVerifier::VerifyGrpc(std::string_view method, const Metadata& metadata,
                                std::string_view message) const {
  net::HttpHeaders headers;
  for (const auto& [name, value] : metadata) {
    headers.Add(name, value);
  }
  return impl_->Verify({net::CallProtocol::kGrpc, "POST", method, message}, headers);
}

}  // namespace entente::sdk
