#ifndef ENTENTE_TESTS_SUPPORT_CATCH2_3_CATCH2_CATCH_HPP_
#define ENTENTE_TESTS_SUPPORT_CATCH2_3_CATCH2_CATCH_HPP_

// Catch2 2's header and names, where Catch2 3 is installed (Debian 13). Only then is this folder
// among those that are searched for headers (tests/CMakeLists.txt).

#include <string>
#include <utility>

#include <catch2/catch_all.hpp>

namespace Catch {

using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using Catch::Matchers::UnorderedEquals;

inline Matchers::StringContainsMatcher Contains(std::string part) {
  return Matchers::ContainsSubstring(std::move(part));
}

}  // namespace Catch

#endif  // ENTENTE_TESTS_SUPPORT_CATCH2_3_CATCH2_CATCH_HPP_
