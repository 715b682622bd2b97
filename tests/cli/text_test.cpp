#include <sstream>

#include <catch2/catch.hpp>

#include "base/utf8.h"
#include "cli/text/entry_text.h"
#include "cli/text/instants.h"
#include "cli/text/problem_text.h"
#include "cli/text/table.h"
#include "cli/text/transaction_text.h"
#include "cli/text/watch_view.h"

namespace entente::cli {
namespace {

struct Screen {
  std::istringstream in;
  std::ostringstream out;
  Terminal plain{in, out, out, false, false};
  Terminal colored{in, out, out, true, true};
};

TEST_CASE("columns are aligned by characters, and empty ones left out") {
  Screen screen;
  Table table({"NAME", "NOTHING", "NOTE"});
  table.Add({{"é"}, {""}, {"x"}});
  table.Add({{"long name"}, {""}, {""}});
  CHECK(table.Render(screen.plain) ==
        "NAME       NOTE\n"
        "é          x\n"
        "long name\n");
}

TEST_CASE("colours are only painted where they are shown") {
  Screen screen;
  CHECK(screen.plain.Paint(Style::kBad, "x") == "x");
  CHECK(screen.colored.Paint(Style::kBad, "x") == "\x1b[31mx\x1b[0m");
}

TEST_CASE("what a participant answered can not control the terminal") {
  CHECK(ShowText("a\x1b[31mb\nc\xc2\x9b") == "a\\u001b[31mb c\\u009b");
  CHECK(ShowText("ünïcode") == "ünïcode");
}

TEST_CASE("text is shortened by characters") {
  CHECK(Shorten("abc", 3) == "abc");
  CHECK(Shorten("ééééé", 3) == "éé…");
}

TEST_CASE("times read as people say them") {
  CHECK(FormatAbout(std::chrono::milliseconds(850)) == "850ms");
  CHECK(FormatAbout(std::chrono::seconds(200)) == "3m 20s");
  CHECK(FormatAbout(std::chrono::hours(50)) == "2d 2h");
  CHECK(FormatAbout(std::chrono::hours(1)) == "1h");
  const Instant now = ParseInstant("2026-01-02T03:04:05Z").value();
  CHECK(ShowInstant("2026-01-02T03:04:00.5Z", now) == "4s ago (2026-01-02T03:04:00Z)");
  CHECK(ShowAge("2026-01-02T03:05:05Z", now) == "in 1m");
  CHECK(ReadInstant("--since", "2h", now).value() == now - std::chrono::hours(2));
  CHECK(ReadInstant("--since", "yesterday", now).status().reason() == "cli.bad_time");
}

TEST_CASE("a problem shows its line and a caret under the character meant") {
  const Json problem{{"line", 2}, {"column", 4}, {"message", "unknown"}, {"suggestion", "try x"}};
  CHECK(ShowProblem("d.json", "{\n \"é\"\n}", problem) ==
        "d.json:2:4: unknown; try x\n"
        "   \"é\"\n"
        "     ^\n");
  CHECK(ShowProblem("d.json", "", Json{{"message", "whole"}}) == "d.json: whole\n");
}

TEST_CASE("only the surroundings of a mistake in a very long line are shown") {
  const std::string line = std::string(500, 'a') + "B" + std::string(500, 'c');
  const std::string text =
      ShowProblem("d", line, Json{{"line", 1}, {"column", 501}, {"message", "m"}});
  std::istringstream lines(text);
  std::string shown;
  std::string caret;
  std::getline(lines, shown);
  std::getline(lines, shown);
  std::getline(lines, caret);
  CHECK(shown.size() < 110);
  CHECK(shown.at(caret.find('^')) == 'B');
}

TEST_CASE("history entries read as sentences") {
  const Instant now = ParseInstant("2026-01-02T13:04:05Z").value();
  const auto describe = [now](const char* text) { return DescribeEntry(Json::parse(text), now); };
  CHECK(describe(R"({"type":"attempt-failed","outcome":"unknown",
                     "failure":{"code":"timeout","message":"after 2s"},
                     "dueAt":"2026-01-02T03:04:05.5Z"})") ==
        "may have happened: timeout: after 2s; again at 03:04:05.500");
  CHECK(describe(R"({"type":"operation-started","operation":"action","alternative":1})") ==
        "action, alternative 1");
  CHECK(describe(R"({"type":"paused","actor":{"name":"ann","reason":"look"}})") ==
        "paused by ann: look");
  CHECK(describe(R"({"type":"ended","status":"MIXED","forced":"ABORTED"})") ==
        "ended MIXED, forced to ABORTED");
  CHECK(describe(R"({"type":"some-later-type"})") == "some-later-type");
}

TEST_CASE("an abort says who and why once") {
  const Json entry = Json::parse(R"({"type":"abort-decided","cause":"cancelled",
      "failure":{"code":"transaction.cancelled","message":"cancelled by ann: no"},
      "actor":{"name":"ann","reason":"no"}})");
  CHECK(DescribeEntry(entry, Now()) == "will be undone: cancelled by ann: no");
}

