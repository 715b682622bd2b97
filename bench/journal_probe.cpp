// Measures the SQLite journal by itself, beside the raw limit of the same disk: four appends per
// transaction, as a saga of three steps makes, at several numbers of transactions in flight. Or the
// journal in PostgreSQL, beside a bare client that commits the same rows, so many appends at a
// time.
//
//   journal-probe [--dir DIR] [--seconds N] [--in-flight N]... [--finished N] [--open N]
//                 [--record-bytes N]
//   tests/support/postgres.py run -- journal-probe --postgres [--seconds N] [--in-flight N]...
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "storage/postgres/group_rows.h"
#include "storage/postgres/postgres_journal.h"
#include "storage/sqlite/sqlite_journal.h"

namespace entente::bench {
namespace {

using Clock = std::chrono::steady_clock;
using storage::Batch;
using storage::Journal;
using storage::StoredTxn;
using storage::Summary;
using storage::TxnAppend;

constexpr uint64_t kAppendsPerTxn = 4;

struct Settings {
  std::string directory = ".";
  double seconds = 3;
  std::vector<int> in_flight = {1, 16, 64, 256};
  size_t finished = 0;
  size_t open = 0;
  size_t record_bytes = 160;
  bool postgres = false;
};

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "journal-probe: " << what << "\n";
  std::exit(1);
}

void Must(const Status& status) {
  if (!status.ok()) {
    Fail(status.ToString());
  }
}

class GidSource {
 public:
  Gid Next() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return Gid(FormatUuidV7(
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()),
        random_(), random_()));
  }

 private:
  std::mt19937_64 random_{20260101};
};

Summary SummaryAt(uint64_t step) {
  Summary summary;
  summary.definition = "travel-booking";
  summary.version = 3;
  summary.mode = "saga";
  summary.open = step < kAppendsPerTxn;
  summary.status = summary.open ? "ACTIVE" : "COMMITTED";
  summary.created_at = InstantFromMicros(
      std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  summary.updated_at = summary.created_at;
  summary.attempts = 1;
  return summary;
}

// The append number `step` (from 1) of a transaction: two records each, a summary with the first
// and the last.
Batch AppendAt(const Gid& gid, uint64_t step, size_t record_bytes) {
  TxnAppend append;
  append.gid = gid;
  append.first = Sequence(step * 2 - 1);
  append.records.assign(2, std::string(record_bytes, static_cast<char>('a' + step)));
  if (step == 1 || step == kAppendsPerTxn) {
    append.summary = SummaryAt(step);
  }
  Batch batch;
  batch.appends.push_back(std::move(append));
  return batch;
}

// Owns every shard.
class Owner {
 public:
  explicit Owner(Journal& journal) : journal_(journal) {
    for (uint64_t i = 0; i < kShardCount; ++i) {
      auto epoch = journal.Acquire(ShardId(i));
      Must(epoch.status());
      epochs_.push_back(*epoch);
    }
  }
  void Append(Batch batch, storage::AppendCallback done) {
    const ShardId shard = ShardOf(batch.appends[0].gid);
    journal_.Append(shard, epochs_[shard.value()], std::move(batch), std::move(done));
  }

 private:
  Journal& journal_;
  std::vector<Epoch> epochs_;
};

// Keeps `count` transactions in flight, driven by one thread, as a shard would.
class Load {
 public:
  Load(Journal& journal, int count, size_t record_bytes)
      : owner_(journal), record_bytes_(record_bytes), flights_(static_cast<size_t>(count)) {}

  void Run(Clock::time_point until) {
    for (size_t i = 0; i < flights_.size(); ++i) {
      Step(i);
    }
    size_t running = flights_.size();
    while (running > 0) {
      for (const size_t i : Take()) {
        Flight& flight = flights_[i];
        latencies_.push_back(
            std::chrono::duration<double, std::micro>(flight.done - flight.begun).count());
        if (Clock::now() < until || flight.step < kAppendsPerTxn) {
          Step(i);
        } else {
          --running;
        }
      }
    }
  }

  std::vector<double>& latencies() { return latencies_; }

 private:
  struct Flight {
    Gid gid;
    uint64_t step = kAppendsPerTxn;
    Clock::time_point begun;
    Clock::time_point done;
  };

  void Step(size_t i) {
    Flight& flight = flights_[i];
    if (flight.step == kAppendsPerTxn) {
      flight.gid = gids_.Next();
      flight.step = 0;
    }
    ++flight.step;
    flight.begun = Clock::now();
    owner_.Append(AppendAt(flight.gid, flight.step, record_bytes_), [this, i](Status status) {
      Must(status);
      bool notify = false;
      {
        const std::lock_guard lock(mutex_);
        flights_[i].done = Clock::now();
        notify = done_.empty();
        done_.push_back(i);
      }
      if (notify) {
        arrived_.notify_one();
      }
    });
  }

  std::vector<size_t> Take() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !done_.empty(); });
    return std::exchange(done_, {});
  }

  Owner owner_;
  const size_t record_bytes_;
  GidSource gids_;
  std::vector<Flight> flights_;
  std::vector<double> latencies_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<size_t> done_;
};

