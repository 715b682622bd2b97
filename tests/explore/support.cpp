#include "tests/explore/support.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "base/limits.h"

namespace entente::explore::test {

Definition Compile(std::string_view text) {
  dsl::CompileOptions options;
  options.offline = true;
  dsl::CompileResult result = dsl::Compile(text, options);
  if (const auto* problems = std::get_if<dsl::Problems>(&result)) {
    throw std::runtime_error(dsl::FormatProblem(problems->front()));
  }
  return {std::get<std::shared_ptr<const dsl::Plan>>(std::move(result)),
          ParseJson(text, limits::kDefinitionJson).value()};
}

Definition CompileFile(const std::string& path) {
  std::ifstream file(path);
  return Compile(std::string(std::istreambuf_iterator<char>(file), {}));
}

ExploreReport Walk(const Definition& definition, ExploreOptions options) {
  options.check_invariants = true;
  Result<ExploreReport> report = Explore(*definition.plan, definition.source, options);
  if (!report.ok()) {
    throw std::runtime_error(report.status().message());
  }
  return std::move(report).value();
}

std::vector<std::string> Codes(const ExploreReport& report) {
  std::vector<std::string> codes;
  for (const Finding& finding : report.findings) {
    codes.push_back(finding.code + (finding.step.empty() ? "" : " " + finding.step));
  }
  return codes;
}

std::string WithSteps(const std::string& steps, const std::string& more) {
  return R"({"name": "d", "participants": {"a": {"http": "http://a"}, "b": {"http": "http://b"}}, )" +
         more + R"("steps": [)" + steps + "]}";
}

}  // namespace entente::explore::test
