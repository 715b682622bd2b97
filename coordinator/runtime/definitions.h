// Definitions: every version of every definition that running transactions may need, compiled.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "dsl/compiler.h"
#include "dsl/plan.h"
#include "marks/crash_marks.h"
#include "storage/journal.h"

namespace entente::runtime {

using PlanPtr = std::shared_ptr<const dsl::Plan>;

// Thread-safe. The journal must outlive it.
class Definitions {
 public:
  // `options` says which environment variables a definition may read, and which modes it may use.
  // `marks` may be null; what they condemned is not compiled again.
  Definitions(storage::Journal& journal, dsl::CompileOptions options,
              const marks::CrashMarks* marks = nullptr);

  // What a stored version is called while it is being compiled.
  [[nodiscard]] static std::string MarkOf(const std::string& name, uint32_t version);

  // What is already compiled, or null. Never blocks on I/O. Without a version: the newest.
  [[nodiscard]] PlanPtr Cached(const std::string& name, std::optional<uint32_t> version);

  // Loads and compiles if need be. Blocks. kNotFound definition.not_found; kDataLoss for a stored
  // definition that does not compile any more.
  [[nodiscard]] Result<PlanPtr> Get(const std::string& name, std::optional<uint32_t> version);

  // Whether CheckChildren found nothing, and no definition was stored since. Never blocks on I/O.
  [[nodiscard]] bool ChildrenChecked(const dsl::Plan& plan);
  // As children.h says. Blocks.
  [[nodiscard]] Status CheckChildren(const dsl::Plan& plan);

  struct PutResult {
    Result<storage::DefinitionRow> row = Internal("definition.not_put", "not put");
    // Every mistake, when the row is kInvalidArgument; else what was warned of.
    std::vector<dsl::Problem> problems;
  };
  // Compiles and stores. An empty name takes the document's own; otherwise the two must agree.
  // Blocks.
  [[nodiscard]] PutResult Put(const std::string& name, const std::string& source);

  // Stores a definition sent along with a transaction, under a name made of its content, unless
  // CheckChildren finds something.
  [[nodiscard]] PutResult PutInline(const std::string& source);

  // Every mistake, or what was warned of if there is none. Blocks.
  [[nodiscard]] std::vector<dsl::Problem> Validate(std::string_view source);

 private:
  // Compiled with warnings of what it may run, and is not there (yet).
  struct Compiled {
    std::shared_ptr<const dsl::Plan> plan;  // Null if there is a mistake.
    std::vector<dsl::Problem> problems;     // The mistakes, or the warnings.
  };
  // `name`: what it will be registered as, and so may run, or empty.
  [[nodiscard]] Compiled Compile(const std::string& name, std::string_view source);
  [[nodiscard]] bool IsStored(const std::string& name, std::optional<uint32_t> version);
  PutResult Store(const std::string& stored_name, const std::string& source, dsl::Plan plan);
  PlanPtr Remember(dsl::Plan plan, bool newest);

  storage::Journal& journal_;
  const dsl::CompileOptions options_;
  const marks::CrashMarks* const marks_;
  std::mutex mutex_;
  std::map<std::pair<std::string, uint32_t>, PlanPtr> plans_;
  std::map<std::string, PlanPtr> newest_;
  std::deque<std::pair<std::string, uint32_t>> inline_plans_;  // Those in plans_, oldest first.
  uint64_t stored_ = 0;  // Definitions that were stored under a name, and so may be children.
  // The plans whose children were found well, and `stored_` then.
  std::map<std::pair<std::string, uint32_t>, uint64_t> children_checked_;
};

}  // namespace entente::runtime
