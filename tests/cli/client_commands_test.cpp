#include <algorithm>

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

constexpr const char* kActive = R"({"gid":"g1","status":"ACTIVE","revision":2})";
constexpr const char* kCommitted = R"({"gid":"g1","status":"COMMITTED","revision":8})";
constexpr const char* kAborted = R"({"gid":"g1","status":"ABORTED","revision":8})";

TEST_CASE("a word that is no command is answered with the one that was meant") {
  struct Row {
    std::vector<std::string> given;
    std::string says;
  };
  const std::vector<Row> rows = {
      {{"show", "g1"}, "there is no command 'show'; did you mean 'get'?; 'entente --help'"},
      {{"histroy", "g1"}, "there is no command 'histroy'; did you mean 'history'?;"},
      {{"deploy"}, "did you mean 'definitions put'?"},
      {{"tokens", "lst"},
       "there is no command 'tokens lst'; did you mean 'list'?; 'entente tokens --help'"},
      {{"get", "g1", "--jsn"},
       "'entente get' has no option '--jsn'; did you mean '--json'?; 'entente get --help'"},
      {{"list", "--lable=a=b"}, "'entente list' has no option '--lable'; did you mean '--label'?"},
      {{"get", "g1", "--nothing-like-it"},
       "'entente get' has no option '--nothing-like-it'; 'entente get --help'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.says);
    const Ran ran = Run(row.given);
    CHECK(ran.exit_code == 2);
    CHECK(ran.err.find(row.says) != std::string::npos);
  }
}

TEST_CASE("every command is listed under what one comes for") {
  const std::string help = Run({"--help"}).out;
  CHECK(help.find("\nSubcommands:\n") == std::string::npos);
  CHECK(help.find("\nWhen something is stuck:\n") != std::string::npos);
}

TEST_CASE("no command, an unknown one and a wrong option are wrong use") {
  CHECK(Run({}).exit_code == 2);
  CHECK(Run({"frobnicate"}).exit_code == 2);
  CHECK(Run({"frobnicate"}).err ==
        "entente: there is no command 'frobnicate'; 'entente --help' shows what there is\n");
  CHECK(Run({"get"}).exit_code == 2);
  CHECK(Run({"get"}).err == "entente: GID is required; 'entente get --help' shows what there is\n");
  CHECK(Run({"get", "g", "--nonsense"}).exit_code == 2);
  CHECK(Run({"resolve", "g", "--reason", "x", "--revision", "1", "--outcome", "MAYBE"}).exit_code ==
        2);
  CHECK(Run({"skip", "g", "--branch", "b", "--revision", "1"}).exit_code == 2);
  CHECK(Run({"complete-branch", "g", "--branch", "b", "--revision", "1"}).exit_code == 2);
  CHECK(Run({"complete-branch", "g", "--reason", "x", "--revision", "1"}).exit_code == 2);
  CHECK(Run({"complete-branch", "g", "--reason", "x", "--revision", "1", "--branch", "b",
             "--refused", "--output", "1"})
            .err.find("--output to a success") != std::string::npos);
  CHECK(Run({"submit", "d", "--input", "{oops"}).exit_code == 2);
  CHECK(Run({"submit", "d", "--label", "novalue"}).exit_code == 2);
  CHECK(Run({"submit"}).exit_code == 2);
  CHECK(Run({"submit", "d", "--label", "a=b", "--label", "a=c"}).err ==
        "entente: --label: 'a' is given twice\n");
  CHECK(Run({"get", ""}).err ==
        "entente: GID: it is empty; 'entente get --help' shows what there is\n");
  // A variable that a script failed to fill in is not an option that was left away.
  for (const std::vector<std::string>& empty :
       {std::vector<std::string>{"submit", "d", "--gid", ""},
        {"submit", "d", "--deadline", ""},
        {"begin", "--mode", "tcc", "--gid", ""},
        {"list", "--definition", ""},
        {"list", "--label", ""},
        {"signal", "g", "go", "--id", ""},
        {"incidents", "--definition", ""}}) {
    const Ran ran = Run(empty);
    CAPTURE(empty, ran.err);
    CHECK(ran.exit_code == 2);
    CHECK(ran.err.find("is empty") != std::string::npos);
  }
  CHECK(Run({"get", "g", "--server", "http://host:28080/v1"}).err.find("a path is not allowed") !=
        std::string::npos);
  CHECK(Run({"get", "g", "--server", "localhost"}).exit_code == 2);
  CHECK(Run({"--help"}).exit_code == 0);
}

TEST_CASE("nobody listening is said with what to do") {
  std::string url;
  { url = CannedServer(std::vector<Canned>()).url(); }
  const Ran ran = Run({"get", "g1", "--server", url});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err == "entente: cannot connect to " + url +
                       ": 127.0.0.1 answered: Connection refused; is `entente serve` running? "
                       "Choose another with "
                       "--server or ENTENTE_SERVER [client.unreachable]\n");
}

