// What one group commit costs by the ways a log can be kept: a row of a SQLite table (WAL,
// synchronous=FULL), or an append to a preallocated file, written through the page cache and
// synced, or straight to the disk. Processor time of the writing thread, wall time, and bytes
// handed to the system, per append.
//
//   log-probe [--dir DIR] [--commits N] [--append-bytes N]
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

namespace entente::bench {
namespace {

constexpr size_t kBlockBytes = 4096;
constexpr size_t kFileBytes = size_t{8} << 20;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "log-probe: " << what << "\n";
  std::exit(1);
}

double ThreadCpuMicros() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

double WallMicros() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
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

class SqliteRows {
 public:
  explicit SqliteRows(const std::string& path) {
    Must(sqlite3_open(path.c_str(), &database_));
    Must(sqlite3_exec(database_,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "CREATE TABLE log(id INTEGER PRIMARY KEY, entries BLOB NOT NULL)",
                      nullptr, nullptr, nullptr));
    Must(sqlite3_prepare_v2(database_, "INSERT INTO log(entries) VALUES(?1)", -1, &insert_,
                            nullptr));
  }
  ~SqliteRows() {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }
  SqliteRows(const SqliteRows&) = delete;
  SqliteRows& operator=(const SqliteRows&) = delete;

  void Commit(const std::string& entries) {
    sqlite3_bind_blob(insert_, 1, entries.data(), static_cast<int>(entries.size()), SQLITE_STATIC);
    Must(sqlite3_step(insert_));
    sqlite3_reset(insert_);
  }

 private:
  void Must(int code) {
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW) {
      Fail(sqlite3_errmsg(database_));
    }
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

// Each commit begins at a block of its own; the file is used again from its beginning.
class LogFile {
 public:
  LogFile(const std::string& path, bool direct)
      : file_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
        direct_(direct),
        buffer_(static_cast<char*>(std::aligned_alloc(kBlockBytes, kFileBytes))) {
    const std::string zeros(kFileBytes, '\0');
    if (file_ < 0 || pwrite(file_, zeros.data(), zeros.size(), 0) < 0 || fsync(file_) != 0) {
      Fail("can not write " + path);
    }
    if (direct && fcntl(file_, F_SETFL, O_DIRECT | O_DSYNC) != 0) {
      Fail("no direct writes here");
    }
    if (direct) {
      // O_DSYNC can not be set on an open file.
      close(file_);
      file_ = open(path.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT | O_DSYNC);
      if (file_ < 0) {
        Fail("can not open " + path + " for direct writes");
      }
    }
  }
  ~LogFile() {
    close(file_);
    std::free(buffer_);
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  void Commit(const std::string& entries) {
    const size_t size = (entries.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    if (at_ + size > kFileBytes) {
      at_ = 0;
    }
    entries.copy(buffer_, entries.size());
    if (pwrite(file_, buffer_, size, static_cast<off_t>(at_)) != static_cast<ssize_t>(size) ||
        (!direct_ && fdatasync(file_) != 0)) {
      Fail("a write failed");
    }
    at_ += size;
  }

 private:
  int file_;
  bool direct_;
  char* buffer_;
  size_t at_ = 0;
};

void Measure(const char* name, size_t group, size_t append_bytes, size_t commits,
             const std::function<void(const std::string&)>& commit) {
  const std::string entries(group * append_bytes, 'x');
  const double written = WrittenBytes();
  const double cpu = ThreadCpuMicros();
  const double wall = WallMicros();
  for (size_t i = 0; i < commits; ++i) {
    commit(entries);
  }
  const auto appends = static_cast<double>(commits * group);
  std::printf("%-12s %6zu %10.1f %10.1f %10.0f\n", name, group, (ThreadCpuMicros() - cpu) / appends,
              (WallMicros() - wall) / appends, (WrittenBytes() - written) / appends);
}

void Run(const std::string& directory, size_t commits, size_t append_bytes) {
  const std::string path = directory + "/log-probe";
  const auto remove = [&path] {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path + suffix);
    }
  };
  std::printf("%-12s %6s %10s %10s %10s\n", "log", "group", "us CPU", "us wall", "bytes");
  for (const size_t group : {1, 11, 41}) {
    remove();
    {
      SqliteRows rows(path);
      Measure("SQLite row", group, append_bytes, commits,
              [&rows](const std::string& entries) { rows.Commit(entries); });
    }
    for (const bool direct : {false, true}) {
      remove();
      LogFile file(path, direct);
      Measure(direct ? "file, direct" : "file, synced", group, append_bytes, commits,
              [&file](const std::string& entries) { file.Commit(entries); });
    }
  }
  remove();
}

}  // namespace
}  // namespace entente::bench

int main(int argc, char** argv) {
  std::string directory = ".";
  size_t commits = 500;
  size_t append_bytes = 450;
  CLI::App app("Measures the ways to keep a log.");
  app.add_option("--dir", directory, "where the files go (on the disk to measure)");
  app.add_option("--commits", commits, "of each kind");
  app.add_option("--append-bytes", append_bytes, "of one append");
  CLI11_PARSE(app, argc, argv);
  entente::bench::Run(directory, commits, append_bytes);
  return 0;
}
