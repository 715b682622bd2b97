// What the barrier costs a call: the same business write with it and without it, side by side, on
// SQLite and, below `tests/support/postgres.py run --`, on PostgreSQL.
//
//   barrier-probe [--seconds N] [--dir DIR] [--json FILE]
#include <libpq-fe.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "entente/postgres_barrier.h"
#include "entente/sqlite_barrier.h"

namespace entente::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Turns between the two, so that a slow moment of the disk meets both.
constexpr int kCallsPerTurn = 20;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "barrier-probe: " << what << "\n";
  std::exit(1);
}

void Must(const Status& status) {
  if (!status.ok()) {
    Fail(status.ToString());
  }
}

sdk::Call NextCall() {
  static int count = 0;
  sdk::Call call;
  call.gid = Gid("0192f0c1-7b1e-7a6e-9f3c-" + std::to_string(100'000'000'000 + count++));
  call.branch = BranchId("flight");
  call.epoch = Epoch(1);
  return call;
}

struct Case {
  std::string name;
  std::function<void()> run;
  std::vector<double> micros = {};
};

double Quantile(std::vector<double> values, double at) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(at * static_cast<double>(values.size() - 1))];
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

void Measure(std::vector<Case>& cases, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    for (Case& one : cases) {
      for (int i = 0; i < kCallsPerTurn; ++i) {
        const auto begin = Clock::now();
        one.run();
        one.micros.push_back(
            std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
      }
    }
  }
}

// The first case is the bare write, to which the others are compared.
void Report(const std::string& store, const std::vector<Case>& cases, Json& results) {
  const double bare = Quantile(cases.front().micros, 0.5);
  for (const Case& one : cases) {
    const double median = Quantile(one.micros, 0.5);
    std::printf("%-28s %-24s %8zu calls  p50 %9.1f us  p99 %9.1f us  mean %9.1f us  x %.2f\n",
                store.c_str(), one.name.c_str(), one.micros.size(), median,
                Quantile(one.micros, 0.99), Mean(one.micros), median / bare);
    results.push_back({{"store", store},
                       {"case", one.name},
                       {"calls", one.micros.size()},
                       {"p50Micros", median},
                       {"p99Micros", Quantile(one.micros, 0.99)},
                       {"meanMicros", Mean(one.micros)},
                       {"timesBareWrite", median / bare}});
  }
}

// ---- SQLite

void Execute(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    Fail(std::string(sql) + ": " + sqlite3_errmsg(db));
  }
}

void MeasureSqlite(const std::filesystem::path& directory, const char* synchronous, double seconds,
                   Json& results) {
  const std::filesystem::path file = directory / (std::string("barrier-") + synchronous + ".db");
  std::filesystem::remove(file);
  sqlite3* db = nullptr;
  if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) {
    Fail("cannot open " + file.string());
  }
  Execute(db, "PRAGMA journal_mode = WAL");
  Execute(db, (std::string("PRAGMA synchronous = ") + synchronous).c_str());
  Execute(db, "CREATE TABLE ledger (id INTEGER PRIMARY KEY, effect TEXT)");
  const sdk::SqliteBarrier barrier({.allow_lost_writes = std::string_view(synchronous) != "FULL"});
  Must(barrier.CreateSchema(db));
  const auto write = [](sqlite3* tx) -> Result<sdk::Answer> {
    Execute(tx, "INSERT INTO ledger (effect) VALUES ('seat 12A')");
    return sdk::Done({{"seat", "12A"}});
  };
  const sdk::Call repeated = NextCall();
  Must(barrier.Run(db, repeated, write).status());
  std::vector<Case> cases{
      {"bare write",
       [&] {
         Execute(db, "BEGIN IMMEDIATE");
         (void)write(db);
         Execute(db, "COMMIT");
       }},
      {"with the barrier", [&] { Must(barrier.Run(db, NextCall(), write).status()); }},
      {"a repeat, answered", [&] { Must(barrier.Run(db, repeated, write).status()); }}};
  Measure(cases, seconds);
  Report(std::string("sqlite, synchronous=") + synchronous, cases, results);
  sqlite3_close(db);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(file.string() + suffix);
  }
}

// ---- PostgreSQL

void Execute(PGconn* connection, const char* sql) {
  PGresult* result = PQexec(connection, sql);
  const ExecStatusType status = PQresultStatus(result);
  PQclear(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    Fail(std::string(sql) + ": " + PQerrorMessage(connection));
  }
}

void MeasurePostgres(const std::string& conninfo, const char* synchronous, double seconds,
                     Json& results) {
  PGconn* connection = PQconnectdb(conninfo.c_str());
  if (PQstatus(connection) != CONNECTION_OK) {
    Fail(PQerrorMessage(connection));
  }
  Execute(connection, "SET client_min_messages = warning");
  Execute(connection, (std::string("SET synchronous_commit = ") + synchronous).c_str());
  Execute(connection,
          "CREATE TABLE IF NOT EXISTS ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
          "effect text)");
  const sdk::PostgresBarrier barrier({.allow_lost_writes = std::string_view(synchronous) != "on"});
  Must(barrier.CreateSchema(connection));
  const auto write = [](PGconn* tx) -> Result<sdk::Answer> {
    Execute(tx, "INSERT INTO ledger (effect) VALUES ('seat 12A')");
    return sdk::Done({{"seat", "12A"}});
  };
  const sdk::Call repeated = NextCall();
  Must(barrier.Run(connection, repeated, write).status());
  std::vector<Case> cases{
      {"bare write",
       [&] {
         Execute(connection, "BEGIN");
         (void)write(connection);
         Execute(connection, "COMMIT");
       }},
      {"with the barrier", [&] { Must(barrier.Run(connection, NextCall(), write).status()); }},
      {"a repeat, answered", [&] { Must(barrier.Run(connection, repeated, write).status()); }}};
  Measure(cases, seconds);
  Report(std::string("postgres, synchronous=") + synchronous, cases, results);
  PQfinish(connection);
}

int Main(int argc, char** argv) {
  double seconds = 3;
  std::string directory = ".";
  std::string json_file;
  CLI::App app("The barrier's cost per call");
  app.add_option("--seconds", seconds, "For each store [3]");
  app.add_option("--dir", directory, "Where SQLite's file lies [.]");
  app.add_option("--json", json_file, "Writes the results there too");
  CLI11_PARSE(app, argc, argv);
  Json results = Json::array();
  MeasureSqlite(directory, "FULL", seconds, results);
  MeasureSqlite(directory, "OFF", seconds, results);
  if (const char* conninfo = std::getenv("ENTENTE_TEST_POSTGRES")) {
    MeasurePostgres(conninfo, "on", seconds, results);
    MeasurePostgres(conninfo, "off", seconds, results);
  } else {
    std::printf("postgres: not measured; run below `tests/support/postgres.py run --`\n");
  }
  if (!json_file.empty()) {
    std::ofstream(json_file) << results.dump(2) << "\n";
  }
  return 0;
}

}  // namespace
}  // namespace entente::bench

int main(int argc, char** argv) {
  return entente::bench::Main(argc, argv);
}
