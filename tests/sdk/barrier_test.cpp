// The barrier's promises, on a real database; linked once with each of them.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/sdk/barrier_world.h"

namespace entente::sdk {
namespace {

using test::Business;
using test::Connection;
using test::MakeWorld;
using test::Work;

using Effects = std::vector<std::string>;
constexpr int kRounds = 20;

Call CallOf(Operation operation, const std::string& gid = "g1", uint64_t epoch = 1) {
  Call call;
  call.gid = Gid(gid);
  call.branch = BranchId("flight");
  call.operation = operation;
  call.epoch = Epoch(epoch);
  return call;
}

Work Writing(const std::string& effect, Json output = nullptr) {
  return [effect, output](Business& business) -> Result<Answer> {
    business.Write(effect);
    return Done(output);
  };
}

Work Refusing(const std::string& code = "full") {
  return [code](Business& business) -> Result<Answer> {
    business.Write("half done");
    return Refused(code, "no seat is left");
  };
}

Answer RunOk(Connection& connection, const Call& call, const Work& work) {
  const Result<Answer> answer = connection.Run(call, work);
  INFO(answer.status());
  REQUIRE(answer.ok());
  CHECK_FALSE(connection.InTransaction());
  return *answer;
}

// For threads beside the test's own, where nothing may be asserted: a failure is no answer that a
// test expects.
Answer RunQuietly(Connection& connection, const Call& call, const Work& work) {
  const Result<Answer> answer = connection.Run(call, work);
  return answer.ok() ? *answer : Retry("failed", answer.status().ToString());
}

std::string RefusalOf(const Answer& answer) {
  const auto* refused = std::get_if<RefusedAnswer>(&answer);
  return refused == nullptr ? "" : refused->code;
}

// Runs both at the same moment, each on a connection of its own.
template <class First, class Second>
void Race(test::World& world, const First& first, const Second& second) {
  const auto one = world.Connect();
  const auto two = world.Connect();
  std::barrier start(2);
  std::thread other([&] {
    start.arrive_and_wait();
    second(*two);
  });
  start.arrive_and_wait();
  first(*one);
  other.join();
}

struct Mode {
  Operation forward;
  Operation finish;  // Of a saga: none; the action itself.
  Operation undo;
};
const Mode kTcc{Operation::kTry, Operation::kConfirm, Operation::kCancel};
const Mode kTwoPhase{Operation::kPrepare, Operation::kCommit, Operation::kRollback};
const Mode kSaga{Operation::kAction, Operation::kAction, Operation::kCompensate};

TEST_CASE("an operation runs once and each repeat is given its answer") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Mode& mode : {kSaga, kTcc, kTwoPhase}) {
    const std::string gid = std::string(FamilyName(mode.forward));
    const Call forward = CallOf(mode.forward, gid);
    const Answer first =
        RunOk(*connection, forward, Writing(gid + " forward", {{"seat", "12A"}, {"row", 12}}));
    CHECK(first == Done({{"seat", "12A"}, {"row", 12}}));
    CHECK(RunOk(*connection, forward, Writing("again", "other")) == first);
  }
  const Answer confirmed =
      RunOk(*connection, CallOf(kTcc.finish, "tcc"), Writing("tcc finish", "confirmed"));
  CHECK(RunOk(*connection, CallOf(kTcc.finish, "tcc"), Writing("again", 1)) == confirmed);
  // The try's own answer is still there.
  CHECK(RunOk(*connection, CallOf(kTcc.forward, "tcc"), Writing("again", 1)) ==
        Done({{"seat", "12A"}, {"row", 12}}));
  const Answer undone =
      RunOk(*connection, CallOf(kSaga.undo, "saga"), Writing("saga undo", "undone"));
  CHECK(RunOk(*connection, CallOf(kSaga.undo, "saga"), Writing("again", 1)) == undone);
  CHECK(world->Connect()->Ledger() ==
        Effects{"2pc forward", "saga forward", "saga undo", "tcc finish", "tcc forward"});
}

TEST_CASE("two connections racing with one operation run it once and are given one answer") {
  const auto world = MakeWorld();
  Effects expected;
  for (int round = 0; round < kRounds; ++round) {
    const std::string gid = "g" + std::to_string(round);
    std::atomic<int> runs{0};
    std::array<Answer, 2> answers;
    const auto run = [&](int which) {
      return [&, which](Connection& connection) {
        answers.at(static_cast<size_t>(which)) =
            RunQuietly(connection, CallOf(Operation::kAction, gid), [&](Business& business) {
              ++runs;
              business.Write(gid);
              return Result<Answer>(Done(which));
            });
      };
    };
    Race(*world, run(0), run(1));
    CHECK(runs == 1);
    CHECK(answers[0] == answers[1]);
    expected.push_back(gid);
  }
  std::sort(expected.begin(), expected.end());
  CHECK(world->Connect()->Ledger() == expected);
}