TEST_CASE("scripts get the coordinator's bytes, wherever the option stands") {
  const std::string text = R"({"z":1,"transactions":[]})";
  CannedServer server({{.body = text}, {.body = text}});
  CHECK(Run({"--server", server.url(), "--json", "list"}).out == text + "\n");
  CHECK(Run({"list", "--json", "--server", server.url()}).out == text + "\n");
}

TEST_CASE("submit sends what the command line says") {
  CannedServer server({{.status = 201, .body = kActive}});
  const Ran ran = Run({"submit", "travel", "--server", server.url(), "--gid", "g1", "--input", "-",
                       "--label", "a=b", "--label", "c=d=e", "--deadline", "10m", "--version", "3"},
                      {.in = R"({"city":"Rome"})"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == "g1 ACTIVE, revision 2\n");
  CHECK(Json::parse(server.seen().at(0).body) == Json::parse(R"({
    "definition":"travel","gid":"g1","input":{"city":"Rome"},"labels":{"a":"b","c":"d=e"},
    "deadline":"10m","version":3})"));
}

TEST_CASE("input may be JSON, a list too, or a file") {
  const ScratchFile file(R"({"from":"file"})");
  CannedServer server({{.body = kActive}, {.body = kActive}});
  CHECK(Run({"submit", "d", "--server", server.url(), "--input", "[1,2]"}).exit_code == 0);
  CHECK(Run({"submit", "d", "--server", server.url(), "--input", "@" + file.path()}).exit_code ==
        0);
  CHECK(Json::parse(server.seen()[0].body)["input"] == Json::parse("[1,2]"));
  CHECK(Json::parse(server.seen()[1].body)["input"]["from"] == "file");
}

TEST_CASE("a number or a duration that is none is refused before anything is asked") {
  struct Case {
    std::vector<std::string> command;
    std::string option;
    bool number;
  };
  const std::vector<Case> cases{
      {{"submit", "d"}, "--version", true},
      {{"definitions", "get", "d"}, "--version", true},
      {{"list"}, "--limit", true},
      {{"list"}, "--attempts", true},
      {{"incidents"}, "--limit", true},
      {{"audit"}, "--limit", true},
      {{"participants"}, "--limit", true},
      {{"cancel", "g"}, "--revision", true},
      {{"watch", "g"}, "--after", true},
      {{"explore", "-"}, "--faults", true},
      {{"explore", "-"}, "--max-paths", true},
      {{"explore", "-"}, "--seconds", true},
      {{"submit", "d"}, "--wait", false},
      {{"submit", "d"}, "--deadline", false},
      {{"begin", "--mode", "tcc"}, "--time-limit", false},
      {{"commit", "g"}, "--wait", false},
      {{"abort", "g"}, "--wait", false},
      {{"get", "g"}, "--wait", false},
      {{"list"}, "--since", false},
      {{"list"}, "--until", false},
      {{"list"}, "--unchanged-since", false},
      {{"audit"}, "--since", false},
      {{"audit"}, "--until", false},
  };
  const std::vector<std::string> no_numbers{"",    "many", "-1",  "+1",
                                            " 1",  "1e3",  "010", "0x10",
                                            "inf", "nan",  "1s",  "99999999999999999999"};
  const std::vector<std::string> no_durations{"",    "soon", "5",    "-5s",
                                              "5 s", "s",    "1e3s", "9999999d"};
  CannedServer server({{.body = kCommitted}});
  for (const Case& one : cases) {
    for (const std::string& value : one.number ? no_numbers : no_durations) {
      for (const bool assigned : {false, true}) {
        std::vector<std::string> arguments = one.command;
        if (assigned) {
          arguments.push_back(one.option + "=" + value);
        } else {
          arguments.insert(arguments.end(), {one.option, value});
        }
        // What stands behind an empty value is not taken for it.
        arguments.insert(arguments.end(), {"--server", server.url()});
        if (one.command[0] == "explore") {
          arguments.resize(arguments.size() - 2);
        }
        const Ran ran = Run(arguments, {.in = "{}"});
        CAPTURE(arguments, ran.err);
        CHECK(ran.exit_code == 2);
        CHECK(ran.err.find(one.option) != std::string::npos);
      }
    }
  }
  CHECK(server.seen().empty());
}

TEST_CASE("submit --wait waits for the end and its exit code says how it ended") {
  CannedServer server({{.status = 202, .body = kActive},
                       {.status = 202, .body = kActive},
                       {.body = kCommitted},
                       {.body = kAborted}});
  CHECK(Run({"submit", "d", "--server", server.url(), "--wait"}).exit_code == 0);
  CHECK(Json::parse(server.seen()[0].body)["wait"] == "5m");
  CHECK(server.seen()[2].target == "/v1/transactions/g1?wait=5m");
  // The word after --wait is not a duration: it is the definition.
  CHECK(Run({"submit", "--server", server.url(), "--wait", "d"}).exit_code == 1);
  CHECK(Json::parse(server.seen()[3].body)["definition"] == "d");
}

TEST_CASE("a refused submit shows the code and every mistake") {
  CannedServer server({Problem(400, "request.invalid", "2 mistakes",
                               R"("violations":[{"field":"a","message":"m1"},)"
                               R"({"field":"b","message":"m2"}])")});
  const Ran ran = Run({"submit", "d", "--server", server.url()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err == "entente: 2 mistakes [request.invalid]\n  a: m1\n  b: m2\n");
}

TEST_CASE("an action carries who, why and what was seen") {
  CannedServer server({{.body = kActive},
                       {.body = kActive},
                       {.body = kActive},
                       {.body = kActive},
                       {.body = kActive}});
  CHECK(Run({"cancel", "g1", "--server", server.url(), "--reason", "changed", "--actor", "ann",
             "--revision", "2"})
            .exit_code == 0);
  CHECK(Run({"resolve", "g1", "--server", server.url(), "--reason", "called", "--actor", "ann",
             "--revision", "2", "--outcome", "ABORTED"})
            .exit_code == 0);
  CHECK(Run({"skip", "g1", "--server", server.url(), "--reason", "seen", "--actor", "ann",
             "--revision", "2", "--branch", "b", "--output", "{\"x\":1}"})
            .exit_code == 0);
  const std::vector<std::string> complete{"complete-branch", "g1",   "--server", server.url(),
                                          "--reason",        "seen", "--actor",  "ann",
                                          "--revision",      "2",    "--branch", "b"};
  const auto with = [&complete](std::vector<std::string> more) {
    more.insert(more.begin(), complete.begin(), complete.end());
    return more;
  };
  CHECK(Run(with({"--output", "{\"x\":1}"})).exit_code == 0);
  CHECK(Run(with({"--refused", "--code", "full", "--message", "no room"})).exit_code == 0);
  const auto seen = server.seen();
  CHECK(seen[3].target == "/v1/transactions/g1:complete");
  CHECK(seen[3].body == R"({"actor":"ann","branch":"b","expectedRevision":2,"outcome":"done",)"
                        R"("output":{"x":1},"reason":"seen"})");
  CHECK(seen[4].body == R"({"actor":"ann","branch":"b","code":"full","expectedRevision":2,)"
                        R"("message":"no room","outcome":"refused","reason":"seen"})");
  CHECK(seen[0].target == "/v1/transactions/g1:cancel");
  CHECK(seen[0].body == R"({"actor":"ann","expectedRevision":2,"reason":"changed"})");
  CHECK(Json::parse(seen[1].body)["outcome"] == "ABORTED");
  CHECK(Json::parse(seen[2].body)["output"] == Json{{"x", 1}});
}

TEST_CASE("branches that are many come in pages of their own") {
  CannedServer server({{.body = R"({"gid":"g1","status":"ACTIVE","revision":2,"branchCount":700,
                                    "leftOut":["branches"]})"},
                       {.body = R"({"branches":[{"id":"s:0","step":"s","phase":"done",
                                    "operation":"action"}],"nextCursor":"0.1","revision":2,
                                    "branchCount":700})"},
                       {.body = R"({"branches":[{"id":"s:1","step":"s","phase":"forward",
                                    "operation":"action"}],"revision":2,"branchCount":700})"},
                       {.body = R"({"branches":[{"id":"s:0","step":"s","phase":"done",
                                    "operation":"action"}],"nextCursor":"0.1","revision":2,
                                    "branchCount":700})"},
                       {.body = R"({"participants":[],"nextCursor":"61.1"})"},
                       {.body = R"({"definitions":[],"nextCursor":"d"})"}});
  const std::string get = Run({"get", "g1", "--server", server.url()}).out;
  CHECK_THAT(get, Catch::Contains("s:0") && Catch::Contains("s:1"));
  const Ran page = Run({"branches", "g1", "--server", server.url(), "--limit", "1"});
  CHECK(page.exit_code == 0);
  CHECK_THAT(page.out, Catch::Contains("s:0") && Catch::EndsWith("more: --cursor 0.1\n"));
  CHECK_THAT(Run({"participants", "--server", server.url(), "--cursor", "60.1"}).out,
             Catch::EndsWith("more: --cursor 61.1\n"));
  CHECK_THAT(Run({"definitions", "list", "--server", server.url(), "--limit", "3"}).out,
             Catch::EndsWith("more: --cursor d\n"));
  const auto seen = server.seen();
  CHECK(seen[1].target == "/v1/transactions/g1/branches?limit=1000");
  CHECK(seen[2].target == "/v1/transactions/g1/branches?limit=1000&cursor=0.1");
  CHECK(seen[3].target == "/v1/transactions/g1/branches?limit=1");
  CHECK(seen[4].target == "/v1/participants?cursor=60.1");
  CHECK(seen[5].target == "/v1/definitions?limit=3");
}

