#include "coordinator/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/limits.h"
#include "net/core/url.h"
#include "net/dns/srv_client.h"

namespace entente::coordinator {

std::optional<std::pair<std::string, std::string>> SplitHeader(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || text.find_first_of(" \t\r\n") < colon ||
      text.find_first_of("\r\n") != std::string::npos) {
    return std::nullopt;
  }
  const size_t value = text.find_first_not_of(" \t", colon + 1);
  return std::pair(text.substr(0, colon),
                   value == std::string::npos ? std::string() : text.substr(value));
}

namespace {

constexpr JsonLimits kConfigJson{size_t{1} << 20, 8};

Status Invalid(const std::string& message) {
  return InvalidArgument("config.invalid", message);
}

template <class Number>
Status ParseNumber(const std::string& value, Number low, Number high, Number& to) {
  Number number{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < low || number > high) {
    return Invalid("'" + value + "' is not a whole number from " + std::to_string(low) + " to " +
                   std::to_string(high));
  }
  to = number;
  return {};
}

// "4096", "512KiB", "64MiB", "2GiB".
Status ParseBytes(const std::string& value, uint64_t& to) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kUnits = {
      {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"", 0}}};
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(),
                                 [&value](const auto& one) { return value.ends_with(one.first); });
  const std::string digits = value.substr(0, value.size() - unit->first.size());
  const uint64_t most = INT64_MAX >> unit->second;
  uint64_t number = 0;
  if (!ParseNumber<uint64_t>(digits, 0, most, number).ok()) {
    return Invalid("'" + value + "' is not a size such as 4096, 512KiB, 64MiB or 2GiB");
  }
  to = number << unit->second;
  return {};
}

Status ParseDurationSetting(const std::string& value, Duration& to) {
  ENTENTE_ASSIGN_OR_RETURN(to, ParseDuration(value));
  return {};
}

std::string ShowStrings(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    text += (text.empty() ? "" : ",") + value;
  }
  return text;
}

// A member of Config that is a string, as a setting.
template <std::string Config::*kMember>
Setting StringSetting(std::string name, std::string environment, std::string help) {
  return {std::move(name),
          std::move(environment),
          std::move(help),
          false,
          [](Config& config, const std::string& value) {
            config.*kMember = value;
            return Status();
          },
          [](const Config& config) { return config.*kMember; }};
}

Status AnyText(const std::string& /*value*/) {
  return {};
}

// The guard compares names without ports.
Status CheckHostName(const std::string& value) {
  const bool named = !value.empty() && value.find_first_of("/:*, ") == std::string::npos;
  return named ? Status()
               : Invalid("'" + value +
                         "' is not a host's name such as entente.example.org, without scheme and "
                         "port; patterns are not taken");
}

Status CheckOrigin(const std::string& value) {
  const size_t scheme = value.find("://");
  const bool origin = (value.starts_with("http://") || value.starts_with("https://")) &&
                      scheme + 3 < value.size() &&
                      value.find_first_of("/*, ", scheme + 3) == std::string::npos;
  return origin ? Status()
                : Invalid("'" + value +
                          "' is not an origin such as https://ops.example.org, without a path; "
                          "patterns are not taken");
}

// Empty: none.
Status CheckUrl(const std::string& value) {
  const auto url = net::ParseUrl(value);
  return value.empty() || url.ok() ? Status() : Invalid(url.status().message());
}

Status CheckWebhookEvent(const std::string& value) {
  return value == "incident" || value == "ended" || value == "overdue"
             ? Status()
             : Invalid("'" + value + "' is not one of incident, ended, overdue");
}

Status CheckHeader(const std::string& value) {
  return SplitHeader(value) ? Status()
                            : Invalid("'" + value + "' is not a header such as 'Name: value'");
}

// By its number, not its looks: "127.example.com" is a name that anybody may point anywhere.
bool IsLoopback(const std::string& host) {
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return (ntohl(address.s_addr) >> 24) == 127;
  }
  return host == "localhost" || host == "::1";
}

Status CheckRolePair(const std::string& value) {
  return ParseRolePair(value).status();
}

// Whoever stands between us and the provider could put a key of theirs into the answer.
Status CheckKeysPlace(const std::string& value) {
  const auto url = net::ParseUrl(value);
  return value.starts_with("http://") && (!url.ok() || !IsLoopback(url->origin.host))
             ? Invalid("'" + value + "' is not safe to take keys from: give https:// or a file")
         : value.starts_with("https://") && !url.ok() ? Invalid(url.status().message())
                                                      : Status();
}

