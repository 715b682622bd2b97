#include "coordinator/provider_keys.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>
#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>

#include "coordinator/log/process_log.h"
#include "net/core/tls.h"
#include "net/core/url.h"
#include "net/http/http_client.h"

namespace entente::coordinator {
namespace {

constexpr auto kLookAgainEvery = std::chrono::seconds(2);
constexpr auto kFetchAgainAfter = std::chrono::minutes(5);
constexpr auto kLeastPause = std::chrono::seconds(10);
constexpr Duration kFetchTimeout = std::chrono::seconds(5);

bool IsUrl(const std::string& text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return file ? Result<std::string>(text.str())
              : InvalidArgument("config.file", "the keys '" + path + "' can not be read");
}

// Blocks until the answer is there.
Result<std::string> Fetch(const net::Url& url, const std::string& ca_file) {
  Result<std::string> fetched = Unavailable("jwt.no_keys", "no answer");  // Outlives the client.
  net::HttpClientOptions options;
  options.max_body_bytes = identity::kMaxWebKeysBytes;
  options.policy = net::AddressPolicy::Everything();
  if (url.origin.tls) {
    ENTENTE_ASSIGN_OR_RETURN(auto tls, net::TlsContext::ForClients({ca_file, {}, {}}));
    options.tls = net::Always(std::move(tls));
  }
  boost::asio::io_context io(1);
  net::HttpClient client(io, std::move(options));
  net::HttpRequest request;
  request.method = "GET";
  request.url = url;
  request.headers.Add("Accept", "application/jwk-set+json, application/json");
  client.Call(std::move(request), kFetchTimeout, [&fetched, &io](net::HttpOutcome outcome) {
    if (auto* response = std::get_if<net::HttpResponse>(&outcome)) {
      fetched = response->status == 200
                    ? Result<std::string>(std::move(response->body))
                    : Unavailable("jwt.no_keys", "it answers " + std::to_string(response->status));
    } else {
      fetched = Unavailable("jwt.no_keys", std::get<net::CallError>(outcome).message);
    }
    io.stop();  // A connection that is kept would be waited for.
  });
  io.run();
  return fetched;
}

}  // namespace

class ProviderKeys::Source {
 public:
  explicit Source(const Config& config) : place_(config.jwt_keys), ca_file_(config.tls_ca_file) {}

  // What there is to read, parsed.
  [[nodiscard]] Result<identity::WebKeys> Read() {
    Result<std::string> text = InvalidArgument("config.file", "");
    if (IsUrl(place_)) {
      fetched_at_ = std::chrono::steady_clock::now();
      wanted_ = false;
      ENTENTE_ASSIGN_OR_RETURN(const net::Url url, net::ParseUrl(place_));
      text = Fetch(url, ca_file_);
    } else {
      text = ReadFile(place_);
    }
    ENTENTE_RETURN_IF_ERROR(text.status());
    ENTENTE_ASSIGN_OR_RETURN(identity::WebKeys keys, identity::WebKeys::Parse(*text));
    taken_ = std::move(*text);
    return keys;
  }

  // From any thread: somebody has a token of a key that is not known.
  void Want() { wanted_ = true; }

  void Refresh(identity::WebTokens& tokens) {
    if (IsUrl(place_)) {
      const auto age = std::chrono::steady_clock::now() - fetched_at_;
      if (age < kLeastPause || (age < kFetchAgainAfter && !wanted_ && !failing_)) {
        return;
      }
    }
    const std::string before = taken_;
    auto keys = Read();
    if (!keys.ok()) {
      Tell(keys.status());
    } else if (before != taken_) {
      Log(LogLevel::kInfo,
          LogLine("provider_keys_taken").Word("keys", std::to_string(keys->size())));
      tokens.Use(std::move(*keys));
    }
    failing_ = !keys.ok();
  }

  void Tell(const Status& failure) {
    if (!failing_) {
      Log(LogLevel::kWarning, LogLine("provider_keys_kept")
                                  .Text("keys", place_)
                                  .Word("reason", failure.reason())
                                  .Text("message", failure.message()));
    }
    failing_ = true;
  }

 private:
  const std::string place_;
  const std::string ca_file_;
  std::atomic<bool> wanted_ = false;
  // Used by one thread at a time: who opens it, then the one that refreshes.
  std::chrono::steady_clock::time_point fetched_at_;
  std::string taken_;
  bool failing_ = false;
};

Result<std::unique_ptr<ProviderKeys>> ProviderKeys::Open(const Config& config) {
  identity::WebTokenRules rules;
  rules.issuer = config.jwt_issuer;
  rules.audience = config.jwt_audience;
  rules.role_claim = config.jwt_role_claim;
  for (const std::string& pair : config.jwt_roles) {
    ENTENTE_ASSIGN_OR_RETURN(auto role, ParseRolePair(pair));
    rules.roles.push_back(std::move(role));
  }
  auto source = std::make_shared<Source>(config);
  auto keys = source->Read();
  if (!keys.ok()) {
    if (!IsUrl(config.jwt_keys)) {
      return keys.status();
    }
    source->Tell(keys.status());
    keys = identity::WebKeys();
  }
  auto tokens = std::make_shared<identity::WebTokens>(std::move(rules), std::move(*keys));
  tokens->OnUnknownKey([source] { source->Want(); });
  return std::unique_ptr<ProviderKeys>(new ProviderKeys(std::move(tokens), std::move(source)));
}

ProviderKeys::ProviderKeys(std::shared_ptr<identity::WebTokens> tokens,
                           std::shared_ptr<Source> source)
    : tokens_(std::move(tokens)), source_(std::move(source)) {
  refresh_.emplace(kLookAgainEvery, [this] { source_->Refresh(*tokens_); });
}

ProviderKeys::~ProviderKeys() = default;

const std::shared_ptr<identity::WebTokens>& ProviderKeys::tokens() const {
  return tokens_;
}

}  // namespace entente::coordinator