TEST_CASE("dead letters are listed with what the receiver said, and told again") {
  CannedServer server({{.body = R"({"deadLetters":[{"id":"g:7","type":"incident","gid":"g",
                          "revision":7,"definition":"trip","branch":"pay","why":"HTTP 500",
                          "at":"2026-01-02T03:04:05Z","since":"2026-01-02T03:14:05Z"}],
                          "nextCursor":"673a37"})"},
                       {.body = R"({"count":1})"},
                       {.body = R"({"count":12})"},
                       {.body = R"({"deadLetters":[]})"}});
  const Ran list = Run({"dead-letters", "list", "--server", server.url(), "--limit", "1"});
  CHECK(list.exit_code == 0);
  CHECK_THAT(list.out, Catch::Contains("g:7") && Catch::Contains("incident") &&
                           Catch::Contains("HTTP 500") &&
                           Catch::EndsWith("more: --cursor 673a37\n"));
  CHECK_THAT(Run({"dead-letters", "send", "g:7", "--server", server.url()}).out,
             Catch::StartsWith("1 are told again"));
  CHECK_THAT(Run({"dead-letters", "send", "--server", server.url()}).out,
             Catch::StartsWith("12 are told again"));
  CHECK(Run({"dead-letters", "list", "--server", server.url()}).out == "no dead letters\n");
  const auto seen = server.seen();
  CHECK(seen[0].target == "/v1/dead-letters?limit=1");
  CHECK(seen[1].target == "/v1/dead-letters:send");
  CHECK(seen[1].body == R"({"ids":["g:7"]})");
  CHECK(seen[2].body == R"({"ids":[]})");
}

