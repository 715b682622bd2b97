// StepCompiler: one step of a definition -> a Step of the plan.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dsl/durations.h"
#include "dsl/expressions.h"
#include "dsl/participants.h"
#include "dsl/plan.h"
#include "dsl/read/problem_list.h"
#include "dsl/retry.h"
#include "dsl/steps/operations.h"
#include "dsl/steps/step_list.h"

namespace entente::dsl {

// What a definition says for all its steps.
struct StepDefaults {
  RetryOverrides retry;
  RetryOverrides settle_retry;
  std::optional<Duration> timeout;
};

// Borrows its arguments. Reports what is wrong.
class StepCompiler {
 public:
  StepCompiler(Mode mode, const StepList& list, const Participants& participants,
               const StepDefaults& defaults, const CompileOptions& options,
               ExpressionCompiler& expressions, ProblemList& problems)
      : mode_(mode),
        list_(list),
        participants_(participants),
        defaults_(defaults),
        options_(options),
        expressions_(expressions),
        operations_(participants.known, options, expressions, problems),
        problems_(problems) {}

  // The step at `index`, with `after` as indices in the definition and `before` empty; nothing if
  // it could not be compiled.
  [[nodiscard]] std::optional<Step> Compile(size_t index, const Json& json,
                                            const std::string& pointer);

 private:
  struct Policies {
    RetryPolicy retry;
    RetryPolicy settle_retry;
    Duration timeout;
    std::optional<cel::Template> computed_timeout;
    DurationField deadline;
  };

  [[nodiscard]] Scope ScopeOf(size_t index, std::string_view place) const;
  std::optional<CallWork> Calls(size_t index, const ObjectReader& reader);
  void Settling(size_t index, const ObjectReader& reader, const OperationSite& site, CallWay* way);
  // The roles of a mode that settle a call.
  [[nodiscard]] static std::span<const Role> SettlingRoles(Mode mode);
  // Compiles what settles a call into its place in `way`; null: nothing does. Returns where a
  // finish reads the step's own output.
  std::optional<ExpressionCompiler::Place> CompileSettling(Role role, const Json& json,
                                                           const std::string& pointer,
                                                           OperationSite site, CallWay* way);
  void CheckOnePhase(const ObjectReader& reader, const ExpressionCompiler::Place& reads_output);
  void Alternatives(size_t index, const ObjectReader& reader, OperationSite site, CallWork* work);
  // What an alternative is there for: `on` and `after`.
  void ReadOccasion(const Json& json, const std::string& pointer, CallWay* way);
  std::optional<std::string> ReadRefusal(const Json& entry, const std::string& pointer);
  // `given_up` is where it says that it follows what was given up, if it does.
  void CheckAfterUndo(const Json& json, const std::string& pointer,
                      const std::optional<std::string>& given_up);
  void CheckUndoneBefore(size_t index, const CallWork& work, size_t number,
                         const std::string& pointer);
  static void LookForCodes(CallWork* work);
  // What an alternative says of how it is settled, in place of what `way` has from the step.
  void SettleAlternative(size_t index, const ObjectReader& step, const Json& json,
                         OperationSite site, const CallWay& action, CallWay* way);
  void CheckOwnSettling(size_t index, Role role, const Json& own, const std::string& pointer,
                        bool step_has_one);
  // The field of an undo or a finish; null if there is nothing to call. Reports it missing.
  const Json* FindSettling(size_t index, const ObjectReader& reader, std::string_view field);
  void CheckFannedPivot(size_t index, const ObjectReader& reader);
  void CheckOnGiveUp(size_t index, const ObjectReader& reader);
  // What an optional step can not be.
  void CheckOptional(size_t index, const ObjectReader& reader);
  // "compensate": "child". Reports any other text.
  void UndoChild(const Json& json, const std::string& pointer, CallWay* way);
  // What bounds calls does not bound a child transaction.
  void CheckChildPolicies(const ObjectReader& reader, const CallWork& work);
  std::optional<OperationSite> SiteOf(size_t index, const ObjectReader& reader);
  void CheckParticipantGiven(const ObjectReader& reader, OperationSite* site);
  std::optional<ForEach> Fan(size_t index, const ObjectReader& reader);
  // A 'forEach' as an object: of one step, or with steps of its own.
  std::optional<ForEach> ReadEach(size_t index, const Json& json, const std::string& pointer,
                                  const ObjectSpec& spec);
  std::optional<DecideWork> Block(size_t index, const ObjectReader& reader);
  void CheckAtLeast(size_t index, const ObjectReader& fan, ForEach* each);
  void CheckPlaceOfBlock(size_t index, const std::string& pointer);
  // In a block: what its steps have a branch for.
  [[nodiscard]] std::optional<ForEach> EachOfBlock(size_t index) const;
  std::optional<WaitWork> Wait(size_t index, const ObjectReader& reader);
  std::optional<WaitWork> WaitForDuration(size_t index, const ObjectReader& wait);
  std::optional<WaitWork> WaitUntilInstant(size_t index, const ObjectReader& wait);
  std::optional<WaitWork> WaitForSignal(size_t index, const ObjectReader& wait);
  std::optional<Schema> Payload(const ObjectReader& wait, const std::string& signal);
  std::optional<DecideWork> Choose(size_t index, const ObjectReader& reader);
  std::optional<DecideWork> Refuse(size_t index, const ObjectReader& reader);
  // The names for its own expressions.
  std::vector<Let> Lets(size_t index, const ObjectReader& reader);
  // What kind of step it is; reports one that is several.
  std::optional<std::string_view> KindOf(const Json& json, const std::string& pointer);
  Policies ReadPolicies(size_t index, const ObjectReader& reader);
  // Of what bounds a step: it is asked for each of its branches, whatever operation that is at.
  [[nodiscard]] Scope PolicyScope(size_t index, const ObjectReader& reader,
                                  std::string_view place) const;
  std::optional<Expiry> Expires(size_t index, const ObjectReader& reader, const Policies& policies);
  bool OnePhase(const ObjectReader& reader);

  // Where a schema is stated for the payload of a signal.
  struct StatedPayload {
    const Json* schema;  // Of the definition, which outlives the compiler.
    std::string pointer;
  };

  Mode mode_;
  std::map<std::string, StatedPayload> payloads_;  // By the signal's name.
  std::map<size_t, ForEach> blocks_;               // By the step that stands for one.
  const StepList& list_;
  const Participants& participants_;
  const StepDefaults& defaults_;
  const CompileOptions& options_;
  ExpressionCompiler& expressions_;
  OperationCompiler operations_;
  ProblemList& problems_;
};

}  // namespace entente::dsl