double At(std::vector<double>& sorted, double quantile) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<size_t>(static_cast<double>(sorted.size() - 1) * quantile)];
}

// Bytes this process has handed to write calls.
double WrittenBytes() {
  std::ifstream io("/proc/self/io");
  for (std::string name; io >> name;) {
    double value = 0;
    io >> value;
    if (name == "wchar:") {
      return value;
    }
  }
  return 0;
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void PrintRawSync(const std::string& directory) {
  const std::string path = directory + "/journal-probe.raw";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    Fail("can not write " + path);
  }
  const std::string page(4096, 'x');
  std::vector<double> micros;
  // Twice over the same pages, so that the second half allocates nothing.
  for (int i = 0; i < 1000; ++i) {
    const auto begin = Clock::now();
    if (pwrite(file, page.data(), page.size(), (i % 500) * 4096) != 4096 || fdatasync(file) != 0) {
      Fail("can not write " + path);
    }
    if (i >= 500) {
      micros.push_back(SecondsSince(begin) * 1e6);
    }
  }
  close(file);
  unlink(path.c_str());
  std::ranges::sort(micros);
  std::printf("raw pwrite+fdatasync of 4 KiB: p50 %.0f us, p99 %.0f us\n", At(micros, 0.5),
              At(micros, 0.99));
}

// Adds `count` transactions of `steps` appends each, many per batch.
void Fill(Journal& journal, size_t count, uint64_t steps, size_t record_bytes) {
  constexpr size_t kPerBatch = 500;
  GidSource gids;
  Owner owner(journal);
  std::mutex mutex;
  std::condition_variable finished;
  size_t pending = 0;
  for (size_t done = 0; done < count; done += kPerBatch) {
    std::map<ShardId, Batch> batches;
    for (size_t i = 0; i < std::min(kPerBatch, count - done); ++i) {
      const Gid gid = gids.Next();
      for (uint64_t step = 1; step <= steps; ++step) {
        batches[ShardOf(gid)].appends.push_back(
            std::move(AppendAt(gid, step, record_bytes).appends[0]));
      }
    }
    for (auto& [shard, batch] : batches) {
      std::unique_lock lock(mutex);
      finished.wait(lock, [&] { return pending < 512; });
      ++pending;
      lock.unlock();
      owner.Append(std::move(batch), [&](Status status) {
        Must(status);
        const std::lock_guard inner(mutex);
        --pending;
        finished.notify_one();
      });
    }
  }
  std::unique_lock lock(mutex);
  finished.wait(lock, [&] { return pending == 0; });
}

