#include "cli/context.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/json_number.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace entente::cli {
namespace {

// What is read from a file or a pipe: more would be refused wherever it goes.
constexpr size_t kMaxFileBytes = size_t{16} << 20;

Result<std::string> ReadAll(std::istream& in, const std::string& name) {
  std::string content;
  char chunk[64 * 1024];
  while (in.read(chunk, sizeof chunk) || in.gcount() > 0) {
    content.append(chunk, static_cast<size_t>(in.gcount()));
    if (content.size() > kMaxFileBytes) {
      return InvalidArgument("file.too_large", name + " is larger than the limit of " +
                                                   std::to_string(kMaxFileBytes) + " bytes");
    }
  }
  if (in.bad()) {
    return Internal("file.unreadable", "cannot read " + name + ": " + std::strerror(errno));
  }
  return content;
}

std::string EnvironmentText(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool IsWrongUse(const std::string& reason) {
  return reason.starts_with("cli.") || reason.starts_with("client.bad_server") ||
         reason.starts_with("client.bad_request") || reason.starts_with("client.bad_token_file");
}

}  // namespace

sdk::Client& Context::client() {
  if (!client_) {
    client_.emplace(NewClient());
  }
  return *client_;
}

sdk::Client Context::NewClient() const {
  sdk::ClientOptions options;
  options.server = server;
  options.tls = {EnvironmentText("ENTENTE_CA_FILE"), EnvironmentText("ENTENTE_CERTIFICATE_FILE"),
                 EnvironmentText("ENTENTE_KEY_FILE")};
  return sdk::Client(std::move(options));
}

Json Context::ErrorDocument(const Status& status, const std::string& message) const {
  Json document = client_ ? client_->last_problem() : Json();
  if (!document.is_object() || Text(document, "code") != status.reason()) {
    return {{"code", status.reason()}, {"detail", message}};
  }
  if (!document.contains("violations") && !document.contains("problems")) {
    document["detail"] = message;  // It may say more, such as the gid to ask for.
  }
  return document;
}

void Context::Fail(const Status& status) {
  std::string message = status.message();
  if (status.reason() == "client.unreachable") {
    message += "; is `entente serve` running? Choose another with --server or ENTENTE_SERVER";
  }
  if (status.reason() == "token.missing" || status.reason() == "token.rejected") {
    message += "; ENTENTE_TOKEN_FILE names the file of the token that is shown";
  }
  exit_code = IsWrongUse(status.reason()) ? kExitWrongUse : kExitNo;
  if (json) {
    terminal.err << ShowLines(DumpJson(ErrorDocument(status, message))) << "\n";
    return;
  }
  // Line by line: a list of mistakes stays one.
  std::istringstream lines(message);
  std::string line;
  std::string prefix = "entente: ";
  while (std::getline(lines, line)) {
    terminal.err << prefix << ShowText(line);
    // The stable code, for those who look it up.
    if (!prefix.empty() && !IsWrongUse(status.reason())) {
      terminal.err << " [" << ShowText(status.reason()) << "]";
    }
    terminal.err << "\n";
    prefix.clear();
  }
}

void Context::PrintJson(const std::string& text) {
  terminal.out << ShowLines(text) << (text.ends_with('\n') ? "" : "\n") << std::flush;
}

Result<std::string> ReadFile(Context& context, const std::string& path) {
  if (path == "-") {
    return ReadAll(context.terminal.in, NameOfFile(path));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    if (file.eof() && errno == 0) {
      return std::string();
    }
    return NotFound("file.unreadable",
                    "cannot read '" + path + "': " + std::strerror(errno == 0 ? EIO : errno));
  }
  return ReadAll(file, "'" + path + "'");
}

std::string NameOfFile(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

Result<Json> ReadJsonArgument(Context& context, std::string_view option, const std::string& text) {
  const bool named = text.starts_with('@') || text == "-";
  std::string content = text;
  if (named) {
    ENTENTE_ASSIGN_OR_RETURN(content, ReadFile(context, text == "-" ? text : text.substr(1)));
  }
  Result<Json> json = ParseExactJson(content, {kMaxFileBytes, limits::kMaxJsonDepth});
  if (!json.ok()) {
    const std::string hint =
        named ? "" : "; give JSON, @FILE, or - for standard input (text needs its own quotes)";
    return InvalidArgument("cli.bad_json", std::string(option) + ": " +
                                               (named ? text + ": " : std::string()) +
                                               json.status().message() + hint);
  }
  return json;
}

Result<Duration> ReadDurationArgument(std::string_view option, const std::string& text) {
  Result<Duration> duration = ParseDuration(text);
  if (!duration.ok()) {
    return InvalidArgument("cli.bad_duration",
                           std::string(option) + ": " + duration.status().message());
  }
  return duration;
}

Result<std::map<std::string, std::string>> ReadLabels(const std::vector<std::string>& labels) {
  std::map<std::string, std::string> read;
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return InvalidArgument("cli.usage", "--label: '" + label + "' is not KEY=VALUE");
    }
    const std::string key = label.substr(0, equals);
    if (!read.emplace(key, label.substr(equals + 1)).second) {
      return InvalidArgument("cli.usage", "--label: '" + key + "' is given twice");
    }
  }
  return read;
}

std::string Text(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string NumberText(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && IsJsonNumber(*found) ? DumpJson(*found) : std::string();
}

bool IsTrue(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& Items(const Json& object, const char* member) {
  static const Json kNone = Json::array();
  const auto found = object.find(member);
  return found != object.end() && found->is_array() ? *found : kNone;
}

}  // namespace entente::cli