template <std::vector<std::string> Config::*kMember, Status (*kCheck)(const std::string&) = AnyText>
Setting ListSetting(std::string name, std::string environment, std::string help) {
  return {std::move(name),
          std::move(environment),
          std::move(help),
          true,
          [](Config& config, const std::string& value) {
            ENTENTE_RETURN_IF_ERROR(kCheck(value));
            (config.*kMember).push_back(value);
            return Status();
          },
          [](const Config& config) { return ShowStrings(config.*kMember); },
          [](Config& config) { (config.*kMember).clear(); }};
}

template <Duration Config::*kMember>
Setting DurationSetting(std::string name, std::string environment, std::string help) {
  return {std::move(name),
          std::move(environment),
          std::move(help),
          false,
          [](Config& config, const std::string& value) {
            return ParseDurationSetting(value, config.*kMember);
          },
          [](const Config& config) { return FormatDuration(config.*kMember); }};
}

bool IsOpenToOthers(const std::string& listen) {
  const auto address = ParseListenAddress(listen);
  return address.ok() && !IsLoopback(address->host);
}

Status CheckListen(const std::string& flag, const std::string& text, bool asks) {
  auto address = ParseListenAddress(text);
  if (!address.ok()) {
    return Invalid("--" + flag + ": " + address.status().message());
  }
  if (!asks && !IsLoopback(address->host)) {
    return Invalid("--" + flag + " " + text +
                   ": refused, because other machines could reach it and --auth is none; leave "
                   "--auth away, or bind to 127.0.0.1");
  }
  return {};
}

const Setting* FindSetting(const std::string& name) {
  const auto& settings = Settings();
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&name](const Setting& s) { return s.name == name; });
  return found == settings.end() ? nullptr : &*found;
}

Status ApplyJson(const Setting& setting, const Json& value, Config& config) {
  const auto text_of = [](const Json& one) {
    return one.is_string() ? one.get<std::string>() : DumpJson(one);
  };
  if (value.is_array()) {
    if (!setting.list) {
      return Invalid("takes one value, not a list");
    }
    std::vector<std::string> values;
    for (const Json& one : value) {
      values.push_back(text_of(one));
    }
    return ApplyValues(setting, values, config);
  }
  if (value.is_object() || value.is_null()) {
    return Invalid("takes a string or a number");
  }
  return ApplyValues(setting, {text_of(value)}, config);
}

