#include "net/http/response_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/json.h"
#include "base/time.h"

namespace entente::net {
namespace {

bool IsTheServersOwn(std::string_view name) {
  return EqualsIgnoringCase(name, "content-length") ||
         EqualsIgnoringCase(name, "transfer-encoding") || EqualsIgnoringCase(name, "connection") ||
         EqualsIgnoringCase(name, "date");
}

}  // namespace

bool MayBeSent(const HttpHeaders& headers) {
  if (headers.FirstInvalid()) {
    return false;
  }
  for (size_t i = 0; i < headers.size(); ++i) {
    if (IsTheServersOwn(headers.name(i))) {
      return false;
    }
  }
  return true;
}

void AppendNumber(std::string& text, size_t number, int base) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base);
  text.append(digits.data(), end.ptr);
}

void AppendStatusLine(std::string& text, int status) {
  text.append("HTTP/1.1 ");
  AppendNumber(text, static_cast<size_t>(status));
  text.append(" ").append(HttpReasonPhrase(status)).append("\r\n");
}

void DateField::AppendTo(std::string& text) {
  const std::time_t now = std::time(nullptr);
  if (field_.empty() || now != at_) {
    at_ = now;
    field_ = "Date: " + FormatHttpDate(Instant(std::chrono::seconds(now))) + "\r\n";
  }
  text.append(field_);
}

bool IsBodiless(int status) {
  return status == 204 || status == 304 || (status >= 100 && status < 200);
}

HttpServerResponse Problem(int status, std::string_view code, const std::string& detail,
                           std::string_view target) {
  HttpServerResponse response;
  response.status = status;
  response.headers.Add("content-type", "application/problem+json");
  Json problem{{"type", "urn:entente:problem:" + std::string(code)},
               {"status", status},
               {"title", std::string(HttpReasonPhrase(status))},
               {"code", std::string(code)},
               {"detail", detail}};
  const std::string_view path = target.substr(0, target.find('?'));
  const bool shown =
      std::all_of(path.begin(), path.end(), [](char c) { return c > 32 && c < 127; });
  if (!path.empty() && shown) {
    problem["instance"] = std::string(path);
  }
  response.body = DumpJson(problem);
  return response;
}

}  // namespace entente::net