TEST_CASE("a wait names its signal, and only a signal's wait ends before its time") {
  const Instant now = ParseInstant("2026-01-02T13:04:05Z").value();
  const auto describe = [now](const char* text) { return DescribeEntry(Json::parse(text), now); };
  CHECK(describe(R"({"type":"wait-started","name":"approved"})") ==
        "waits for the signal 'approved'");
  CHECK(describe(R"({"type":"wait-started","name":"approved","dueAt":"2026-01-02T14:04:05Z"})") ==
        "waits for the signal 'approved', until 14:04:05.000 at most");
  CHECK(describe(R"({"type":"wait-started","dueAt":"2026-01-02T14:04:05Z"})") ==
        "waits until 14:04:05.000");
}

TEST_CASE("a pending operation is asked for, or given up if nobody completes it") {
  const Instant now = ParseInstant("2026-01-02T13:04:05Z").value();
  const auto describe = [now](const char* text) { return DescribeEntry(Json::parse(text), now); };
  CHECK(describe(R"({"type":"operation-pending","dueAt":"2026-01-02T13:05:05Z",
                     "deadline":"2026-01-02T14:05:05Z"})") == "pending; asked for at 13:05:05.000");
  CHECK(describe(R"({"type":"operation-pending","dueAt":"2026-01-02T14:05:05Z",
                     "deadline":"2026-01-02T14:05:05Z"})") == "pending; given up at 14:05:05.000");
}

TEST_CASE("what is not of today shows its date") {
  const Instant now = ParseInstant("2026-01-02T13:04:05Z").value();
  CHECK(ShowMoment("2026-01-02T00:00:00.0015Z", now) == "00:00:00.001");
  CHECK(ShowMoment("2026-01-01T23:59:59Z", now) == "2026-01-01 23:59:59.000");
  CHECK(ShowMoment("soon", now) == "soon");
  CHECK(DescribeEntry(Json::parse(R"({"type":"reservation-expires",
            "expiresAt":"2026-01-03T03:14:05Z","dueAt":"2026-01-02T13:13:45Z"})"),
                      now) == "held until 2026-01-03 03:14:05.000; to be decided at 13:13:45.000");
}

TEST_CASE("a branch says what it waits for") {
  Screen screen;
  const Instant now = ParseInstant("2026-01-02T03:04:05Z").value();
  const auto note = [&](const char* members) {
    Json branch = Json::parse(members);
    branch["id"] = "b";
    const std::string text = ShowBranches(Json{{"branches", {branch}}}, screen.plain, now, 0);
    return text.substr(text.find("\nb") + 1);
  };
  CHECK(note(R"({"blockedBy":"signal","signal":"approved"})") ==
        "b       waits for the signal 'approved'\n");
  CHECK(note(R"({"blockedBy":"signal","signal":"ok","waitsUntil":"2026-01-02T03:05:05Z"})") ==
        "b       waits for the signal 'ok', over in 1m (2026-01-02T03:05:05Z)\n");
  CHECK(note(R"({"blockedBy":"timer","waitsUntil":"2026-01-02T03:05:05Z"})") ==
        "b       waits, over in 1m (2026-01-02T03:05:05Z)\n");
  CHECK(note(R"({"blockedBy":"participant","deadline":"2026-01-02T03:05:04Z"})") ==
        "b       waits for its participant; given up in 59s\n");
  CHECK(note(R"({"blockedBy":"paused","nextAttemptAt":"2026-01-02T03:05:04Z"})") ==
        "b       paused\n");
}

