#include "coordinator/serve.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>

#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "coordinator/api/access/keys.h"
#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/grpc/grpc_server.h"
#include "coordinator/api/rest/rest.h"
#include "coordinator/auditing.h"
#include "coordinator/authentication.h"
#include "coordinator/call_tls.h"
#include "coordinator/cluster_node.h"
#include "coordinator/dead_letters.h"
#include "coordinator/listen_tls.h"
#include "coordinator/log/operations_log.h"
#include "coordinator/log/process_log.h"
#include "coordinator/outlets/trace_exporter.h"
#include "coordinator/outlets/webhooks.h"
#include "coordinator/participants/caller.h"
#include "coordinator/participants/gates.h"
#include "coordinator/process/descriptors.h"
#include "coordinator/process/machine_memory.h"
#include "coordinator/process/private_file.h"
#include "coordinator/servers.h"
#include "coordinator/signing_keys.h"
#include "coordinator/store_rewriter.h"
#include "marks/crash_marks.h"
#include "net/core/address_policy.h"
#include "net/core/own_listeners.h"
#include "net/core/url.h"
#include "net/dns/service_url.h"
#include "net/grpc/grpc_client.h"
#include "net/http/http_server.h"
#include "observe/registry.h"
#include "runtime/node/local_coordinator.h"
#include "runtime/node/worker.h"
#include "runtime/wall_clock.h"
#include "storage/encryption.h"
#include "storage/membership.h"
#include "storage/open.h"
#include "storage/sealed/key_ring.h"

namespace entente::coordinator {
namespace {

constexpr int kExitCannotStart = 1;
constexpr int kExitStoreFailed = 3;
// How long answers that are due have to get out at the end.
constexpr Duration kAnswersGrace = std::chrono::seconds(1);
// So long a stop waits for a collector, or a receiver of webhooks, that does not answer.
constexpr Duration kLastWords = std::chrono::seconds(2);

// The signals that end the process are taken by one thread that waits for them; and kRecovered, by
// which the process tells itself that its recovery ended.
constexpr int kRecovered = SIGUSR1;
sigset_t AwaitedSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, kRecovered);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int CannotStart(const Status& status) {
  std::fprintf(stderr, "entente: can not start: %s\n", ShowText(status.message()).c_str());
  return kExitCannotStart;
}

uint32_t WorkerCount(const Config& config) {
  return config.workers != 0 ? config.workers
                             : std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
}

// Fail-stop: nothing more is acknowledged; what was is safe, and a restart recovers it.
void StopOnStoreFailure(const Status& status) {
  Log(LogLevel::kCritical, LogLine("store_failed")
                               .Word("reason", status.reason())
                               .Text("message", status.message())
                               .Text("do", "stopping, see docs/operations.md"));
  EndLog();
  std::_Exit(kExitStoreFailed);
}

// The store's files are looked at once a second, and the index of its log may be cut in between.
void StopOnLostMapping() {
  EndOnLostMapping(LogLine("store_failed")
                       .Word("reason", "store.file_changed")
                       .Text("message",
                             "a file that is mapped into memory was cut, or can not be read: the "
                             "-shm of the store, or its -marks")
                       .Text("do", "stopped, see docs/operations.md"),
                   kExitStoreFailed);
}

// Beside the store, whose lock keeps others away from it. Null for a store that no process
// outlives; and if there can be none, which is said but keeps nobody from starting.
std::unique_ptr<marks::CrashMarks> OpenMarks(const std::string& store) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!store.starts_with(kScheme)) {
    return nullptr;
  }
  auto opened = marks::CrashMarks::Open(store.substr(kScheme.size()) + "-marks");
  if (!opened.ok()) {
    Log(LogLevel::kWarning,
        LogLine("marks_unavailable").Text("message", opened.status().message()));
    return nullptr;
  }
  for (const marks::CrashMarks::Suspect& suspect : (*opened)->Suspects()) {
    Log(LogLevel::kWarning, LogLine("suspect")
                                .Text("name", suspect.name)
                                .Number("crashes", suspect.crashes)
                                .Number("kills", suspect.kills)
                                .Word("condemned", suspect.condemned ? "true" : "false"));
  }
  return std::move(opened).value();
}

