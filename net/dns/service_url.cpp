#include "net/dns/service_url.h"

#include <utility>

namespace entente::net {
namespace {

constexpr std::string_view kHttp = "http+srv://";
constexpr std::string_view kHttps = "https+srv://";
constexpr std::string_view kGrpc = "grpc+srv://";

// Less the labels of service and protocol: "_booking._tcp.example.com" is of "example.com".
std::string DomainOf(const std::string& name) {
  std::string_view rest = name;
  for (int labels = 0; labels < 2 && rest.starts_with('_'); ++labels) {
    const size_t dot = rest.find('.');
    rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  }
  return std::string(rest);
}

}  // namespace

bool IsServiceUrl(std::string_view text) {
  return text.starts_with(kHttp) || text.starts_with(kHttps) || text.starts_with(kGrpc);
}

Result<ServiceUrl> ParseServiceUrl(std::string_view text, bool tls) {
  const std::string shown(text);
  const bool grpc = text.starts_with(kGrpc);
  if (!IsServiceUrl(text)) {
    return InvalidArgument("url.invalid", "'" + shown +
                                              "' does not begin with http+srv://, "
                                              "https+srv:// or grpc+srv://");
  }
  tls = grpc ? tls : text.starts_with(kHttps);
  text.remove_prefix(text.find("://") + 3);
  // Read as what it would be at the scheme's own port: one reader says what a host and a path are.
  ENTENTE_ASSIGN_OR_RETURN(Url url, ParseUrl((tls ? "https://" : "http://") + std::string(text)));
  std::string name = std::move(url.origin.host);
  while (name.ends_with('.')) {
    name.pop_back();
  }
  const std::string_view authority = text.substr(0, text.find_first_of("/?"));
  const std::string domain = DomainOf(name);
  if (authority.find(':') != std::string_view::npos || domain.empty()) {
    return InvalidArgument("url.invalid", "'" + shown +
                                              "' needs the name of a service without a "
                                              "port, such as _booking._tcp.example.com");
  }
  if (grpc && url.target != "/") {
    return InvalidArgument("url.invalid", "'" + shown + "' has a path, which gRPC has no use for");
  }
  std::string path = std::move(url.target);
  while (path.ends_with('/')) {
    path.pop_back();
  }
  url.origin.host = domain;
  return ServiceUrl{std::move(name), std::move(url.origin), std::move(path)};
}

}  // namespace entente::net