// "A, B" as two values.
std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> values;
  std::istringstream parts(text);
  std::string one;
  while (std::getline(parts, one, ',')) {
    one.erase(0, one.find_first_not_of(' '));
    one.erase(one.find_last_not_of(' ') + 1);
    values.push_back(one);
  }
  return values;
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {
      StringSetting<&Config::http>("http", "ENTENTE_HTTP", "Address of REST"),
      StringSetting<&Config::grpc>("grpc", "ENTENTE_GRPC", "Address of gRPC, or 'off'"),
      {"grpc-reflection", "ENTENTE_GRPC_REFLECTION",
       "Whether gRPC clients may ask what the API looks like: 'on' or 'off'", false,
       [](Config& config, const std::string& value) {
         if (value != "on" && value != "off") {
           return Invalid("'" + value + "' is not one of on, off");
         }
         config.grpc_reflection = value == "on";
         return Status();
       },
       [](const Config& config) { return std::string(config.grpc_reflection ? "on" : "off"); }},
      StringSetting<&Config::store>("store", "ENTENTE_STORE",
                                    "'sqlite:FILE', 'postgres://HOST/DATABASE' or 'memory:'"),
      {"store-identity", "ENTENTE_STORE_IDENTITY",
       "Of a store that was copied or moved: 'keep' the original's, which never runs again; 'new'; "
       "'ask': new, but not while transactions are open, unless it is a backup",
       false,
       [](Config& config, const std::string& value) {
         if (value != "ask" && value != "new" && value != "keep") {
           return Invalid("'" + value + "' is not one of ask, new, keep");
         }
         config.store_identity = value;
         return Status();
       },
       [](const Config& config) { return config.store_identity; }},
      {"store-migrate", "ENTENTE_STORE_MIGRATE",
       "Whether a start creates the tables in PostgreSQL, and brings an earlier release's up to "
       "this "
       "one: 'yes', or 'no', for `entente migrate` to do",
       false,
       [](Config& config, const std::string& value) {
         if (value != "yes" && value != "no") {
           return Invalid("'" + value + "' is not one of yes, no");
         }
         config.store_migrate = value;
         return Status();
       },
       [](const Config& config) { return config.store_migrate; }},
      StringSetting<&Config::encryption_key_file>(
          "encryption-key-file", "ENTENTE_ENCRYPTION_KEY_FILE",
          "File with the keys that the store is encrypted with, the one that writes first; empty: "
          "it is not"),
      DurationSetting<&Config::lease>(
          "lease", "ENTENTE_LEASE",
          "How long a node keeps what it drives after it was last heard of, where several share a "
          "store"),
      StringSetting<&Config::cluster>(
          "cluster", "ENTENTE_CLUSTER",
          "Address for the other nodes that share the store; not encrypted, see docs/cluster.md"),
      StringSetting<&Config::cluster_advertise>(
          "cluster-advertise", "ENTENTE_CLUSTER_ADVERTISE",
          "Where the others find that, HOST or HOST:PORT; empty: what --cluster says"),
      StringSetting<&Config::cluster_secret_file>(
          "cluster-secret-file", "ENTENTE_CLUSTER_SECRET_FILE",
          "File with the secret that nodes know each other by; empty: one that lies in the store"),
      {"workers", "ENTENTE_WORKERS", "Worker threads; 0: one per processor", false,
       [](Config& config, const std::string& value) {
         return ParseNumber<uint32_t>(value, 0, static_cast<uint32_t>(16), config.workers);
       },
       [](const Config& config) { return std::to_string(config.workers); }},
      DurationSetting<&Config::retention>("retention", "ENTENTE_RETENTION",
                                          "How long finished transactions are kept"),
      DurationSetting<&Config::audit_retention>("audit-retention", "ENTENTE_AUDIT_RETENTION",
                                                "How long the audit is kept"),
      DurationSetting<&Config::drain_grace>("drain-grace", "ENTENTE_DRAIN_GRACE",
                                            "How long SIGTERM waits for calls in flight"),
      {"max-open-transactions", "ENTENTE_MAX_OPEN_TRANSACTIONS",
       "Above this, new transactions are refused", false,
       [](Config& config, const std::string& value) {
         return ParseNumber<uint64_t>(value, 1, limits::kMaxOpenTransactions,
                                      config.max_open_transactions);
       },
       [](const Config& config) { return std::to_string(config.max_open_transactions); }},
      {"payload-memory", "ENTENTE_PAYLOAD_MEMORY",
       "Memory for payloads of open transactions, such as 512MiB, above which new ones are "
       "refused; "
       "0: half of what the process may use",
       false,
       [](Config& config, const std::string& value) {
         return ParseBytes(value, config.payload_memory);
       },
       [](const Config& config) { return std::to_string(config.payload_memory); }},
      ListSetting<&Config::allow_env>(
          "allow-env", "ENTENTE_ALLOW_ENV",
          "Environment variable that definitions may read; 'TRAVEL_*' allows a family"),
      ListSetting<&Config::allow_hosts, CheckHostName>(
          "allow-host", "ENTENTE_ALLOW_HOST",
          "Name, beside loopback ones, under which requests may come: a reverse proxy's"),
      ListSetting<&Config::allow_origins, CheckOrigin>(
          "allow-origin", "ENTENTE_ALLOW_ORIGIN",
          "Origin, such as https://ops.example.org, whose pages may change something"),
      StringSetting<&Config::secrets_dir>("secrets-dir", "ENTENTE_SECRETS_DIR",
                                          "Folder of what headers name as ${secret.NAME}: NAME, "
                                          "and NAME.hosts, who may receive it"),
      ListSetting<&Config::allow_participants>(
          "allow-participants", "ENTENTE_ALLOW_PARTICIPANTS",
          "Address that participants may have, as [scheme://]host[:port]; none given: any but "
          "link-local ones"),
      {"dns-server", "ENTENTE_DNS_SERVER",
       "Server, ADDRESS:PORT, that is asked for the SRV records of participants that are written "
       "with +srv://, or several with commas between them; empty: the system's",
       false,
       [](Config& config, const std::string& value) {
         if (!value.empty() && !net::IsDnsServer(value)) {
           return Invalid("'" + value +
                          "' is not ADDRESS:PORT of a DNS server, such as 127.0.0.1:8600");
         }
         config.dns_server = value;
         return Status();
       },
       [](const Config& config) { return config.dns_server; }},
      StringSetting<&Config::tls_ca_file>("tls-ca", "ENTENTE_TLS_CA",
                                          "PEM file of authorities to trust in participants"),
      StringSetting<&Config::tls_certificate_file>("tls-certificate", "ENTENTE_TLS_CERTIFICATE",
                                                   "PEM file shown to participants that ask"),
      StringSetting<&Config::tls_key_file>("tls-key", "ENTENTE_TLS_KEY",
                                           "PEM file of that certificate's key"),
      {"sign-calls", "ENTENTE_SIGN_CALLS",
       "Whether calls of participants are signed, so that they can tell them from a stranger's: "
       "'on' or 'off'; see docs/security.md",
       false,
       [](Config& config, const std::string& value) {
         if (value != "on" && value != "off") {
           return Invalid("'" + value + "' is not one of on, off");
         }
         config.sign_calls = value == "on";
         return Status();
       },
       [](const Config& config) { return std::string(config.sign_calls ? "on" : "off"); }},
      ListSetting<&Config::signing_key_files>(
          "signing-key", "ENTENTE_SIGNING_KEY",
          "PEM file of an Ed25519 key that signs them; of several the first one signs and the "
          "others are published; none: keys that lie in the store"),
      {"otlp-endpoint", "ENTENTE_OTLP_ENDPOINT",
       "URL of an OpenTelemetry collector that takes OTLP over HTTP as JSON, such as "
       "http://127.0.0.1:4318; empty: no traces are sent",
       false,
       [](Config& config, const std::string& value) {
         ENTENTE_RETURN_IF_ERROR(CheckUrl(value));
         config.otlp_endpoint = value;
         return Status();
       },
       [](const Config& config) { return config.otlp_endpoint; }},
      ListSetting<&Config::otlp_headers, CheckHeader>(
          "otlp-header", "ENTENTE_OTLP_HEADER",
          "Header for that collector, as 'Name: value', such as one that authenticates"),
      {"public-url", "ENTENTE_PUBLIC_URL",
       "Where others reach the HTTP listener, for calls that hand on ${completionUrl}; empty: "
       "where "
       "it listens, if that is one address with a port",
       false,
       [](Config& config, const std::string& value) {
         ENTENTE_RETURN_IF_ERROR(CheckUrl(value));
         config.public_url = value.ends_with('/') ? value.substr(0, value.size() - 1) : value;
         return Status();
       },
       [](const Config& config) { return config.public_url; }},
      {"webhook", "ENTENTE_WEBHOOK",
       "URL that is told of incidents, ends and overdue transactions; empty: none", false,
       [](Config& config, const std::string& value) {
         ENTENTE_RETURN_IF_ERROR(CheckUrl(value));
         config.webhook = value;
         return Status();
       },
       [](const Config& config) { return config.webhook; }},
      StringSetting<&Config::webhook_secret_file>(
          "webhook-secret-file", "ENTENTE_WEBHOOK_SECRET_FILE",
          "File with the secret that signs what is told: 'whsec_' and base64, or any text"),
      ListSetting<&Config::webhook_events, CheckWebhookEvent>(
          "webhook-event", "ENTENTE_WEBHOOK_EVENT",
          "What it is told of: incident, ended, overdue; none given: all"),
      StringSetting<&Config::listen_tls_certificate_file>(
          "listen-tls-certificate", "ENTENTE_LISTEN_TLS_CERTIFICATE",
          "PEM file, chain included, that REST and gRPC show; read again when it changes"),
      StringSetting<&Config::listen_tls_key_file>("listen-tls-key", "ENTENTE_LISTEN_TLS_KEY",
                                                  "PEM file of that certificate's key"),
      StringSetting<&Config::listen_tls_client_ca_file>(
          "listen-tls-client-ca", "ENTENTE_LISTEN_TLS_CLIENT_CA",
          "PEM file of the authorities of which every client must show a certificate"),
      StringSetting<&Config::client_roles_file>("client-roles", "ENTENTE_CLIENT_ROLES",
                                                "JSON file of the roles of clients by the names in "
                                                "their certificates, for those who send "
                                                "no token; read again when it changes"),
      {"auth", "ENTENTE_AUTH",
       "'token': clients show who they are; 'none': whoever reaches it may do everything; not "
       "given: "
       "token, unless only this machine can reach it",
       false,
       [](Config& config, const std::string& value) {
         if (value != "none" && value != "token") {
           return Invalid("'" + value + "' is not one of none, token");
         }
         config.auth = value;
         return Status();
       },
       [](const Config& config) { return config.auth; }},
      {"jwt-keys", "ENTENTE_JWT_KEYS",
       "JWK set of an identity provider, whose tokens (JWT) are taken beside our own: a file, or "
       "an "
       "https URL; taken again when it changes",
       false,
       [](Config& config, const std::string& value) {
         ENTENTE_RETURN_IF_ERROR(CheckKeysPlace(value));
         config.jwt_keys = value;
         return Status();
       },
       [](const Config& config) { return config.jwt_keys; }},
      StringSetting<&Config::jwt_issuer>("jwt-issuer", "ENTENTE_JWT_ISSUER",
                                         "What those tokens must say made them (iss)"),
      StringSetting<&Config::jwt_audience>("jwt-audience", "ENTENTE_JWT_AUDIENCE",
                                           "Whom they must say that they are for (aud)"),
      StringSetting<&Config::jwt_role_claim>("jwt-role-claim", "ENTENTE_JWT_ROLE_CLAIM",
                                             "The claim that says the role, or a list with it"),
      ListSetting<&Config::jwt_roles, CheckRolePair>(
          "jwt-role", "ENTENTE_JWT_ROLE",
          "What it says, and the role here, as 'entente-ops=operator'; of several that fit the "
          "first one counts"),
      StringSetting<&Config::admin_token_file>(
          "admin-token-file", "ENTENTE_ADMIN_TOKEN_FILE",
          "File, for its owner only, that receives an administrator's token if none is valid, "
          "or if this file is not there; not given: STORE-admin-token"),
      {"log-level", "ENTENTE_LOG_LEVEL", "debug, info, warn or error", false,
       [](Config& config, const std::string& value) {
         if (value != "debug" && value != "info" && value != "warn" && value != "error") {
           return Invalid("'" + value + "' is not one of debug, info, warn, error");
         }
         config.log_level = value;
         return Status();
       },
       [](const Config& config) { return config.log_level; }},
      {"log-format", "ENTENTE_LOG_FORMAT", "'text', or 'json': one object a line", false,
       [](Config& config, const std::string& value) {
         if (value != "text" && value != "json") {
           return Invalid("'" + value + "' is not one of text, json");
         }
         config.log_format = value;
         return Status();
       },
       [](const Config& config) { return config.log_format; }},
      StringSetting<&Config::port_file>("port-file", "ENTENTE_PORT_FILE",
                                        "File that receives the actual ports once ready"),
  };
  return settings;
}