TEST_CASE("an undo without its action is recorded and does nothing") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Mode& mode : {kSaga, kTcc, kTwoPhase}) {
    const Call undo = CallOf(mode.undo, std::string(FamilyName(mode.undo)));
    CHECK(RunOk(*connection, undo, Writing("undo")) == Done());
    CHECK(RunOk(*connection, undo, Writing("undo")) == Done());
  }
  CHECK(connection->Ledger().empty());
}

TEST_CASE("an action that comes after its undo is refused, however often") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Mode& mode : {kSaga, kTcc, kTwoPhase}) {
    const std::string gid = std::string(FamilyName(mode.forward));
    RunOk(*connection, CallOf(mode.undo, gid), Writing("undo"));
    for (int i = 0; i < 2; ++i) {
      CHECK(RefusalOf(RunOk(*connection, CallOf(mode.forward, gid), Writing("late"))) ==
            "barrier.suspended");
    }
    // Also after an undo that had something to undo.
    RunOk(*connection, CallOf(mode.forward, gid + "2"), Writing(gid));
    RunOk(*connection, CallOf(mode.undo, gid + "2"), Writing(gid + " undone"));
    CHECK(RefusalOf(RunOk(*connection, CallOf(mode.forward, gid + "2"), Writing("late"))) ==
          "barrier.suspended");
  }
  CHECK(connection->Ledger().size() == 6);
}

TEST_CASE("an action racing its own undo is either undone by it or refused") {
  const auto world = MakeWorld();
  for (int round = 0; round < kRounds; ++round) {
    const std::string gid = "g" + std::to_string(round);
    Answer forward;
    Answer undo;
    Race(
        *world,
        [&](Connection& connection) {
          forward = RunQuietly(connection, CallOf(Operation::kTry, gid), Writing(gid + " try"));
        },
        [&](Connection& connection) {
          undo = RunQuietly(connection, CallOf(Operation::kCancel, gid), Writing(gid + " cancel"));
        });
    CHECK(undo == Done());
    Effects effects;
    for (const std::string& effect : world->Connect()->Ledger()) {
      if (effect.starts_with(gid + " ")) {
        effects.push_back(effect);
      }
    }
    if (forward == Done()) {
      CHECK(effects == Effects{gid + " cancel", gid + " try"});
    } else {
      CHECK(RefusalOf(forward) == "barrier.suspended");
      CHECK(effects.empty());
    }
  }
}

TEST_CASE("a confirm racing a cancel: one of them wins and the other is refused") {
  const auto world = MakeWorld();
  for (int round = 0; round < kRounds; ++round) {
    const std::string gid = "g" + std::to_string(round);
    RunOk(*world->Connect(), CallOf(Operation::kTry, gid), Writing("try"));
    Answer confirm;
    Answer cancel;
    Race(
        *world,
        [&](Connection& connection) {
          confirm = RunQuietly(connection, CallOf(Operation::kConfirm, gid), Writing("confirm"));
        },
        [&](Connection& connection) {
          cancel = RunQuietly(connection, CallOf(Operation::kCancel, gid), Writing("cancel"));
        });
    const bool confirmed = confirm == Done();
    CHECK(RefusalOf(confirm) == (confirmed ? "" : "barrier.undone"));
    CHECK(RefusalOf(cancel) == (confirmed ? "barrier.finished" : ""));
  }
  CHECK(world->Connect()->Ledger().size() == 2 * kRounds);
}

const std::string kCoordinatorA = "00000000000000aa";
const std::string kCoordinatorB = "00000000000000bb";

Call CallFor(const std::string& coordinator, Operation operation, const std::string& gid = "g1",
             uint64_t epoch = 1) {
  Call call = CallOf(operation, gid, epoch);
  call.coordinator = coordinator;
  return call;
}

TEST_CASE("another coordinator that uses a gid again is not given the first one's answers") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Mode& mode : {kSaga, kTcc, kTwoPhase}) {
    const std::string gid = std::string(FamilyName(mode.forward));
    const auto refusal = [&](Operation operation, const std::string& coordinator) {
      return RefusalOf(
          RunOk(*connection, CallFor(coordinator, operation, gid), Writing("of another")));
    };
    const auto all_refused = [&] {
      for (const Operation operation : {mode.forward, mode.finish, mode.undo}) {
        CHECK(refusal(operation, kCoordinatorB) == "barrier.other_coordinator");
      }
    };
    CHECK(RunOk(*connection, CallFor(kCoordinatorA, mode.forward, gid, 5), Writing(gid, 1)) ==
          Done(1));
    all_refused();
    // The first one's repeats are answered as ever, and what it began it ends.
    CHECK(RunOk(*connection, CallFor(kCoordinatorA, mode.forward, gid, 5), Writing("x")) ==
          Done(1));
    CHECK(RunOk(*connection, CallFor(kCoordinatorA, mode.undo, gid, 5), Writing(gid + " undone")) ==
          Done());
    all_refused();
    CHECK(refusal(mode.forward, kCoordinatorA) == "barrier.stale_epoch");  // A's, of epoch 1.
    CHECK(RunOk(*connection, CallFor(kCoordinatorA, mode.undo, gid, 5), Writing("x")) == Done());
  }
  CHECK(connection->Ledger() ==
        Effects{"2pc", "2pc undone", "saga", "saga undone", "tcc", "tcc undone"});
}

