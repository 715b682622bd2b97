// What every subcommand works with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/text/terminal.h"
#include "entente/client.h"

namespace entente::cli {

// The exit codes of the program.
inline constexpr int kExitDone = 0;
inline constexpr int kExitNo = 1;
inline constexpr int kExitWrongUse = 2;

// One per program; shared by its subcommands, of which one runs. Not thread-safe.
struct Context {
  explicit Context(Terminal where, int& exit) : terminal(where), exit_code(exit) {}

  Terminal terminal;
  int& exit_code;
  std::string server;  // --server
  bool json = false;   // --json

  // Made at the first use, from --server.
  [[nodiscard]] sdk::Client& client();
  // Another one, for who works with the coordinator while client() is at work.
  [[nodiscard]] sdk::Client NewClient() const;

  // Says `status` on stderr and sets the exit code: kExitNo, or kExitWrongUse for what is wrong
  // with the command line itself (reasons "cli." and "client.bad_").
  // On standard error, lines for people; with --json one JSON object: the problem document that
  // client() was answered with, if `status` came of it, else `code` and `detail`.
  void Fail(const Status& status);

  // Writes an answer for scripts, as it came and with a line break.
  void PrintJson(const std::string& text);

 private:
  [[nodiscard]] Json ErrorDocument(const Status& status, const std::string& message) const;

  std::optional<sdk::Client> client_;
};

// A whole file, or standard input for "-". Fails with file.unreadable, saying why.
[[nodiscard]] Result<std::string> ReadFile(Context& context, const std::string& path);

// How messages name a file that is read: "-" is standard input.
[[nodiscard]] std::string NameOfFile(const std::string& path);

// A JSON argument: JSON itself, "@FILE", or "-" for standard input. `option` is named in errors
// (cli.bad_json).
[[nodiscard]] Result<Json> ReadJsonArgument(Context& context, std::string_view option,
                                            const std::string& text);

// "--wait" and the like, as cli.bad_duration.
[[nodiscard]] Result<Duration> ReadDurationArgument(std::string_view option,
                                                    const std::string& text);

// Repeated "--label KEY=VALUE" as a map: cli.usage, also for a key that is given twice.
[[nodiscard]] Result<std::map<std::string, std::string>> ReadLabels(
    const std::vector<std::string>& labels);

// A string member of `object`, or nothing.
[[nodiscard]] std::string Text(const Json& object, const char* member);
// A number member as text: nothing if absent.
[[nodiscard]] std::string NumberText(const Json& object, const char* member);
[[nodiscard]] bool IsTrue(const Json& object, const char* member);
// An array member, or an empty array.
[[nodiscard]] const Json& Items(const Json& object, const char* member);

}  // namespace entente::cli
