#include "cli/text/problem_text.h"

#include <algorithm>

#include "base/utf8.h"
#include "cli/context.h"
#include "cli/text/table.h"
#include "dsl/source_map.h"

namespace entente::cli {
namespace {

constexpr size_t kMaxShown = 100;  // Columns of the line; definitions may be one long line.

// The text of line `number` (from 1), without its end.
std::string_view LineAt(std::string_view source, size_t number) {
  for (size_t line = 1; line < number; ++line) {
    const size_t end = source.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    source.remove_prefix(end + 1);
  }
  std::string_view found = source.substr(0, source.find('\n'));
  if (found.ends_with('\r')) {
    found.remove_suffix(1);
  }
  return found;
}

// The bytes from character `from` on, `count` of them.
std::string_view Characters(std::string_view utf8, size_t from, size_t count) {
  size_t begin = utf8.size();
  size_t end = utf8.size();
  size_t seen = 0;
  for (size_t i = 0; i < utf8.size(); ++i) {
    if ((static_cast<unsigned char>(utf8[i]) & 0xC0) == 0x80) {
      continue;
    }
    if (seen == from) {
      begin = i;
    }
    if (seen == from + count) {
      end = i;
      break;
    }
    ++seen;
  }
  return utf8.substr(begin, end - begin);
}

size_t Position(const Json& problem, const char* member) {
  const auto found = problem.find(member);
  return found != problem.end() && found->is_number_integer() ? found->get<size_t>() : 0;
}

// Puts the problem where its member stands.
void PlaceIn(std::string_view source, Json& problem) {
  const dsl::Position position = dsl::SourceMap(source).OfKey(Text(problem, "pointer"));
  problem["line"] = position.line;
  problem["column"] = position.column;
}

}  // namespace

std::string ShowProblem(std::string_view file, std::string_view source, const Json& problem) {
  const size_t line = Position(problem, "line");
  const size_t column = Position(problem, "column");
  std::string text(file);
  if (line > 0) {
    text += ":" + std::to_string(line) + ":" + std::to_string(column);
  }
  text += problem.value("warning", false) ? ": warning: " : ": ";
  text += ShowText(Text(problem, "message"));
  if (const std::string suggestion = Text(problem, "suggestion"); !suggestion.empty()) {
    text += "; " + ShowText(suggestion);
  }
  text += "\n";
  const std::string_view whole = LineAt(source, line);
  if (line == 0 || column == 0 || whole.empty()) {
    return text;
  }
  const size_t first =
      column > kMaxShown / 2 && DisplayWidth(whole) > kMaxShown ? column - kMaxShown / 2 : 0;
  text += "  " + ShowText(Characters(whole, first, kMaxShown)) + "\n";
  return text + "  " + std::string(column - 1 - first, ' ') + "^\n";
}

bool PrintRefusal(Context& context, const std::string& file, const DefinitionSource& source,
                  Sent sent) {
  const Json& problems = Items(context.client().last_problem(), "problems");
  if (problems.empty() || context.json) {
    return false;
  }
  const std::string name = NameOfFile(file);
  for (Json problem : problems) {
    if (sent == Sent::kWrittenAnew) {
      PlaceIn(source.json, problem);
    }
    context.terminal.err << ShowProblem(name, source.written, problem);
  }
  context.exit_code = kExitNo;
  return true;
}

}  // namespace entente::cli
