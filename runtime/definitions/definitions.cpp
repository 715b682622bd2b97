#include "runtime/definitions/definitions.h"

#include <algorithm>
#include <variant>

#include "base/limits.h"
#include "runtime/definitions/children.h"
#include "runtime/digest.h"
#include "runtime/wall_clock.h"

namespace entente::runtime {
namespace {

// Names of inline definitions begin with a character no definition's own name may have, so they
// never mix with registered ones.
constexpr std::string_view kInlinePrefix = "~inline-";

bool IsInline(std::string_view name) {
  return name.starts_with(kInlinePrefix);
}

std::string DefinitionDigest(const std::string& source, const Json& env) {
  return Sha256Hex(source + '\n' + DumpJson(env));
}

}  // namespace

Definitions::Definitions(storage::Journal& journal, DefinitionOptions options)
    : journal_(journal),
      options_(std::move(options)),
      shown_digests_(options_.digest_key),
      plans_(options_.max_cached_bytes, options_.max_inline_bytes) {}

std::string Definitions::MarkOf(const std::string& name, uint32_t version) {
  return "definition " + name + " version " + std::to_string(version);
}

PlanPtr Definitions::Cached(const std::string& name, std::optional<uint32_t> version) {
  const std::lock_guard lock(mutex_);
  if (!version) {
    const auto newest = newest_.find(name);
    if (newest == newest_.end()) {
      return nullptr;
    }
    version = newest->second;
  }
  return plans_.Find(name, *version);
}

PlanPtr Definitions::Remember(const storage::DefinitionRow& row, dsl::Plan plan,
                              PlanCache::Place place) {
  plan.name = row.name;
  plan.version = row.version;
  const std::lock_guard lock(mutex_);
  return plans_.Put(std::move(plan), PlanBytes(row.source.size()), std::move(place));
}

Result<PlanCache::Place> Definitions::PlaceFor(const std::string& source, For whom) {
  const size_t bytes = PlanBytes(source.size());
  const std::lock_guard lock(mutex_);
  if (whom == For::kAccepted) {
    return plans_.Take(bytes);
  }
  if (auto place = plans_.Reserve(bytes)) {
    return std::move(*place);
  }
  return ResourceExhausted(
      "definition.too_many_inline_bytes",
      "this definition takes about " + std::to_string(bytes) +
          " bytes in memory, and those that came with open transactions take " +
          std::to_string(plans_.counted_bytes()) + " of the " +
          std::to_string(options_.max_inline_bytes) +
          " that they may take together: register it under a name, or try again later");
}

Result<PlanPtr> Definitions::Get(const std::string& name, std::optional<uint32_t> version,
                                 For whom) {
  if (PlanPtr cached = Cached(name, version)) {
    return cached;
  }
  return Load(name, version, whom);
}

Result<PlanPtr> Definitions::Load(const std::string& name, std::optional<uint32_t> version,
                                  For whom) {
  uint64_t stored = 0;
  {
    const std::lock_guard lock(mutex_);
    stored = stored_;
  }
  ENTENTE_ASSIGN_OR_RETURN(const storage::DefinitionRow row, journal_.GetDefinition(name, version));
  PlanCache::Place place;
  if (IsInline(name)) {
    auto found = PlaceFor(row.source, whom);
    ENTENTE_RETURN_IF_ERROR(found.status());
    ENTENTE_ASSIGN_OR_RETURN(dsl::Plan plan, CompileStored(row));
    return Remember(row, std::move(plan), std::move(found).value());
  }
  ENTENTE_ASSIGN_OR_RETURN(dsl::Plan plan, CompileStored(row));
  if (!version) {
    const std::lock_guard lock(mutex_);
    // Not if another one was stored meanwhile: what was read before it would stay.
    if (stored == stored_) {
      uint32_t& newest = newest_[row.name];
      newest = std::max(newest, row.version);
    }
  }
  return Remember(row, std::move(plan));
}

Result<dsl::Plan> Definitions::CompileStored(const storage::DefinitionRow& row) {
  // The environment it was registered with, not today's: a version means the same for ever.
  const auto env = ParseJson(row.env, limits::kDefinitionJson);
  if (!env.ok()) {
    return DataLoss("store.bad_definition", "the stored environment of definition '" + row.name +
                                                "' can not be read: " + env.status().message());
  }
  const std::string mark = MarkOf(row.name, row.version);
  if (options_.marks != nullptr && options_.marks->IsCondemned(mark)) {
    return DataLoss("store.bad_definition",
                    mark + " was being compiled whenever the coordinator's process crashed");
  }
  const marks::WorkScope scope(mark);
  dsl::CompileOptions options = options_.compile;
  options.allowed_env = {"*"};
  options.lookup_env = dsl::EnvFrom(*env);
  options.read_descriptors = nullptr;  // Checked when it was registered.
  options.check_address = nullptr;     // Checked at each call.
  options.stored = true;
  auto compiled = dsl::Compile(row.source, options);
  if (const auto* problems = std::get_if<dsl::Problems>(&compiled)) {
    return DataLoss(
        "store.bad_definition",
        "version " + std::to_string(row.version) + " of definition '" + row.name +
            "' does not compile any more: " + dsl::ProblemsToStatus(*problems).message());
  }
  return *std::get<std::shared_ptr<const dsl::Plan>>(compiled);
}

Result<storage::DefinitionRow> Definitions::Store(const dsl::Plan& plan, const std::string& name,
                                                  const std::string& source) {
  storage::DefinitionRow row;
  row.name = name;
  row.source = source;
  row.env = DumpJson(plan.env);
  row.digest = DefinitionDigest(source, plan.env);
  row.created_at = WallNow();
  return journal_.PutDefinition(std::move(row));
}

void Definitions::ForgetNewest() {
  const std::lock_guard lock(mutex_);
  newest_.clear();
  ++stored_;
}

bool Definitions::IsStored(const std::string& name, std::optional<uint32_t> version) {
  return Cached(name, version) != nullptr || journal_.GetDefinition(name, version).ok();
}

Definitions::Compiled Definitions::Compile(const std::string& name, std::string_view source) {
  Compiled compiled;
  dsl::CompileOptions options = options_.compile;
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
  PutResult result;
  result.row = Store(plan, plan.name, source);
  result.problems = std::move(compiled.problems);
  if (result.row.ok()) {
    result.row = Shown(std::move(result.row).value());
    {
      const std::lock_guard lock(mutex_);
      uint32_t& newest = newest_[plan.name];
      newest = std::max(newest, result.row->version);
      ++stored_;
    }
    const Status children = CheckChildren(*Remember(*result.row, plan));
    if (children.code() == StatusCode::kInvalidArgument) {
      // Another definition may still change that; until then every submit is refused.
      result.problems.push_back({"", 1, 1, children.reason(), children.message(), "", true});
    }
  }
  return result;
}

PlanPtr Definitions::FindInline(const std::string& source_digest) {
  const std::lock_guard lock(mutex_);
  const auto found = inline_.find(source_digest);
  const PlanPtr plan = found == inline_.end() ? nullptr : found->second.lock();
  // Asked for by its name, so that it counts as used.
  return plan == nullptr ? nullptr : plans_.Find(plan->name, plan->version);
}

void Definitions::NoteInline(const std::string& source_digest, const PlanPtr& plan) {
  const std::lock_guard lock(mutex_);
  if (inline_.size() >= forget_inline_at_) {
    std::erase_if(inline_, [](const auto& entry) { return entry.second.expired(); });
    forget_inline_at_ = std::max<size_t>(64, 2 * inline_.size());
  }
  inline_.insert_or_assign(source_digest, plan);
}

Result<PlanPtr> Definitions::Inline(const std::string& source) {
  // What is in use is stored, and was compiled with the environment of this very process.
  const std::string source_digest = Sha256Hex(source);
  if (PlanPtr known = FindInline(source_digest)) {
    return known;
  }
  const Compiled compiled = Compile("", source);
  if (compiled.plan == nullptr) {
    return dsl::ProblemsToStatus(compiled.problems);
  }
  ENTENTE_RETURN_IF_ERROR(CheckChildren(*compiled.plan));
  const std::string digest = DefinitionDigest(source, compiled.plan->env);
  auto place = PlaceFor(source, For::kNew);
  ENTENTE_RETURN_IF_ERROR(place.status());
  ENTENTE_ASSIGN_OR_RETURN(
      const storage::DefinitionRow row,
      Store(*compiled.plan, std::string(kInlinePrefix) + ShownDigest(digest).substr(0, 16),
            source));
  PlanPtr plan = Remember(row, *compiled.plan, std::move(place).value());
  NoteInline(source_digest, plan);
  return plan;
}

size_t Definitions::inline_bytes() {
  const std::lock_guard lock(mutex_);
  return plans_.counted_bytes();
}

std::vector<dsl::Problem> Definitions::Validate(std::string_view source) {
  return Compile("", source).problems;
}

std::string Definitions::ShownDigest(const std::string& stored) const {
  return ToHex(shown_digests_.Of(stored));
}

storage::DefinitionRow Definitions::Shown(storage::DefinitionRow row) const {
  row.digest = ShownDigest(row.digest);
  return row;
}

bool Definitions::ChildrenChecked(const dsl::Plan& plan) {
  if (!RunsChildren(plan)) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  const uint64_t* const note = plans_.NoteOf(plan.name, plan.version);
  return note != nullptr && *note == stored_ + 1;
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
    if (uint64_t* const note = plans_.NoteOf(plan.name, plan.version)) {
      *note = stored + 1;
    }
  }
  return found;
}

}  // namespace entente::runtime