TEST_CASE("another coordinator changes nothing, confirmed or refused") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry), Writing("try", 1));
  RunOk(*connection, CallFor(kCoordinatorA, Operation::kConfirm), Writing("confirm", 2));
  RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry, "refused"), Refusing());
  for (const std::string gid : {"g1", "refused"}) {
    for (const Operation operation : {Operation::kTry, Operation::kConfirm, Operation::kCancel}) {
      Call call = CallFor(kCoordinatorB, operation, gid, 9);
      call.attempt = 9;
      const Answer answer = RunOk(*connection, call, Writing("of another"));
      CHECK(RefusalOf(answer) == "barrier.other_coordinator");
      CHECK_THAT(std::get<RefusedAnswer>(answer).message,
                 Catch::Contains(kCoordinatorA) && Catch::Contains("use another gid"));
    }
  }
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry), Writing("x")) == Done(1));
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kConfirm), Writing("x")) == Done(2));
  CHECK(RefusalOf(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry, "refused"),
                        Writing("x"))) == "full");
  CHECK(connection->Ledger() == Effects{"confirm", "try"});
}

TEST_CASE("the first coordinator that names itself adopts what was done for none") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  // By a repeat, by a finish, and by an undo that finds it done.
  for (const std::string gid : {"repeat", "confirm", "cancel"}) {
    RunOk(*connection, CallOf(Operation::kTry, gid, 9), Writing(gid, gid));
  }
  RunOk(*connection, CallOf(Operation::kCancel, "cancel", 9), Writing("cancelled"));
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry, "repeat", 2), Writing("x")) ==
        Done("repeat"));
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kConfirm, "confirm", 2),
              Writing("confirmed")) == Done());
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kCancel, "cancel", 2), Writing("x")) ==
        Done());
  for (const std::string gid : {"repeat", "confirm", "cancel"}) {
    CHECK(RefusalOf(RunOk(*connection, CallFor(kCoordinatorB, Operation::kTry, gid, 3),
                          Writing("x"))) == "barrier.other_coordinator");
    // Its own epochs count from then on; a caller without a name goes on as before.
    CHECK(RefusalOf(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry, gid, 1),
                          Writing("x"))) == "barrier.stale_epoch");
  }
  CHECK(RunOk(*connection, CallOf(Operation::kTry, "repeat", 1), Writing("x")) == Done("repeat"));
  CHECK(RefusalOf(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry, "repeat", 1),
                        Writing("x"))) == "barrier.stale_epoch");
  CHECK(connection->Ledger() == Effects{"cancel", "cancelled", "confirm", "confirmed", "repeat"});
}

TEST_CASE("a table that was made before coordinators were kept gets its column") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry), Writing("try", 1));
  connection->Execute("ALTER TABLE entente_barrier DROP COLUMN coordinator");
  REQUIRE(connection->CreateSchema().ok());
  CHECK(RunOk(*connection, CallFor(kCoordinatorA, Operation::kTry), Writing("x")) == Done(1));
  CHECK(RefusalOf(RunOk(*connection, CallFor(kCoordinatorB, Operation::kTry), Writing("x"))) ==
        "barrier.other_coordinator");
}

TEST_CASE("a call of an older epoch is refused") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry, "g", 5), Writing("try", 1));
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kTry, "g", 4), Writing("old"))) ==
        "barrier.stale_epoch");
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm, "g", 4), Writing("old"))) ==
        "barrier.stale_epoch");
  // A mere repeat by the new owner shuts the old one out.
  CHECK(RunOk(*connection, CallOf(Operation::kTry, "g", 7), Writing("again")) == Done(1));
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm, "g", 6), Writing("old"))) ==
        "barrier.stale_epoch");
  CHECK(RunOk(*connection, CallOf(Operation::kConfirm, "g", 7), Writing("confirm")) == Done());
  // The highest epoch is kept also through operations that state none.
  Call anonymous = CallOf(Operation::kConfirm, "g");
  anonymous.epoch.reset();
  CHECK(RunOk(*connection, anonymous, Writing("again")) == Done());
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm, "g", 6), Writing("old"))) ==
        "barrier.stale_epoch");
  CHECK(connection->Ledger() == Effects{"confirm", "try"});
}

TEST_CASE("racing epochs: the older one has no effect after the newer one") {
  const auto world = MakeWorld();
  for (int round = 0; round < kRounds; ++round) {
    const std::string gid = "g" + std::to_string(round);
    Answer older;
    Race(
        *world,
        [&](Connection& connection) {
          older = RunQuietly(connection, CallOf(Operation::kAction, gid, 1), Writing(gid, "old"));
        },
        [&](Connection& connection) {
          RunQuietly(connection, CallOf(Operation::kAction, gid, 2), Writing(gid, "new"));
        });
    CHECK((older == Done("old") || RefusalOf(older) == "barrier.stale_epoch"));
    CHECK(RefusalOf(RunOk(*world->Connect(), CallOf(Operation::kCompensate, gid, 1),
                          Writing("zombie"))) == "barrier.stale_epoch");
  }
  CHECK(world->Connect()->Ledger().size() == kRounds);
}