// Those whose port is known before they listen: what recovery calls is not called there either.
std::shared_ptr<net::OwnListeners> ListenersOf(const Config& config) {
  auto own = std::make_shared<net::OwnListeners>();
  for (const std::string& text : {config.http, config.grpc}) {
    if (const auto address = ParseListenAddress(text); address.ok() && address->port != 0) {
      own->Add(address->host, address->port);
    }
  }
  return own;
}

Result<net::AddressPolicy> MakeAddressPolicy(const Config& config,
                                             const std::shared_ptr<net::OwnListeners>& own) {
  auto policy = net::AddressPolicy::Parse(config.allow_participants);
  if (!policy.ok()) {
    return InvalidArgument(policy.status().reason(),
                           "--allow-participants: " + policy.status().message());
  }
  policy->RefuseOwn(own);
  return policy;
}

// For definitions that are registered: a literal address tells at once, a name when it is called.
// Of a service that is looked up its own name tells; each host that a record names, when it is
// called.
Status CheckParticipant(const net::AddressPolicy& policy, std::string_view address, bool grpc) {
  if (net::IsServiceUrl(address)) {
    ENTENTE_ASSIGN_OR_RETURN(const net::ServiceUrl service,
                             net::ParseServiceUrl(address, /*tls=*/false));
    return policy.CheckOrigin(service.origin, grpc ? net::AddressPolicy::Protocol::kGrpc
                                                   : net::AddressPolicy::Protocol::kHttp);
  }
  if (grpc) {
    ENTENTE_ASSIGN_OR_RETURN(const net::Origin origin, net::ParseAuthority(address, false, 0));
    return policy.CheckOrigin(origin, net::AddressPolicy::Protocol::kGrpc);
  }
  ENTENTE_ASSIGN_OR_RETURN(const net::Url url, net::ParseUrl(address));
  return policy.CheckOrigin(url.origin, net::AddressPolicy::Protocol::kHttp);
}

// Every interface, or a port that the system chooses, tells nobody where to go.
std::string PublicUrlOf(const Config& config) {
  const std::string& at = config.http;
  const bool known =
      !at.empty() && !at.ends_with(":0") && !at.starts_with("0.0.0.0:") && !at.starts_with("[::]:");
  if (!config.public_url.empty() || !known) {
    return config.public_url;
  }
  return (config.listen_tls_certificate_file.empty() ? "http://" : "https://") + at;
}

participants::CallerOptions MakeCallerOptions(const Config& config,
                                              const net::AddressPolicy& policy,
                                              const DescriptorShares& shares, const CallTls& tls) {
  participants::CallerOptions options;
  options.http.quota = std::make_shared<net::ConnectionQuota>(shares.participants);
  options.http.policy = policy;
  options.grpc.policy = policy;
  // Each worker has types of its own.
  options.grpc.max_type_bytes = limits::kMaxMessageTypeBytes / WorkerCount(config);
  options.grpc.type_bytes = std::make_shared<std::atomic<size_t>>(0);
  options.grpc.tls = CallTls::FilesOf(config);
  options.grpc.tls_changes = tls.source();
  options.http.tls = tls.source();
  options.dns.server = config.dns_server;
  options.secrets = std::make_shared<const participants::Secrets>(config.secrets_dir);
  return options;
}

Status WritePortFile(const std::string& path, uint16_t http, int grpc) {
  if (path.empty()) {
    return {};
  }
  const Status written = WritePrivateFile(
      path, "{\"http\":" + std::to_string(http) + ",\"grpc\":" + std::to_string(grpc) + "}\n");
  return written.ok() ? written
                      : Unavailable("config.port_file", "--port-file " + written.message());
}

