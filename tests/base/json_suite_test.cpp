// JSONTestSuite (github.com/nst/JSONTestSuite), which no Debian package has: run when the
// environment variable ENTENTE_JSON_TEST_SUITE names its folder test_parsing. docs/testing.md has
// the results.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "base/limits.h"

namespace entente {
namespace {

// RFC 8259 lets them stand; here a key may stand once.
const std::set<std::string> kDuplicateKeys{"y_object_duplicated_key.json",
                                           "y_object_duplicated_key_and_value.json"};

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether the suite says that the text is, or is not, to be read; or leaves it to the reader.
bool HasToBeRead(const std::string& name) {
  return name.starts_with("y_") && kDuplicateKeys.count(name) == 0;
}
bool HasToBeRefused(const std::string& name) {
  // Of what is left to the reader: lone surrogates, bytes that are no UTF-8, UTF-16, a byte order
  // mark and 500 levels are refused; large numbers are the number type's affair.
  return name.starts_with("n_") || kDuplicateKeys.count(name) != 0 ||
         (name.starts_with("i_") && !name.starts_with("i_number"));
}

TEST_CASE("JSONTestSuite's texts are read or refused as they have to be") {
  const char* folder = std::getenv("ENTENTE_JSON_TEST_SUITE");
  if (folder == nullptr) {
    WARN("skipped: ENTENTE_JSON_TEST_SUITE does not name the folder test_parsing of JSONTestSuite");
    return;
  }
  size_t texts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const Result<Json> json = ParseJson(ReadAll(entry.path()), limits::kPayloadJson);
    CHECK((json.ok() ? !HasToBeRefused(name) : !HasToBeRead(name)));
    if (json.ok()) {
      const Result<Json> again = ParseJson(DumpJson(*json), limits::kPayloadJson);
      CHECK((again.ok() && *again == *json));
    }
    ++texts;
  }
  CHECK(texts > 300);
}

}  // namespace
}  // namespace entente
