// Mistakes that people make in definitions, each planted once: the walk finds it, by its code and
// at its step, and nothing else.
#include <catch2/catch.hpp>

#include "tests/explore/support.h"

namespace entente::explore {
namespace {

using test::Codes;
using test::Compile;
using test::Walk;
using test::WithSteps;
using List = std::vector<std::string>;

constexpr const char* kFlight = R"({"id": "flight", "participant": "a",
  "action": {"put": "/flights/${key}"}, "compensate": {"delete": "/flights/${key}"}})";
constexpr const char* kPay = R"({"id": "pay", "participant": "b", "pivot": true,
  "action": {"post": "/charges"}})";

List Found(const std::string& steps, const std::string& more = "", ExploreOptions options = {}) {
  const ExploreReport report = Walk(Compile(WithSteps(steps, more)), std::move(options));
  CHECK(report.complete);
  return Codes(report);
}

TEST_CASE("planted: nothing is wrong with what the mistakes are planted in") {
  CHECK(Found(std::string(kFlight) + "," + kPay).empty());
}

TEST_CASE("planted: a step before a refusal has no undo") {
  const std::string seat = R"({"id": "seat", "participant": "a", "compensate": null,
                               "action": {"put": "/seats/${key}"}})";
  CHECK(Found(seat + "," + kPay) == List{"effect.stands seat"});
  ExploreOptions options;
  options.may_stay = {"seat"};
  CHECK(Found(seat + "," + kPay, "", options).empty());
}

TEST_CASE("planted: an undo needs what the call answered, and there was no answer") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a", "action": {"post": "/seats"},
                  "compensate": {"delete": "/seats/${steps.seat.output.id}",
                                 "whenUnknown": "incident"}},)") +
              kPay) == List{"person.needed seat"});
}

TEST_CASE("planted: an alternative does not name its key, as the action does") {
  CHECK(Found(std::string(R"({"id": "room", "participant": "a",
                  "action": {"put": "/rooms/${key}", "body": {"stars": 4}},
                  "alternatives": [{"post": "/rooms", "body": {"stars": 3}}],
                  "compensate": {"delete": "/rooms/${key}"}},)") +
              kPay) == List{"call.names_nothing room"});
}

TEST_CASE("planted: the pivot comes after what can not be undone") {
  CHECK(Found(std::string(R"({"id": "charge", "participant": "b", "compensate": null,
                              "action": {"post": "/charges"}},)") +
              kFlight + R"(,{"id": "ticket", "participant": "a", "pivot": true,
                             "action": {"post": "/tickets"}})") == List{"effect.stands charge"});
}

TEST_CASE("planted: somebody is told before it is decided") {
  CHECK(Found(std::string(kFlight) + R"(,{"id": "mail", "participant": "b", "compensate": null,
                "action": {"post": "/mails", "body": {"text": "booked"}}},)" +
              kPay) == List{"effect.stands mail"});
}

TEST_CASE("planted: what can not be undone is not marked as the pivot") {
  CHECK(Found(std::string(kFlight) + R"(,{"id": "pay", "participant": "b", "compensate": null,
                                          "action": {"post": "/charges"}})") ==
        List{"effect.stands pay"});
}

TEST_CASE("planted: what comes after the pivot may be refused by what it says") {
  CHECK(Found(std::string(kPay) + R"(,{"id": "ship", "participant": "a",
                "action": {"post": "/parcels", "refuseWhen": "${output.state == 'DENIED'}"}})") ==
        List{"person.needed ship"});
  CHECK(Found(std::string(kPay) + R"(,{"id": "ship", "participant": "a",
                "action": {"post": "/parcels", "failOn": [409]}})") == List{"person.needed ship"});
}

TEST_CASE("planted: a status that proves nothing is taken for a refusal") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}", "failOn": [500]},
                  "compensate": {"delete": "/seats/${key}"}},)") +
              kPay) == List{"effect.stands seat"});
}

TEST_CASE("planted: a status that proves nothing is taken for done") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}", "succeedOn": [504]},
                  "compensate": {"delete": "/seats/${key}"}},)") +
              kPay) == List{"effect.missing seat"});
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}"},
                  "compensate": {"delete": "/seats/${key}", "succeedOn": [503]}},)") +
              kPay) == List{"effect.stands seat"});
}

TEST_CASE("planted: an undo undoes nothing") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}"}, "compensate": {"get": "/seats/${key}"}},)") +
              kPay) == List{"effect.stands seat"});
}

TEST_CASE("planted: an undo names something else than its call") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}"}, "compensate": {"delete": "/rooms/${key}"}},)") +
              kPay) == List{"undo.names_other seat"});
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a",
                  "action": {"put": "/seats/${key}"},
                  "compensate": {"post": "/cancel", "body": {"city": "${input.city}"}}},)") +
              kPay) == List{"undo.names_other seat"});
}

TEST_CASE("planted: the elements of a forEach are put to one place") {
  CHECK(Found(std::string(R"({"id": "rooms", "participant": "a",
                  "forEach": {"items": "${input.rooms}"},
                  "action": {"put": "/rooms/${gid}", "body": "${item}"},
                  "compensate": {"delete": "/rooms/${gid}"}},)") +
              kPay) == List{"call.names_same rooms"});
}

