#include "examples/travel/common/options.h"

#include <charconv>
#include <map>
#include <stdexcept>
#include <vector>

#include <CLI/CLI.hpp>

#include "examples/travel/common/http_server.h"
#include "examples/travel/common/switches.h"

namespace travel {
namespace {

// Numbers stay numbers, everything else is text: the switches check the rest.
Json ValueOf(const std::string& text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_number() ? value : Json(text);
}

std::string TypeName(const SwitchSpec& spec) {
  switch (spec.slot.index()) {
    case 0: return "N";
    case 1: return "RATE";
    default: return "DURATION";
  }
}

// "Lisbon/4=0" pairs as one object.
std::optional<std::string> CollectCapacities(const std::vector<std::string>& pairs,
                                             Json& switches) {
  for (const std::string& pair : pairs) {
    const size_t equals = pair.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      return "--capacity-of must be POOL=N, for example Lisbon/4=0, not '" + pair + "'";
    }
    switches["capacity-of"][pair.substr(0, equals)] = ValueOf(pair.substr(equals + 1));
  }
  return std::nullopt;
}

std::optional<std::string> CheckAddresses(const Options& options, bool allow_remote) {
  for (const std::string& address : {options.listen, options.control}) {
    try {
      if (!address.empty() && !allow_remote && !ParseEndpoint(address).address().is_loopback()) {
        return "'" + address +
               "' is reachable from other machines, and there is no "
               "authentication; use 127.0.0.1, or add --allow-remote";
      }
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  }
  return std::nullopt;
}

std::string Footer(const Business& business, bool rest) {
  std::string footer = "Operations:\n";
  for (const Route& route : business.Routes()) {
    footer += "  " + std::string(route.method) + " " + std::string(route.path);
    footer += route.key_place == KeyPlace::kPath     ? "{key}\n"
              : route.key_place == KeyPlace::kHeader ? "  (key in the Idempotency-Key header)\n"
                                                     : "  (key in the body)\n";
  }
  if (!rest) {
    footer += "  gRPC, see hotels.proto; server reflection is on\n";
  }
  return footer + "Over HTTP" + (rest ? "" : " at --control") +
         ": GET /healthz /control /ledger /calls /summary, POST /control\n"
         "Every switch is also a member of POST /control, for example {\"fail-next\": 2}.";
}

}  // namespace

std::variant<Options, int> ParseOptions(int argc, const char* const* argv, const Business& business,
                                        bool rest) {
  Options options;
  options.db = business.Name() + ".db";
  CLI::App app{"The travel agency's " + business.Name() + " service."};
  app.footer(Footer(business, rest));
  app.add_option("--listen", options.listen, "HOST:PORT to serve on; port 0 takes a free one")
      ->capture_default_str();
  if (!rest) {
    options.control = "127.0.0.1:0";
    app.add_option("--control", options.control, "HOST:PORT of the HTTP control endpoint")
        ->capture_default_str();
  }
  app.add_option("--db", options.db, "SQLite file, made if missing")->capture_default_str();
  app.add_option("--port-file", options.port_file,
                 "once listening, write 'listen=HOST:PORT' and 'control=HOST:PORT' here");
  bool allow_remote = false;
  app.add_flag("--allow-remote", allow_remote,
               "permit addresses beyond loopback; anyone who reaches them can do everything");
  app.add_option("--seed", options.seed, "makes the rates repeatable; 0: differs each time")
      ->capture_default_str();

  std::map<std::string, std::string> values;
  for (const SwitchSpec& spec : SwitchSpecs()) {
    if (rest || !spec.rest_only) {
      const std::string name(spec.name);
      app.add_option("--" + name, values[name], std::string(spec.help))
          ->type_name(TypeName(spec))
          ->group("Switches");
    }
  }
  app.add_option("--only", values["only"], "which calls the faults hit: all, forward or undo")
      ->group("Switches");
  std::vector<std::string> capacities;
  app.add_option("--capacity-of", capacities, "POOL=N: the capacity of a single pool; repeatable")
      ->group("Switches");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  for (const auto& [name, value] : values) {
    if (!value.empty()) {
      options.switches[name] = ValueOf(value);
    }
  }
  auto problem = CheckAddresses(options, allow_remote);
  if (!problem) {
    problem = CollectCapacities(capacities, options.switches);
  }
  if (!problem) {
    problem = Switches(business.DefaultCapacity(), 1, rest).Apply(options.switches);
  }
  if (problem) {
    return app.exit(CLI::ValidationError("travel-" + business.Name(), *problem));
  }
  return options;
}

}  // namespace travel