TEST_CASE("a finish without its try is an error") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm), Writing("x"))) ==
        "barrier.not_tried");
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kCommit), Writing("x"))) ==
        "barrier.not_tried");
  RunOk(*connection, CallOf(Operation::kCancel), Writing("x"));
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm), Writing("x"))) ==
        "barrier.undone");
  CHECK(connection->Ledger().empty());
}

TEST_CASE("a refused forward call leaves no effect, and a late copy of it does not run") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Mode& mode : {kSaga, kTcc, kTwoPhase}) {
    const std::string gid = std::string(FamilyName(mode.forward));
    const Call forward = CallOf(mode.forward, gid);
    for (int i = 0; i < 2; ++i) {
      CHECK(RunOk(*connection, forward, Refusing()) == Refused("full", "no seat is left"));
    }
    CHECK(RunOk(*connection, forward, Writing("late")) == Refused("full", "no seat is left"));
    // An alternative is another call.
    Call other = forward;
    other.alternative = 1;
    CHECK(RunOk(*connection, other, Writing(gid)) == Done());
  }
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm, "tcc"), Writing("x"))) ==
        "barrier.not_tried");
  CHECK(connection->Ledger() == Effects{"2pc", "saga", "tcc"});
}

TEST_CASE("a later attempt than the refused one runs, and is undone like another") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call call = CallOf(Operation::kAction);
  CHECK(RefusalOf(RunOk(*connection, call, Refusing())) == "full");
  call.attempt = 2;
  CHECK(RefusalOf(RunOk(*connection, call, Refusing("still_full"))) == "still_full");
  call.attempt = 1;
  CHECK(RefusalOf(RunOk(*connection, call, Writing("late"))) == "still_full");
  call.attempt = 3;
  CHECK(RunOk(*connection, call, Writing("seat", 7)) == Done(7));
  call.attempt = 1;
  CHECK(RunOk(*connection, call, Writing("late")) == Done(7));
  CHECK(RunOk(*connection, CallOf(Operation::kCompensate), Writing("seat given back")) == Done());
  CHECK(connection->Ledger() == Effects{"seat", "seat given back"});
}

TEST_CASE("an undo after a refusal has nothing to undo and lets no later attempt in") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call call = CallOf(Operation::kTry);
  CHECK(RefusalOf(RunOk(*connection, call, Refusing())) == "full");
  for (int i = 0; i < 2; ++i) {
    CHECK(RunOk(*connection, CallOf(Operation::kCancel), Writing("x")) == Done());
  }
  call.attempt = 2;
  CHECK(RefusalOf(RunOk(*connection, call, Writing("x"))) == "barrier.suspended");
  CHECK(connection->Ledger().empty());
}

TEST_CASE("racing copies of a forward call, one refused: both are given what the row says") {
  const auto world = MakeWorld();
  for (int round = 0; round < kRounds; ++round) {
    const std::string gid = "g" + std::to_string(round);
    Answer refused;
    Answer done;
    Race(
        *world,
        [&](Connection& connection) {
          refused = RunQuietly(connection, CallOf(Operation::kTry, gid), Refusing());
        },
        [&](Connection& connection) {
          done = RunQuietly(connection, CallOf(Operation::kTry, gid), Writing(gid));
        });
    CHECK(refused == done);
    CHECK(RunOk(*world->Connect(), CallOf(Operation::kTry, gid), Writing("late")) == done);
    const Effects ledger = world->Connect()->Ledger();
    CHECK(std::count(ledger.begin(), ledger.end(), gid) == (done == Done() ? 1 : 0));
  }
}

TEST_CASE("a refused finish or undo stores nothing, and a repeat may be answered otherwise") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kAction), Writing("seat"));
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kCompensate), Refusing())) == "full");
  CHECK(RunOk(*connection, CallOf(Operation::kCompensate), Writing("seat given back")) == Done());
  CHECK(connection->Ledger() == Effects{"seat", "seat given back"});
}

TEST_CASE("what is not final is rolled back") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const auto retry = [](Business& business) -> Result<Answer> {
    business.Write("half done");
    return Retry("upstream", "ask later");
  };
  CHECK(RunOk(*connection, CallOf(Operation::kAction), retry) == Retry("upstream", "ask later"));
  const auto failing = [](Business& business) -> Result<Answer> {
    business.Write("half done");
    return Unavailable("x", "y");
  };
  CHECK(connection->Run(CallOf(Operation::kAction), failing).status() == Unavailable("x", "y"));
  const auto throwing = [](Business& business) -> Result<Answer> {
    business.Write("half done");
    throw std::runtime_error("boom");
  };
  const Status threw = connection->Run(CallOf(Operation::kAction), throwing).status();
  CHECK(threw.reason() == "barrier.work_threw");
  CHECK_THAT(threw.message(), Catch::Contains("boom"));
  CHECK_FALSE(connection->InTransaction());
  CHECK(connection->Ledger().empty());
  RunOk(*connection, CallOf(Operation::kAction), Writing("done"));
  CHECK(connection->Ledger() == Effects{"done"});
}