void PrintLoad(Journal& journal, int in_flight, const Settings& settings) {
  const storage::sqlite::WriterStats before = storage::sqlite::GetWriterStats(journal);
  const double written_before = WrittenBytes();
  const auto begin = Clock::now();
  Load load(journal, in_flight, settings.record_bytes);
  load.Run(begin + std::chrono::duration_cast<Clock::duration>(
                       std::chrono::duration<double>(settings.seconds)));
  const double seconds = SecondsSince(begin);
  const storage::sqlite::WriterStats after = storage::sqlite::GetWriterStats(journal);
  const double written = WrittenBytes() - written_before;
  const auto appends = static_cast<double>(load.latencies().size());
  const auto commits = static_cast<double>(after.commits - before.commits);
  const auto cpu = static_cast<double>(after.cpu_nanoseconds - before.cpu_nanoseconds) / 1e3;
  std::ranges::sort(load.latencies());
  std::printf("%9d %10.0f %9.0f %9.0f %8.1f %8.2f %8.1f %8.0f %8.0f %8.0f %8.0f\n", in_flight,
              appends / seconds, appends / seconds / kAppendsPerTxn, commits / seconds,
              appends / commits, cpu / appends, written / 1024 / appends * kAppendsPerTxn,
              At(load.latencies(), 0.5), At(load.latencies(), 0.99), At(load.latencies(), 0.999),
              load.latencies().back());
}

double ThreadCpuSeconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void PrintLoadOpen(Journal& journal) {
  const auto begin = Clock::now();
  const double cpu_begin = ThreadCpuSeconds();
  size_t count = 0;
  size_t records = 0;
  for (uint64_t shard = 0; shard < kShardCount; ++shard) {
    Must(journal.LoadOpen(ShardId(shard), [&](const StoredTxn& txn) {
      ++count;
      records += txn.records.size();
      return Status();
    }));
  }
  std::printf("LoadOpen: %zu transactions, %zu records in %.3f s (%.3f s of CPU)\n", count, records,
              SecondsSince(begin), ThreadCpuSeconds() - cpu_begin);
}

void Run(const Settings& settings) {
  const std::string path = settings.directory + "/journal-probe.db";
  for (const char* suffix : {"", "-log", "-wal", "-shm", ".lock"}) {
    std::filesystem::remove(path + suffix);
  }
  PrintRawSync(settings.directory);
  auto opened = storage::sqlite::OpenSqliteJournal(path);
  Must(opened.status());
  std::unique_ptr<Journal> journal = std::move(opened).value();
  if (settings.finished > 0) {
    Fill(*journal, settings.finished, kAppendsPerTxn, settings.record_bytes);
  }
  std::printf("%9s %10s %9s %9s %8s %8s %8s %8s %8s %8s %8s\n", "in flight", "appends/s", "txns/s",
              "commits/s", "group", "us CPU", "KiB/txn", "p50 us", "p99 us", "p999 us", "max us");
  for (const int in_flight : settings.in_flight) {
    PrintLoad(*journal, in_flight, settings);
  }
  if (settings.open > 0) {
    Fill(*journal, settings.open, 2, settings.record_bytes);
    journal.reset();
    const auto begin = Clock::now();
    auto again = storage::sqlite::OpenSqliteJournal(path);
    Must(again.status());
    std::printf("open: %.3f s\n", SecondsSince(begin));
    PrintLoadOpen(**again);
  }
  journal.reset();
  for (const char* suffix : {"", "-log", "-wal", "-shm", ".lock"}) {
    std::filesystem::remove(path + suffix);
  }
}

// Commits the rows that the journal would, `group` appends at a time, and nothing else: who owns a
// shard, and what stands in it, is nobody's question.
class BareClient {
 public:
  BareClient(const std::string& conninfo, size_t group, size_t record_bytes)
      : record_bytes_(record_bytes), flights_(group) {
    pg::ConnectOptions options;
    options.conninfo = conninfo;
    auto connection = pg::Connection::Open(options);
    Must(connection.status());
    connection_ = std::move(*connection);
  }

  void Commit() {
    storage::postgres::GroupRows rows;
    std::vector<Batch> batches;
    batches.reserve(flights_.size());
    for (Flight& flight : flights_) {
      batches.push_back(Next(flight));
      const TxnAppend& append = batches.back().appends[0];
      const ShardId shard = ShardOf(flight.gid);
      if (append.summary) {
        flight.position.latest = &*append.summary;
        flight.position.created = flight.step == 1 ? &*append.summary : nullptr;
        flight.step == 1 ? rows.AddTxn(shard, flight.gid, flight.position)
                         : rows.AddUpdate(flight.position);
      }
      rows.AddRecords(shard, flight.position, append);
    }
    std::vector<pg::Statement> flight = {{"BEGIN", {}}};
    std::vector<size_t> changes;
    if (!rows.Statements(list_, flight, changes)) {
      Fail("no tables");
    }
    flight.push_back({"COMMIT", {}});
    for (const pg::PgResult& result :
         connection_->Run(flight, Clock::now() + std::chrono::minutes(1))) {
      if (!result.ok()) {
        Fail(result.message());
      }
    }
  }