TEST_CASE("list turns times ago into instants and shows the next page") {
  CannedServer server({{.body = R"({"transactions":[{"gid":"g1","status":"ACTIVE",
    "definition":"d","version":1,"incident":true}],"nextCursor":"c7"})"},
                       {.body = R"({"transactions":[]})"}});
  const Ran ran = Run({"list", "--server", server.url(), "--since", "2026-01-02T03:04:05Z",
                       "--incident", "--gid-prefix", "g"});
  CHECK(ran.out ==
        "GID  STATUS    DEFINITION\n"
        "g1   ACTIVE !  d v1\n"
        "more: --cursor c7\n");
  CHECK(server.seen()[0].target ==
        "/v1/transactions?incident=true&since=2026-01-02T03%3A04%3A05Z&q=g");
  CHECK(Run({"list", "--server", server.url()}).out == "no transactions\n");
}

TEST_CASE("a search goes on through pages that ended without a match") {
  const auto [command, member, found, nothing] =
      GENERATE(table<std::string, std::string, std::string, std::string>({
          {"list", "transactions",
           R"([{"gid":"g1","status":"ACTIVE","definition":"d","version":1}])", "no transactions\n"},
          {"incidents", "incidents", R"([{"gid":"g1","branch":"b","operation":"compensate"}])",
           "no incidents\n"},
      }));
  const auto page = [&](const std::string& rows, const std::string& cursor) {
    return Canned{.body = R"({")" + member + R"(":)" + rows +
                          (cursor.empty() ? "" : R"(,"nextCursor":")" + cursor + '"') + "}"};
  };
  SECTION("to the first one with a match, and says where the next begins") {
    CannedServer server({page("[]", "c1"), page("[]", "c2"), page(found, "c3"), page("[]", "")});
    const Ran ran = Run({command, "--server", server.url(), "--mode", "saga"});
    CHECK(ran.out.find("g1") != std::string::npos);
    CHECK(ran.out.ends_with("more: --cursor c3\n"));
    CHECK(server.seen().size() == 3);
    CHECK(server.seen()[2].target.ends_with("mode=saga&cursor=c2"));
  }
  SECTION("to the end") {
    CannedServer server({page("[]", "c1"), page("[]", "")});
    CHECK(Run({command, "--server", server.url()}).out == nothing);
  }
  SECTION("to a failure") {
    CannedServer server({page("[]", "c1"), Problem(503, "store.unavailable", "busy")});
    CHECK(Run({command, "--server", server.url()}).exit_code == 1);
  }
  SECTION("but gives scripts each page as it is") {
    CannedServer server({page("[]", "c1")});
    CHECK(Run({command, "--json", "--server", server.url()}).out == page("[]", "c1").body + "\n");
  }
}

Canned Events(const std::string& last) {
  Canned stream;
  stream.content_type = "text/event-stream";
  stream.body =
      "id: 1\ndata: {\"status\":\"ACTIVE\",\"entry\":{\"type\":\"accepted\",\"name\":\"d\","
      "\"at\":\"2026-01-02T03:04:05Z\"}}\n\n"
      "id: 2\ndata: {\"status\":\"" +
      last + "\",\"entry\":{\"type\":\"ended\",\"status\":\"" + last +
      "\",\"at\":\"2026-01-02T03:04:05.125Z\"}}\n\n";
  stream.close_after = true;
  return stream;
}

TEST_CASE("watch appends a line per step and exits by the outcome") {
  CannedServer good(
      {{.body = kActive, .close_after = true}, Events("COMMITTED"), {.body = kCommitted}});
  const Ran committed = Run({"watch", "g1", "--server", good.url()});
  CHECK(committed.exit_code == 0);
  CHECK(committed.out ==
        "2026-01-02 03:04:05.000                    accepted d\n"
        "2026-01-02 03:04:05.125                    ended COMMITTED\n"
        "g1 COMMITTED, revision 8\n");
  CannedServer bad({{.body = kActive, .close_after = true}, Events("ABORTED"), {.body = kAborted}});
  CHECK(Run({"watch", "g1", "--server", bad.url()}).exit_code == 1);
}

TEST_CASE("watch gives scripts one event per line, on a terminal too") {
  CannedServer server(
      {{.body = kActive, .close_after = true}, Events("COMMITTED"), {.body = kCommitted}});
  const Ran ran = Run({"watch", "g1", "--server", server.url(), "--json"}, {.live = true});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("\x1b[") == std::string::npos);
  CHECK(ran.out.starts_with("{\"status\":\"ACTIVE\","));
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 2);
}

