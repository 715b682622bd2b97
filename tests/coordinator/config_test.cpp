#include "coordinator/config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

namespace entente::coordinator {
namespace {

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text)
      : path_((std::filesystem::temp_directory_path() /
               ("entente-config-" + std::to_string(getpid()) + ".json"))
                  .string()) {
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { std::filesystem::remove(path_); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string MistakeIn(const std::string& text) {
  const ConfigFile file(text);
  Config config;
  return ApplyConfigFile(file.path(), config).message();
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("no setting is needed") {
  CHECK(CheckConfig(Config()).ok());
}

TEST_CASE("a file sets what a flag sets, numbers and lists as JSON has them") {
  const ConfigFile file(
      R"({"http": "127.0.0.1:1", "workers": 3, "retention": "2h", "allow-env": ["A", "B_*"]})");
  Config config;
  REQUIRE(ApplyConfigFile(file.path(), config).ok());
  CHECK(config.http == "127.0.0.1:1");
  CHECK(config.workers == 3);
  CHECK(config.retention == Duration(std::chrono::hours(2)));
  CHECK(config.allow_env == std::vector<std::string>{"A", "B_*"});
}

TEST_CASE("a mistake in a file names the file's setting and what is allowed") {
  using Catch::Contains;
  CHECK_THAT(MistakeIn(R"({"htp": "x"})"), Contains("unknown setting 'htp'"));
  CHECK_THAT(MistakeIn(R"({"workers": 17})"), Contains("workers") && Contains("from 0 to 16"));
  CHECK_THAT(MistakeIn(R"({"workers": "-1"})"), Contains("from 0 to 16"));
  CHECK_THAT(MistakeIn(R"({"retention": "soon"})"), Contains("retention"));
  CHECK_THAT(MistakeIn(R"({"http": ["a", "b"]})"), Contains("one value, not a list"));
  CHECK_THAT(MistakeIn(R"({"http": null})"), Contains("a string or a number"));
  CHECK_THAT(MistakeIn(R"({"log-level": "loud"})"), Contains("debug, info, warn, error"));
  CHECK_THAT(MistakeIn("[]"), Contains("a JSON object of settings"));
  CHECK_THAT(MistakeIn("{"), Contains("entente-config"));
  Config config;
  CHECK_THAT(ApplyConfigFile("/nowhere/entente.json", config).message(),
             Contains("/nowhere/entente.json") && Contains("can not be opened"));
}

TEST_CASE("the environment sets what is not empty, and names itself in a mistake") {
  const Variable http("ENTENTE_HTTP", "127.0.0.1:9");
  const Variable store("ENTENTE_STORE", "");
  const Variable allowed("ENTENTE_ALLOW_ENV", "A,B");
  Config config;
  REQUIRE(ApplyEnvironment(config).ok());
  CHECK(config.http == "127.0.0.1:9");
  CHECK(config.store == Config().store);
  CHECK(config.allow_env == std::vector<std::string>{"A", "B"});
  const Variable workers("ENTENTE_WORKERS", "many");
  CHECK_THAT(ApplyEnvironment(config).message(), Catch::Contains("ENTENTE_WORKERS"));
}

const Setting& SettingNamed(const std::string& name) {
  const auto& settings = Settings();
  return *std::find_if(settings.begin(), settings.end(),
                       [&name](const Setting& setting) { return setting.name == name; });
}

TEST_CASE("a list that is given takes the place of what a weaker source gave") {
  using List = std::vector<std::string>;
  const ConfigFile file(R"({"allow-env": ["FILE"], "allow-participants": ["*"]})");
  Config config;
  REQUIRE(ApplyConfigFile(file.path(), config).ok());
  const Variable allowed("ENTENTE_ALLOW_ENV", "A, B_*");
  REQUIRE(ApplyEnvironment(config).ok());
  CHECK(config.allow_env == List{"A", "B_*"});
  CHECK(config.allow_participants == List{"*"});
  REQUIRE(ApplyValues(SettingNamed("allow-env"), {"C", "D"}, config).ok());
  CHECK(config.allow_env == List{"C", "D"});
  REQUIRE(ApplyValues(SettingNamed("allow-participants"), {"*.example.org"}, config).ok());
  CHECK(config.allow_participants == List{"*.example.org"});
  REQUIRE(ApplyValues(SettingNamed("allow-env"), {}, config).ok());
  CHECK(config.allow_env == List{"C", "D"});
}

TEST_CASE("names and origins to be known by are taken as they are written in a request") {
  const auto [setting, value, accepted] = GENERATE(table<std::string, std::string, bool>({
      {"allow-host", "entente.example.org", true},
      {"allow-host", "entente", true},
      {"allow-host", "entente.example.org:443", false},
      {"allow-host", "https://entente.example.org", false},
      {"allow-host", "*.example.org", false},
      {"allow-host", "", false},
      {"allow-origin", "https://ops.example.org", true},
      {"allow-origin", "http://ops.example.org:8443", true},
      {"allow-origin", "ops.example.org", false},
      {"allow-origin", "https://ops.example.org/", false},
      {"allow-origin", "https://", false},
      {"allow-origin", "*", false},
  }));
  CAPTURE(setting, value);
  Config config;
  CHECK(ApplyValues(SettingNamed(setting), {value}, config).ok() == accepted);
}

TEST_CASE("what other machines could reach is refused unless it asks who they are") {
  const auto [address, own] = GENERATE(table<std::string, bool>({
      {"127.0.0.1:8080", true},
      {"127.9.8.7:8080", true},
      {"localhost:8080", true},
      {"[::1]:8080", true},
      {":8080", true},
      {"0.0.0.0:8080", false},
      {"[::]:8080", false},
      {"192.168.1.1:8080", false},
      {"127.example.com:8080", false},
  }));
  CAPTURE(address);
  for (std::string Config::*listen : {&Config::http, &Config::grpc}) {
    Config config;
    config.*listen = address;
    config.allow_participants = {"*"};
    CHECK(CheckConfig(config).ok());
    CHECK(AsksForTokens(config) != own);
    config.auth = "none";
    CHECK(CheckConfig(config).ok() == own);
    config.auth = "token";
    CHECK(AsksForTokens(config));
    CHECK(CheckConfig(config).ok());
    // Whoever may register a definition could reach whatever this machine does.
    config.allow_participants.clear();
    CHECK_FALSE(CheckConfig(config).ok());
  }
}

TEST_CASE("what is no address is refused") {
  const std::string address = GENERATE("127.0.0.1", "127.0.0.1:65536", "127.0.0.1:", "nonsense");
  for (std::string Config::*listen : {&Config::http, &Config::grpc}) {
    Config config;
    config.*listen = address;
    CHECK_FALSE(CheckConfig(config).ok());
  }
}

TEST_CASE("a certificate and its key go together") {
  Config config;
  config.tls_certificate_file = "cert.pem";
  CHECK_FALSE(CheckConfig(config).ok());
  config.tls_key_file = "key.pem";
  CHECK(CheckConfig(config).ok());
}

TEST_CASE("the listeners' certificate and its key go together") {
  Config config;
  config.listen_tls_client_ca_file = "ca.pem";
  CHECK_FALSE(CheckConfig(config).ok());
  config.listen_tls_certificate_file = "cert.pem";
  CHECK_FALSE(CheckConfig(config).ok());
  config.listen_tls_key_file = "key.pem";
  CHECK(CheckConfig(config).ok());
}

}  // namespace entente::coordinator