TEST_CASE("pending and read-only answers are kept") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const auto pending = [](Business& business) -> Result<Answer> {
    business.Write("queued");
    return Pending("/orders/7");
  };
  CHECK(RunOk(*connection, CallOf(Operation::kAction), pending) == Pending("/orders/7"));
  CHECK(RunOk(*connection, CallOf(Operation::kAction), pending) == Pending("/orders/7"));
  const auto read_only = [](Business&) -> Result<Answer> { return ReadOnly(); };
  CHECK(RunOk(*connection, CallOf(Operation::kPrepare), read_only) == ReadOnly());
  CHECK(RunOk(*connection, CallOf(Operation::kPrepare), Writing("x")) == ReadOnly());
  CHECK(connection->Ledger() == Effects{"queued"});
}

// An operation that is settled elsewhere, in turns: accepted, then whatever `then` says.
Work Accepting(const std::string& effect) {
  return [effect](Business& business) -> Result<Answer> {
    business.Write(effect);
    return Pending("/orders/7");
  };
}

TEST_CASE("what was pending runs again in a later attempt, and in none before it") {
  struct Case {
    std::vector<Operation> before;
    Operation operation;
    bool one_phase = false;
  };
  const std::vector<Case> cases{
      {{}, Operation::kAction},
      {{}, Operation::kTry},
      {{}, Operation::kPrepare},
      {{Operation::kTry}, Operation::kConfirm},
      {{Operation::kTry}, Operation::kCancel},
      {{Operation::kAction}, Operation::kCompensate},
      {{Operation::kPrepare}, Operation::kCommit},
      {{Operation::kPrepare}, Operation::kRollback},
      {{}, Operation::kCommit, true},
  };
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  int number = 0;
  for (const Case& each : cases) {
    CAPTURE(OperationName(each.operation), each.one_phase);
    const std::string gid = "g" + std::to_string(number++);
    for (const Operation operation : each.before) {
      RunOk(*connection, CallOf(operation, gid), Writing("before"));
    }
    Call call = CallOf(each.operation, gid);
    call.one_phase = each.one_phase;
    call.attempt = 2;
    CHECK(RunOk(*connection, call, Accepting(gid)) == Pending("/orders/7"));
    // Copies of that attempt, and what the network held back, are none of the coordinator's wishes.
    for (const uint32_t attempt : {1, 2}) {
      call.attempt = attempt;
      CHECK(RunOk(*connection, call, Writing("copy")) == Pending("/orders/7"));
    }
    // Accepted once more: now only what comes after this attempt runs.
    call.attempt = 3;
    CHECK(RunOk(*connection, call, Accepting(gid + " again")) == Pending("/orders/7"));
    CHECK(RunOk(*connection, call, Writing("copy")) == Pending("/orders/7"));
    call.attempt = 4;
    CHECK(RunOk(*connection, call, Writing(gid + " done", "settled")) == Done("settled"));
    call.attempt = 5;
    CHECK(RunOk(*connection, call, Writing("repeat")) == Done("settled"));
  }
  const Effects ledger = connection->Ledger();
  CHECK(std::count(ledger.begin(), ledger.end(), "copy") == 0);
  CHECK(std::count(ledger.begin(), ledger.end(), "repeat") == 0);
  CHECK(ledger.size() == 3 * cases.size() + 5);
}

TEST_CASE("what was pending and is refused in a later attempt can still be undone") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call call = CallOf(Operation::kTry);
  RunOk(*connection, call, Accepting("accepted"));
  call.attempt = 2;
  CHECK(RefusalOf(RunOk(*connection, call, Refusing())) == "full");
  CHECK(RefusalOf(RunOk(*connection, call, Writing("copy"))) == "full");
  CHECK(RunOk(*connection, CallOf(Operation::kCancel), Writing("undone")) == Done());
  CHECK(connection->Ledger() == Effects{"accepted", "undone"});
}

TEST_CASE("a confirm that was pending and is refused later stays pending for copies only") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry), Writing("try"));
  Call confirm = CallOf(Operation::kConfirm);
  RunOk(*connection, confirm, Accepting("accepted"));
  confirm.attempt = 2;
  CHECK(RefusalOf(RunOk(*connection, confirm, Refusing())) == "full");
  // That refusal stores nothing: the operation must succeed in the end.
  CHECK(RunOk(*connection, confirm, Writing("confirmed")) == Done());
  CHECK(connection->Ledger() == Effects{"accepted", "confirmed", "try"});
}

TEST_CASE("a purge makes no Done of what is pending") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry), Writing("try"));
  RunOk(*connection, CallOf(Operation::kConfirm), Accepting("accepted"));
  world->now += std::chrono::hours(24 * 8);
  CHECK(connection->Purge({})->answers_dropped == 1);
  Call confirm = CallOf(Operation::kConfirm);
  CHECK(RunOk(*connection, confirm, Writing("copy")) == Pending("/orders/7"));
  confirm.attempt = 2;
  CHECK(RunOk(*connection, confirm, Writing("confirmed")) == Done());
  CHECK(connection->Ledger() == Effects{"accepted", "confirmed", "try"});
}

