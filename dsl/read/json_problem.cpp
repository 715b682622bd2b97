#include "dsl/read/json_problem.h"

#include <charconv>
#include <string_view>

namespace entente::dsl {

// What ParseJson says in front of its message, "line 3, column 7: ", taken apart.
Problem JsonProblem(const Status& status) {
  Problem problem{"", 1, 1, status.reason(), status.message(), ""};
  std::string_view rest = status.message();
  const auto take = [&rest](std::string_view label, size_t* number) {
    if (!rest.starts_with(label)) {
      return false;
    }
    rest.remove_prefix(label.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), *number);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    return error == std::errc();
  };
  size_t line = 0;
  size_t column = 0;
  if (take("line ", &line) && take(", column ", &column) && rest.starts_with(": ")) {
    problem.line = line;
    problem.column = column;
    problem.message = std::string(rest.substr(2));
  }
  return problem;
}

}  // namespace entente::dsl