Status ApplyValues(const Setting& setting, const std::vector<std::string>& values, Config& config) {
  if (setting.clear != nullptr && !values.empty()) {
    setting.clear(config);
  }
  for (const std::string& value : values) {
    ENTENTE_RETURN_IF_ERROR(setting.apply(config, value));
  }
  return {};
}

Status ApplyConfigFile(const std::string& path, Config& config) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Invalid("--config " + path + ": can not be opened; check the path and its permissions");
  }
  std::ostringstream text;
  text << file.rdbuf();
  const auto document = ParseJson(text.str(), kConfigJson);
  if (!document.ok()) {
    return Invalid(path + ": " + document.status().message());
  }
  if (!document->is_object()) {
    return Invalid(path + ": must be a JSON object of settings");
  }
  for (const auto& [name, value] : document->items()) {
    const Setting* setting = FindSetting(name);
    if (setting == nullptr) {
      return Invalid(path + ": unknown setting '" + name + "'; see 'entente serve --help'");
    }
    if (const Status applied = ApplyJson(*setting, value, config); !applied.ok()) {
      return Invalid(path + ": " + name + ": " + applied.message());
    }
  }
  return {};
}

Status ApplyEnvironment(Config& config) {
  for (const Setting& setting : Settings()) {
    const char* value = std::getenv(setting.environment.c_str());
    if (value == nullptr || *value == '\0') {
      continue;
    }
    const std::vector<std::string> values =
        setting.list ? SplitList(value) : std::vector<std::string>{value};
    if (const Status applied = ApplyValues(setting, values, config); !applied.ok()) {
      return Invalid(setting.environment + ": " + applied.message());
    }
  }
  return {};
}