TEST_CASE("a row that the business write removes or replaces is no row to commit with") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry), Writing("try"));
  for (const Operation operation : {Operation::kConfirm, Operation::kAction}) {
    CAPTURE(OperationName(operation));
    const Status lost = connection
                            ->Run(CallOf(operation),
                                  [](Business& business) -> Result<Answer> {
                                    business.Write("lost");
                                    business.Execute("DELETE FROM entente_barrier");
                                    return Done();
                                  })
                            .status();
    // SQLite makes a forward call's row only once its write is there.
    CHECK((lost.reason() == "barrier.row_lost" || (lost.ok() && operation == Operation::kAction)));
    CHECK_FALSE(connection->InTransaction());
  }
}

TEST_CASE("a repeat of a try says the same expiry") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const Answer held = DoneUntil(world->now + std::chrono::minutes(15), {{"seat", "12A"}});
  const auto hold = [&held](Business& business) -> Result<Answer> {
    business.Write("held");
    return held;
  };
  CHECK(RunOk(*connection, CallOf(Operation::kTry), hold) == held);
  world->now += std::chrono::minutes(5);
  CHECK(RunOk(*connection, CallOf(Operation::kTry), Writing("again")) == held);
}

TEST_CASE("a one-phase commit is decided here, either way, once") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call yes = CallOf(Operation::kCommit, "yes");
  yes.one_phase = true;
  CHECK(RunOk(*connection, yes, Writing("committed", 1)) == Done(1));
  CHECK(RunOk(*connection, yes, Writing("again", 2)) == Done(1));
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kRollback, "yes"), Writing("x"))) ==
        "barrier.finished");
  Call no = CallOf(Operation::kCommit, "no");
  no.one_phase = true;
  const auto refuse = [](Business& business) -> Result<Answer> {
    business.Write("half done");
    return Refused("full", "no room");
  };
  CHECK(RunOk(*connection, no, refuse) == Refused("full", "no room"));
  // The first answer was lost, or nobody would ask again: a refusal would prove nothing then.
  for (int i = 0; i < 2; ++i) {
    const Answer repeated = RunOk(*connection, no, Writing("late"));
    const auto* heuristic = std::get_if<HeuristicAnswer>(&repeated);
    REQUIRE(heuristic != nullptr);
    CHECK(heuristic->outcome == HeuristicOutcome::kRolledBack);
    CHECK_THAT(heuristic->message, Catch::Contains("full: no room"));
  }
  CHECK(RunOk(*connection, CallOf(Operation::kRollback, "no"), Writing("x")) == Done());
  CHECK(connection->Ledger() == Effects{"committed"});
}

TEST_CASE("a one-phase commit of what was prepared is no decision of its own") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kPrepare), Writing("prepared"));
  Call commit = CallOf(Operation::kCommit);
  commit.one_phase = true;
  const auto refuse = [](Business&) -> Result<Answer> { return Refused("not_now", "later"); };
  CHECK(RefusalOf(RunOk(*connection, commit, refuse)) == "not_now");
  CHECK(RunOk(*connection, CallOf(Operation::kRollback), Writing("rolled back")) == Done());
  CHECK(connection->Ledger() == Effects{"prepared", "rolled back"});
}

TEST_CASE("alternatives and modes of one branch are kept apart") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call second = CallOf(Operation::kAction);
  second.alternative = 1;
  RunOk(*connection, CallOf(Operation::kAction), Writing("first"));
  RunOk(*connection, second, Writing("second"));
  RunOk(*connection, CallOf(Operation::kTry), Writing("third"));
  Call undo = CallOf(Operation::kCompensate);
  undo.alternative = 1;
  RunOk(*connection, undo, Writing("second undone"));
  CHECK(RunOk(*connection, CallOf(Operation::kAction), Writing("x")) == Done());
  CHECK(connection->Ledger() == Effects{"first", "second", "second undone", "third"});
}