 private:
  struct Flight {
    Gid gid;
    uint64_t step = kAppendsPerTxn;
    storage::postgres::Position position;
  };

  Batch Next(Flight& flight) {
    if (flight.step == kAppendsPerTxn) {
      flight.gid = gids_.Next();
      flight.step = 0;
      flight.position = {};
      flight.position.period = 1;
      flight.position.pos = ++pos_;
    }
    ++flight.step;
    return AppendAt(flight.gid, flight.step, record_bytes_);
  }

  const size_t record_bytes_;
  const storage::postgres::PeriodList list_{std::vector<int32_t>{1}};
  GidSource gids_;
  int64_t pos_ = ToMicros(SummaryAt(1).created_at) * 64;
  std::vector<Flight> flights_;
  std::unique_ptr<pg::Connection> connection_;
};

double BareAppendsPerSecond(const std::string& conninfo, int group, const Settings& settings) {
  BareClient client(conninfo, static_cast<size_t>(group), settings.record_bytes);
  const auto begin = Clock::now();
  int commits = 0;
  for (; SecondsSince(begin) < settings.seconds; ++commits) {
    client.Commit();
  }
  return static_cast<double>(commits) * group / SecondsSince(begin);
}

void RunPostgres(const Settings& settings) {
  const char* const conninfo = std::getenv("ENTENTE_TEST_POSTGRES");
  if (conninfo == nullptr) {
    Fail("run below `tests/support/postgres.py run --`");
  }
  auto opened = storage::postgres::OpenPostgresJournal({.conninfo = conninfo});
  Must(opened.status());
  const std::unique_ptr<Journal> journal = std::move(opened).value();
  std::printf("%9s %10s %8s %10s %7s %8s %8s\n", "in flight", "appends/s", "group", "bare/s",
              "ratio", "p50 us", "p99 us");
  for (const int in_flight : settings.in_flight) {
    const double bare = BareAppendsPerSecond(conninfo, in_flight, settings);
    const storage::postgres::WriterStats before = storage::postgres::GetWriterStats(*journal);
    const auto begin = Clock::now();
    Load load(*journal, in_flight, settings.record_bytes);
    load.Run(begin + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(settings.seconds)));
    const double seconds = SecondsSince(begin);
    const storage::postgres::WriterStats after = storage::postgres::GetWriterStats(*journal);
    const auto appends = static_cast<double>(load.latencies().size());
    std::ranges::sort(load.latencies());
    std::printf("%9d %10.0f %8.1f %10.0f %7.2f %8.0f %8.0f\n", in_flight, appends / seconds,
                appends / static_cast<double>(after.commits - before.commits), bare,
                appends / seconds / bare, At(load.latencies(), 0.5), At(load.latencies(), 0.99));
  }
}

}  // namespace
}  // namespace entente::bench

int main(int argc, char** argv) {
  entente::bench::Settings settings;
  CLI::App app("Measures a journal by itself, beside what it stands on.");
  app.add_option("--dir", settings.directory, "where the files go (on the disk to measure)");
  app.add_option("--seconds", settings.seconds, "per number in flight");
  app.add_option("--in-flight", settings.in_flight, "transactions at once; may be repeated");
  app.add_option("--finished", settings.finished, "finished transactions stored beforehand");
  app.add_option("--open", settings.open, "open transactions for LoadOpen; 0: not measured");
  app.add_option("--record-bytes", settings.record_bytes, "size of a record; two per append");
  app.add_flag("--postgres", settings.postgres, "the journal in PostgreSQL instead");
  CLI11_PARSE(app, argc, argv);
  settings.postgres ? entente::bench::RunPostgres(settings) : entente::bench::Run(settings);
  return 0;
}
