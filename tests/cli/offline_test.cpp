#include <catch2/catch.hpp>

#include "cli/text/definition_text.h"
#include "tests/cli/runner.h"

namespace entente::cli {
namespace {

using test::Ran;
using test::Run;
using test::ScratchFile;

constexpr const char* kGood = R"({
  "name": "trip", "mode": "saga",
  "participants": { "flights": { "http": "${env.FLIGHTS_URL}" } },
  "steps": [
    { "id": "flight", "participant": "flights",
      "action": { "put": "/bookings/${key}", "body": { "who": "${input.who}" } },
      "compensate": { "delete": "/bookings/${key}" } }
  ]
})";

constexpr const char* kBad = R"({
  "name": "trip", "mode": "saga",
  "participants": { "flights": { "http": "http://127.0.0.1:1" } },
  "steps": [
    { "id": "flight", "particpant": "flights",
      "action": { "put": "/bookings/${key}" },
      "compensate": { "delete": "/bookings/${key}" } }
  ]
})";

TEST_CASE("validate says what is right") {
  const ScratchFile file(kGood);
  const Ran ran = Run({"validate", file.path()});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == file.path() + ": ok (trip, saga, 1 step)\n");
  CHECK(ran.err.empty());
}

TEST_CASE("validate shows each mistake where it stands") {
  const ScratchFile file(kBad);
  const Ran ran = Run({"validate", file.path()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.find(file.path() + ":5:23: ") != std::string::npos);
  CHECK(ran.err.find("participant") != std::string::npos);
  CHECK(ran.err.find("\n                        ^\n") != std::string::npos);
}

TEST_CASE("validate checks every file, also after one that can not be read") {
  const ScratchFile file(kGood);
  const Ran ran = Run({"validate", "/does/not/exist.json", file.path()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err ==
        "entente: cannot read '/does/not/exist.json': No such file or directory "
        "[file.unreadable]\n");
  CHECK(ran.out.find("ok") != std::string::npos);
}

TEST_CASE("validate reads standard input, and answers scripts in JSON") {
  const Ran ran = Run({"validate", "--json", "-"}, {.in = kBad});
  CHECK(ran.exit_code == 1);
  CHECK(ran.out.find(R"("valid":false)") != std::string::npos);
  CHECK(ran.out.find(R"("line":5)") != std::string::npos);
}

constexpr const char* kYaml = R"(# A trip.
name: trip
mode: saga
participants: { flights: { http: "${env.FLIGHTS_URL}" } }
steps:
  - id: flight
    participant: flights
    action:
      put: /bookings/${key}
      body: { who: "${input.who}", seats: 2, price: 1.10, note: yes, none: ~ }
    alternatives:
      - { on: [409], put: "/other/${key}" }
    compensate:
      delete: /bookings/${key}   # By key.
)";

TEST_CASE("a definition may be written in YAML, and its mistakes are shown there") {
  const Ran good = Run({"validate", "-"}, {.in = kYaml});
  CHECK(good.exit_code == 0);
  CHECK(good.err.empty());
  std::string text = kYaml;
  text.replace(text.find("participant: flights"), 12, "particpant: ");
  const ScratchFile file(text, ".yaml");
  const Ran bad = Run({"validate", file.path()});
  CHECK(bad.exit_code == 1);
  CHECK_THAT(bad.err, Catch::Contains(file.path() + ":7:5: "));
  CHECK_THAT(bad.err, Catch::Contains("    particpant"));
}

TEST_CASE("YAML is made JSON line by line, with its numbers as they are written") {
  CHECK(*JsonOfYaml("a: 1.10\nb:\n- 0x1F\n- 'true'\n- true\n- ~\n- 007\n- -0.5e3\n") ==
        "{\"a\":1.10,\n\"b\":\n[ \"0x1F\",\n  \"true\",\n  true,\n  null,\n  \"007\",\n  -0.5e3]}");
  CHECK(*JsonOfYaml("a: &x {b: 1}\nc: *x\n") == "{\"a\":{ \"b\":1},\n\"c\":{\"b\":1}}");
  CHECK(JsonOfYaml("a: [1\n").status().reason() == "definition.bad_yaml");
  CHECK_THAT(JsonOfYaml("a: 1\n---\nb: 2\n").status().message(), Catch::Contains("2 documents"));
  CHECK_THAT(JsonOfYaml("? [a]\n: 1\n").status().message(), Catch::Contains("1:3: a key"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [";
    for (int n = 0; n < 9; ++n) {
      bomb += before + ", ";
    }
    bomb += before + "]\n";
  }
  CHECK_THAT(JsonOfYaml(bomb).status().message(), Catch::Contains("larger than the limit"));
  CHECK_THAT(JsonOfYaml(std::string(70, '[') + std::string(70, ']')).status().message(),
             Catch::Contains("nested deeper"));
}

TEST_CASE("JSON may have comments, and its mistakes stay where they are") {
  CHECK(WithoutComments("{ // a\n\"b//c\": /* d\ne */ 1 }") == "{     \n\"b//c\":     \n     1 }");
  CHECK(WithoutComments("\"\\\"// no\" / /*") == "\"\\\"// no\" /   ");
  std::string text = kBad;
  text.insert(text.find("\"particpant\""), "/* who */ ");
  const Ran ran = Run({"validate", "-"}, {.in = "// a trip\n" + text});
  CHECK(ran.exit_code == 1);
  CHECK_THAT(ran.err, Catch::Contains("standard input:6:33: "));
}

TEST_CASE("graph draws a definition in either format, and refuses a broken one") {
  CHECK(Run({"graph", "-"}, {.in = kGood}).out.find("flowchart") != std::string::npos);
  CHECK(Run({"graph", "-", "--format", "dot"}, {.in = kGood}).out.find("digraph") !=
        std::string::npos);
  CHECK(Run({"graph", "-"}, {.in = kBad}).exit_code == 1);
  CHECK(Run({"graph", "-", "--format", "png"}, {.in = kGood}).exit_code == 2);
}

TEST_CASE("explore says how paths end, and that nothing is wrong") {
  const ScratchFile definition(kGood);
  const Ran ran = Run({"explore", definition.path()});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("COMMITTED") != std::string::npos);
  CHECK(ran.out.find("nothing wrong was found\n") != std::string::npos);
  const Ran json = Run({"explore", definition.path(), "--json", "--faults", "0"});
  CHECK(json.exit_code == 0);
  CHECK(json.out.find(R"("outcomes":{"ABORTED":1,"COMMITTED":1,"INCIDENT":0,"WAITING":0})") !=
        std::string::npos);
}

TEST_CASE("explore shows what is wrong on a path, and exits with 1") {
  std::string text = kGood;
  const std::string undo = R"({ "delete": "/bookings/${key}" })";
  text.replace(text.find(undo), undo.size(), "null");
  const ScratchFile definition(text);
  const Ran ran = Run({"explore", definition.path()});
  CHECK(ran.exit_code == 1);
  CHECK(ran.out.find("effect.stands: 'flight' stands") != std::string::npos);
  CHECK(ran.out.find("   2. flight.action: ") != std::string::npos);
  CHECK(ran.out.find("\n1 found\n") != std::string::npos);
  CHECK(Run({"explore", definition.path(), "--may-stay", "flight"}).exit_code == 0);
  CHECK(
      Run({"explore", definition.path(), "--may-stay", "train"}).err.find("explore.unknown_name") !=
      std::string::npos);
}

TEST_CASE("explore refuses what does not compile") {
  const Ran ran = Run({"explore", "-"}, {.in = kBad});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.find("standard input:5:23: ") != std::string::npos);
}

TEST_CASE("dry-run shows the path that the stated answers lead to") {
  const ScratchFile definition(kGood);
  const Ran good = Run({"dry-run", definition.path(), "--input", R"({"who":"ann"})"});
  CHECK(good.exit_code == 0);
  CHECK(good.out.find("COMMITTED") != std::string::npos);
  const Ran refused =
      Run({"dry-run", definition.path(), "--answers", "-", "--input", R"({"who":"ann"})", "--json"},
          {.in = R"({"flight.action":[{"refused":"http.409"}]})"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.find(R"("status":"ABORTED")") != std::string::npos);
}

TEST_CASE("dry-run says which answer is wrong, and refuses a broken definition") {
  const ScratchFile definition(kGood);
  const Ran ran =
      Run({"dry-run", definition.path(), "--answers", "-"}, {.in = R"({"fligth.action":[]})"});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.find("fligth") != std::string::npos);
  CHECK(Run({"dry-run", "-"}, {.in = kBad}).err.find("standard input:5:23: ") != std::string::npos);
}

TEST_CASE("eval prints the value as JSON") {
  const ScratchFile data(R"({"input":{"price":20,"names":["a","b"]}})");
  CHECK(Run({"eval", "input.price * 2", "--data", data.path()}).out == "40\n");
  CHECK(Run({"eval", "input.names.map(n, n + '!')", "--data", "-"},
            {.in = R"({"input":{"names":["x"]}})"})
            .out == "[\"x!\"]\n");
  CHECK(Run({"eval", "[1, 2]"}).out == "[1,2]\n");
  CHECK(Run({"eval", "--", "-3"}).out == "-3\n");
  CHECK(Run({"eval", "--1"}).out == "1\n");
  CHECK(Run({"eval", "-(1)"}).out == "-1\n");
  CHECK(Run({"eval", "-x", "--data", "-"}, {.in = R"({"x":2})"}).out == "-2\n");
  CHECK(Run({"eval"}).exit_code == 2);
  CHECK(Run({"eval", "1", "--nonsense"}).exit_code == 2);
}

TEST_CASE("eval says why there is no value") {
  const Ran runtime = Run({"eval", "1 / 0"});
  CHECK(runtime.exit_code == 1);
  CHECK(runtime.out.empty());
  CHECK(runtime.err == "entente: divide by zero [expression.error]\n");
  const Ran syntax = Run({"eval", "1 +"});
  CHECK(syntax.exit_code == 1);
  CHECK(syntax.err.find("\n  1 +\n     ^\n") != std::string::npos);
  CHECK(Run({"eval", "x", "--data", "-"}, {.in = "[1]"}).exit_code == 1);
  CHECK(Run({"eval", "x", "--data", "-"}, {.in = "{"}).exit_code == 1);
  CHECK(Run({"eval"}).exit_code == 2);
}

}  // namespace
}  // namespace entente::cli
