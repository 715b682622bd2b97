#include "dsl/graph.h"

#include <catch2/catch.hpp>

#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

constexpr std::string_view kDefinition = R"({
  "name": "trip",
  "participants": {
    "flights": { "http": "http://flights" },
    "hotels": { "grpc": "hotels:1", "service": "travel.Hotels" }
  },
  "steps": [
    { "id": "flight", "participant": "flights", "action": { "put": "/a" },
      "compensate": { "delete": "/a" } },
    { "id": "end", "after": ["flight"], "participant": "hotels", "when": "${input.x < 1}",
      "forEach": { "items": "${input.rooms}", "maxParallel": 2 },
      "action": { "rpc": "Reserve" }, "alternatives": [ { "rpc": "Ask" } ], "compensate": null },
    { "id": "pay", "participant": "flights", "pivot": true, "action": { "post": "/charges" } },
    { "id": "rest", "wait": { "signal": "go", "timeout": "1h", "onTimeout": "continue" } }
  ]
})";

TEST_CASE("a flowchart shows the steps, their order and the way back") {
  CHECK(ToMermaid(*PlanOf(kDefinition)) ==
        "flowchart TD\n"
        "  s0[\"flight<br/>action flights: PUT<br/>compensate flights: DELETE\"]\n"
        "  s1[\"end<br/>only when its condition holds<br/>for each element, 2 at a time"
        "<br/>action hotels: Reserve<br/>or hotels: Ask\"]\n"
        "  s2[\"pay (pivot)<br/>action flights: POST\"]:::pivot\n"
        "  s3([\"rest<br/>wait for the signal go, at most 1h\"])\n"
        "  s0 --> s1\n"
        "  s1 --> s2\n"
        "  s2 --> s3\n"
        "  s1 -. undo .-> s0\n"
        "  s2 -. undo .-> s0\n"
        "  classDef pivot stroke-width:4px\n");
}

TEST_CASE("a flowchart shows what a child's own compensations undo") {
  const std::string chart = ToMermaid(*PlanOf(ReadFile(CaseFolder() / "good/held.json")));
  CHECK_THAT(chart, Catch::Contains("room<br/>action transaction book-room<br/>or transaction "
                                    "book-tent<br/>or p: PUT, compensate p: DELETE<br/>compensate "
                                    "by the transaction's own compensations"));
}

TEST_CASE("a digraph shows the same") {
  CHECK(ToDot(*PlanOf(kDefinition)) ==
        "digraph \"trip\" {\n"
        "  node [shape=box];\n"
        "  s0 [label=\"flight\\naction flights: PUT\\ncompensate flights: DELETE\"];\n"
        "  s1 [label=\"end\\nonly when its condition holds\\nfor each element, 2 at a time"
        "\\naction hotels: Reserve\\nor hotels: Ask\"];\n"
        "  s2 [label=\"pay (pivot)\\naction flights: POST\", penwidth=4];\n"
        "  s3 [label=\"rest\\nwait for the signal go, at most 1h\", style=rounded];\n"
        "  s0 -> s1;\n"
        "  s1 -> s2;\n"
        "  s2 -> s3;\n"
        "  s1 -> s0 [style=dashed, label=\"undo\", constraint=false];\n"
        "  s2 -> s0 [style=dashed, label=\"undo\", constraint=false];\n"
        "}\n");
}

TEST_CASE("a choice is drawn with the condition of each way") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/decisions.json"));
  const std::string mermaid = ToMermaid(*plan);
  CHECK_THAT(mermaid, Catch::Contains("s2{\"pay<br/>choose one of 3 ways\"}"));
  CHECK_THAT(mermaid, Catch::Contains("s2 -- \"input.by == 'card'\" --> s3"));
  CHECK_THAT(mermaid, Catch::Contains("s2 -- \"otherwise\" --> s8"));
  CHECK_THAT(mermaid, Catch::Contains("refuse: too-cheap"));
  CHECK_THAT(ToDot(*plan), Catch::Contains("s2 -> s3 [label=\"input.by == 'card'\"];"));
}

TEST_CASE("what comes after a choice comes after the last steps of its ways") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/decisions.json"));
  std::vector<std::string> before;
  for (const size_t step : plan->steps.back().after) {
    before.push_back(plan->steps[step].id);
  }
  CHECK(plan->steps.back().id == "ship");
  CHECK(before == std::vector<std::string>{"receipt", "invoice", "unpaid"});
}

TEST_CASE("an alternative says what it comes after") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/given-up.json"));
  const std::string mermaid = ToMermaid(*plan);
  CHECK_THAT(mermaid, Catch::Contains("once that is given up and undone, brokers: PUT"));
  CHECK_THAT(mermaid, Catch::Contains("once that is given up and undone, or refused, hotels: PUT"));
  CHECK_THAT(mermaid, Catch::Contains("or hotels: PUT"));
}

TEST_CASE("a race says so") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/race.json"));
  const std::string mermaid = ToMermaid(*plan);
  CHECK_THAT(mermaid, Catch::Contains("as soon as one before it is done"));
  CHECK_THAT(mermaid, Catch::Contains("undone when another is done first, for pay"));
}

TEST_CASE("a step that may fail says so") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/optional.json"));
  CHECK_THAT(ToMermaid(*plan),
             Catch::Contains("seat<br/>optional: when it fails the rest goes on"));
}

TEST_CASE("what follows the outcome is drawn behind it") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/afterwards.json"));
  const std::string mermaid = ToMermaid(*plan);
  CHECK_THAT(mermaid, Catch::Contains("ticket<br/>once committed<br/>action"));
  CHECK_THAT(mermaid, Catch::Contains("sorry<br/>once aborted and undone<br/>action"));
  CHECK_THAT(mermaid, Catch::Contains("s2 -- \"committed\" --> s3"));
  CHECK_THAT(mermaid, Catch::Contains("s2 -- \"committed\" --> s4"));
  CHECK_THAT(mermaid, Catch::Contains("s0 -- \"aborted\" --> s6"));
  CHECK_THAT(mermaid, Catch::Contains("s6 --> s7"));
  CHECK_THAT(mermaid, !Catch::Contains("s2 --> s3"));
}

TEST_CASE("the other modes show all their operations") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/tcc.json"));
  CHECK_THAT(ToMermaid(*plan), Catch::Contains("try flights: PUT<br/>confirm flights: POST<br/>"
                                               "cancel flights: DELETE"));
}

TEST_CASE("every good definition can be drawn") {
  for (const auto& file : GoodFiles()) {
    const auto plan = PlanOf(ReadFile(file));
    for (const Step& step : plan->steps) {
      CHECK_THAT(ToMermaid(*plan), Catch::Contains("\"" + step.id));
      CHECK_THAT(ToDot(*plan), Catch::Contains("\"" + step.id));
    }
  }
}

}  // namespace
}  // namespace entente::dsl