Result<runtime::LocalCoordinatorOptions> MakeOptions(const Config& config,
                                                     const net::AddressPolicy& policy) {
  runtime::LocalCoordinatorOptions options;
  options.workers = WorkerCount(config);
  options.max_open = config.max_open_transactions;
  options.payload_memory = config.payload_memory != 0 ? config.payload_memory : MachineMemory() / 2;
  options.retention = config.retention;
  options.compile.allowed_env = config.allow_env;
  options.compile.lookup_env = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  options.compile.read_descriptors = net::UnaryMethods;
  options.compile.check_pattern = [](const std::string& pattern) {
    return net::AddressPolicy::Parse({pattern}).status();
  };
  options.compile.check_address = [policy](std::string_view address, bool grpc) {
    return CheckParticipant(policy, address, grpc);
  };
  return options;
}

Result<storage::OpenOptions> MakeOpenOptions(const Config& config) {
  storage::OpenOptions options;
  if (!config.encryption_key_file.empty()) {
    // What the keys are for is not to lie in a core file either.
    prctl(PR_SET_DUMPABLE, 0);
    ENTENTE_ASSIGN_OR_RETURN(options.keys, storage::KeyRing::Read(config.encryption_key_file));
  }
  options.copied = config.store_identity == "keep"  ? storage::CopiedStore::kKeepIdentity
                   : config.store_identity == "new" ? storage::CopiedStore::kNewIdentity
                                                    : storage::CopiedStore::kAsk;
  options.on_copy = [](const std::string& what) {
    Log(LogLevel::kWarning, LogLine("store_copied").Text("message", what));
  };
  options.lease = config.lease;
  options.migrate = config.store_migrate == "yes";
  return options;
}

// At the collector's base, unless the address says more.
outlets::TraceExporterOptions MakeTraceOptions(const Config& config, net::TlsSource tls) {
  constexpr std::string_view kTraces = "/v1/traces";
  outlets::TraceExporterOptions options;
  options.url = net::ParseUrl(config.otlp_endpoint).value();
  if (!options.url.target.ends_with(kTraces)) {
    options.url.target.erase(options.url.target.find_last_not_of('/') + 1);
    options.url.target += kTraces;
  }
  for (const std::string& header : config.otlp_headers) {
    options.headers.push_back(SplitHeader(header).value());
  }
  options.tls = std::move(tls);
  options.on_failing = [](bool failing, const std::string& why) {
    Log(failing ? LogLevel::kWarning : LogLevel::kInfo,
        LogLine(failing ? "traces_dropped" : "traces_taken").Text("message", why));
  };
  return options;
}