TEST_CASE("a late action is refused also after finished rows were purged") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kAction, "undone"), Writing("a", 1));
  RunOk(*connection, CallOf(Operation::kCompensate, "undone"), Writing("b", 2));
  RunOk(*connection, CallOf(Operation::kTry, "confirmed"), Writing("c", 3));
  RunOk(*connection, CallOf(Operation::kConfirm, "confirmed"), Writing("d", 4));
  RunOk(*connection, CallOf(Operation::kCancel, "suspended"), Writing("x"));
  RunOk(*connection, CallOf(Operation::kTry, "open"), Writing("e", 5));
  RunOk(*connection, CallOf(Operation::kTry, "refused"), Refusing());
  const size_t effects = connection->Ledger().size();

  CHECK(connection->Purge({})->answers_dropped == 0);
  world->now += std::chrono::hours(24 * 8);
  const Result<PurgeReport> purged = connection->Purge({});
  REQUIRE(purged.ok());
  CHECK(purged->answers_dropped == 2);
  CHECK(purged->rows_removed == 0);
  CHECK(connection->Purge({})->answers_dropped == 0);

  const auto refusal = [&](Operation operation, const std::string& gid) {
    return RefusalOf(RunOk(*connection, CallOf(operation, gid), Writing("late")));
  };
  CHECK(refusal(Operation::kAction, "undone") == "barrier.suspended");
  CHECK(refusal(Operation::kTry, "suspended") == "barrier.suspended");
  CHECK(refusal(Operation::kTry, "confirmed") == "barrier.purged");
  CHECK(refusal(Operation::kTry, "refused") == "full");
  CHECK(refusal(Operation::kCancel, "confirmed") == "barrier.finished");
  CHECK(RunOk(*connection, CallOf(Operation::kConfirm, "confirmed"), Writing("x")) == Done());
  CHECK(RunOk(*connection, CallOf(Operation::kCompensate, "undone"), Writing("x")) == Done());
  // What is not finished keeps its answer.
  CHECK(RunOk(*connection, CallOf(Operation::kTry, "open"), Writing("x")) == Done(5));
  CHECK(connection->Ledger().size() == effects);
}

TEST_CASE("a read-only vote, which nobody calls for again, is purged like what is finished") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const auto read_only = [](Business&) -> Result<Answer> { return ReadOnly(); };
  for (const std::string gid : {"g", "lost"}) {
    CHECK(RunOk(*connection, CallOf(Operation::kPrepare, gid), read_only) == ReadOnly());
  }
  // Whose vote was lost is rolled back.
  CHECK(RunOk(*connection, CallOf(Operation::kRollback, "lost"), Writing("rolled back")) == Done());
  PurgeOptions options;
  options.rows_after = std::chrono::hours(24 * 30);
  world->now += std::chrono::hours(24 * 6);
  CHECK(connection->Purge(options)->answers_dropped == 0);
  CHECK(RunOk(*connection, CallOf(Operation::kPrepare, "g"), Writing("late")) == ReadOnly());
  world->now += std::chrono::hours(24 * 2);
  CHECK(connection->Purge(options)->answers_dropped == 2);
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kPrepare, "g"), Writing("late"))) ==
        "barrier.purged");
  world->now += std::chrono::hours(24 * 30);
  CHECK(connection->Purge(options)->rows_removed == 2);
  CHECK(connection->Ledger() == Effects{"rolled back"});
}

TEST_CASE("rows are removed only when asked for, and never those whose action may still come") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  RunOk(*connection, CallOf(Operation::kTry, "confirmed"), Writing("c"));
  RunOk(*connection, CallOf(Operation::kConfirm, "confirmed"), Writing("d"));
  RunOk(*connection, CallOf(Operation::kCancel, "suspended"), Writing("x"));
  RunOk(*connection, CallOf(Operation::kTry, "refused"), Refusing());
  PurgeOptions options;
  options.rows_after = std::chrono::hours(1);
  CHECK(connection->Purge(options).status().reason() == "barrier.bad_purge");
  options.rows_after = std::chrono::hours(24 * 30);
  world->now += std::chrono::hours(24 * 31);
  const Result<PurgeReport> purged = connection->Purge(options);
  REQUIRE(purged.ok());
  CHECK(purged->rows_removed == 2);
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kConfirm, "confirmed"), Writing("x"))) ==
        "barrier.not_tried");
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kTry, "suspended"), Writing("x"))) ==
        "barrier.suspended");
}

TEST_CASE("a saga's standing action is purged only once its transaction has ended") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const char* gid : {"ended", "forgotten", "open", "unknown"}) {
    RunOk(*connection, CallOf(Operation::kAction, gid), Writing(gid, gid));
  }
  world->now += std::chrono::hours(24 * 8);
  PurgeOptions options;
  options.has_ended = [](const Gid& gid) -> Result<bool> {
    if (gid.str() == "unknown") {
      return Unavailable("client.unreachable", "nobody there");
    }
    if (gid.str() == "forgotten") {
      return NotFound("transaction.not_found", "no such transaction");
    }
    return gid.str() == "ended";
  };
  CHECK(connection->Purge(options)->answers_dropped == 2);
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kAction, "forgotten"), Writing("x"))) ==
        "barrier.purged");
  CHECK(RefusalOf(RunOk(*connection, CallOf(Operation::kAction, "ended"), Writing("x"))) ==
        "barrier.purged");
  CHECK(RunOk(*connection, CallOf(Operation::kAction, "open"), Writing("x")) == Done("open"));
  CHECK(RunOk(*connection, CallOf(Operation::kAction, "unknown"), Writing("x")) == Done("unknown"));
}

