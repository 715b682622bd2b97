#include "coordinator/participants/secrets.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "net/core/url.h"

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
  folder.Put("PAY", "first\n");
  folder.Put("PAY.hosts", "# the bank\nhttps://*.example.org\n");
  const auto rendered = Render(folder, "Bearer ${secret.PAY}").value();
  CHECK(rendered.text == "Bearer first");
  CHECK(rendered.values == std::vector<std::string>{"first"});
  folder.Put("PAY", "second");
  CHECK(Render(folder, "${ secret.PAY }!").value().text == "second!");
}

TEST_CASE("a secret goes to those alone who may receive it") {
  const Folder folder;
  folder.Put("PAY", "value");
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
  for (const std::string& value : {std::string(), std::string("\n"), std::string("v4lue\r\nX: y"),
                                   std::string(10'000, 'v'), std::string("v4lue\0", 6)}) {
    folder.Put("PAY", value);
    const Status status = Render(folder, "${secret.PAY}").status();
    CHECK(status.reason() == "secret.unusable");
    CHECK(status.message().find("v4lue") == std::string::npos);
  }
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

}  // namespace
}  // namespace entente::participants