namespace {

// Renewed a few times in its course, each of which may take a moment.
constexpr Duration kMinLease = std::chrono::seconds(1);
constexpr Duration kMaxLease = std::chrono::minutes(10);

// Any address: who has not the secret is not answered.
Status CheckCluster(const Config& config) {
  const auto address = ParseListenAddress(config.cluster);
  if (!address.ok()) {
    return Invalid("--cluster: " + address.status().message());
  }
  const bool any = address->host == "0.0.0.0" || address->host == "::";
  if (any && config.cluster_advertise.empty()) {
    return Invalid("--cluster " + config.cluster +
                   " listens on every address of this machine; say by --cluster-advertise which of "
                   "them the other nodes use");
  }
  return {};
}

// A token that is for anybody, or of anybody, is for whoever got hold of it elsewhere.
Status CheckProvider(const Config& config, bool asks) {
  if (config.jwt_keys.empty()) {
    return {};
  }
  if (!asks) {
    return Invalid("--jwt-keys needs --auth token");
  }
  return config.jwt_issuer.empty() || config.jwt_audience.empty() || config.jwt_roles.empty()
             ? Invalid("--jwt-keys needs --jwt-issuer, --jwt-audience and --jwt-role")
             : Status();
}

}  // namespace

Result<std::pair<std::string, identity::Role>> ParseRolePair(const std::string& text) {
  const size_t equals = text.rfind('=');
  const auto role = equals == std::string::npos || equals == 0
                        ? std::nullopt
                        : identity::RoleFrom(std::string_view(text).substr(equals + 1));
  if (!role) {
    return Invalid(
        "'" + text +
        "' is not WORD=ROLE with a role of viewer, submitter, deployer, operator, admin, "
        "participant");
  }
  return std::pair(text.substr(0, equals), *role);
}

