#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/explore/support.h"

namespace entente::explore {
namespace {

using test::Codes;
using test::Compile;
using test::CompileFile;
using test::Walk;
using test::WithSteps;

std::string Numbered(size_t steps) {
  std::string text;
  for (size_t i = 1; i <= steps; ++i) {
    const std::string id = "s" + std::to_string(i);
    text += (i == 1 ? "" : ",") + (R"({"id": ")" + id + R"(", "participant": "a",)") +
            R"("action": {"put": "/things/${key}"}, "compensate": {"delete": "/things/${key}"}})";
  }
  return text;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

TEST_CASE("explore finds nothing wrong with the examples") {
  const std::string examples = std::string(ENTENTE_SOURCE_DIR) + "/examples/";
  for (const char* file :
       {"bank/definitions/transfer-saga.json", "bank/definitions/transfer-tcc.json",
        "bank/definitions/transfer-2pc.json", "travel/definitions/travel-booking.json",
        "travel/definitions/travel-booking-pivot.json", "travel/definitions/travel-tcc.json",
        "travel/definitions/travel-2pc.json"}) {
    INFO(file);
    ExploreOptions options;
    options.max_paths = 20'000;
    const ExploreReport report = Walk(CompileFile(examples + file), options);
    CHECK(Codes(report).empty());
    CHECK(report.notes.empty());
    CHECK(report.PathsThatEnd("COMMITTED") > 0);
    CHECK(report.PathsThatEnd("ABORTED") > 0);
  }
}

TEST_CASE("explore walks the steps of each element, and what completes a call later") {
  ExploreOptions options;
  options.max_faults = 1;
  const ExploreReport report = Walk(Compile(WithSteps(R"(
      {"id": "each", "forEach": {"items": "${input.lines}", "maxParallel": 1, "steps": [
        {"id": "hold", "participant": "a", "action": {"put": "/holds/${key}"},
         "compensate": {"delete": "/holds/${key}"}},
        {"id": "way", "choose": [{"when": "${item.count > 3}", "steps": [
          {"id": "big", "participant": "a",
           "action": {"put": "/big/${key}", "body": "${steps.hold.output.no + 1}"},
           "compensate": {"delete": "/big/${key}"}}]}]}]}},
      {"id": "pay", "participant": "a",
       "action": {"put": "/payments/${key}", "body": "${token}",
                  "completion": {"when": "${body.type == 'paid'}", "output": "${body.receipt}"}},
       "compensate": {"delete": "/payments/${key}"}})")),
                                    options);
  CHECK(Codes(report).empty());
  CHECK(report.notes.empty());
  CHECK(report.PathsThatEnd("COMMITTED") > 0);
  CHECK(report.PathsThatEnd("ABORTED") > 0);
}

TEST_CASE("explore counts paths by how they end, and says what stands then") {
  ExploreOptions options;
  options.max_faults = 0;
  const ExploreReport report = Walk(Compile(WithSteps(Numbered(2))), options);
  REQUIRE(report.complete);
  // Done; the second refused; the first refused.
  CHECK(report.paths == 3);
  CHECK(report.PathsThatEnd("COMMITTED") == 1);
  CHECK(report.PathsThatEnd("ABORTED") == 2);
  REQUIRE(report.ends.size() == 2);
  CHECK(report.ends[0].outcome == "ABORTED");
  CHECK(report.ends[0].effects.empty());
  CHECK(report.ends[1].effects == std::vector<std::string>{"s1", "s2"});
}

TEST_CASE("a service that stays away where there is no way back is counted, and is no finding") {
  const ExploreReport report = Walk(Compile(WithSteps(Numbered(2))));
  CHECK(report.findings.empty());
  CHECK(report.PathsThatEnd("INCIDENT") > 0);
  CHECK(report.relies_on.at("a") == std::set<int>{2, 3, 4});
}

TEST_CASE("what is found is told as a path that can be read") {
  const ExploreReport report = Walk(Compile(WithSteps(
      R"({"id": "mail", "participant": "b", "compensate": null, "action": {"post": "/mails"}},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/charges"}})")));
  REQUIRE(report.findings.size() == 1);
  CHECK(Joined(report.findings[0].path) ==
        "it is submitted with {}\n"
        "mail.action: done\n"
        "pay.action: refused\n"
        "  it is aborted: refused\n"
        "  it ends ABORTED\n");
}

TEST_CASE("each way of a choice is taken, and what is behind an unusual condition is reached") {
  const ExploreReport report = Walk(Compile(WithSteps(
      R"({"id": "score", "participant": "a", "action": {"get": "/scores/${input.name}"}, "compensate": null},
         {"id": "how", "choose": [
           {"when": "${input.by == 'card' && steps.score.output.points > 500}",
            "steps": [{"id": "card", "participant": "b", "pivot": true, "action": {"post": "/charges"}}]},
           {"when": "${input.by == 'invoice'}",
            "steps": [{"id": "credit", "when": "${steps.score.output.points >= 900}", "participant": "b",
                       "action": {"put": "/credits/${key}"}, "compensate": {"delete": "/credits/${key}"}},
                      {"id": "invoice", "participant": "b", "pivot": true, "action": {"post": "/invoices"}}]},
           {"steps": [{"id": "unpaid", "refuse": {"code": "unpaid"}}]}]})")));
  CHECK(report.findings.empty());
  CHECK(report.left_out ==
        std::vector<std::string>{"paths on which more than 2 things go wrong (--faults)"});
}

TEST_CASE("twelve steps are walked whole within a bound on faults") {
  ExploreOptions options;
  options.max_faults = 1;
  const ExploreReport report = Walk(Compile(WithSteps(Numbered(12))), options);
  CHECK(report.complete);
  CHECK(report.findings.empty());
}

TEST_CASE("what a bound cuts off is said") {
  ExploreOptions options;
  options.max_paths = 30;
  const ExploreReport report = Walk(Compile(WithSteps(Numbered(12))), options);
  CHECK_FALSE(report.complete);
  CHECK(Joined(report.left_out).find("--max-paths was reached: all paths on which at most 0") !=
        std::string::npos);
  size_t looks = 0;
  options = {};
  options.out_of_time = [&looks] { return ++looks > 1; };
  CHECK(Joined(Walk(Compile(WithSteps(Numbered(12))), options).left_out).find("the time ran out") !=
        std::string::npos);
}

TEST_CASE("many calls at once are walked, and what is thinned out is said") {
  std::string steps;
  for (int i = 1; i <= 12; ++i) {
    steps += (i == 1 ? "" : ",") + (R"({"id": "p)" + std::to_string(i)) +
             R"(", "after": [], "participant": "a", "action": {"put": "/things/${key}"},
                "compensate": {"delete": "/things/${key}"}})";
  }
  ExploreOptions options;
  options.max_faults = 0;
  const ExploreReport report = Walk(Compile(WithSteps(steps)), options);
  CHECK(report.complete);
  CHECK(report.findings.empty());
  CHECK(Joined(report.left_out).find("more than three calls") != std::string::npos);
}

TEST_CASE("what is optional may fail, and what follows the outcome is no part of it") {
  const ExploreReport report = Walk(Compile(
      R"({"name": "d", "participants": {"a": {"http": "http://a"}, "b": {"http": "http://b"}},
          "steps": [
            {"id": "stock", "participant": "a", "action": {"put": "/stock/${key}"},
             "compensate": {"delete": "/stock/${key}"}},
            {"id": "seat", "participant": "a", "optional": true, "action": {"put": "/seats/${key}"},
             "compensate": {"delete": "/seats/${key}"}},
            {"id": "pay", "participant": "b", "pivot": true, "action": {"post": "/charges"}},
            {"id": "points", "participant": "b", "optional": true, "action": {"put": "/points/${key}"}}],
          "onCommitted": [{"id": "thanks", "participant": "b", "action": {"post": "/mails"}}],
          "onAborted": [{"id": "sorry", "participant": "b", "when": "${failure.step == 'pay'}",
                         "action": {"post": "/mails", "body": "${failure.message}"}}]})"));
  CHECK(Codes(report).empty());
  CHECK(report.notes.empty());
  CHECK(report.left_out ==
        std::vector<std::string>{"paths on which more than 2 things go wrong (--faults)"});
  const auto with = [&](const std::vector<std::string>& effects) {
    return std::any_of(report.ends.begin(), report.ends.end(),
                       [&](const PathEnd& end) { return end.effects == effects; });
  };
  CHECK(with({"pay", "stock", "thanks"}));  // Without the seat and the points.
  CHECK(with({"sorry"}));
}

bool Ends(const ExploreReport& report, const std::string& outcome,
          const std::vector<std::string>& effects) {
  return std::any_of(report.ends.begin(), report.ends.end(), [&](const PathEnd& end) {
    return end.outcome == outcome && end.effects == effects;
  });
}

TEST_CASE("a repeated call is answered with what it waits for, and with what it does not") {
  const std::string steps =
      R"({"id": "start", "participant": "a", "action": {"put": "/jobs/${key}"},
          "compensate": {"delete": "/jobs/${key}"}},
         {"id": "ready", "participant": "a", "compensate": null,
          "action": {"get": "/jobs/${steps.start.output.id}", "refuseWhen": "${output.state == 'FAILED'}",
                     "repeat": {"until": "${output.state in ['DONE', 'FAILED']}", "every": "1m", "times": 500}}},
         {"id": "pay", "participant": "b", "pivot": true, "action": {"post": "/charges"}})";
  const ExploreReport report = Walk(Compile(WithSteps(steps)));
  CHECK(Codes(report).empty());
  CHECK(report.notes.empty());
  CHECK(Ends(report, "COMMITTED", {"pay", "start"}));
  CHECK(Ends(report, "ABORTED", {}));
  ExploreOptions options;
  options.max_faults = 0;
  const ExploreReport after =
      Walk(Compile(WithSteps(
               R"({"id": "pay", "participant": "b", "pivot": true, "action": {"post": "/charges"}},
         {"id": "sent", "participant": "a", "action": {"put": "/parcels/${key}",
          "repeat": {"until": "${output.sent}", "every": "1m"}}})")),
           options);
  CHECK(Codes(after).empty());
  CHECK(Ends(after, "COMMITTED", {"pay", "sent"}));
  CHECK(Ends(after, "INCIDENT", {"pay", "sent"}));  // It is never sent.
}

TEST_CASE("a call is refused with each code that leads to an alternative") {
  const ExploreReport report = Walk(Compile(WithSteps(
      R"({"id": "room", "participant": "a", "action": {"put": "/rooms/${key}"},
          "alternatives": [{"on": [409], "put": "/rooms/${key}?small"}, {"on": ["CLOSED"], "put": "/list/${key}",
                            "compensate": {"delete": "/list/${key}"}}],
          "compensate": {"delete": "/rooms/${key}"}},
         {"id": "pay", "participant": "b", "pivot": true, "action": {"post": "/charges"}},
         {"id": "mail", "participant": "b", "action": {"post": "/mails"},
          "alternatives": [{"on": ["BOUNCED"], "post": "/letters"}]})")));
  CHECK(Codes(report).empty());
  CHECK(Ends(report, "COMMITTED", {"mail", "pay", "room (alternative 1)"}));
  CHECK(Ends(report, "COMMITTED", {"mail (alternative 1)", "pay", "room (alternative 2)"}));
  CHECK(Ends(report, "ABORTED", {}));
}

TEST_CASE("what follows a call that was given up is walked, also where the call was never made") {
  const ExploreReport report = Walk(Compile(WithSteps(R"(
      {"id": "room", "participant": "a", "action": {"put": "/rooms/${key}"},
       "compensate": {"delete": "/rooms/${key}"},
       "alternatives": [{"on": "given-up", "after": "undo", "participant": "b",
                         "put": "/rooms/${key}", "compensate": {"delete": "/rooms/${key}"}}]})")));
  CHECK(report.complete);
  CHECK(Codes(report).empty());
  const auto ends = [&](const std::string& outcome, const std::vector<std::string>& effects) {
    return std::any_of(report.ends.begin(), report.ends.end(), [&](const PathEnd& end) {
      return end.outcome == outcome && end.effects == effects;
    });
  };
  CHECK(ends("COMMITTED", {"room"}));
  CHECK(ends("COMMITTED", {"room (alternative 1)"}));
  CHECK(ends("ABORTED", {}));
  CHECK_FALSE(ends("COMMITTED", {"room", "room (alternative 1)"}));
}

TEST_CASE("of a race every order is walked, and one of them stands in the end") {
  const ExploreReport report = Walk(Compile(WithSteps(R"(
      {"id": "swift", "after": [], "participant": "a", "action": {"put": "/swift/${key}"},
       "compensate": {"delete": "/swift/${key}"}},
      {"id": "thrift", "after": [], "participant": "b", "action": {"put": "/thrift/${key}"},
       "compensate": {"delete": "/thrift/${key}"}},
      {"id": "pay", "after": {"any": ["swift", "thrift"]}, "participant": "b", "pivot": true,
       "action": {"post": "/charges/${key}"}})")));
  CHECK(report.complete);
  CHECK(Codes(report).empty());
  for (const PathEnd& end : report.ends) {
    if (end.outcome == "COMMITTED") {
      CHECK(end.effects.size() == 2);
    }
  }
}

TEST_CASE("where a person is to be asked it is no finding, and what he cancels is undone") {
  const std::string room =
      R"({"id": "room", "participant": "a", "onGiveUp": "incident", "action": {"put": "/rooms/${key}"},
          "compensate": {"delete": "/rooms/${key}"}})";
  const ExploreReport report = Walk(Compile(WithSteps(Numbered(1) + "," + room)));
  CHECK(Codes(report).empty());
  CHECK(report.PathsThatEnd("ABORTED") > 0);
  ExploreOptions options;
  options.max_faults = 0;
  const ExploreReport stays = Walk(
      Compile(WithSteps(
          R"({"id": "mail", "participant": "b", "compensate": null, "action": {"post": "/mails"}},)" +
          room)),
      options);
  REQUIRE(Codes(stays) == std::vector<std::string>{"effect.stands mail"});
  CHECK(Joined(stays.findings[0].path) ==
        "it is submitted with {}\n"
        "mail.action: done\n"
        "room.action: refused\n"
        "  room waits for a person: http.409\n"
        "the person who is asked cancels\n"
        "  it is aborted: cancelled, cancelled\n"
        "room.compensate: done\n"
        "  it ends ABORTED\n");
}

TEST_CASE("values with a name, and what answers say beside their body, are made up too") {
  const ExploreReport report = Walk(Compile(WithSteps(
      R"({"id": "order", "participant": "a", "let": {"name": "${'order-' + key}"},
          "action": {"post": "/orders", "body": {"id": "${name}", "total": "${total}"}},
          "compensate": {"post": "/orders/undo", "body": "${name}"}},
         {"id": "gift", "participant": "a", "when": "${total > 100}", "action": {"put": "/gifts/${key}"},
          "compensate": {"delete": "/gifts/${key}"}},
         {"id": "pay", "participant": "b", "pivot": true,
          "action": {"post": "/charges/${steps.order.headers.location}/${steps.order.statusCode}"}})",
      R"("let": {"total": "${sum(lines.map(l, l.price))}", "lines": "${input.order.lines}"}, )")));
  CHECK(Codes(report).empty());
  CHECK(report.notes.empty());
  CHECK(Ends(report, "COMMITTED", {"gift", "order", "pay"}));
  CHECK(Ends(report, "COMMITTED", {"order", "pay"}));
}

TEST_CASE("a child transaction is walked as one call that ends either way") {
  const ExploreReport report = Walk(Compile(WithSteps(
      R"({"id": "hotel", "action": {"transaction": {"definition": "book", "input": {}}},
          "compensate": {"transaction": {"definition": "give-back", "input": {"key": "${key}"}}}},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/charges"}})")));
  CHECK(report.findings.empty());
  const ExploreReport stays = Walk(Compile(WithSteps(
      R"({"id": "hotel", "action": {"transaction": {"definition": "book", "input": {}}}, "compensate": null},
         {"id": "pay", "participant": "a", "pivot": true, "action": {"post": "/charges"}})")));
  CHECK(Codes(stays) == std::vector<std::string>{"effect.stands hotel"});
}

TEST_CASE("a name that the definition does not have is refused") {
  const test::Definition definition = Compile(WithSteps(Numbered(1)));
  ExploreOptions options;
  options.may_stay = {"s9"};
  CHECK(Explore(*definition.plan, definition.source, options).status().reason() ==
        "explore.unknown_name");
}

}  // namespace
}  // namespace entente::explore