TEST_CASE("a row whose action never came goes once its transaction has ended, and long ago") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const char* gid : {"ended", "open"}) {
    RunOk(*connection, CallOf(Operation::kCompensate, gid), Writing("x"));
    RunOk(*connection, CallOf(Operation::kCancel, gid), Writing("x"));
    RunOk(*connection, CallOf(Operation::kRollback, gid), Writing("x"));
  }
  PurgeOptions options;
  options.has_ended = [](const Gid& gid) -> Result<bool> { return gid.str() == "ended"; };
  world->now += std::chrono::hours(24 * 31);
  CHECK(connection->Purge(options)->rows_removed == 0);
  options.rows_after = std::chrono::hours(24 * 30);
  CHECK(connection->Purge(options)->rows_removed == 3);
  CHECK(connection->Purge(options)->rows_removed == 0);
  for (const Operation forward : {Operation::kAction, Operation::kTry, Operation::kPrepare}) {
    CHECK(RefusalOf(RunOk(*connection, CallOf(forward, "open"), Writing("late"))) ==
          "barrier.suspended");
  }
  CHECK(connection->Ledger().empty());
}

TEST_CASE("a purge goes on where the one before it stopped") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (int i = 0; i < 5; ++i) {
    RunOk(*connection, CallOf(Operation::kTry, "g" + std::to_string(i)), Writing("t"));
    RunOk(*connection, CallOf(Operation::kCancel, "g" + std::to_string(i)), Writing("c"));
  }
  world->now += std::chrono::hours(24 * 8);
  PurgeOptions options;
  options.max_rows = 2;
  std::vector<size_t> dropped;
  while (true) {
    const Result<PurgeReport> report = connection->Purge(options);
    REQUIRE(report.ok());
    dropped.push_back(report->answers_dropped);
    if (!report->more) {
      break;
    }
  }
  CHECK(dropped == std::vector<size_t>{2, 2, 1});
}

TEST_CASE("a purge racing late actions lets none of them run") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (int i = 0; i < kRounds; ++i) {
    RunOk(*connection, CallOf(Operation::kAction, "g" + std::to_string(i)), Writing("a"));
    RunOk(*connection, CallOf(Operation::kCompensate, "g" + std::to_string(i)), Writing("b"));
  }
  world->now += std::chrono::hours(24 * 8);
  PurgeOptions options;
  options.max_rows = 1;
  size_t purged = 0;
  std::vector<Answer> answers;
  Race(
      *world,
      [&](Connection& purger) {
        for (int i = 0; i < kRounds; ++i) {
          const Result<PurgeReport> report = purger.Purge(options);
          purged += report.ok() ? report->answers_dropped : 0;
        }
      },
      [&](Connection& late) {
        for (int i = 0; i < kRounds; ++i) {
          answers.push_back(RunQuietly(late, CallOf(Operation::kAction, "g" + std::to_string(i)),
                                       Writing("late")));
        }
      });
  CHECK(purged > 0);
  for (const Answer& answer : answers) {
    CHECK(RefusalOf(answer) == "barrier.suspended");
  }
  CHECK(connection->Ledger().size() == 2 * kRounds);
}

TEST_CASE("a business write that ends the transaction is told so") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const auto committing = [](Business& business) -> Result<Answer> {
    business.Write("x");
    business.Commit();
    return Done();
  };
  CHECK(connection->Run(CallOf(Operation::kAction), committing).status().reason() ==
        "barrier.work_ended_transaction");
  CHECK_FALSE(connection->InTransaction());
}

TEST_CASE("a business write that ends the transaction and begins another is told so") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  const auto work = [](Business& business) -> Result<Answer> {
    business.Commit();
    business.Begin();
    business.Write("x");
    return Done();
  };
  RunOk(*connection, CallOf(Operation::kTry), Writing("try"));
  for (const Operation operation : {Operation::kAction, Operation::kConfirm}) {
    CHECK(connection->Run(CallOf(operation), work).status().reason() ==
          "barrier.work_ended_transaction");
    CHECK_FALSE(connection->InTransaction());
  }
  CHECK(connection->Ledger() == Effects{"try"});
}

TEST_CASE("a connection that is in a transaction is turned away") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  connection->Execute("BEGIN");
  CHECK(connection->Run(CallOf(Operation::kAction), Writing("x")).status().reason() ==
        "barrier.in_transaction");
}

TEST_CASE("a missing table and a call without a name are reported, and nothing runs") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  CHECK(connection->CreateSchema().ok());  // A second time.
  Call nameless = CallOf(Operation::kAction);
  nameless.branch = BranchId();
  CHECK(connection->Run(nameless, Writing("x")).status().reason() == "barrier.no_name");
  connection->Execute("DROP TABLE entente_barrier");
  CHECK(connection->Run(CallOf(Operation::kAction), Writing("x")).status().reason() ==
        "barrier.no_schema");
  CHECK(connection->Ledger().empty());
}

TEST_CASE("a name keeps its quotes") {
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  Call call = CallOf(Operation::kAction, "it's \"g\"");
  call.branch = BranchId("step:0'; DROP TABLE ledger; --");
  CHECK(RunOk(*connection, call, Writing("once", "a'b\\\"c")) == Done("a'b\\\"c"));
  CHECK(RunOk(*connection, call, Writing("twice")) == Done("a'b\\\"c"));
}

}  // namespace
}  // namespace entente::sdk