Result<std::string> ReadWebhookSecret(const std::string& path) {
  if (path.empty()) {
    return std::string();
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const auto secret = file ? outlets::ReadSecret(text.str()) : std::nullopt;
  if (!secret) {
    return InvalidArgument("config.invalid",
                           "--webhook-secret-file " + path +
                               ": can not be read, or holds no secret: 'whsec_' and base64, or any "
                               "other text");
  }
  return *secret;
}

Result<outlets::WebhooksOptions> MakeWebhooksOptions(const Config& config, net::TlsSource tls) {
  outlets::WebhooksOptions options;
  ENTENTE_ASSIGN_OR_RETURN(options.url, net::ParseUrl(config.webhook));
  ENTENTE_ASSIGN_OR_RETURN(options.secret, ReadWebhookSecret(config.webhook_secret_file));
  for (const outlets::WebhookKind kind : outlets::kAllWebhookKinds) {
    const auto& events = config.webhook_events;
    options.kinds.at(static_cast<size_t>(kind)) =
        events.empty() ||
        std::find(events.begin(), events.end(), outlets::WebhookKindName(kind)) != events.end();
  }
  options.tls = std::move(tls);
  options.now = runtime::WallNow;
  options.on_dead = [](const std::string& id, const std::string& why) {
    Log(LogLevel::kWarning, LogLine("webhook_dead").Word("id", id).Text("message", why));
  };
  options.on_failing = [](const std::string& why) {
    Log(LogLevel::kWarning, LogLine("webhook_failing").Text("message", why));
  };
  return options;
}

// What the coordinator tells others by itself; each is null if it is not wanted.
struct Outlets {
  std::unique_ptr<outlets::TraceExporter> traces;
  std::unique_ptr<outlets::Webhooks> webhooks;

  void Write(observe::Exposition& out) const {
    if (traces != nullptr) {
      traces->Write(out);
    }
    if (webhooks != nullptr) {
      webhooks->Write(out);
    }
  }
  void End() const {
    if (traces != nullptr) {
      traces->End(kLastWords);
    }
    if (webhooks != nullptr) {
      webhooks->End(kLastWords);
    }
  }
};

// How the recovery went, for the thread that waits for signals.
class RecoveryEnd {
 public:
  // Any thread.
  void Tell(const Status& status) {
    {
      const std::lock_guard lock(mutex_);
      status_ = status;
    }
    kill(getpid(), kRecovered);
  }
  [[nodiscard]] std::optional<Status> Get() {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  std::mutex mutex_;
  std::optional<Status> status_;
};

// Passes on, to whoever wants to know by then.
class Told {
 public:
  void Set(std::function<void()> tell) {
    const std::lock_guard lock(mutex_);
    tell_ = std::move(tell);
  }
  void Tell() {
    const std::lock_guard lock(mutex_);
    if (tell_) {
      tell_();
    }
  }

 private:
  std::mutex mutex_;
  std::function<void()> tell_;
};

api::KeyList KeysToShow(const SigningKeys& keys) {
  api::KeyList shown;
  for (const SigningKeyInfo& info : keys.Published()) {
    shown.push_back({info.key.id(), EncodeBase64Url(info.key.bytes()),
                     ClampToCalendar(info.signs_from), info.is_signing});
  }
  return shown;
}

// Of a coordinator that has its store for itself.
api::NodeInfo OnlyNode(runtime::LocalCoordinator& local, const std::string& http_address,
                       Instant started_at) {
  api::NodeInfo node;
  node.id = local.id();
  node.state = local.GetHealth().reason == "draining" ? "leaving" : "ready";
  node.self = true;
  node.http_address = http_address;
  node.started_at = started_at;
  node.shards = kShardCount;
  return node;
}

void ShowWebhooks(outlets::Webhooks* webhooks, api::ServiceOptions& options) {
  if (webhooks != nullptr) {
    options.dead_letters = [webhooks] { return ShownDeadLetters(*webhooks); };
    options.send_dead_letters = [webhooks](const std::vector<std::string>& ids) {
      return webhooks->SendAgain(ids);
    };
  }
}

// `node` is null where no other one shares the store, `webhooks` where none is told anything.
int RunUntilStopped(const Config& config, runtime::LocalCoordinator& local, ClusterNode* node,
                    storage::Journal& journal, const DescriptorShares& shares,
                    const std::string& store, RecoveryEnd& recovery, net::OwnListeners& own,
                    identity::TokenBook* tokens, Auditing& auditing, const api::KeyStore* keys,
                    OperationsLog& log, outlets::Webhooks* webhooks,
                    const std::function<void(observe::Exposition&)>& measurements) {
  const auto began = std::chrono::steady_clock::now();
  runtime::Coordinator& coordinator =
      node == nullptr ? static_cast<runtime::Coordinator&>(local) : node->coordinator();
  api::BulkOptions bulk_options{runtime::WallNow, [] {
                                  runtime::Worker* worker = runtime::Worker::Current();
                                  return worker == nullptr
                                             ? api::Executor()
                                             : api::Executor([worker](std::function<void()> task) {
                                                 worker->Post(std::move(task));
                                               });
                                }};
  std::optional<api::BulkActions> own_bulk;
  if (node == nullptr) {
    own_bulk.emplace(coordinator, journal, bulk_options);
    if (const Status started = own_bulk->Start(); !started.ok()) {
      return CannotStart(started);
    }
  }
  api::BulkDesk& bulk = node == nullptr ? static_cast<api::BulkDesk&>(*own_bulk)
                                        : node->OpenBulk(journal, bulk_options);
  const auto tls = ListenTls::Open(config);
  if (!tls.ok()) {
    return CannotStart(tls.status());
  }
  const auto http_address = ParseListenAddress(config.http);
  api::RestOptions rest_options;
  rest_options.tokens = tokens;
  rest_options.guard.allowed_hosts = config.allow_hosts;
  rest_options.guard.allowed_origins = config.allow_origins;
  rest_options.guard.coordinator = coordinator.id();
  rest_options.service.bulk = &bulk;
  rest_options.service.audit = &auditing.book();
  rest_options.service.keys = keys;
  if (node != nullptr) {
    rest_options.service.nodes = [node] { return node->Nodes(); };
  } else {
    rest_options.service.nodes = [&local, http = config.http, started_at = runtime::WallNow()] {
      return std::vector<api::NodeInfo>{OnlyNode(local, http, started_at)};
    };
  }
  ShowWebhooks(webhooks, rest_options.service);
  const auto on_refused = [&log, &auditing](const api::Refusal& refusal) {
    log.OnRefused(refusal.status, refusal.method, refusal.peer);
    auditing.OnRefused(refusal);
  };
  rest_options.on_refused = on_refused;
  rest_options.on_defect = [](const Status& status, const std::string& target) {
    Log(LogLevel::kError, LogLine("defect")
                              .Text("target", target)
                              .Word("reason", status.reason())
                              .Text("message", status.message()));
  };
  const auto load = std::make_shared<net::ServerLoad>(net::ServerLoad::Limits{
      .max_connections = std::min(limits::kMaxConnections, shares.clients)});
  rest_options.http_load = load;
  const api::ServiceOptions service_options = rest_options.service;
  std::unique_ptr<api::GrpcServer> grpc;
  std::atomic<const api::GrpcServer*> serving_grpc = nullptr;  // Told in /metrics.
  rest_options.grpc_stats = [&serving_grpc] {
    const api::GrpcServer* const server = serving_grpc.load();
    return server == nullptr ? api::GrpcStats() : server->stats();
  };
  rest_options.measurements = measurements;
  api::RestApi rest(coordinator, std::move(rest_options));
  net::HttpServerOptions server_options;
  server_options.load = load;
  server_options.close_idlest = true;
  server_options.tls = (*tls)->http();
  Servers watching(
      local.watchers(), [&rest](runtime::Worker& worker) { return rest.HandlerFor(worker.io()); },
      server_options);
  Servers servers(
      local.workers(),
      [&rest, to = watching.entrance()](runtime::Worker& worker) {
        return rest.HandlerFor(worker.io(), to);
      },
      server_options);
  const auto http_port = servers.Listen(*http_address);
  if (!http_port.ok()) {
    return CannotStart(http_port.status());
  }
  own.Add(http_address->host, *http_port);
  if (config.grpc != "off") {
    api::GrpcOptions grpc_options;
    grpc_options.service = service_options;
    grpc_options.max_connections = shares.grpc_clients;
    grpc_options.reflection = config.grpc_reflection;
    grpc_options.tokens = tokens;
    grpc_options.on_refused = on_refused;
    grpc_options.tls = (*tls)->grpc();
    auto started = api::GrpcServer::Start(coordinator, config.grpc, std::move(grpc_options));
    if (!started.ok()) {
      return CannotStart(started.status());
    }
    grpc = std::move(started).value();
    serving_grpc = grpc.get();
  }
  const int grpc_port = grpc == nullptr ? 0 : grpc->port();
  if (grpc != nullptr) {
    own.Add(ParseListenAddress(config.grpc)->host, static_cast<uint16_t>(grpc_port));
  }
  const std::string shown_http = "http://" + http_address->host + ":" + std::to_string(*http_port);
  Log(LogLevel::kInfo, LogLine("listening").Word("http", shown_http).Number("grpc", grpc_port));
  if (node != nullptr) {
    if (const Status joined = node->Join(http_address->host + ':' + std::to_string(*http_port));
        !joined.ok()) {
      return CannotStart(joined);
    }
  }
  const auto on_recovered = [&]() -> Status {
    Log(LogLevel::kInfo,
        LogLine("recovered")
            .Number("open", coordinator.GetHealth().open)
            .Word("took", FormatDuration(std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::steady_clock::now() - began))));
    ENTENTE_RETURN_IF_ERROR(WritePortFile(config.port_file, *http_port, grpc_port));
    Log(LogLevel::kInfo, LogLine("ready")
                             .Word("http", shown_http)
                             .Number("grpc", grpc_port)
                             .Word("store", store)
                             .Number("workers", local.workers().size())
                             .Number("open", coordinator.GetHealth().open));
    return {};
  };
  const sigset_t signals = AwaitedSignals();
  int signal = kRecovered;
  while (signal == kRecovered) {
    sigwait(&signals, &signal);
    if (const auto recovered = recovery.Get(); signal == kRecovered && recovered) {
      const Status ready = recovered->ok() ? on_recovered() : *recovered;
      if (!ready.ok()) {
        return CannotStart(ready);
      }
    }
  }
  Log(LogLevel::kInfo, LogLine("draining")
                           .Number("signal", signal)
                           .Word("grace", FormatDuration(config.drain_grace)));
  if (node != nullptr) {
    node->Leave(config.drain_grace);
  } else {
    own_bulk->End();
  }
  local.Drain(config.drain_grace);
  servers.Drain(kAnswersGrace);
  watching.Drain(kAnswersGrace);  // After those whose streams came to it.
  if (grpc != nullptr) {
    grpc->Shutdown(kAnswersGrace);
  }
  Log(LogLevel::kInfo, LogLine("stopped").Number("open", coordinator.GetHealth().open));
  return 0;
}

}  // namespace