TEST_CASE("planted: an undo is tried once") {
  CHECK(Found(std::string(R"({"id": "seat", "participant": "a", "compensateRetry": {"attempts": 1},
                  "action": {"put": "/seats/${key}"}, "compensate": {"delete": "/seats/${key}"}},)") +
              kPay) == List{"person.needed seat"});
}

TEST_CASE("planted: who is not first in a race keeps what he has") {
  CHECK(Found(std::string(R"({"id": "swift", "after": [], "participant": "a",
                  "action": {"put": "/swift/${key}"}, "compensate": {"delete": "/swift/${key}"}},
                 {"id": "thrift", "after": [], "participant": "b",
                  "action": {"put": "/thrift/${key}"}, "compensate": null},
                 {"id": "pay", "after": {"any": ["swift", "thrift"]}, "participant": "b",
                  "pivot": true, "action": {"post": "/charges"}})")) ==
        List{"effect.stands thrift"});
}

// A room, and elsewhere another one for when nothing is heard.
List FoundElsewhere(const std::string& undo, ExploreOptions options = {}) {
  return Found(R"({"id": "room", "participant": "a", "action": {"put": "/rooms/${key}"},
                   "compensate": )" +
                   undo + R"(, "alternatives": [
                     {"on": "given-up", "after": "undo", "participant": "b",
                      "put": "/rooms/${key}", "compensate": {"delete": "/rooms/${key}"}}]},)" +
                   kPay,
               "", std::move(options));
}

TEST_CASE("planted: what was given up is not undone before something else is done instead") {
  const std::string undo = R"({"delete": "/rooms/${key}", "succeedOn": [404]})";
  CHECK(FoundElsewhere(undo).empty());
  CHECK(FoundElsewhere("null") == List{"effect.stands room"});
  ExploreOptions options;
  options.without_barrier = {"a"};
  CHECK(FoundElsewhere(undo, options) == List{"undo.overtaken room"});
}

TEST_CASE("planted: a signal is waited for without an end while something is held") {
  const std::string approval = R"({"id": "approval", "wait": {"signal": "approved"}})";
  CHECK(Found(std::string(kFlight) + "," + approval + "," + kPay) ==
        List{"waits.forever approval"});
  CHECK(Found(approval + "," + std::string(kFlight) + "," + kPay).empty());
  CHECK(Found(std::string(kFlight) + "," + approval + "," + kPay, R"("deadline": "1h", )").empty());
}

TEST_CASE("planted: the deadline is over before the wait is") {
  CHECK(Found(std::string(kFlight) + R"(,{"id": "pause", "wait": {"for": "2h"}},)" + kPay,
              R"("deadline": "1h", )") == List{"never.commits"});
}

TEST_CASE("planted: a reservation is never confirmed, or never cancelled") {
  const auto tcc = [](const std::string& hold) {
    return Found(hold + R"(,{"id": "pay", "participant": "b", "try": {"put": "/holds/${key}"},
                   "confirm": {"post": "/holds/${key}"}, "cancel": {"delete": "/holds/${key}"}})",
                 R"("mode": "tcc", )");
  };
  const std::string hold =
      R"({"id": "seat", "participant": "a", "try": {"put": "/holds/${key}"}, )";
  CHECK(
      tcc(hold + R"("confirm": {"post": "/holds/${key}"}, "cancel": {"delete": "/holds/${key}"}})")
          .empty());
  CHECK(tcc(hold + R"("confirm": null, "cancel": {"delete": "/holds/${key}"}})") ==
        List{"effect.unconfirmed seat"});
  CHECK(tcc(hold + R"("confirm": {"post": "/holds/${key}"}, "cancel": null})") ==
        List{"effect.stands seat"});
}

TEST_CASE("planted: a reservation expires while something else is waited for") {
  CHECK(
      Found(R"({"id": "seat", "participant": "a", "try": {"put": "/holds/${key}"}, "expires": "10m",
                  "confirm": {"post": "/holds/${key}"}, "cancel": {"delete": "/holds/${key}"}},
                 {"id": "pause", "wait": {"for": "1h"}})",
            R"("mode": "tcc", )") == List{"never.commits"});
}

TEST_CASE("planted: a member that the input need not have is read where there is no way back") {
  CHECK(Found(std::string(kPay) + R"(,{"id": "mail", "participant": "a",
                "action": {"post": "/mails", "body": {"to": "${input.mail}"}}})",
              R"("input": {"type": "object", "required": ["name"], "properties":
                 {"name": {"type": "string"}, "mail": {"type": "string"}}}, )") ==
        List{"person.needed mail"});
}

TEST_CASE("planted: an action that comes after its undo is carried out") {
  ExploreOptions options;
  options.without_barrier = {"a"};
  const std::string strict = std::string(kFlight) + "," + kPay;
  CHECK(Found(strict, "", options) == List{"person.needed flight"});  // 404 to the undo.
  CHECK(Found(std::string(R"({"id": "flight", "participant": "a",
                "action": {"put": "/flights/${key}"},
                "compensate": {"delete": "/flights/${key}", "succeedOn": [404]}},)") +
                  kPay,
              "", options) == List{"undo.overtaken flight"});
}

}  // namespace
}  // namespace entente::explore
