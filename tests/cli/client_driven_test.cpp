#include <catch2/catch.hpp>

#include "base/json.h"
#include "tests/cli/runner.h"
#include "tests/sdk/canned_server.h"

namespace entente::cli {
namespace {

using sdk::test::Canned;
using sdk::test::CannedServer;
using sdk::test::Problem;
using test::Ran;
using test::Run;
using test::ScratchFile;

Canned Standing(const std::string& status, int http = 200) {
  return {.status = http, .body = Json{{"gid", "g1"}, {"status", status}, {"revision", 3}}.dump()};
}

Canned Begun(int status, const std::string& created) {
  Canned answer = Standing("ACTIVE", status);
  answer.headers = "Entente-Created: " + created + "\r\n";
  return answer;
}

TEST_CASE("begin sends what the command line says") {
  CannedServer server({Begun(201, "true")});
  const Ran ran = Run({"begin", "--server", server.url(), "--mode", "tcc", "--gid", "g1",
                       "--time-limit", "30s", "--label", "a=b"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == "g1 ACTIVE, revision 3\n");
  CHECK(ran.err.empty());
  CHECK(server.seen().at(0).target == "/v1/transactions:begin");
  CHECK(Json::parse(server.seen()[0].body) ==
        Json::parse(R"({"mode":"tcc","gid":"g1","timeLimit":"30s","labels":{"a":"b"}})"));
}

TEST_CASE("what was begun or enlisted before says so") {
  CannedServer server({Begun(200, "false"), Begun(200, "false")});
  CHECK(Run({"begin", "--server", server.url(), "--mode", "2pc", "--gid", "g1"}).err ==
        "entente: it had been begun before with the same content\n");
  CHECK(Run({"enlist", "g1", "-", "--server", server.url()}, {.in = "{}"}).err ==
        "entente: the branch had been enlisted before with the same content\n");
}

TEST_CASE("begin needs a mode that there is, and the rest to be right") {
  CHECK(Run({"begin"}).exit_code == 2);
  CHECK(Run({"begin", "--mode", "xa"}).exit_code == 2);
  CHECK(Run({"begin", "--mode", "tcc", "--time-limit", "soon"}).exit_code == 2);
  CHECK(Run({"begin", "--mode", "tcc", "--label", "novalue"}).exit_code == 2);
}

TEST_CASE("enlist sends the branch as it is in the file") {
  const std::string branch = "{ \"id\":\n \"flight\" }";
  const ScratchFile file(branch);
  CannedServer server({Begun(201, "true"), Begun(201, "true")});
  CHECK(Run({"enlist", "g1", file.path(), "--server", server.url()}).exit_code == 0);
  CHECK(Run({"enlist", "g1", "-", "--server", server.url(), "--json"}, {.in = branch}).out ==
        Standing("ACTIVE").body + "\n");
  const auto seen = server.seen();
  CHECK(seen[0].target == "/v1/transactions/g1/branches");
  CHECK(seen[0].body == branch);
  CHECK(seen[1].body == branch);
  CHECK(Run({"enlist", "g1"}).exit_code == 2);
  CHECK(Run({"enlist", "g1", "/does/not/exist"}).exit_code == 1);
}

TEST_CASE("enlist shows each mistake of the branch where it stands") {
  const ScratchFile file("{\n  \"confrim\": 1\n}");
  const Canned refused = Problem(400, "branch.invalid", "1 problem",
                                 R"("problems":[{"pointer":"/confrim","line":2,"column":3,)"
                                 R"("code":"c","message":"unknown","suggestion":"confirm"}])");
  CannedServer server({refused, refused, refused});
  const Ran ran = Run({"enlist", "g1", file.path(), "--server", server.url()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err == file.path() + ":2:3: unknown; confirm\n    \"confrim\": 1\n    ^\n");
  CHECK(Run({"enlist", "g1", "-", "--server", server.url()}, {.in = "{}"})
            .err.starts_with("standard input:2:3: unknown"));
  const Ran script = Run({"enlist", "g1", file.path(), "--server", server.url(), "--json"});
  CHECK(Json::parse(script.err)["code"] == "branch.invalid");
}

TEST_CASE("commit and abort say whether it comes to what was asked") {
  struct Case {
    const char* command;
    const char* status;
    int exit_code;
  };
  for (const Case& expected :
       {Case{"commit", "COMMITTED", 0}, Case{"commit", "COMMITTING", 0},
        Case{"commit", "ACTIVE", 0}, Case{"commit", "ABORTING", 1}, Case{"commit", "ABORTED", 1},
        Case{"commit", "MIXED", 1}, Case{"abort", "ABORTED", 0}, Case{"abort", "ABORTING", 0},
        Case{"abort", "COMMITTED", 1}, Case{"abort", "MIXED", 1}}) {
    CAPTURE(expected.command, expected.status);
    CannedServer server({Standing(expected.status)});
    CHECK(Run({expected.command, "g1", "--server", server.url()}).exit_code == expected.exit_code);
    CHECK(server.seen().at(0).target == std::string("/v1/transactions/g1:") + expected.command);
    CHECK(server.seen()[0].body == "{}");
  }
}

TEST_CASE("commit --wait waits for the end, and abort carries its reason") {
  CannedServer server({Standing("COMMITTING", 202), Standing("COMMITTED"),
                       Standing("ABORTING", 202), Standing("ABORTED"), Standing("COMMITTING", 202),
                       Standing("COMMITTING", 202)});
  CHECK(Run({"commit", "g1", "--server", server.url(), "--wait"}).exit_code == 0);
  CHECK(Run({"abort", "g1", "--server", server.url(), "--reason", "sold out", "--actor", "ann",
             "--wait", "10m"})
            .exit_code == 0);
  // Whoever waits wants the end: what goes on is a no.
  CHECK(Run({"commit", "g1", "--server", server.url(), "--wait", "0s"}).exit_code == 1);
  const auto seen = server.seen();
  CHECK(seen[0].body == R"({"wait":"5m"})");
  CHECK(seen[1].target == "/v1/transactions/g1?wait=5m");
  CHECK(Json::parse(seen[2].body) ==
        Json::parse(R"({"reason":"sold out","actor":"ann","wait":"5m"})"));
  CHECK(seen[4].body == R"({"wait":"0s"})");
  CHECK(Run({"commit", "g1", "--wait", "soon"}).exit_code == 2);
}

TEST_CASE("a refused commit shows why") {
  CannedServer server(
      {Problem(409, "transaction.aborted", "it was undone: its time limit passed")});
  const Ran ran = Run({"commit", "g1", "--server", server.url()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err == "entente: it was undone: its time limit passed [transaction.aborted]\n");
}

Canned Decided(const std::string& decision, bool known = true) {
  return {.body = Json{{"gid", "g1"}, {"decision", decision}, {"known", known}}.dump()};
}

TEST_CASE("the exit code of decision tells what was decided") {
  CannedServer server(
      {Decided("committed"), Decided("aborted"), Decided("aborted", false), Decided("undecided")});
  const auto ask = [&server] { return Run({"decision", "g1", "--server", server.url()}); };
  const Ran committed = ask();
  CHECK(committed.exit_code == 0);
  CHECK(committed.out == "g1 committed\n");
  CHECK(server.seen()[0].target == "/v1/transactions/g1/decision");
  CHECK(ask().exit_code == 3);
  const Ran unknown = ask();
  CHECK(unknown.exit_code == 3);
  CHECK(unknown.out == "g1 aborted (not known)\n");
  CHECK(ask().exit_code == 4);
}

TEST_CASE("what is no decision is an error, never an aborted transaction") {
  CannedServer server({Problem(503, "store.unavailable", "not now"),
                       Decided("maybe"),
                       {.body = "{}"},
                       Decided("aborted")});
  const auto ask = [&server](std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"decision", "g1", "--server", server.url()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  };
  CHECK(ask().exit_code == 1);
  CHECK(ask().exit_code == 1);
  CHECK(ask().exit_code == 1);
  CHECK(ask({"--json"}).out == Decided("aborted").body + "\n");
}

}  // namespace
}  // namespace entente::cli