int Serve(const Config& config) {
  // Before any thread: all inherit the mask.
  const sigset_t signals = AwaitedSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // The limit for a file's size is a failed write, like a full disk, and not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  const size_t descriptors = RaiseDescriptorLimit();
  SetUpLog(config);
  net::SilenceProtobuf();

  if (const Status checked = CheckConfig(config); !checked.ok()) {
    return CannotStart(checked);
  }
  const DescriptorShares shares = ShareDescriptors(descriptors, WorkerCount(config));
  const std::shared_ptr<net::OwnListeners> own = ListenersOf(config);
  const auto policy = MakeAddressPolicy(config, own);
  if (!policy.ok()) {
    return CannotStart(policy.status());
  }
  const auto call_tls = CallTls::Open(config);
  if (!call_tls.ok()) {
    return CannotStart(call_tls.status());
  }
  const participants::CallerOptions caller_options =
      MakeCallerOptions(config, *policy, shares, **call_tls);
  const auto open_options = MakeOpenOptions(config);
  if (!open_options.ok()) {
    return CannotStart(open_options.status());
  }
  auto journal = storage::OpenJournal(config.store, *open_options);
  if (!journal.ok()) {
    return CannotStart(journal.status());
  }
  std::optional<StoreRewriter> rewriter;
  if (storage::Encryption* const encryption = storage::EncryptionOf(**journal)) {
    rewriter.emplace(*encryption);
  }
  auto auditing = std::make_unique<Auditing>(config, **journal);
  auto authentication = Authentication::Open(config, **journal, auditing->book());
  if (!authentication.ok()) {
    return CannotStart(authentication.status());
  }
  StopOnLostMapping();
  std::unique_ptr<SigningKeys> signing_keys;
  if (config.sign_calls) {
    auto opened = SigningKeys::Open(config, **journal, runtime::WallNow);
    if (!opened.ok()) {
      return CannotStart(opened.status());
    }
    signing_keys = std::move(opened).value();
  }
  const auto marks = OpenMarks(config.store);
  OperationsLog log([](OperationsLog::Level level, const LogLine& line) {
    Log(level == OperationsLog::Level::kInfo ? LogLevel::kInfo : LogLevel::kWarning, line);
  });
  participants::GatesOptions gates_options;
  gates_options.max_connections = shares.participants;
  gates_options.on_breaker = [&log](const std::string& participant, const std::string& address,
                                    bool open) { log.OnBreaker(participant, address, open); };
  gates_options.on_exhausted = [&log](const std::string& message) {
    log.OnLocalExhaustion(message);
  };
  gates_options.on_unverified = [&log](const std::string& participant, const std::string& address,
                                       const std::string& detail) {
    log.OnUnverified(participant, address, detail);
  };
  participants::Gates gates(std::move(gates_options));
  observe::Registry registry;
  const auto make_caller = [&](runtime::Worker& worker, const runtime::CompletionTokens& tokens) {
    participants::CallerOptions one = caller_options;
    one.recorder = &registry.RecorderOf(worker.index());
    one.trace = !config.otlp_endpoint.empty();
    one.public_url = PublicUrlOf(config);
    if (signing_keys != nullptr) {
      one.signing_key = [&signing_keys] { return signing_keys->Current(); };
    }
    return std::make_unique<participants::Caller>(worker.io(), worker, std::move(one), gates,
                                                  tokens);
  };
  auto options = MakeOptions(config, *policy);
  if (!options.ok()) {
    return CannotStart(options.status());
  }
  options->notices = log.Notices();
  options->local_exhaustion = [&gates] { return gates.local_exhaustion(); };
  options->message_type_bytes = [&caller_options] {
    return caller_options.grpc.type_bytes->load();
  };
  options->crash_marks = marks.get();
  options->registry = &registry;
  options->on_fatal = [&marks](const Status& status) {
    if (marks != nullptr) {
      marks->EndWell();  // No transaction is to blame.
    }
    StopOnStoreFailure(status);
  };
  auto* membership = dynamic_cast<storage::Membership*>(journal->get());
  options->shared = membership != nullptr;
  Told released;
  options->on_released = [&released] { released.Tell(); };
  Outlets told;
  if (!config.webhook.empty()) {
    auto webhooks = MakeWebhooksOptions(config, caller_options.http.tls);
    if (!webhooks.ok()) {
      return CannotStart(webhooks.status());
    }
    if (membership != nullptr) {
      webhooks->node = membership->node_id();
    }
    told.webhooks = std::make_unique<outlets::Webhooks>(**journal, std::move(*webhooks));
    if (const Status loaded = told.webhooks->Load(); !loaded.ok()) {
      return CannotStart(loaded);
    }
  }
  options->on_made = [&](runtime::LocalCoordinator& made) {
    if (!config.otlp_endpoint.empty()) {
      told.traces = std::make_unique<outlets::TraceExporter>(
          made, MakeTraceOptions(config, caller_options.http.tls));
    }
    if (told.webhooks != nullptr) {
      told.webhooks->Follow(made, [&made] { return made.ServedEpochs(); });
    }
  };
  options->on_stopping = [&told] { told.End(); };
  RecoveryEnd recovery;
  options->on_recovered = [&recovery](const Status& status) { recovery.Tell(status); };
  auto coordinator =
      runtime::LocalCoordinator::Start(std::move(*options), **journal, make_caller,
                                       [&gates] { return gates.Stats(runtime::WallNow()); });
  if (!coordinator.ok()) {
    return CannotStart(coordinator.status());
  }
  std::unique_ptr<ClusterNode> node;
  if (membership != nullptr) {
    auto opened = ClusterNode::Open(config, **coordinator, **journal, *membership, *own);
    if (!opened.ok()) {
      return CannotStart(opened.status());
    }
    node = std::move(opened).value();
    released.Set([&node] { node->OnReleased(); });
  }
  const api::KeyStore key_store{
      [&signing_keys] { return KeysToShow(*signing_keys); },
      [&signing_keys](std::optional<Duration> notice, bool revoke) {
        return signing_keys->Rotate(notice.value_or(SigningKeys::kUsualNotice), revoke).status();
      }};
  const int code =
      RunUntilStopped(config, **coordinator, node.get(), **journal, shares,
                      storage::ShownUrl(config.store), recovery, *own, (*authentication)->tokens(),
                      *auditing, signing_keys == nullptr ? nullptr : &key_store, log,
                      told.webhooks.get(), [&](observe::Exposition& out) {
                        registry.Write(out);
                        told.Write(out);
                        if (rewriter) {
                          rewriter->Write(out);
                        }
                      });
  if (node != nullptr) {
    released.Set({});
    node->Close();
  }
  (*coordinator)->Stop();
  node.reset();
  signing_keys.reset();
  // Whatever was handed in is written before the journal ends; the drivers go after it. Whoever
  // reads it goes before it.
  authentication->reset();
  auditing.reset();
  rewriter.reset();
  journal->reset();
  return code;
}

}  // namespace entente::coordinator
