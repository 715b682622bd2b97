// What definitions take in memory: those that come with transactions above all.
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/definitions/definitions.h"
#include "storage/memory/memory_journal.h"

namespace entente::runtime {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Counts the definitions that are put and looked up.
class CountingJournal final : public storage::MemoryJournal {
 public:
  using MemoryJournal::MemoryJournal;
  Result<storage::DefinitionRow> PutDefinition(storage::DefinitionRow row) override {
    ++puts;
    return MemoryJournal::PutDefinition(std::move(row));
  }
  Result<storage::DefinitionRow> GetDefinition(const std::string& name,
                                               std::optional<uint32_t> version) override {
    ++gets;
    return MemoryJournal::GetDefinition(name, version);
  }

  std::atomic<int> puts{0};
  std::atomic<int> gets{0};
};

std::string Source(const std::string& name, size_t padding = 0) {
  return R"({"name": ")" + name + R"(", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "s", "participant": "p", "compensate": null,
               "action": {"post": "/s", "body": ")" +
         std::string(padding, 'x') + R"("}}]})";
}

dsl::Plan PlanOf(const std::string& name, uint32_t version) {
  dsl::Plan plan;
  plan.name = name;
  plan.version = version;
  return plan;
}

TEST_CASE("plans that nothing uses are let go of, those used longest ago first") {
  PlanCache cache(/*cached_bytes=*/100, /*counted_bytes=*/1'000);
  const auto put = [&cache](const std::string& name) {
    return cache.Put(PlanOf(name, 1), 40).get();
  };
  put("a");
  put("b");
  CHECK(cache.Find("a", 1) != nullptr);
  put("c");
  CHECK(cache.Find("b", 1) == nullptr);
  CHECK(cache.Find("a", 1) != nullptr);
  CHECK(cache.Find("c", 1) != nullptr);
  CHECK(cache.cached_bytes() == 80);
  // One that is too large for all is kept until the next one comes: somebody is about to use it.
  cache.Put(PlanOf("large", 1), 500);
  CHECK(cache.Find("large", 1) != nullptr);
  CHECK(cache.Find("a", 1) == nullptr);
  put("d");
  CHECK(cache.Find("large", 1) == nullptr);
  CHECK(cache.cached_bytes() == 40);
}

TEST_CASE("a plan that was let go of but is in use is found, and not made twice") {
  PlanCache cache(100, 1'000);
  const PlanPtr used = cache.Put(PlanOf("a", 1), 90);
  cache.Put(PlanOf("b", 1), 90);
  CHECK(cache.cached_bytes() == 90);
  CHECK(cache.Find("a", 1) == used);
  CHECK(cache.Put(PlanOf("a", 1), 90) == used);
}

TEST_CASE("many plans that came and went are forgotten") {
  PlanCache cache(10, 1'000);
  for (uint32_t i = 1; i <= 10'000; ++i) {
    cache.Put(PlanOf("p", i), 10);
    CHECK(cache.NoteOf("p", i) != nullptr);
  }
  CHECK(cache.NoteOf("p", 1) == nullptr);
  CHECK(cache.NoteOf("p", 10'000) != nullptr);
}

TEST_CASE("a definition that comes with many transactions is compiled, stored and counted once") {
  CountingJournal journal(std::make_shared<storage::MemoryStore>());
  Definitions definitions(journal);
  const PlanPtr first = definitions.Inline(Source("trip")).value();
  const size_t bytes = definitions.inline_bytes();
  CHECK(bytes > 0);
  for (int i = 0; i < 10; ++i) {
    CHECK(definitions.Inline(Source("trip")).value() == first);
  }
  CHECK(definitions.inline_bytes() == bytes);
  CHECK(journal.puts == 1);
  CHECK(definitions.Inline(Source("trip2")).value() != first);
  CHECK(definitions.inline_bytes() > bytes);
}

TEST_CASE("definitions that come with open transactions have a bound in bytes") {
  CountingJournal journal(std::make_shared<storage::MemoryStore>());
  DefinitionOptions options;
  options.max_inline_bytes = 140 * kMiB;
  Definitions definitions(journal, options);
  std::vector<PlanPtr> in_use;
  Result<PlanPtr> next = Internal("test", "none");
  for (int i = 0; i < 100; ++i) {
    next = definitions.Inline(Source("trip" + std::to_string(i), kMiB / 2));
    if (!next.ok()) {
      break;
    }
    in_use.push_back(*next);
  }
  CHECK(in_use.size() == 4);
  CHECK(next.status().code() == StatusCode::kResourceExhausted);
  CHECK(next.status().reason() == "definition.too_many_inline_bytes");
  CHECK(next.status().message().find(std::to_string(140 * kMiB)) != std::string::npos);
  CHECK(journal.puts == 4);  // What was refused is not stored.
  // One that is there is not counted again, nor is a small one kept out.
  CHECK(definitions.Inline(Source("trip0", kMiB / 2)).ok());
  CHECK(definitions.Inline(Source("small")).ok());
  // Neither is what has a name, nor what was accepted earlier.
  CHECK(definitions.Put("", Source("trip", kMiB / 2)).row.ok());
  const std::string name = in_use.back()->name;
  in_use.clear();
  for (int i = 10; i < 20; ++i) {
    in_use.push_back(definitions.Inline(Source("trip" + std::to_string(i), 1'000)).value());
  }
  next = definitions.Inline(Source("trip99", kMiB / 2));
  CHECK(next.ok());
  CHECK(definitions.Get(name, 1).ok());
}

TEST_CASE("a new transaction that names a definition of another one is held to the bound too") {
  CountingJournal journal(std::make_shared<storage::MemoryStore>());
  DefinitionOptions options;
  options.max_inline_bytes = 40 * kMiB;
  options.max_cached_bytes = 0;
  Definitions definitions(journal, options);
  const std::string earlier = definitions.Inline(Source("a", kMiB / 2)).value()->name;
  const PlanPtr in_use = definitions.Inline(Source("b", kMiB / 2)).value();
  using For = Definitions::For;
  CHECK(definitions.Get(earlier, 1, For::kNew).status().reason() ==
        "definition.too_many_inline_bytes");
  CHECK(definitions.Get(earlier, 1, For::kAccepted).ok());
}

TEST_CASE("the newest version is known although it was let go of") {
  CountingJournal journal(std::make_shared<storage::MemoryStore>());
  DefinitionOptions options;
  options.max_cached_bytes = 0;
  Definitions definitions(journal, options);
  REQUIRE(definitions.Put("", Source("trip", 1)).row.ok());
  REQUIRE(definitions.Put("", Source("trip", 2)).row->version == 2);
  REQUIRE(definitions.Put("", Source("other")).row.ok());
  CHECK(definitions.Cached("trip", std::nullopt) == nullptr);
  CHECK(definitions.Get("trip", std::nullopt).value()->version == 2);
  CHECK(definitions.Get("trip", 1).value()->version == 1);
  CHECK(definitions.Get("trip", std::nullopt).value()->version == 2);
}

TEST_CASE("a digest that is shown says what is the same, and can not be made of guesses") {
  CountingJournal journal(std::make_shared<storage::MemoryStore>());
  DefinitionOptions options;
  options.compile.allowed_env = {"*"};
  options.compile.lookup_env = [](const std::string& name) {
    return name == "PORT" ? std::optional<std::string>("8471") : std::nullopt;
  };
  options.digest_key = "one store's";
  Definitions definitions(journal, options);
  const std::string source = R"({"name": "trip", "mode": "saga", "steps": [
    {"id": "s", "participant": "p", "compensate": null, "action": {"post": "/s"}}],
    "participants": {"p": {"http": "http://p:${env.PORT}"}}})";
  const std::string guessed = Sha256Hex(source + '\n' + R"({"PORT":"8471"})");
  // What the store compares by is as it was ever: what is put again is no other version.
  const auto first = definitions.Put("", source).row;
  REQUIRE(first.ok());
  CHECK(journal.GetDefinition("trip", 1)->digest == guessed);
  CHECK(definitions.Put("", source).row->version == 1);
  CHECK(first->digest == definitions.ShownDigest(guessed));
  CHECK(first->digest.size() == 32);
  CHECK(first->digest.find(guessed.substr(0, 8)) == std::string::npos);
  CHECK(first->digest == definitions.Put("", source).row->digest);
  CHECK(first->digest != definitions.Put("", source + " ").row->digest);
  CHECK(definitions.Shown(*journal.GetDefinition("trip", 1)).digest == first->digest);
  const PlanPtr plan = definitions.Inline(source).value();
  CHECK(plan->name == "~inline-" + first->digest.substr(0, 16));

  Definitions same_store(journal, options);
  CHECK(same_store.Inline(source).value()->name == plan->name);
  options.digest_key = "another one's";
  CHECK(Definitions(journal, options).ShownDigest(guessed) != first->digest);
}

}  // namespace
}  // namespace entente::runtime
