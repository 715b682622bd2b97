#include "coordinator/participants/secrets.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "net/core/url.h"
#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using Protocol = net::AddressPolicy::Protocol;

// A folder of secrets, which goes with it.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("entente-secrets-" + std::to_string(reinterpret_cast<uintptr_t>(this)));

  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  void Put(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
};

Result<Secrets::Rendered> Render(const Folder& folder, const std::string& text,
                                 const std::string& url = "https://pay.example.org") {
  return Secrets(folder.path.string())
      .Render(dsl::ParseSecretText(text).value(), net::ParseUrl(url).value().origin,
              Protocol::kHttp);
}

TEST_CASE("a secret is read where it is used, and again at the next use") {
  const Folder folder;
  folder.Put("PAY", "first key\n");
  folder.Put("PAY.hosts", "# the bank\nhttps://*.example.org\n");
  const auto rendered = Render(folder, "Bearer ${secret.PAY}").value();
  CHECK(rendered.text == "Bearer first key");
  CHECK(rendered.values == std::vector<std::string>{"first key"});
  folder.Put("PAY", "second key");
  CHECK(Render(folder, "${ secret.PAY }!").value().text == "second key!");
}

TEST_CASE("a secret goes to those alone who may receive it") {
  const Folder folder;
  folder.Put("PAY", "some value");
  CHECK(Render(folder, "${secret.PAY}").status().reason() == "secret.not_for");
  for (const char* hosts :
       {"", "\n# nobody\n", "http://pay.example.org", "other.example.org", "?"}) {
    CAPTURE(hosts);
    folder.Put("PAY.hosts", hosts);
    CHECK(Render(folder, "${secret.PAY}").status().reason() == "secret.not_for");
  }
  folder.Put("PAY.hosts", std::string(8'193 - 15, '\n') + "pay.example.org.test");
  CHECK(Render(folder, "${secret.PAY}").status().reason() == "secret.not_for");
  folder.Put("PAY.hosts", "other.example.org\n  pay.example.org  \r\n");
  CHECK(Render(folder, "${secret.PAY}").ok());
  CHECK_FALSE(Render(folder, "${secret.PAY}", "https://pay.example.org.evil.test").ok());
}

TEST_CASE("a secret that can not be sent is named, and never shown") {
  const Folder folder;
  folder.Put("PAY.hosts", "*");
  CHECK(Render(folder, "${secret.PAY}").status().reason() == "secret.missing");
  for (const std::string& value :
       {std::string(), std::string("\n"), std::string("v4lue\n"), std::string("v4lue\r\nX: y"),
        std::string(10'000, 'v'), std::string("v4lue\0v4lue", 11)}) {
    folder.Put("PAY", value);
    const Status status = Render(folder, "${secret.PAY}").status();
    CHECK(status.reason() == "secret.unusable");
    CHECK(status.message().find("v4lue") == std::string::npos);
  }
  folder.Put("PAY", "v4lue-\u00e4");
  const auto text = dsl::ParseSecretText("${secret.PAY}").value();
  const auto origin = net::ParseUrl("https://pay.example.org").value().origin;
  const Secrets secrets(folder.path.string());
  CHECK(secrets.Render(text, origin, Protocol::kHttp).ok());
  CHECK(secrets.Render(text, origin, Protocol::kGrpc).status().reason() == "secret.unusable");
  CHECK(Secrets("")
            .Render(dsl::ParseSecretText("${secret.PAY}").value(),
                    net::ParseUrl("https://pay.example.org").value().origin, Protocol::kHttp)
            .status()
            .code() == StatusCode::kUnavailable);
}

TEST_CASE("what names a secret is text and names, and nothing that leads elsewhere") {
  for (const char* text : {"${secret.A}", "a${ secret.A_1 }b", "${secret.a}${secret.b}"}) {
    CHECK(dsl::NamesSecret(text));
    CHECK(dsl::ParseSecretText(text).ok());
  }
  for (const char* text :
       {"${secret}", "${secret.}", "${secret.a/b}", "${secret.a.hosts}", "${secret.a + input.b}",
        "${secret.a", "${secret['a']}", "${secret.a}${input.b}"}) {
    CAPTURE(text);
    CHECK(dsl::NamesSecret(text));
    CHECK(dsl::ParseSecretText(text).status().reason() == "secret.syntax");
  }
  CHECK_FALSE(dsl::NamesSecret("secret.a"));
  CHECK_FALSE(dsl::NamesSecret("${input.secret.a}"));
}

TEST_CASE("what comes back of a secret is taken out, wherever it stands") {
  const std::vector<std::string> values{"s3cret"};
  std::string text = "got s3cret, not s3cre, s3crets3cret";
  Redact(values, text);
  CHECK(text == "got [secret], not s3cre, [secret][secret]");
  Json document{{"a", Json::array({"x s3cret", 1})}, {"s3cret", nullptr}};
  Redact(values, document);
  CHECK(document.dump().find("s3cret") == std::string::npos);
  CHECK(document["a"][0] == "x [secret]");
}

TEST_CASE("a secret is taken out however a JSON string spells it, and no end of it stays") {
  const std::vector<std::string> values{R"(ab/cd"ef)", R"(ab/cd"ef-longer)",
                                        "p\u00e4ss-w\U0001f511rd"};
  for (const char* spelled : {
           R"(ab/cd"ef)",
           R"(ab/cd\"ef)",
           R"(ab\/cd\"ef)",
           R"(\u0061b\u002Fcd\u0022ef)",
           R"(ab/cd\"ef-longer)",
           "p\u00e4ss-w\U0001f511rd",
           R"(p\u00e4ss-w\ud83d\udd11rd)",
       }) {
    std::string text = "{\"a\":\"" + std::string(spelled) + "\"}";
    CAPTURE(text);
    Redact(values, text);
    CHECK(text == R"({"a":"[secret]"})");
  }
  for (const std::string other : {R"(ab/cd\)", R"(ab/cd\u)", R"(ab/cd\u00)", R"(ab/cd\u0023ef)",
                                  R"(p\u00e4ss-w\ud83d\ud83d)", R"(\udd11)", R"(ab/cd\nef)"}) {
    std::string text = other;
    Redact(values, text);
    CHECK(text == other);
  }
}

// What is kept of a reply as text.
std::string TextOf(const engine::Reply& reply) {
  if (const auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    return done->output.text();
  }
  if (const auto* pending = std::get_if<engine::ReplyPending>(&reply)) {
    return pending->poll_url;
  }
  if (const auto* refused = std::get_if<engine::ReplyRefused>(&reply)) {
    return refused->failure.message;
  }
  if (const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply)) {
    return not_sent->failure.message;
  }
  return std::get<engine::ReplyUnknown>(reply).failure.message;
}

TEST_CASE("whatever a participant does with a secret, nothing that is kept of its answer has it") {
  const Folder folder;
  folder.Put("PAY", "s3cret/key");
  folder.Put("PAY.hosts", "*");
  testing::Service service;
  net::testing::Peer peer(service.Script());
  dsl::Participant participant = testing::At(peer);
  std::get<dsl::HttpAddress>(participant.address)
      .secret_headers.emplace_back("Authorization",
                                   dsl::ParseSecretText("Bearer ${secret.PAY}").value());
  CallerOptions options;
  options.secrets = std::make_shared<const Secrets>(folder.path.string());
  testing::Bench bench(std::move(participant), dsl::Mode::kTcc, std::move(options));
  const std::string here = "http://127.0.0.1:" + std::to_string(peer.port()) + "/base/";
  const auto with = [](const std::string& head, const std::string& body) {
    return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  };
  size_t call = 0;
  for (const std::string& answer : {
           with("200 OK", R"({"a":"s3cret\/key"})"),
           with("422 No", "s3cret/key"),
           with("500 Oh", "s3cret/key"),
           with("202 OK\r\nLocation: " + here + "s3cret/key", ""),
           with("200 OK\r\nEntente-Expires: s3cret/key", ""),
           std::string("s3cret/key\r\n\r\n"),
       }) {
    service.answer = answer;
    CAPTURE(answer);
    bench.Call("t" + std::to_string(call));
    const std::string kept = TextOf(bench.Reply(call));
    CHECK(kept.find("s3cret") == std::string::npos);
    CHECK(service.Received(call).find("Bearer s3cret/key") != std::string::npos);
    ++call;
  }
}

TEST_CASE("what a participant says of a header that it names is in nothing that went wrong") {
  testing::Service service;
  net::testing::Peer peer(service.Script());
  dsl::Participant participant = testing::At(peer);
  std::get<dsl::HttpAddress>(participant.address).headers.emplace_back("X-Key", "Basic key-123456");
  participant.sensitive_headers = {"x-key", "x-session"};
  testing::Bench bench(std::move(participant), dsl::Mode::kTcc, CallerOptions());
  const auto with = [](const std::string& head, const std::string& body) {
    return "HTTP/1.1 " + head +
           "\r\nX-Session: session-778899\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
  const std::string echo = "key-123456 session-778899";
  size_t call = 0;
  for (const std::string& answer :
       {with("422 No", echo), with("500 Oh", echo), with("500 Oh", std::string(400, 'x') + echo),
        with("425 Who\r\nEntente-Unverified: no", echo),
        std::string("HTTP/1.1 key-123456\r\n\r\n")}) {
    service.answer = answer;
    CAPTURE(answer);
    bench.Call("t" + std::to_string(call));
    const std::string kept = TextOf(bench.Reply(call));
    CHECK(kept.find("key-1") == std::string::npos);
    CHECK(kept.find("session-7") == std::string::npos);
    CHECK(service.Received(call).find("X-Key: Basic key-123456") != std::string::npos);
    ++call;
  }
  // What went well is data: later steps send it on, and whoever looks at it is shown it without.
  service.answer = with("200 OK", R"({"key":"key-123456"})");
  bench.Call("well");
  CHECK(TextOf(bench.Reply(call)) == R"({"key":"key-123456"})");
}

}  // namespace
}  // namespace entente::participants