TEST_CASE("what has ended is not paused any more") {
  Screen screen;
  const Json ended = Json::parse(R"({"gid":"g","status":"MIXED","revision":3,"paused":true})");
  CHECK(ShowOutcome(ended, screen.plain) == "g MIXED, revision 3\n");
  CHECK(ShowTransaction(ended, screen.plain, Now()).find("paused") == std::string::npos);
}

TEST_CASE("history entries of the other modes read as sentences") {
  const Instant now = ParseInstant("2026-01-02T13:04:05Z").value();
  const auto describe = [now](const char* text) { return DescribeEntry(Json::parse(text), now); };
  CHECK(describe(R"({"type":"accepted","clientDriven":true})") == "begun by a client");
  CHECK(describe(R"({"type":"branch-enlisted","branch":"flight",
                     "payload":{"id":"flight","participant":{"http":"http://f:1"}}})") ==
        "enlisted: http://f:1");
  CHECK(describe(R"({"type":"branch-enlisted","payload":{"participant":{"grpc":"f:1"}}})") ==
        "enlisted: f:1");
  CHECK(describe(R"({"type":"branch-enlisted","payload":{}})") == "enlisted");
  CHECK(describe(R"({"type":"branch-enlisted"})") == "enlisted");
  CHECK(describe(R"({"type":"enlistment-closed"})") ==
        "its client wants to commit: nobody joins any more");
  CHECK(describe(R"({"type":"reservation-expires","expiresAt":"2026-01-02T03:14:05Z",
                     "dueAt":"2026-01-02T03:13:45Z"})") ==
        "held until 03:14:05.000; to be decided at 03:13:45.000");
  CHECK(describe(R"({"type":"operation-started","operation":"commit","onePhase":true})") ==
        "commit, in one phase");
  CHECK(describe(R"({"type":"operation-succeeded","vote":"read-only"})") ==
        "read-only, nothing to commit");
  CHECK(describe(R"({"type":"heuristic-reported","outcome":"rolled-back",
                     "failure":{"code":"heuristic.rolled-back","message":"gone"}})") ==
        "rolled-back by itself: heuristic.rolled-back: gone");
}

TEST_CASE("a transaction shows its branches, and why they wait") {
  Screen screen;
  const Instant now = ParseInstant("2026-01-02T03:04:05Z").value();
  const Json transaction = Json::parse(R"({
    "gid":"g1","status":"ACTIVE","definition":"travel","version":2,"mode":"saga","revision":9,
    "incident":true,"createdAt":"2026-01-02T03:03:05Z","labels":{"tier":"gold"},"input":{"a":1},
    "branches":[
      {"id":"flight","participant":"flights","phase":"done","operation":"action","attempt":1,
       "maxAttempts":5,"startedAt":"2026-01-02T03:03:05Z","endedAt":"2026-01-02T03:03:05.25Z"},
      {"id":"hotel","phase":"forward-stuck","operation":"action","alternative":1,
       "blockedBy":"operator","failure":{"code":"http.500","message":"oops"}}]})");
  CHECK(ShowTransaction(transaction, screen.plain, now) ==
        "gid         g1\n"
        "status      ACTIVE !\n"
        "definition  travel v2 (saga)\n"
        "revision    9\n"
        "created     1m ago (2026-01-02T03:03:05Z)\n"
        "labels      tier=gold\n"
        "input       {\"a\":1}\n"
        "\n"
        "BRANCH  PARTICIPANT  PHASE          OPERATION     ATTEMPT  TOOK   NOTE\n"
        "flight  flights      done           action        1/5      250ms\n"
        "hotel                forward-stuck  action alt 1                  http.500: oops; waits "
        "for an operator\n");
}

