#include "coordinator/authentication.h"

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "coordinator/log/process_log.h"
#include "coordinator/process/private_file.h"
#include "runtime/wall_clock.h"

namespace entente::coordinator {
namespace {

constexpr auto kRefreshEvery = std::chrono::seconds(2);
constexpr const char* kServe = "entente-serve";  // Whose doing it is.
constexpr std::string_view kSqlite = "sqlite:";

std::string AdminTokenFile(const Config& config) {
  if (!config.admin_token_file.empty()) {
    return config.admin_token_file;
  }
  return config.store.starts_with(kSqlite) ? config.store.substr(kSqlite.size()) + "-admin-token"
                                           : "entente-admin-token";
}

// One that can not be handed over is taken back.
Status HandOverAdmin(const std::string& file, identity::TokenBook& tokens, audit::AuditBook& audit,
                     Instant now) {
  identity::TokenRequest request;
  request.name = "admin";
  request.role = identity::Role::kAdmin;
  ENTENTE_ASSIGN_OR_RETURN(const identity::CreatedToken token, tokens.Create(request, kServe, now));
  audit::AuditEntry entry;
  entry.at = now;
  entry.actor = kServe;
  entry.action = "create-token";
  entry.subject = "token/" + token.info.id;
  entry.outcome = audit::kDone;
  entry.after = Json{{"name", request.name}, {"role", "admin"}};
  audit.Record(entry);
  if (Status written = WritePrivateFile(file, token.text + "\n"); !written.ok()) {
    static_cast<void>(tokens.Revoke(token.info.id, kServe, now).ok());
    return written;
  }
  Log(LogLevel::kInfo, LogLine("admin_token")
                           .Word("id", token.info.id)
                           .Text("file", file)
                           .Text("message",
                                 "an administrator's token is in this file; name it in "
                                 "ENTENTE_TOKEN_FILE, make other tokens, and remove it"));
  return {};
}

// Without a token that may make others, nobody could ever get in.
Status EnsureAdmin(const Config& config, identity::TokenBook& tokens, audit::AuditBook& audit) {
  const Instant now = runtime::WallNow();
  const std::string file = AdminTokenFile(config);
  const bool asked = !config.admin_token_file.empty() && access(file.c_str(), F_OK) != 0;
  return tokens.HasAdmin(now) && !asked ? Status() : HandOverAdmin(file, tokens, audit, now);
}

Result<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return file ? Result<std::string>(text.str())
              : InvalidArgument("config.file", "'" + path + "' can not be read");
}

Status Know(const std::string& client_roles, identity::TokenBook& tokens) {
  ENTENTE_ASSIGN_OR_RETURN(identity::CertificateRoles roles,
                           identity::CertificateRoles::Parse(client_roles));
  tokens.Know(std::make_shared<const identity::CertificateRoles>(std::move(roles)));
  return {};
}

}  // namespace

Result<std::unique_ptr<Authentication>> Authentication::Open(const Config& config,
                                                             storage::Journal& journal,
                                                             audit::AuditBook& audit) {
  if (!AsksForTokens(config)) {
    Log(LogLevel::kInfo,
        LogLine("authentication")
            .Word("mode", "none")
            .Text("message",
                  "whoever can reach this coordinator, which only this machine can, may do "
                  "everything; --auth token changes that"));
    return std::unique_ptr<Authentication>(new Authentication(nullptr, nullptr, "", ""));
  }
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<identity::TokenBook> tokens,
                           identity::TokenBook::Open(journal));
  ENTENTE_RETURN_IF_ERROR(EnsureAdmin(config, *tokens, audit));
  std::unique_ptr<ProviderKeys> provider;
  if (!config.jwt_keys.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(provider, ProviderKeys::Open(config));
    tokens->AlsoTake(provider->tokens());
  }
  std::string client_roles;
  if (!config.client_roles_file.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(client_roles, ReadText(config.client_roles_file));
    ENTENTE_RETURN_IF_ERROR(Know(client_roles, *tokens));
  }
  LogLine line("authentication");
  line.Word("mode", "token");
  if (provider != nullptr) {
    line.Text("issuer", config.jwt_issuer);
  }
  Log(LogLevel::kInfo, line);
  return std::unique_ptr<Authentication>(new Authentication(
      std::move(tokens), std::move(provider), config.client_roles_file, std::move(client_roles)));
}

Authentication::Authentication(std::unique_ptr<identity::TokenBook> tokens,
                               std::unique_ptr<ProviderKeys> provider,
                               std::string client_roles_file, std::string client_roles)
    : client_roles_file_(std::move(client_roles_file)),
      client_roles_(std::move(client_roles)),
      tokens_(std::move(tokens)),
      provider_(std::move(provider)) {
  if (tokens_ != nullptr) {
    refresh_.emplace(kRefreshEvery, [this] { Refresh(); });
  }
}

void Authentication::Refresh() {
  const Status refreshed = tokens_->Refresh();
  if (!refreshed.ok() && !failing_) {
    Log(LogLevel::kWarning, LogLine("tokens_stale")
                                .Word("reason", refreshed.reason())
                                .Text("message", refreshed.message()));
  }
  failing_ = !refreshed.ok();
  if (!client_roles_file_.empty()) {
    RefreshCertificates();
  }
}

// What can not be read leaves what there was: nobody is let in by a half of it, or out.
void Authentication::RefreshCertificates() {
  const auto text = ReadText(client_roles_file_);
  if (text.ok() && *text == client_roles_) {
    client_roles_failing_ = false;
    return;
  }
  const Status known = text.ok() ? Know(*text, *tokens_) : text.status();
  if (known.ok()) {
    client_roles_ = *text;
    Log(LogLevel::kInfo, LogLine("client_roles_taken"));
  } else if (!client_roles_failing_) {
    Log(LogLevel::kWarning, LogLine("client_roles_kept")
                                .Word("reason", known.reason())
                                .Text("message", known.message()));
  }
  client_roles_failing_ = !known.ok();
}

}  // namespace entente::coordinator