TEST_CASE("definitions put takes the name from the file and shows mistakes in it") {
  const ScratchFile file("{\n  \"name\": \"trip\"\n}");
  CannedServer server({{.body = R"({"name":"trip","version":4})"},
                       Problem(422, "definition.invalid", "1 problem",
                               R"("problems":[{"pointer":"/name","line":2,"column":3,)"
                               R"("code":"c","message":"bad"}])")});
  CHECK(Run({"definitions", "put", file.path(), "--server", server.url()}).out ==
        "trip version 4\n");
  CHECK(server.seen()[0].method == "PUT");
  CHECK(server.seen()[0].target == "/v1/definitions/trip");
  const Ran bad = Run({"definitions", "put", file.path(), "--server", server.url()});
  CHECK(bad.exit_code == 1);
  CHECK(bad.err == file.path() + ":2:3: bad\n    \"name\": \"trip\"\n    ^\n");
}

TEST_CASE("mistakes of a definition that is submitted whole are shown in its file") {
  const ScratchFile file("{\n  \"name\": \"trip\"\n}");
  // It is sent in one line, so that is where the coordinator sees them.
  CannedServer server({Problem(422, "definition.invalid", "1 problem",
                               R"("problems":[{"pointer":"/name","line":1,"column":9,)"
                               R"("code":"c","message":"bad"}])")});
  const Ran bad = Run({"submit", "--file", file.path(), "--server", server.url()});
  CHECK(bad.exit_code == 1);
  CHECK(bad.err == file.path() + ":2:3: bad\n    \"name\": \"trip\"\n    ^\n");
}

