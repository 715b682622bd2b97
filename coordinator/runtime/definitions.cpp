#include "coordinator/runtime/definitions.h"

#include <variant>

#include "base/limits.h"
#include "coordinator/runtime/children.h"
#include "coordinator/runtime/digest.h"
#include "coordinator/runtime/worker.h"

namespace entente::runtime {
namespace {

// Names of inline definitions begin with a character no definition's own name may have, so they
// never mix with registered ones.
constexpr std::string_view kInlinePrefix = "~inline-";

// Plans of inline definitions that are kept though no open transaction may need them.
constexpr size_t kMaxInlinePlans = 1'000;

std::string DefinitionDigest(const std::string& source, const Json& env) {
  return Sha256Hex(source + '\n' + DumpJson(env));
}

}  // namespace

Definitions::Definitions(storage::Journal& journal, dsl::CompileOptions options,
                         const marks::CrashMarks* marks)
    : journal_(journal), options_(std::move(options)), marks_(marks) {}

std::string Definitions::MarkOf(const std::string& name, uint32_t version) {
  return "definition " + name + " version " + std::to_string(version);
}

PlanPtr Definitions::Cached(const std::string& name, std::optional<uint32_t> version) {
  const std::lock_guard lock(mutex_);
  if (version) {
    const auto found = plans_.find({name, *version});
    return found == plans_.end() ? nullptr : found->second;
  }
  const auto found = newest_.find(name);
  return found == newest_.end() ? nullptr : found->second;
}

PlanPtr Definitions::Remember(dsl::Plan plan, bool newest) {
  const std::lock_guard lock(mutex_);
  PlanPtr& slot = plans_[{plan.name, plan.version}];
  if (slot == nullptr) {
    slot = std::make_shared<const dsl::Plan>(std::move(plan));
    if (slot->name.starts_with(kInlinePrefix)) {
      inline_plans_.emplace_back(slot->name, slot->version);
    }
  }
  const PlanPtr kept = slot;
  if (newest) {
    PlanPtr& current = newest_[kept->name];
    if (current == nullptr || current->version < kept->version) {
      current = kept;
    }
  }
  if (inline_plans_.size() > kMaxInlinePlans) {
    newest_.erase(inline_plans_.front().first);
    plans_.erase(inline_plans_.front());
    children_checked_.erase(inline_plans_.front());
    inline_plans_.pop_front();
  }
  return kept;
}

Result<PlanPtr> Definitions::Get(const std::string& name, std::optional<uint32_t> version) {
  if (PlanPtr cached = Cached(name, version)) {
    return cached;
  }
  ENTENTE_ASSIGN_OR_RETURN(const storage::DefinitionRow row, journal_.GetDefinition(name, version));
  // The environment it was registered with, not today's: a version means the same for ever.
  const auto env = ParseJson(row.env, limits::kDefinitionJson);
  if (!env.ok()) {
    return DataLoss("store.bad_definition", "the stored environment of definition '" + name +
                                                "' can not be read: " + env.status().message());
  }
  const std::string mark = MarkOf(row.name, row.version);
  if (marks_ != nullptr && marks_->IsCondemned(mark)) {
    return DataLoss("store.bad_definition",
                    mark + " was being compiled whenever the coordinator's process crashed");
  }
  const marks::WorkScope scope(mark);
  dsl::CompileOptions options = options_;
  options.allowed_env = {"*"};
  options.lookup_env = dsl::EnvFrom(*env);
  options.read_descriptors = nullptr;  // Checked when it was registered.
  options.check_address = nullptr;     // Checked at each call.
  options.stored = true;
  auto compiled = dsl::Compile(row.source, options);
  if (const auto* problems = std::get_if<dsl::Problems>(&compiled)) {
    return DataLoss(
        "store.bad_definition",
        "version " + std::to_string(row.version) + " of definition '" + name +
            "' does not compile any more: " + dsl::ProblemsToStatus(*problems).message());
  }
  dsl::Plan plan = *std::get<std::shared_ptr<const dsl::Plan>>(compiled);
  plan.name = row.name;
  plan.version = row.version;
  return Remember(std::move(plan), !version.has_value());
}

Definitions::PutResult Definitions::Store(const std::string& stored_name, const std::string& source,
                                          dsl::Plan plan) {
  storage::DefinitionRow row;
  row.name = stored_name;
  row.source = source;
  row.env = DumpJson(plan.env);
  row.digest = DefinitionDigest(source, plan.env);
  row.created_at = WallNow();
  auto stored = journal_.PutDefinition(std::move(row));
  if (stored.ok()) {
    plan.name = stored_name;
    plan.version = stored->version;
    Remember(std::move(plan), true);
    if (!stored_name.starts_with(kInlinePrefix)) {
      const std::lock_guard lock(mutex_);
      ++stored_;
    }
  }
  return {std::move(stored), {}};
}

bool Definitions::IsStored(const std::string& name, std::optional<uint32_t> version) {
  return Cached(name, version) != nullptr || journal_.GetDefinition(name, version).ok();
}

Definitions::Compiled Definitions::Compile(const std::string& name, std::string_view source) {
  Compiled compiled;
  dsl::CompileOptions options = options_;
  options.has_definition = [this, &name](const std::string& child,
                                         std::optional<uint32_t> version) {
    return child == name || IsStored(child, version);
  };
  options.warn = [&compiled](dsl::Problem warning) {
    compiled.problems.push_back(std::move(warning));
  };
  auto result = dsl::Compile(source, options);
  if (auto* problems = std::get_if<dsl::Problems>(&result)) {
    compiled.problems = std::move(*problems);
  } else {
    compiled.plan = std::get<std::shared_ptr<const dsl::Plan>>(std::move(result));
  }
  return compiled;
}

Definitions::PutResult Definitions::Put(const std::string& name, const std::string& source) {
  Compiled compiled = Compile(name, source);
  if (compiled.plan == nullptr) {
    return {dsl::ProblemsToStatus(compiled.problems), std::move(compiled.problems)};
  }
  const dsl::Plan& plan = *compiled.plan;
  if (!name.empty() && name != plan.name) {
    return {InvalidArgument("definition.name_mismatch", "the document names itself '" + plan.name +
                                                            "', but was put as '" + name +
                                                            "': make the two agree"),
            {}};
  }
  PutResult result = Store(plan.name, source, plan);
  result.problems = std::move(compiled.problems);
  if (const PlanPtr stored = result.row.ok() ? Cached(plan.name, result.row->version) : nullptr) {
    const Status children = CheckChildren(*stored);
    if (children.code() == StatusCode::kInvalidArgument) {
      // Another definition may still change that; until then every submit is refused.
      result.problems.push_back({"", 1, 1, children.reason(), children.message(), "", true});
    }
  }
  return result;
}

Definitions::PutResult Definitions::PutInline(const std::string& source) {
  Compiled compiled = Compile("", source);
  if (compiled.plan == nullptr) {
    return {dsl::ProblemsToStatus(compiled.problems), std::move(compiled.problems)};
  }
  if (Status children = CheckChildren(*compiled.plan); !children.ok()) {
    return {std::move(children), {}};
  }
  const std::string digest = DefinitionDigest(source, compiled.plan->env);
  return Store(std::string(kInlinePrefix) + digest.substr(0, 16), source, *compiled.plan);
}

std::vector<dsl::Problem> Definitions::Validate(std::string_view source) {
  return Compile("", source).problems;
}

bool Definitions::ChildrenChecked(const dsl::Plan& plan) {
  if (!RunsChildren(plan)) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  const auto found = children_checked_.find({plan.name, plan.version});
  return found != children_checked_.end() && found->second == stored_;
}

Status Definitions::CheckChildren(const dsl::Plan& plan) {
  uint64_t stored = 0;
  {
    const std::lock_guard lock(mutex_);
    stored = stored_;
  }
  const Status found = runtime::CheckChildren(
      plan, [this](const std::string& name, std::optional<uint32_t> version) {
        return Get(name, version);
      });
  if (found.ok() && plan.version > 0) {
    const std::lock_guard lock(mutex_);
    children_checked_[{plan.name, plan.version}] = stored;
  }
  return found;
}

}  // namespace entente::runtime
