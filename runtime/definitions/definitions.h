// Definitions: every version of every definition that running transactions may need, compiled.
//
// A definition that comes with a transaction (inline) is stored like any other, under a name made
// of its content, so that the same one is stored, compiled and counted once for all transactions
// that bring it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/status.h"
#include "dsl/compiler.h"
#include "dsl/plan.h"
#include "marks/crash_marks.h"
#include "runtime/definitions/plan_cache.h"
#include "runtime/digest.h"
#include "storage/journal.h"

namespace entente::runtime {

struct DefinitionOptions {
  // Which environment variables a definition may read, and which modes it may use.
  dsl::CompileOptions compile = {};
  // What was condemned is not compiled again. May be null; outlives the definitions.
  const marks::CrashMarks* marks = nullptr;
  size_t max_cached_bytes = limits::kMaxCachedDefinitionBytes;
  size_t max_inline_bytes = limits::kMaxInlineDefinitionBytes;
  // What ShownDigest is made with: secret, and the same for all nodes of a store.
  std::string digest_key = {};
};

// Thread-safe. The journal must outlive it.
class Definitions {
 public:
  explicit Definitions(storage::Journal& journal, DefinitionOptions options = {});

  // What a stored version is called while it is being compiled.
  [[nodiscard]] static std::string MarkOf(const std::string& name, uint32_t version);

  // What is already compiled, or null. Never blocks on I/O. Without a version: the newest.
  [[nodiscard]] PlanPtr Cached(const std::string& name, std::optional<uint32_t> version);

  // Of a transaction that was accepted, or of one that is about to be.
  enum class For : uint8_t { kAccepted, kNew };
  // Loads and compiles if need be. Blocks. kNotFound definition.not_found; kDataLoss for a stored
  // definition that does not compile any more; for a new transaction also, as Inline, that there is
  // no room.
  [[nodiscard]] Result<PlanPtr> Get(const std::string& name, std::optional<uint32_t> version,
                                    For whom = For::kAccepted);

  // Whether CheckChildren found nothing, and no definition was stored since. Never blocks on I/O.
  [[nodiscard]] bool ChildrenChecked(const dsl::Plan& plan);
  // As children.h says. Blocks.
  [[nodiscard]] Status CheckChildren(const dsl::Plan& plan);

  // Another node may have stored a version: which one is the newest is asked anew.
  void ForgetNewest();

  struct PutResult {
    // As it is Shown.
    Result<storage::DefinitionRow> row = Internal("definition.not_put", "not put");
    // Every mistake, when the row is kInvalidArgument; else what was warned of.
    std::vector<dsl::Problem> problems;
  };
  // Compiles and stores. An empty name takes the document's own; otherwise the two must agree.
  // Blocks.
  [[nodiscard]] PutResult Put(const std::string& name, const std::string& source);

  // Compiles and stores a definition sent along with a transaction, unless CheckChildren finds
  // something. kInvalidArgument definition.invalid; kResourceExhausted
  // definition.too_many_inline_bytes: those of open transactions leave no room for it. Blocks.
  [[nodiscard]] Result<PlanPtr> Inline(const std::string& source);

  // What the inline definitions that are in use take, or are kept though they are not.
  [[nodiscard]] size_t inline_bytes();

  // Every mistake, or what was warned of if there is none. Blocks.
  [[nodiscard]] std::vector<dsl::Problem> Validate(std::string_view source);

  // What is shown for the digest that a version is stored with. That one tells the store whether a
  // definition that is put is the newest one again; but whoever has the source could try values of
  // `env` until they fit it. This one tells versions apart as well, and fits nothing that can be
  // made outside.
  [[nodiscard]] std::string ShownDigest(const std::string& stored) const;
  // The same of a whole row, which goes to whoever asked.
  [[nodiscard]] storage::DefinitionRow Shown(storage::DefinitionRow row) const;

 private:
  // Compiled with warnings of what it may run, and is not there (yet).
  struct Compiled {
    std::shared_ptr<const dsl::Plan> plan;  // Null if there is a mistake.
    std::vector<dsl::Problem> problems;     // The mistakes, or the warnings.
  };
  // `name`: what it will be registered as, and so may run, or empty.
  [[nodiscard]] Compiled Compile(const std::string& name, std::string_view source);
  [[nodiscard]] bool IsStored(const std::string& name, std::optional<uint32_t> version);
  [[nodiscard]] Result<PlanPtr> Load(const std::string& name, std::optional<uint32_t> version,
                                     For whom);
  [[nodiscard]] Result<dsl::Plan> CompileStored(const storage::DefinitionRow& row);
  // A stored version of a plan, and what is stored of it.
  [[nodiscard]] Result<storage::DefinitionRow> Store(const dsl::Plan& plan, const std::string& name,
                                                     const std::string& source);
  PlanPtr Remember(const storage::DefinitionRow& row, dsl::Plan plan, PlanCache::Place place = {});
  [[nodiscard]] PlanPtr FindInline(const std::string& source_digest);
  void NoteInline(const std::string& source_digest, const PlanPtr& plan);
  [[nodiscard]] Result<PlanCache::Place> PlaceFor(const std::string& source, For whom);

  storage::Journal& journal_;
  const DefinitionOptions options_;
  const Hmac shown_digests_;

  std::mutex mutex_;
  // Guarded by mutex_:
  PlanCache plans_;  // The note of each: one more than `stored_` when its children were found well.
  std::map<std::string, uint32_t> newest_;  // Of each name that was asked for or stored.
  std::map<std::string, std::weak_ptr<const dsl::Plan>> inline_;  // By the source's digest.
  size_t forget_inline_at_ = 64;
  uint64_t stored_ = 0;  // Definitions that were stored under a name, and so may be children.
};

}  // namespace entente::runtime