TEST_CASE("definitions get prints the source as it was stored") {
  CannedServer server({{.body = R"({"name":"d","version":2,"source":"{ \"name\": \"d\" }"})"}});
  CHECK(Run({"definitions", "get", "d", "--version", "2", "--server", server.url()}).out ==
        "{ \"name\": \"d\" }\n");
  CHECK(server.seen()[0].target == "/v1/definitions/d/versions/2");
}

TEST_CASE("definitions show lists the steps") {
  CannedServer server({{.body = R"({"name":"d","version":2,"source":"{\"mode\":\"saga\",)"
                                R"(\"steps\":[{\"id\":\"a\",\"participant\":\"p\",)"
                                R"(\"compensate\":{},\"pivot\":true},{\"id\":\"b\",)"
                                R"(\"participant\":\"p\",\"compensate\":null}]}"})"}});
  CHECK(Run({"definitions", "show", "d", "--server", server.url()}).out ==
        "name     d\n"
        "version  2\n"
        "mode     saga\n"
        "\n"
        "STEP  CALLS  UNDONE BY\n"
        "a     p      compensate  pivot\n"
        "b     p\n");
}

TEST_CASE("definitions show says what races") {
  CannedServer server({{.body = R"({"name":"d","version":1,"source":"{\"steps\":[{\"id\":\"a\"},)"
                                R"({\"id\":\"b\",\"after\":[]},)"
                                R"({\"id\":\"c\",\"after\":{\"any\":[\"a\",\"b\"]}},)"
                                R"({\"id\":\"d\",\"after\":[\"b\",\"c\"]}]}"})"}});
  CHECK(Run({"definitions", "show", "d", "--server", server.url()}).out ==
        "name     d\n"
        "version  1\n"
        "\n"
        "STEP  AFTER\n"
        "a\n"
        "b\n"
        "c     first of a, b\n"
        "d     b, c\n");
}

TEST_CASE("complete reports an outcome, and refuses a contradiction") {
  CannedServer server({{.body = kActive}});
  CHECK(Run({"complete", "tok", "--server", server.url(), "--output", "7"}).exit_code == 0);
  CHECK(server.seen()[0].body == R"({"outcome":"done","output":7})");
  CHECK(Run({"complete", "tok", "--code", "full"}).exit_code == 2);
  CHECK(Run({"complete", "tok", "--refused", "--output", "7"}).exit_code == 2);
}

TEST_CASE("health is a no when work does not progress") {
  CannedServer server({{.status = 503, .body = R"({"status":"stalled","ready":true})"},
                       {.body = R"({"status":"ok","ready":true,"open":3})"}});
  CHECK(Run({"health", "--server", server.url()}).exit_code == 1);
  const Ran ok = Run({"health", "--server", server.url()});
  CHECK(ok.exit_code == 0);
  CHECK(ok.out == "status             ok\nready              yes\nopen transactions  3\n");
}

TEST_CASE("history is one line per step") {
  CannedServer server({{.body = R"({"gid":"g","entries":[{"type":"step-expanded",
    "step":"flight"},{"type":"operation-succeeded",
    "branch":"flight","at":"2026-01-02T03:04:05Z","payload":{"id":1}}]})"}});
  CHECK(Run({"history", "g", "--server", server.url()}).out ==
        "2026-01-02 03:04:05.000  flight            done: {\"id\":1}\n");
}

TEST_CASE("another service's JSON is never taken for a coordinator's answer") {
  const std::vector<std::vector<std::string>> commands{
      {"submit", "d"},
      {"submit", "d", "--wait"},
      {"get", "g"},
      {"watch", "g"},
      {"list"},
      {"history", "g"},
      {"incidents"},
      {"branches", "g"},
      {"participants"},
      {"nodes"},
      {"dead-letters", "list"},
      {"dead-letters", "send"},
      {"health"},
      {"cancel", "g"},
      {"signal", "g", "s"},
      {"complete", "tok"},
      {"begin", "--mode", "tcc"},
      {"enlist", "g", "-"},
      {"commit", "g"},
      {"abort", "g"},
      {"decision", "g"},
      {"definitions", "list"},
      {"definitions", "get", "d"},
      {"definitions", "show", "d"},
      {"definitions", "put", "-"},
  };
  for (const char* body : {R"({"message":"hello"})", R"({"gid":"g","status":"up","revision":1})"}) {
    for (std::vector<std::string> arguments : commands) {
      CAPTURE(body, arguments);
      CannedServer server({{.body = body}});
      arguments.insert(arguments.end(), {"--server", server.url()});
      const Ran ran = Run(arguments, {.in = R"({"name":"d"})"});
      CHECK(ran.exit_code == 1);
      CHECK(ran.out.empty());
      CHECK(ran.err.find("[client.bad_answer]") != std::string::npos);
      CHECK(server.seen().size() == 1);
    }
  }
}

TEST_CASE("an answer that is no coordinator's says what to check") {
  CannedServer server({{.body = R"({"message":"hello"})"}});
  CHECK(Run({"incidents", "--server", server.url()}).err ==
        "entente: the answer has no proper member 'incidents'; whoever answers at this address is "
        "no Entente coordinator of a version that this program knows: check --server and "
        "ENTENTE_SERVER [client.bad_answer]\n");
}

TEST_CASE("scripts get the whole problem document on standard error") {
  const ScratchFile file("{\n  \"name\": \"trip\"\n}");
  const Canned refused = Problem(422, "definition.invalid", "1 problem",
                                 R"("problems":[{"pointer":"/name","message":"bad"}])");
  const Canned unclear =
      Problem(400, "request.invalid", "1 mistake", R"("violations":[{"field":"a","message":"m"}])");
  CannedServer server({refused, unclear});
  const Ran put = Run({"definitions", "put", file.path(), "--json", "--server", server.url()});
  CHECK(put.exit_code == 1);
  CHECK(Json::parse(put.err) == Json::parse(refused.body));
  const Ran cancel = Run({"cancel", "g1", "--json", "--server", server.url()});
  CHECK(Json::parse(cancel.err) == Json::parse(unclear.body));
}

TEST_CASE("scripts get a code and a detail of what went wrong on this side") {
  const auto code = [](const std::vector<std::string>& arguments) {
    return Json::parse(Run(arguments).err).at("code");
  };
  CHECK(code({"submit", "d", "--json", "--input", "{oops"}) == "cli.bad_json");
  CHECK(code({"definitions", "put", "/nowhere", "--json"}) == "file.unreadable");
  CHECK(code({"get", "--json"}) == "cli.usage");
  CHECK(code({"get", "g", "--json", "--nonsense"}) == "cli.usage");
}

TEST_CASE("an edit sends what changes and nothing else") {
  CannedServer server({{.body = kActive}, {.body = kActive}});
  CHECK(Run({"edit", "g1", "--server", server.url(), "--branch", "pay", "--reason", "r",
             "--revision", "7", "--actor", "ann", "--body", R"({"amount":12345678901234567890})"})
            .exit_code == 0);
  CHECK(server.seen().at(0).target == "/v1/transactions/g1:edit");
  CHECK(server.seen().at(0).body ==
        R"({"actor":"ann","body":{"amount":12345678901234567890},"branch":"pay",)"
        R"("expectedRevision":7,"reason":"r"})");
  CHECK(Run({"edit", "g1", "--server", server.url(), "--branch", "pay", "--reason", "r",
             "--revision", "7", "--actor", "ann", "--retry", R"({"attempts":20})"})
            .exit_code == 0);
  CHECK(Json::parse(server.seen().at(1).body)["retry"] == Json{{"attempts", 20}});
  CHECK(Run({"edit", "g1", "--branch", "pay", "--reason", "r"}).exit_code == 2);
}

TEST_CASE("what a branch sends is shown with its body") {
  CannedServer server({{.body = R"({"branch":"pay","participant":"payments","operation":"action",
      "method":"PUT","target":"/charges/g1:pay","body":{"amount":5},"edited":true})"}});
  const Ran ran = Run({"call", "g1", "pay", "--server", server.url()});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out ==
        "action: payments PUT /charges/g1:pay (edited by an operator)\n{\n  \"amount\": 5\n}\n");
  CHECK(server.seen().at(0).target == "/v1/transactions/g1/branches/pay/call");
}

TEST_CASE("a list is filtered by whatever the options say") {
  CannedServer server({{.body = R"({"transactions":[]})"}});
  CHECK(Run({"list", "--server", server.url(), "--paused", "--attempts", "3", "--error", "no room",
             "--participant", "p", "--code", "http.503", "--step", "pay", "--sort", "attempts",
             "--unchanged-since", "2026-01-31T00:00:00Z"})
            .exit_code == 0);
  CHECK(server.seen().at(0).target ==
        "/v1/transactions?paused=true&unchangedSince=2026-01-31T00%3A00%3A00Z&attempts=3&"
        "error=no%20room&participant=p&code=http.503&step=pay&sort=attempts");
}

// What a coordinator in good health answers to all that a doctor asks.
std::vector<Canned> Healthy() {
  return {{.body = R"({"status":"ok","ready":true})"},
          {.body = "# HELP x y\nentente_incidents_open 0\nentente_store_bytes 1048576\n"
                   "entente_store_disk_free_bytes 9e9\n"},
          {.body = R"({"participants":[{"name":"p","address":"a","breaker":"closed"}]})"},
          {.body = R"({"definitions":[{"name":"d"},{"name":"~inline-1"}]})"},
          {.body = R"({"name":"d","version":1,"source":"{}"})"},
          {.body = R"({"valid":true,"problems":[]})"}};
}

TEST_CASE("a doctor finds nothing where all is well") {
  CannedServer server(Healthy());
  const Ran ran = Run({"doctor", "--server", server.url()});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("bad") == std::string::npos);
  CHECK(ran.out.find("1 definitions are valid") != std::string::npos);
}

TEST_CASE("a doctor says what is wrong, and what to do") {
  std::vector<Canned> answers = Healthy();
  answers[1].body = "entente_incidents_open 3\nentente_store_last_commit_timestamp_seconds 9e9\n";
  answers[2].body = R"({"participants":[{"name":"p","address":"a","breaker":"open"}]})";
  answers[5].body = R"({"valid":false,"problems":[{"message":"step 'x' is gone"}]})";
  CannedServer server(answers);
  const Ran ran = Run({"doctor", "--server", server.url(), "--json"});
  CHECK(ran.exit_code == 1);
  std::string found;
  const Json report = Json::parse(ran.out);
  for (const Json& finding : report["findings"]) {
    if (finding["grade"] != "ok") {
      found += finding["what"].get<std::string>() + "\n";
    }
  }
  CHECK(found.find("3 transactions wait for an operator") != std::string::npos);
  CHECK(found.find("ahead of this machine's clock") != std::string::npos);
  CHECK(found.find("p (a) does not answer: its breaker is open") != std::string::npos);
  CHECK(found.find("definition d is no longer valid: step 'x' is gone") != std::string::npos);
}

TEST_CASE("a bulk action is begun with the filter of a list, and shown") {
  const std::string running =
      R"({"id":"7","verb":"retry","filter":"incident=true","state":"running","matched":3,"done":1,)"
      R"("refused":1,"refusals":[{"gid":"g2","code":"branch.not_stuck","message":"m"}]})";
  CannedServer server({{.status = 201, .body = running}, {.body = running}, {.body = running}});
  const Ran ran = Run({"bulk", "retry", "--server", server.url(), "--incident", "--code",
                       "http.503", "--reason", "they are back", "--actor", "ann"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == "bulk 7: retry of 3, running: 1 done, 1 refused\n  g2  branch.not_stuck  m\n");
  CHECK(Json::parse(server.seen().at(0).body) == Json::parse(R"({"verb":"retry",
      "filter":"incident=true&code=http.503","reason":"they are back","actor":"ann"})"));
  CHECK(Run({"bulk", "stop", "7", "--server", server.url()}).exit_code == 0);
  CHECK(server.seen().at(1).target == "/v1/bulk/7:stop");
  CHECK(Run({"bulk"}).exit_code == 2);
}

TEST_CASE("a token that is made goes to standard output alone") {
  const std::string token =
      R"({"id":"00ff","name":"ci","role":"deployer","createdAt":"2026-01-01T00:00:00Z","token":"ent_00ff_x"})";
  CannedServer server(std::vector<Canned>{{.status = 201, .body = token}, {.body = token}});
  const Ran made = Run({"tokens", "create", "ci", "--role", "deployer", "--definition", "trip*",
                        "--label", "team=a", "--expires", "90d", "--server", server.url()});
  CHECK(made.exit_code == 0);
  CHECK(made.out == "ent_00ff_x\n");
  CHECK(made.err.find("ent_00ff_x") == std::string::npos);
  const sdk::test::Seen seen = server.seen().at(0);
  CHECK(seen.target == "/v1/tokens");
  CHECK(Json::parse(seen.body) == Json{{"name", "ci"},
                                       {"role", "deployer"},
                                       {"definitions", {"trip*"}},
                                       {"labels", {{"team", "a"}}},
                                       {"expiresIn", "90d"}});
  CHECK(Run({"tokens", "revoke", "00ff", "--server", server.url()}).exit_code == 0);
  CHECK(server.seen().at(1).target == "/v1/tokens/00ff:revoke");
  CHECK(Run({"tokens", "create", "ci", "--server", server.url()}).exit_code == 2);
}

TEST_CASE("tokens are listed with what they reach and how they stand") {
  CannedServer server(std::vector<Canned>{
      {.body =
           R"({"tokens":[{"id":"a1","name":"ann","role":"admin","createdAt":"2026-01-01T00:00:00Z"},)"
           R"({"id":"b2","name":"ci","role":"submitter","definitions":["trip*"],"labels":{"team":"a"},)"
           R"("createdAt":"2026-01-01T00:00:00Z","revokedAt":"2026-01-02T00:00:00Z","revokedBy":"ann"}]})"}});
  const Ran listed = Run({"tokens", "list", "--server", server.url()});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.find("all") != std::string::npos);
  CHECK(listed.out.find("trip* team=a") != std::string::npos);
  CHECK(listed.out.find("revoked by ann") != std::string::npos);
}

TEST_CASE("the audit is shown page by page, and exported as a whole") {
  const std::string first =
      R"({"entries":[{"id":"2","at":"2026-01-02T00:00:00Z","actor":"ann","action":"pause","subject":"transaction/t1",)"
      R"("outcome":"refused","code":"access.denied","reason":"lunch","times":3}],"nextCursor":"2"})";
  const std::string last =
      R"({"entries":[{"id":"1","at":"2026-01-01T00:00:00Z","actor":"bob","action":"define","outcome":"done"}]})";
  CannedServer server(std::vector<Canned>{{.body = first}, {.body = first}, {.body = last}});
  const Ran shown =
      Run({"audit", "--actor", "ann", "--outcome", "refused", "--server", server.url()});
  CHECK(shown.exit_code == 0);
  CHECK(shown.out.find("refused access.denied x3") != std::string::npos);
  CHECK(shown.out.find("more with --cursor 2") != std::string::npos);
  const std::string asked = server.seen().at(0).target;
  CHECK(asked.find("/v1/audit?") == 0);
  CHECK(asked.find("actor=ann") != std::string::npos);
  CHECK(asked.find("outcome=refused") != std::string::npos);
  const Ran exported = Run({"audit", "--export", "--server", server.url()});
  CHECK(exported.exit_code == 0);
  CHECK(std::count(exported.out.begin(), exported.out.end(), '\n') == 2);
  CHECK(Json::parse(exported.out.substr(0, exported.out.find('\n')))["actor"] == "ann");
  CHECK(server.seen().at(2).target.find("cursor=2") != std::string::npos);
  CHECK(Run({"audit", "--since", "once", "--server", server.url()}).exit_code != 0);
}

TEST_CASE("the keys that sign are listed with the one that does, and rotated") {
  const std::string keys =
      R"({"keys":[{"kid":"k1","x":"AAAA","signsFrom":"2026-01-01T00:00:00Z","signing":true},)"
      R"({"kid":"k2","x":"BBBB","signsFrom":"2026-01-02T00:00:00Z","signing":false}]})";
  CannedServer server(std::vector<Canned>{
      {.body = keys}, {.body = R"({"keys":[]})"}, {.body = keys}, {.body = keys}});
  const Ran listed = Run({"keys", "list", "--server", server.url()});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.find("k1") < listed.out.find("signs\n"));
  CHECK(listed.out.find("signs\n") < listed.out.find("k2"));
  CHECK(Run({"keys", "list", "--server", server.url()}).out.find("--sign-calls") !=
        std::string::npos);
  CHECK(Run({"keys", "rotate", "--server", server.url()}).exit_code == 0);
  CHECK(server.seen().at(2).target == "/v1/keys:rotate");
  CHECK(Json::parse(server.seen().at(2).body) == Json::object());
  CHECK(Run({"keys", "rotate", "--notice", "0s", "--revoke", "--server", server.url()}).exit_code ==
        0);
  CHECK(Json::parse(server.seen().at(3).body) == Json{{"notice", "0s"}, {"revoke", true}});
}

TEST_CASE("who is not known is told where a token is looked for") {
  CannedServer server(std::vector<Canned>{Problem(401, "token.missing", "who are you")});
  const Ran ran = Run({"list", "--server", server.url()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.find("ENTENTE_TOKEN_FILE") != std::string::npos);
  CHECK(ran.err.find("[token.missing]") != std::string::npos);
}

}  // namespace
}  // namespace entente::cli
