#include "examples/travel/common/rest_front.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <utility>

namespace travel {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMaxHeaderValueBytes = 1024;

std::string_view View(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

// A '%' that starts no escape stands for itself.
std::string PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string Header(const HttpRequest& request, const char* name) {
  return CleanHeader(View(request[name]));
}

// Some clients send the key as a quoted structured-field string.
std::string Unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

Reply Error(int status, const char* error, const std::string& message) {
  return {status, ErrorJson(error, message), {}, {}};
}

}  // namespace

std::string CleanHeader(std::string_view value) {
  std::string clean(value.substr(0, kMaxHeaderValueBytes));
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return clean;
}

struct RestFront::Target {
  explicit Target(std::string_view text) {
    const size_t question = text.find('?');
    path = PercentDecode(text.substr(0, question));
    while (question != std::string_view::npos && !text.empty()) {
      text.remove_prefix(std::min(text.size(), text.find_first_of("?&")) + 1);
      const std::string_view pair = text.substr(0, text.find('&'));
      const size_t equals = std::min(pair.size(), pair.find('='));
      query[PercentDecode(pair.substr(0, equals))] =
          PercentDecode(pair.substr(std::min(pair.size(), equals + 1)));
      if (text.find('&') == std::string_view::npos) {
        break;
      }
    }
  }

  int64_t Number(const std::string& name, int64_t otherwise) const {
    const auto found = query.find(name);
    int64_t number = otherwise;
    if (found != query.end()) {
      const std::string& text = found->second;
      std::from_chars(text.data(), text.data() + text.size(), number);
    }
    return number;
  }

  bool Is(const std::string& name, const std::string& value) const {
    const auto found = query.find(name);
    return found != query.end() && found->second == value;
  }

  std::string path;
  std::map<std::string, std::string> query;
};

RestFront::RestFront(const Business& business, Desk& desk, Switches& switches, Reports& reports)
    : business_(business),
      routes_(business.Routes()),
      desk_(desk),
      switches_(switches),
      reports_(reports) {}

void RestFront::Handle(const HttpRequest& request, const ReplyFn& reply) {
  const Target target(View(request.target()));
  try {
    if (!HandleOperation(request, target, reply)) {
      reply(HandleCommon(request, target));
    }
  } catch (const SqliteError& error) {  // Only from reading, which comes before any reply.
    reply(Error(503, "unreadable", error.what()));
  }
}

bool RestFront::HandleOperation(const HttpRequest& request, const Target& target,
                                const ReplyFn& reply) {
  const std::string method(View(request.method_string()));
  const auto route = std::find_if(routes_.begin(), routes_.end(), [&](const Route& candidate) {
    return candidate.method == method &&
           (candidate.key_place == KeyPlace::kPath ? target.path.rfind(candidate.path, 0) == 0
                                                   : target.path == candidate.path);
  });
  if (route == routes_.end()) {
    return false;
  }
  Call call;
  call.direction = route->direction;
  call.request = method + " " + CleanHeader(target.path);
  call.caller = {Header(request, "Entente-Gid"), Header(request, "Entente-Branch"),
                 Header(request, "Entente-Operation"), Header(request, "Entente-Attempt"),
                 Header(request, "Entente-Epoch")};
  std::optional<Json> body = request.body().empty() ? Json::object() : ParseJson(request.body());
  if (!body) {
    call.malformed = Refusal{400, "bad_json", "the body is no JSON, or nested too deeply"};
  } else {
    call.body = std::move(*body);
  }
  switch (route->key_place) {
    case KeyPlace::kPath: call.key = target.path.substr(route->path.size()); break;
    case KeyPlace::kHeader: call.key = Unquoted(Header(request, "Idempotency-Key")); break;
    case KeyPlace::kBody: call.key = TextMember(call.body, route->key_member); break;
  }
  if (call.direction != Direction::kLook) {
    desk_.Handle(std::move(call), reply);
  } else if (const auto found = reports_.Look(call.key)) {
    reply({200, *found, {}, {}});
  } else {
    reply(Error(404, "not_found", "nothing is booked under '" + CleanHeader(call.key) + "'"));
  }
  return true;
}

Reply RestFront::HandleCommon(const HttpRequest& request, const Target& target) {
  if (target.path == "/control") {
    return Control(request);
  }
  if (request.method() != http::verb::get) {
    return Error(404, "not_found", "there is no such operation");
  }
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  if (target.path == "/healthz") {
    static_cast<void>(reports_.Look("healthz"));
    return {200, {{"service", business_.Name()}, {"status", "ok"}}, {}, {}};
  }
  if (target.path == "/ledger") {
    return {200, reports_.Ledger(target.Number("after", 0), target.Number("limit", kAll)), {}, {}};
  }
  if (target.path == "/calls") {
    return {200, reports_.Calls(target.Number("after", 0), target.Number("limit", kAll)), {}, {}};
  }
  if (target.path == "/summary") {
    return {200, reports_.Summary(!target.Is("keys", "false")), {}, {}};
  }
  constexpr std::string_view kOperations = "/operations/";
  if (target.path.rfind(kOperations, 0) == 0) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const Direction of = target.Is("of", "undo") ? Direction::kUndo : Direction::kForward;
    Answer answer = reports_.Operation(of, target.path.substr(kOperations.size()),
                                       std::chrono::duration_cast<Millis>(now).count());
    return {answer.status, std::move(answer.body), {}, {}};
  }
  return Error(404, "not_found", "there is nothing at '" + CleanHeader(target.path) + "'");
}

Reply RestFront::Control(const HttpRequest& request) {
  if (request.method() == http::verb::post) {
    const auto changes = ParseJson(request.body());
    const auto problem = changes ? switches_.Apply(*changes) : "the body is no JSON";
    if (problem) {
      return Error(400, "bad_switch", *problem);
    }
  } else if (request.method() != http::verb::get) {
    return Error(405, "bad_method", "use GET or POST");
  }
  return {200, switches_.Show(), {}, {}};
}

}  // namespace travel
