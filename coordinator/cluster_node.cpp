#include "coordinator/cluster_node.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "base/limits.h"
#include "cli/cli.h"
#include "coordinator/log/process_log.h"
#include "runtime/digest.h"

namespace entente::coordinator {
namespace {

constexpr const char* kSecretSetting = "cluster-secret";
constexpr size_t kMinSecretBytes = 16;
// For other nodes to fetch what happened last.
constexpr Duration kLastEvents = std::chrono::milliseconds(300);

Result<std::string> SecretOf(const Config& config, storage::Journal& journal) {
  if (config.cluster_secret_file.empty()) {
    return journal.GetOrPutSetting(kSecretSetting, runtime::ToBase64Url(runtime::RandomBytes(32)));
  }
  std::ifstream file(config.cluster_secret_file, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::string secret = text.str();
  secret.erase(secret.find_last_not_of("\r\n") + 1);
  if (!file || secret.size() < kMinSecretBytes) {
    return InvalidArgument("config.invalid",
                           "--cluster-secret-file " + config.cluster_secret_file +
                               ": can not be read, or holds fewer than " +
                               std::to_string(kMinSecretBytes) +
                               " bytes; write a long random text to it, the same for all nodes");
  }
  return secret;
}

std::string WithPort(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return (v6 ? "[" + host + "]" : host) + ':' + std::to_string(port);
}

// "HOST" or "HOST:PORT".
std::string Advertised(const Config& config, const std::string& host, uint16_t port) {
  const std::string& said = config.cluster_advertise;
  if (said.empty()) {
    return WithPort(host, port);
  }
  const bool has_port = said.ends_with(']') ? false : said.rfind(':') != std::string::npos;
  return has_port ? said : WithPort(said, port);
}

}  // namespace

ClusterNode::ClusterNode(runtime::LocalCoordinator& local, storage::Membership& table,
                         const std::string& secret)
    : local_(local), id_(table.node_id()), seals_(secret, id_) {}

Result<std::unique_ptr<ClusterNode>> ClusterNode::Open(const Config& config,
                                                       runtime::LocalCoordinator& local,
                                                       storage::Journal& journal,
                                                       storage::Membership& table,
                                                       net::OwnListeners& own) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string secret, SecretOf(config, journal));
  std::unique_ptr<ClusterNode> node(new ClusterNode(local, table, secret));
  ClusterNode* raw = node.get();
  cluster::PeerServerHooks asked;
  asked.look = [raw] { raw->members_->Look(); };
  asked.definition_stored = [raw] { raw->local_.ForgetNewestDefinitions(); };
  asked.bulk = [raw](const cluster::pb::Bulk& bulk, std::function<void(cluster::pb::Answer)> done) {
    raw->bulk_->Answer(bulk, std::move(done));
  };
  node->peers_ = std::make_unique<cluster::PeerServer>(local, node->seals_, std::move(asked));
  net::HttpServerOptions options;
  options.max_body_bytes = 2 * limits::kMaxRequestBytes;  // As a client sent it, and what we add.
  node->servers_ = std::make_unique<Servers>(
      local.workers(), [raw](runtime::Worker&) { return raw->peers_->NewHandler(); }, options);
  ENTENTE_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(config.cluster));
  ENTENTE_ASSIGN_OR_RETURN(const uint16_t port, node->servers_->Listen(address));
  own.Add(address.host, port);
  cluster::MembersHooks seen;
  seen.set_share = [raw](const runtime::ShardSet& share, const runtime::ShardSet& free) {
    raw->local_.SetShare(share, free);
  };
  seen.definitions_changed = [raw] { raw->local_.ForgetNewestDefinitions(); };
  seen.nodes_changed = [raw](const std::vector<std::string>& nodes) {
    Log(LogLevel::kInfo, LogLine("nodes")
                             .Number("count", nodes.size())
                             .Number("share", raw->members_->view()->share.count())
                             .Word("self", raw->id_));
    raw->coordinator_->OnNodesChanged();
  };
  node->members_ =
      std::make_unique<cluster::Members>(table,
                                         storage::NodeFacts{Advertised(config, address.host, port),
                                                            "", std::string(cli::kVersion), false},
                                         config.lease, std::move(seen));
  node->coordinator_ =
      std::make_unique<cluster::ClusterCoordinator>(local, *node->members_, node->seals_);
  return node;
}

ClusterNode::~ClusterNode() = default;

api::BulkDesk& ClusterNode::OpenBulk(storage::Journal& journal, api::BulkOptions options) {
  bulk_ = std::make_unique<ClusterBulk>(local_, *coordinator_, journal, std::move(options));
  return *bulk_;
}

Status ClusterNode::Join(const std::string& http_address) {
  peers_->BeginEvents();
  return members_->Start(http_address);
}

void ClusterNode::Leave(Duration grace) {
  bulk_->End();
  coordinator_->Leave(grace);
  members_->Look();  // Who has them: requests that come still are passed on.
}

void ClusterNode::Close() {
  if (bulk_ != nullptr) {
    bulk_->End();
  }
  members_->Leave();
  peers_->EndEvents(kLastEvents);
  coordinator_->Stop();
  servers_.reset();
}

std::vector<api::NodeInfo> ClusterNode::Nodes() const {
  const cluster::ViewPtr view = members_->view();
  std::vector<api::NodeInfo> nodes;
  for (const storage::NodeRow& row : view->table.nodes) {
    api::NodeInfo& node = nodes.emplace_back();
    node.id = row.id;
    node.state = !row.alive ? "lost" : row.facts.leaving ? "leaving" : "ready";
    node.self = row.id == id_;
    node.http_address = row.facts.http_address;
    node.peer_address = row.facts.peer_address;
    node.release = row.facts.release;
    node.started_at = row.started_at;
    node.heard_ago = row.heard_ago + (node.self ? Duration(0) : members_->age());
    for (const storage::ShardRow& shard : view->table.shards) {
      node.shards += !shard.is_free() && shard.owner == row.id ? 1 : 0;
    }
  }
  return nodes;
}

void ClusterNode::OnReleased() {
  members_->Look();
  coordinator_->OnReleased();
}

}  // namespace entente::coordinator
