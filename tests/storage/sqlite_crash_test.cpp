// kill -9 of a process that writes: what it was told is durable must be there (G1).
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

// The writer as a child process, with its standard output.
class Child {
 public:
  Child(const std::string& path, int run) {
    int ends[2] = {-1, -1};
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const std::string number = std::to_string(run);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execl(STORAGE_CRASH_WRITER, STORAGE_CRASH_WRITER, path.c_str(), number.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
    REQUIRE(output_ != nullptr);
  }
  ~Child() {
    Kill();
    fclose(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // False at the end of the output.
  bool ReadLine(std::string& line) {
    line.clear();
    for (int byte = fgetc(output_); byte != EOF; byte = fgetc(output_)) {
      if (byte == '\n') {
        return true;
      }
      line.push_back(static_cast<char>(byte));
    }
    return false;
  }

  void Kill() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      pid_ = 0;
    }
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

void Note(const std::string& line, std::map<std::string, size_t>& acknowledged) {
  std::istringstream words(line);
  std::string gid;
  size_t records = 0;
  words >> gid >> records;
  REQUIRE(records > 0);
  acknowledged[gid] = std::max(acknowledged[gid], records);
}

void CheckStore(OwnedJournal& journal, const std::map<std::string, size_t>& acknowledged) {
  for (const auto& [gid, count] : acknowledged) {
    const Result<StoredTxn> txn = journal.Load(Gid(gid));
    REQUIRE(txn.ok());
    REQUIRE(txn->records.size() >= count);
  }
  for (const std::string& gid : OpenGids(journal)) {
    const StoredTxn txn = MustLoad(journal, gid);
    REQUIRE(HasRecords(txn, txn.records.size()));
    REQUIRE(txn.records.size() < 4);
  }
}

TEST_CASE("kill -9 at any moment loses nothing that was acknowledged") {
  TempDirectory directory;
  const std::string path = directory.File("store.db");
  std::map<std::string, size_t> acknowledged;
  std::mt19937_64 random(20260101);
  for (int run = 0; run < 15; ++run) {
    Child child(path, run);
    std::string line;
    for (uint64_t lines = 1 + random() % 600; lines > 0; --lines) {
      REQUIRE(child.ReadLine(line));
      Note(line, acknowledged);
    }
    child.Kill();
    while (child.ReadLine(line)) {
      Note(line, acknowledged);
    }
    // Opening also proves that the kill released the lock.
    auto journal = sqlite::OpenSqliteJournal(path);
    INFO(journal.status());
    REQUIRE(journal.ok());
    OwnedJournal owned(std::move(*journal));
    CheckStore(owned, acknowledged);
  }
}

TEST_CASE("a living process keeps the file to itself, a killed one does not") {
  TempDirectory directory;
  const std::string path = directory.File("store.db");
  Child child(path, 0);
  std::string line;
  REQUIRE(child.ReadLine(line));
  CHECK(sqlite::OpenSqliteJournal(path).status().reason() == "store.in_use");
  // The file's being there means nothing, and neither does its being gone.
  std::filesystem::remove(path + ".lock");
  CHECK(sqlite::OpenSqliteJournal(path).status().reason() == "store.in_use");
  child.Kill();
  CHECK(sqlite::OpenSqliteJournal(path).ok());
}

}  // namespace
}  // namespace entente::storage
