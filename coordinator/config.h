// The settings of `entente serve`: flags, environment variables and a JSON file, in that order of
// precedence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/identity/principal.h"

namespace entente::coordinator {

struct Config {
  std::string http = "127.0.0.1:8080";
  std::string grpc = "127.0.0.1:9090";  // "off": none.
  bool grpc_reflection = false;
  std::string store = "sqlite:entente.db";
  std::string store_identity = "ask";  // "ask", "new" or "keep": see storage::CopiedStore.
  std::string store_migrate = "yes";   // "yes" or "no"
  std::string encryption_key_file;     // See storage::KeyRing; empty: the store is not encrypted.
  Duration lease = std::chrono::seconds(5);
  // Of nodes that share a store: where the others reach this one; what they are told instead, if
  // that is another address; the file with the secret that they know each other by, if it is not to
  // lie in the store.
  std::string cluster = "127.0.0.1:0";
  std::string cluster_advertise;
  std::string cluster_secret_file;
  uint32_t workers = 0;  // 0: one per processor, at most 16.
  Duration retention = std::chrono::hours(24 * 7);
  Duration audit_retention = std::chrono::hours(24 * 365);
  Duration drain_grace = std::chrono::seconds(10);
  uint64_t max_open_transactions = 2'000'000;
  uint64_t payload_memory = 0;                  // Bytes; 0: half of what the process may use.
  std::vector<std::string> allow_env;           // What definitions may read as `env`.
  std::vector<std::string> allow_participants;  // See net::AddressPolicy.
  std::string dns_server;                       // See net::DnsOptions; empty: the system's.
  std::string secrets_dir;                      // See participants::Secrets; empty: none.
  std::vector<std::string> allow_hosts;         // See api::GuardOptions.
  std::vector<std::string> allow_origins;
  std::string tls_ca_file;  // For calls to participants; empty: the system's.
  std::string tls_certificate_file;
  std::string tls_key_file;
  bool sign_calls = false;                     // Those of participants.
  std::vector<std::string> signing_key_files;  // Empty: the keys are in the store.
  std::string otlp_endpoint;  // Of an OpenTelemetry collector; empty: no traces are sent.
  std::vector<std::string> otlp_headers;  // "Name: value"
  // Where others reach the HTTP listener, for ${completionUrl}; empty: where it listens, if that is
  // one known address.
  std::string public_url;
  std::string webhook;                      // URL of a receiver of events; empty: none.
  std::string webhook_secret_file;          // Empty: events are not signed.
  std::vector<std::string> webhook_events;  // See outlets::WebhookKindName; empty: all.
  // What both listeners show; empty: they speak plain text.
  std::string listen_tls_certificate_file;
  std::string listen_tls_key_file;
  std::string listen_tls_client_ca_file;  // Clients must show a certificate of these authorities.
  std::string client_roles_file;          // Who they are by it; empty: tokens alone say so.
  std::string auth;        // "none" or "token"; empty: token as soon as others can reach us.
  std::string jwt_keys;    // JWK set of an identity provider, a file or URL; empty: none.
  std::string jwt_issuer;  // See identity::WebTokenRules.
  std::string jwt_audience;
  std::string jwt_role_claim = "roles";
  std::vector<std::string> jwt_roles;  // "word=role"
  std::string admin_token_file;        // Where the first token goes; empty: beside the store.
  std::string log_level = "info";
  std::string log_format = "text";  // "text" or "json"
  std::string port_file;            // Where to write the actual ports once ready; empty: nowhere.
};

// One setting: where it comes from and where it goes.
struct Setting {
  std::string name;         // "--" + name on the command line, name in the file ("max-open").
  std::string environment;  // "ENTENTE_HTTP"
  std::string help;
  bool list = false;  // May be repeated; in the environment separated by commas.
  // Reads one value; of a list, one more. Fails with kInvalidArgument, saying what is allowed.
  Status (*apply)(Config& config, const std::string& value) = nullptr;
  std::string (*show)(const Config& config) = nullptr;  // The default, for --help.
  void (*clear)(Config& config) = nullptr;              // Of a list.
};

[[nodiscard]] const std::vector<Setting>& Settings();

// Sets what one source (the file, the environment, the flags) gives: `values`, unless empty, take
// the place of what was set before. A list too, so that a flag can narrow what the environment
// allows. Fails as Setting::apply does.
[[nodiscard]] Status ApplyValues(const Setting& setting, const std::vector<std::string>& values,
                                 Config& config);

// Reads a JSON object of settings into `config`. kInvalidArgument, naming the file and the mistake.
[[nodiscard]] Status ApplyConfigFile(const std::string& path, Config& config);

// Reads the environment variables that are set.
[[nodiscard]] Status ApplyEnvironment(Config& config);

// What must hold of the whole: addresses can be read, and what other machines can reach asks who
// they are.
[[nodiscard]] Status CheckConfig(const Config& config);

// "Name: value" taken apart; nothing if it is not that.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> SplitHeader(
    const std::string& text);

// "word=role" taken apart. kInvalidArgument, saying which roles there are.
[[nodiscard]] Result<std::pair<std::string, identity::Role>> ParseRolePair(const std::string& text);

// Whether clients have to show a token.
[[nodiscard]] bool AsksForTokens(const Config& config);

struct ListenAddress {
  std::string host;
  uint16_t port = 0;
};
// "host:port", "[::1]:port", ":port" (loopback).
[[nodiscard]] Result<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace entente::coordinator
