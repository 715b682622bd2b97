// The file of the log by itself: what is read back after a crash, and what is taken for damage.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/codec.h"
#include "storage/sqlite/files/log_file.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

TEST_CASE("what an entry of the log holds is decoded as it was appended, or not at all") {
  Summary summary = FinishedSummary(-5, 7'000'000);
  summary.version = 300;
  summary.paused = true;
  summary.lasting = true;
  summary.attempts = 9;
  summary.error = "no answer came";
  summary.labels = {{"team", "red"}, {"", ""}};
  summary.incidents = {MakeIncident("hotel", "timeout")};
  summary.parent = Gid("parent");
  std::string payload;
  const TxnAppend first = MakeAppend("a", 1, 2, summary);
  const TxnAppend second = MakeAppend("b", 7, 1);
  AddToLog(first, payload);
  const size_t end_of_first = payload.size();
  AddToLog(second, payload);
  std::vector<TxnAppend> appends;
  REQUIRE(DecodeLog(payload, appends));
  REQUIRE(appends.size() == 2);
  CHECK(appends[0].records == first.records);
  CHECK(appends[0].first == Sequence(1));
  const Summary& read = *appends[0].summary;
  CHECK(read.definition == summary.definition);
  CHECK(read.version == 300);
  CHECK(read.mode == summary.mode);
  CHECK(read.status == "COMMITTED");
  CHECK_FALSE(read.open);
  CHECK(read.paused);
  CHECK(read.lasting);
  CHECK(read.attempts == 9);
  CHECK(read.created_at == summary.created_at);
  CHECK(read.updated_at == summary.updated_at);
  CHECK(read.error == summary.error);
  CHECK(read.labels == summary.labels);
  CHECK(read.incidents.size() == 1);
  CHECK(read.incidents[0].code == "timeout");
  CHECK(read.parent == Gid("parent"));
  CHECK(appends[1].gid == Gid("b"));
  CHECK_FALSE(appends[1].summary.has_value());
  for (size_t length = 0; length < payload.size(); ++length) {
    appends.clear();
    CHECK(DecodeLog(payload.substr(0, length), appends) == (length == end_of_first));
  }
}

// A log of its own, without a store.
struct BareLog {
  TempDirectory directory;
  std::string path = directory.File("store.db-log");
  sqlite::LogKey key = sqlite::MakeLogKey();
  std::unique_ptr<sqlite::LogFile> file;
  uint64_t number = 0;

  BareLog() {
    // The log gets the permissions of its database.
    std::ofstream(directory.File("store.db")) << "a database";
    auto made = sqlite::LogFile::Create(path, "", key, 256 * 1024);
    REQUIRE(made.ok());
    file = std::move(made).value();
  }
  void Append(const std::string& payload) {
    std::string entry = std::string(sqlite::kLogEntryHeaderBytes, '\0') + payload;
    REQUIRE(file->Append(++number, entry).ok());
  }
  // The payloads behind `after`, or the failure.
  Result<std::vector<std::string>> Read(uint64_t after = 0) {
    std::vector<std::string> payloads;
    ENTENTE_ASSIGN_OR_RETURN(const auto entries, sqlite::LogFile::Read(path, "", key, after));
    for (const sqlite::LogEntry& entry : entries) {
      CHECK(entry.number == after + payloads.size() + 1);
      payloads.push_back(entry.payload);
    }
    return payloads;
  }
  void Flip(size_t at) {
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(at));
    const int byte = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(at));
    bytes.put(static_cast<char>(byte ^ 0x55));
    REQUIRE(bytes.flush());
  }
};

using Payloads = std::vector<std::string>;

TEST_CASE("entries of any size are read as they were appended") {
  BareLog log;
  Payloads payloads;
  for (const size_t size : {1, 4'064, 4'065, 70'000, 131'072, 1'500'000}) {
    payloads.push_back(std::string(size, static_cast<char>('a' + payloads.size())));
    log.Append(payloads.back());
  }
  CHECK(log.Read().value() == payloads);
  CHECK(log.Read(4).value() == Payloads(payloads.begin() + 4, payloads.end()));
  CHECK(log.Read(6).value().empty());
}

TEST_CASE("a log begun afresh forgets what it held and takes its length back") {
  BareLog log;
  for (int i = 0; i < 5; ++i) {
    log.Append("before " + std::to_string(i));
  }
  log.Append(std::string(1'000'000, 'x'));
  log.file->Restart();
  CHECK(std::filesystem::file_size(log.path) == 256 * 1024);
  log.Append("after");
  CHECK(log.Read(6).value() == Payloads{"after"});
  // Entries of the round before lie behind it, and are no sign of damage.
  std::vector<sqlite::LogEntry> entries;
  log.file.reset();
  auto again = sqlite::LogFile::Open(log.path, "", log.key, 256 * 1024, 6, entries);
  REQUIRE(again.ok());
  CHECK(entries.size() == 1);
  log.file = std::move(again).value();
  log.Append("and on");
  CHECK(log.Read(6).value() == Payloads{"after", "and on"});
}

TEST_CASE("the torn last entry of a log is no entry, and one before others is damage") {
  BareLog log;
  for (const char* payload : {"one", "two", "three"}) {
    log.Append(payload + std::string(5'000, '.'));
  }
  const size_t place = GENERATE(0, 5, 9, 17, 25, 33, 5'000);
  const size_t entry = GENERATE(0, 1, 2);
  log.Flip(sqlite::kLogBlockBytes + entry * 2 * sqlite::kLogBlockBytes + place);
  const auto read = log.Read();
  if (entry == 2) {
    CHECK(read.value().size() == 2);
  } else {
    CHECK(read.status().code() == StatusCode::kDataLoss);
    CHECK(read.status().reason() == "store.corrupt");
  }
}

TEST_CASE("what a client sends is no entry, however much it looks like one") {
  BareLog other;
  other.number = 6;
  other.Append("forged");
  std::ifstream file(other.path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  BareLog log;
  log.Append("one");
  // Where the entry ends, so that its blocks are where entries are looked for.
  const size_t before = sqlite::kLogBlockBytes - sqlite::kLogEntryHeaderBytes;
  const std::string payload =
      std::string(before, '.') + bytes.substr(sqlite::kLogBlockBytes, 2 * sqlite::kLogBlockBytes);
  log.Append(payload);
  CHECK(log.Read().value() == Payloads{"one", payload});
  log.Flip(2 * sqlite::kLogBlockBytes + 100);
  CHECK(log.Read().value() == Payloads{"one"});
}

}  // namespace
}  // namespace entente::storage
