#include "tests/cli/runner.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace entente::cli::test {

Ran Run(const std::vector<std::string>& arguments, const Setup& setup) {
  std::istringstream in(setup.in);
  std::ostringstream out;
  std::ostringstream err;
  Ran ran;
  CLI::App app("Entente", "entente");
  app.require_subcommand(1);
  AddCommandsOn(Terminal{in, out, err, setup.color, setup.live}, app, ran.exit_code);
  std::vector<std::string> reversed = ReadArguments(arguments);
  std::ranges::reverse(reversed);
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    const bool help = app.exit(error, out, err) == 0;
    ran.exit_code = help ? kExitDone : kExitWrongUse;
  }
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

ScratchFile::ScratchFile(const std::string& content, const std::string& ending) {
  const char* folder = std::getenv("TMPDIR");
  path_ = std::string(folder == nullptr ? "/tmp" : folder) + "/entente-cli-XXXXXX" + ending;
  const int file = mkstemps(path_.data(), static_cast<int>(ending.size()));
  if (file >= 0) {
    close(file);
  }
  std::ofstream(path_, std::ios::binary) << content;
}

ScratchFile::~ScratchFile() {
  std::remove(path_.c_str());
}

}  // namespace entente::cli::test
