#include "net/grpc/grpc_channel.h"

#include <fstream>
#include <sstream>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace entente::net {
namespace {

constexpr size_t kMaxReflectionBytes = size_t{4} << 20;
constexpr int kFirstReconnectMillis = 100;
constexpr int kMaxReconnectMillis = 2'000;
constexpr int kConnectTimeoutMillis = 5'000;

Result<std::string> ReadFile(const std::string& path) {
  if (path.empty()) {
    return std::string();
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) {
    return InvalidArgument("tls.invalid", "TLS file '" + path + "' can not be read");
  }
  return content.str();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const Origin& target,
                                                              const TlsClientOptions& tls) {
  if (!target.tls) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions options;
  ENTENTE_ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(tls.ca_file));
  ENTENTE_ASSIGN_OR_RETURN(options.pem_cert_chain, ReadFile(tls.certificate_file));
  ENTENTE_ASSIGN_OR_RETURN(options.pem_private_key, ReadFile(tls.key_file));
  return grpc::SslCredentials(options);
}

// gRPC takes the addresses of one family at a time.
std::string AddressList(const std::vector<boost::asio::ip::address>& addresses, uint16_t port,
                        bool version6) {
  std::string list;
  for (const auto& address : addresses) {
    if (address.is_v6() == version6) {
      list += list.empty() ? (version6 ? "ipv6:" : "ipv4:") : ",";
      list += (version6 ? "[" + address.to_string() + "]" : address.to_string()) + ":" +
              std::to_string(port);
    }
  }
  return list;
}

// Descriptors may be larger than payloads. Answers are held to their own limit before they are
// read: hundreds of calls may have one under way.
std::string ReceiveLimits(size_t max_answer_bytes) {
  const Json reflection = Json::array({{{"service", "grpc.reflection.v1.ServerReflection"}},
                                       {{"service", "grpc.reflection.v1alpha.ServerReflection"}}});
  const Json any = Json::array({Json::object()});
  return DumpJson({{"methodConfig",
                    {{{"name", reflection}, {"maxResponseMessageBytes", kMaxReflectionBytes}},
                     {{"name", any}, {"maxResponseMessageBytes", max_answer_bytes}}}}});
}

grpc::ChannelArguments Arguments(const Origin& target, const GrpcClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(std::max(options.max_message_bytes, kMaxReflectionBytes)));
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, target.HostField());
  if (target.tls) {
    arguments.SetSslTargetNameOverride(target.host);  // What the certificate must say.
  }
  // A connection per worker: workers share no locks.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // What repeats a call is the engine, which knows what a repeat means.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetServiceConfigJSON(ReceiveLimits(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // No decompression: a small message could become a huge one past the cap.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMillis);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMillis);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMillis);
  return arguments;
}

}  // namespace

Result<std::unique_ptr<grpc::GenericStub>> ConnectGrpc(
    const Origin& target, const std::vector<boost::asio::ip::address>& addresses, uint16_t port,
    bool prefer_version6, const GrpcClientOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const auto credentials, Credentials(target, options.tls));
  std::string list = AddressList(addresses, port, prefer_version6);
  if (list.empty()) {
    list = AddressList(addresses, port, !prefer_version6);
  }
  return std::make_unique<grpc::GenericStub>(
      grpc::CreateCustomChannel(list, credentials, Arguments(target, options)));
}

}  // namespace entente::net
