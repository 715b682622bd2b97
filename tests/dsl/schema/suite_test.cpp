// The public JSON Schema test suite, and cases of our own in its format.
//
// Debian ships the suite up to draft 7. Where draft 7 and 2020-12 agree its cases count; where they
// differ, or use a keyword outside the supported subset, they are skipped by name with the reason.
// What is new since then has its cases in `cases/`.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "dsl/schema/schema.h"

namespace entente::dsl {
namespace {

namespace fs = std::filesystem;

const fs::path kSuite = "/usr/share/json-schema-test-suite/tests/draft7";

struct Skip {
  std::string file;
  std::string group;  // Empty: all groups of the file.
  std::string reason;
  bool refused;  // Whether compiling such a schema must fail, rather than mean something else.
};

const std::vector<Skip> kSkips = {
    {"additionalItems.json", "", "additionalItems became items", true},
    {"definitions.json", "", "remote $ref", true},
    {"items.json", "an array of schemas for items", "array form of items became prefixItems", true},
    {"items.json", "items with boolean schemas", "array form of items became prefixItems", true},
    {"optional/content.json", "", "contentEncoding and contentMediaType", true},
    {"optional/format/idn-hostname.json", "", "needs the tables of IDNA", true},
    {"ref.json", "relative pointer ref to array", "array form of items became prefixItems", true},
    {"ref.json", "escaped pointer ref", "schemas below unknown keywords", true},
    {"ref.json", "ref overrides any sibling keywords", "siblings of $ref count in 2020-12", false},
    {"ref.json", "remote ref, containing refs itself", "remote $ref", true},
    {"refRemote.json", "", "remote $ref", true},
};

struct Tally {
  size_t passed = 0;
  size_t skipped = 0;
  std::set<size_t> skips_used;
};

Json Load(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Result<Json> parsed = ParseJson(text, {size_t{1} << 22, 64});
  INFO(path << ": " << parsed.status());
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

// `dependencies` became two keywords.
void AddDependencies(const Json& dependencies, Json& schema) {
  for (const auto& [name, each] : dependencies.items()) {
    schema[each.is_array() ? "dependentRequired" : "dependentSchemas"][name] = each;
  }
}

// What was only renamed since draft 7, renamed.
Json Renamed(const Json& value) {
  if (value.is_array()) {
    Json renamed = Json::array();
    for (const Json& each : value) {
      renamed.push_back(Renamed(each));
    }
    return renamed;
  }
  if (!value.is_object()) {
    return value;
  }
  Json renamed = Json::object();
  for (const auto& [name, member] : value.items()) {
    static const std::string kOldPrefix = "#/definitions/";
    Json content = Renamed(member);
    if (name == "$ref" && member.is_string() && member.get<std::string>().starts_with(kOldPrefix)) {
      content = "#/$defs/" + member.get<std::string>().substr(kOldPrefix.size());
    }
    if (name == "dependencies") {
      AddDependencies(content, renamed);
    } else {
      renamed[name == "definitions" ? "$defs" : name] = std::move(content);
    }
  }
  return renamed;
}

bool CompilesTo(const std::variant<Schema, std::vector<SchemaProblem>>& compiled) {
  return std::holds_alternative<Schema>(compiled);
}

void RunGroup(const std::string& file, const Json& group, Tally& tally) {
  const std::string name = group["description"];
  const Json schema = Renamed(group["schema"]);
  const auto compiled = Schema::Compile(schema);
  const auto skip = std::find_if(kSkips.begin(), kSkips.end(), [&](const Skip& each) {
    return each.file == file && (each.group.empty() || each.group == name);
  });
  INFO(file << ": " << name << ": " << schema);
  if (skip != kSkips.end()) {
    std::cout << "skipped " << file << ": " << name << " (" << skip->reason << ")\n";
    tally.skips_used.insert(static_cast<size_t>(skip - kSkips.begin()));
    tally.skipped += group["tests"].size();
    CHECK(CompilesTo(compiled) == !skip->refused);
    return;
  }
  if (const auto* problems = std::get_if<std::vector<SchemaProblem>>(&compiled)) {
    FAIL_CHECK(problems->front().pointer << ": " << problems->front().message);
    return;
  }
  for (const Json& test : group["tests"]) {
    INFO(test["description"] << ": " << test["data"]);
    CHECK(std::get<Schema>(compiled).Validate(test["data"]).empty() == test["valid"].get<bool>());
    ++tally.passed;
  }
}

void RunFile(const fs::path& path, const std::string& name, Tally& tally) {
  for (const Json& group : Load(path)) {
    RunGroup(name, group, tally);
  }
}

std::vector<std::string> FilesIn(const fs::path& folder, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      names.push_back(prefix + entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("the public test suite passes wherever draft 7 and 2020-12 agree") {
  if (!fs::exists(kSuite)) {
    FAIL("the JSON Schema test suite is missing at "
         << kSuite << "; install it: apt-get install json-schema-test-suite");
  }
  Tally tally;
  std::vector<std::string> files = FilesIn(kSuite, "");
  for (const std::string folder : {"optional/", "optional/format/"}) {
    const std::vector<std::string> more = FilesIn(kSuite / folder, folder);
    files.insert(files.end(), more.begin(), more.end());
  }
  for (const std::string& file : files) {
    RunFile(kSuite / file, file, tally);
  }
  std::cout << tally.passed << " cases of the public suite ran, " << tally.skipped
            << " were skipped\n";
  CHECK(tally.passed >= 400);
  for (size_t i = 0; i < kSkips.size(); ++i) {
    INFO(kSkips[i].file << ": " << kSkips[i].group << " is skipped but does not exist");
    CHECK(tally.skips_used.count(i) == 1);
  }
}

TEST_CASE("our own cases of 2020-12 pass") {
  const fs::path folder = fs::path(ENTENTE_SOURCE_DIR) / "tests/dsl/schema/cases";
  Tally tally;
  for (const std::string& file : FilesIn(folder, "")) {
    RunFile(folder / file, "cases/" + file, tally);
  }
  CHECK(tally.skipped == 0);
  CHECK(tally.passed >= 400);
}

}  // namespace
}  // namespace entente::dsl
