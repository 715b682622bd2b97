// The command line that all four services share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "examples/travel/common/business.h"
#include "examples/travel/common/json.h"

namespace travel {

struct Options {
  std::string listen = "127.0.0.1:0";
  std::string control;  // Set only for a service that is not itself spoken to over HTTP.
  std::string db;
  std::string port_file;
  uint64_t seed = 0;  // Of the rates' dice; 0: a different one each time.
  Json switches = Json::object();
};

// The options, or the exit code when the command line was --help or wrong, which has then been
// printed. `rest` tells whether the service itself speaks HTTP.
std::variant<Options, int> ParseOptions(int argc, const char* const* argv, const Business& business,
                                        bool rest);

}  // namespace travel