Status CheckConfig(const Config& config) {
  const bool asks = AsksForTokens(config);
  ENTENTE_RETURN_IF_ERROR(CheckProvider(config, asks));
  ENTENTE_RETURN_IF_ERROR(CheckCluster(config));
  ENTENTE_RETURN_IF_ERROR(CheckListen("http", config.http, asks));
  if (config.grpc != "off") {
    ENTENTE_RETURN_IF_ERROR(CheckListen("grpc", config.grpc, asks));
  }
  if (asks && config.allow_participants.empty()) {
    return Invalid(
        "--allow-participants is needed with authentication (--auth token, or an address that "
        "other "
        "machines can reach): without it whoever registers a definition could reach what this "
        "machine reaches; name the participants' addresses, or '*' for all but link-local ones");
  }
  if (config.tls_certificate_file.empty() != config.tls_key_file.empty()) {
    return Invalid("--tls-certificate and --tls-key go together: give both or neither");
  }
  if (config.listen_tls_certificate_file.empty() != config.listen_tls_key_file.empty()) {
    return Invalid(
        "--listen-tls-certificate and --listen-tls-key go together: give both or neither");
  }
  if (!config.listen_tls_client_ca_file.empty() && config.listen_tls_certificate_file.empty()) {
    return Invalid("--listen-tls-client-ca needs --listen-tls-certificate and --listen-tls-key");
  }
  if (!config.client_roles_file.empty() && (config.listen_tls_client_ca_file.empty() || !asks)) {
    return Invalid("--client-roles needs --listen-tls-client-ca and --auth token");
  }
  if (config.lease < kMinLease || config.lease > kMaxLease) {
    return Invalid("--lease is " + FormatDuration(config.lease) + "; give " +
                   FormatDuration(kMinLease) + " to " + FormatDuration(kMaxLease));
  }
  return {};
}

bool AsksForTokens(const Config& config) {
  if (!config.auth.empty()) {
    return config.auth == "token";
  }
  return IsOpenToOthers(config.http) || IsOpenToOthers(config.grpc);
}

Result<ListenAddress> ParseListenAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  if (colon == std::string::npos ||
      !ParseNumber<uint16_t>(text.substr(colon + 1), 0, UINT16_MAX, port).ok()) {
    return Invalid("'" + text +
                   "' is not HOST:PORT, such as 127.0.0.1:8080 (port 0: any free one)");
  }
  std::string host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return ListenAddress{host.empty() ? "127.0.0.1" : host, port};
}

}  // namespace entente::coordinator
