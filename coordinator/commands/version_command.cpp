#include "coordinator/commands/version_command.h"

#include <cstdio>
#include <map>
#include <memory>

#include <ares.h>
#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <sodium/version.h>
#include <spdlog/version.h>
#include <sqlite3.h>
#include <zlib.h>
#include <CLI/CLI.hpp>
#include <boost/version.hpp>

#include "base/json.h"
#include "cli/cli.h"

namespace entente::coordinator {
namespace {

std::string Dotted(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::map<std::string, std::string> Libraries() {
  return {
      {"boost", Dotted(BOOST_VERSION / 100'000, BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100)},
      {"c-ares", ares_version(nullptr)},
      {"cli11", CLI11_VERSION},
      {"grpc", grpc::Version()},
      {"libpq",
       std::to_string(PQlibVersion() / 10'000) + "." + std::to_string(PQlibVersion() % 10'000)},
      {"libsodium", sodium_version_string()},
      {"nlohmann-json", Dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                               NLOHMANN_JSON_VERSION_PATCH)},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"protobuf", google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)},
      {"spdlog", Dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"sqlite", sqlite3_libversion()},
      {"zlib", zlibVersion()},
  };
}

}  // namespace

std::string VersionJson() {
  Json libraries = Json::array();
  for (const auto& [name, version] : Libraries()) {
    libraries.push_back(Json{{"name", name}, {"version", version}});
  }
  return DumpJson(Json{{"version", cli::kVersion}, {"libraries", std::move(libraries)}});
}

void AddVersionCommand(CLI::App& app) {
  CLI::App* version =
      app.add_subcommand("version", "Tell which release this is, and with which libraries");
  const auto json = std::make_shared<bool>(false);
  version->add_flag("--json", *json, "As a JSON object");
  version->callback([json] {
    if (*json) {
      std::printf("%s\n", VersionJson().c_str());
      return;
    }
    std::printf("entente %s\n", std::string(cli::kVersion).c_str());
    for (const auto& [name, number] : Libraries()) {
      std::printf("  %s %s\n", name.c_str(), number.c_str());
    }
  });
}

}  // namespace entente::coordinator