TEST_CASE("votes, expiries and heuristic outcomes have their place, where there are any") {
  Screen screen;
  const Instant now = ParseInstant("2026-01-02T03:04:05Z").value();
  const Json votes = Json::parse(R"({"branches":[
      {"id":"from","phase":"done","operation":"prepare","vote":"yes"},
      {"id":"rates","phase":"read-only","operation":"prepare","vote":"read-only"},
      {"id":"to","phase":"finish","operation":"commit","onePhase":true}]})");
  CHECK(ShowBranches(votes, screen.plain, now, 0) ==
        "BRANCH  PHASE      OPERATION            VOTE\n"
        "from    done       prepare              yes\n"
        "rates   read-only  prepare              read-only\n"
        "to      finish     commit in one phase\n");
  const Json holds = Json::parse(R"({"branches":[
      {"id":"flight","phase":"enlisted","operation":"","blockedBy":"client",
       "expiresAt":"2026-01-02T03:14:05Z","decideBy":"2026-01-02T03:13:05Z"},
      {"id":"hotel","phase":"finish-stuck","operation":"confirm","heuristic":"rolled-back",
       "blockedBy":"operator"},
      {"id":"car","phase":"finished","operation":"confirm","expiresAt":"2026-01-02T03:14:05Z"}]})");
  CHECK(ShowBranches(holds, screen.plain, now, 0) ==
        "BRANCH  PHASE         OPERATION  EXPIRES  NOTE\n"
        "flight  enlisted                 in 10m   waits for its client; undone unless decided in "
        "9m\n"
        "hotel   finish-stuck  confirm             rolled-back by itself; waits for an operator\n"
        "car     finished      confirm\n");
}

TEST_CASE("a transaction says who drives it, and what was decided before it was forced") {
  Screen screen;
  const Instant now = ParseInstant("2026-01-02T03:04:05Z").value();
  const Json transaction = Json::parse(R"({
    "gid":"g1","status":"ACTIVE","mode":"tcc","revision":3,"decision":"undecided",
    "clientDriven":true,"closed":true,"deadline":"2026-01-02T03:05:05Z","input":null,
    "branches":[]})");
  CHECK(ShowTransaction(transaction, screen.plain, now) ==
        "gid         g1\n"
        "status      ACTIVE\n"
        "driven by   a client (tcc), which wants to commit\n"
        "revision    3\n"
        "time limit  in 1m (2026-01-02T03:05:05Z)\n"
        "decision    undecided\n");
  const Json forced = Json::parse(
      R"({"gid":"g","status":"MIXED","definition":"d","mode":"2pc","revision":3,
          "decision":"committed","forced":"ABORTED"})");
  CHECK(ShowTransaction(forced, screen.plain, now) ==
        "gid         g\n"
        "status      MIXED\n"
        "definition  d (2pc)\n"
        "revision    3\n"
        "decision    committed\n"
        "forced      ABORTED\n");
}

TEST_CASE("a list names the mode of what is not a saga of a definition") {
  Screen screen;
  const Json list = Json::parse(R"({"transactions":[
      {"gid":"a","status":"ACTIVE","definition":"d","mode":"saga"},
      {"gid":"b","status":"ACTIVE","mode":"saga"},
      {"gid":"c","status":"ACTIVE","definition":"e","mode":"2pc"}]})");
  CHECK(ShowTransactions(list, screen.plain, Now()) ==
        "GID  STATUS  DEFINITION  MODE\n"
        "a    ACTIVE  d\n"
        "b    ACTIVE              saga\n"
        "c    ACTIVE  e           2pc\n");
}

TEST_CASE("a live view draws over exactly what it drew") {
  Screen screen;
  const Terminal live{screen.in, screen.out, screen.out, false, true};
  LiveView view(live);
  const Json transaction = Json::parse(
      R"({"gid":"g","status":"ACTIVE","revision":1,"branches":[{"id":"a"},{"id":"b"}]})");
  view.Draw(transaction, Now());
  const std::string first = screen.out.str();
  CHECK(first == "\x1b[J\x1b[?7lg ACTIVE, revision 1\nBRANCH\na\nb\n\x1b[?7h");
  view.Draw(transaction, Now());
  CHECK(screen.out.str() == first + "\x1b[4A\r" + first);
}

TEST_CASE("of many branches those that move are shown first") {
  Screen screen;
  Json transaction{{"branches", Json::array()}};
  for (int i = 0; i < 10; ++i) {
    transaction["branches"].push_back(
        {{"id", "s:" + std::to_string(i)}, {"phase", i == 9 ? "forward-stuck" : "done"}});
  }
  const std::string text = ShowBranches(transaction, screen.plain, Now(), 3);
  CHECK(text.find("s:9") != std::string::npos);
  CHECK(text.find("8 more branches") != std::string::npos);
}

}  // namespace
}  // namespace entente::cli
