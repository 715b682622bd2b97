// ExpressionCompiler: the expressions of a definition, parsed and checked against what they may
// read where they stand.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "dsl/cel/expression.h"
#include "dsl/cel/template.h"
#include "dsl/environment.h"
#include "dsl/plan.h"
#include "dsl/read/problem_list.h"
#include "dsl/steps/step_order.h"

namespace entente::dsl {

// Which names an expression may read; `env` as well, unless the environment is closed.
struct Scope {
  std::string_view place;  // For messages: "the action".
  bool input = true;
  bool gid = true;
  bool steps = true;
  bool key = false;
  bool element = false;  // `item` and `index`.
  bool answer = false;   // `output`: what the call itself was answered.
  bool failure = false;  // Why the transaction aborts.
  bool token = false;    // `token` and `completionUrl`: what completes the call later.
  bool body = false;     // What was sent to complete it.
  std::optional<size_t> step =
      std::nullopt;           // Whose expression it is: reads what precedes. None: every step.
  bool own_output = false;    // May read `steps.<itself>` as well.
  bool when_unknown = false;  // Stands in for an undo that has no output to read.
};

// What expressions need to know about the steps, by their index in the definition.
struct StepTable {
  std::vector<std::string> ids;   // Empty where the id is unusable.
  std::vector<std::string> when;  // The condition as it is written; empty: the step has none.
  std::vector<std::optional<WayOfChoice>> ways;
  std::vector<std::optional<size_t>> blocks;  // As StepSource's.
  std::vector<bool> optional;                 // The transaction goes on when the step fails.
  std::vector<std::optional<size_t>> races;   // As Step::race.
  std::vector<Stage> stages;
  StepOrder order{{}};
  // Steps whose place is not known because an `after` above them is wrong: what they may read is
  // not checked, so that one mistake is not reported as many.
  std::vector<bool> uncertain;

  [[nodiscard]] std::optional<size_t> Find(std::string_view id) const;
  // Whether it is a step whose 'forEach' has steps.
  [[nodiscard]] bool IsBlock(size_t step) const;
  // Whether `step` belongs to the choice's ways, at any depth: to which one.
  [[nodiscard]] std::optional<size_t> WayWithin(size_t step, size_t choice) const;
  // Whether both belong to one choice, in different ways: at most one of them is taken.
  [[nodiscard]] bool Exclude(size_t a, size_t b) const;
  // A choice that `step` belongs to and that `reader` (none: nobody in particular) does not belong
  // to in the same way: the one may have been skipped when the other runs.
  [[nodiscard]] std::optional<size_t> ChoiceBetween(size_t step,
                                                    std::optional<size_t> reader) const;
};

// Borrows its arguments. Every function reports what is wrong and then returns nothing; a mistake
// in what an expression reads is reported as well but does not keep it from being returned.
class ExpressionCompiler {
 public:
  // `input_schema` is null if the definition has none.
  ExpressionCompiler(const StepTable& steps, const Json* input_schema, Environment& environment,
                     ProblemList& problems)
      : steps_(steps),
        input_schema_(input_schema),
        environment_(environment),
        problems_(problems) {}

  // `value` is a string that is one `${...}` and nothing else. If it reads nothing, its result is
  // checked to be of kind `wanted` ("a list").
  [[nodiscard]] std::optional<cel::Expression> Whole(const Json& value, const std::string& pointer,
                                                     const Scope& scope, cel::Kind wanted);

  // Any JSON with expressions in its strings.
  [[nodiscard]] std::optional<cel::Template> Document(const Json& value, const std::string& pointer,
                                                      const Scope& scope);

  // A string with expressions in it, which may not be anything but a string. `literal`, if given,
  // receives its text when no expression is in it, or when its expressions read nothing.
  [[nodiscard]] std::optional<cel::Template> Text(const Json& value, const std::string& pointer,
                                                  const Scope& scope,
                                                  std::optional<std::string>* literal = nullptr);

  // The values of a `let`. Until the next step is declared, or for good if they are the
  // definition's, expressions may read them by name, wherever what they are made of may be read:
  // that is checked where the name is read. `scope` may read whatever any of those may.
  enum class LetLevel : uint8_t { kDefinition, kStep };
  [[nodiscard]] std::vector<Let> Declare(const Json& json, const std::string& pointer,
                                         const Scope& scope, LetLevel level);
  void ForgetStepLets() { step_lets_.clear(); }

  // Where the latest expressions read the output of their own step: the first such place, or
  // nothing. Forgets it.
  struct Place {
    std::string pointer;
    size_t offset;
  };
  [[nodiscard]] std::optional<Place> TakeOwnOutputRead();

  // Whether the latest expressions read the token or the address that complete their call. Forgets
  // it.
  [[nodiscard]] bool TakeTokenRead() { return std::exchange(token_read_, false); }

  // What expressions read of a step's answer beside its output.
  struct AnswerRead {
    std::set<std::string> headers;
    bool status_code = false;
    Place place;  // The first one.
  };
  // By step, as its index in the definition.
  [[nodiscard]] const std::map<size_t, AnswerRead>& answers_read() const { return answers_read_; }

 private:
  // What each value is made of, by name.
  using LetTable = std::map<std::string, std::vector<cel::ReferencePath>>;

  [[nodiscard]] bool CheckLetName(const std::string& name, const std::string& pointer);
  // Null: there is no such value.
  [[nodiscard]] const std::vector<cel::ReferencePath>* FindLet(const std::string& name) const;
  // Whether the value `from` is made of `to`, through others too.
  [[nodiscard]] bool Reaches(const std::string& from, const std::string& to,
                             std::set<std::string>& seen) const;
  void RefuseCircles(const Json& json, const std::string& pointer, LetTable& table);
  void CheckLetReference(const cel::ReferencePath& path, const std::string& pointer,
                         const Scope& scope);
  // With whatever the names among them are made of.
  [[nodiscard]] std::vector<cel::ReferencePath> WithLets(
      const std::vector<cel::ReferencePath>& paths) const;
  [[nodiscard]] std::vector<std::string_view> NamesIn(const Scope& scope) const;
  void CheckStrings(const Json& value, const std::string& pointer, const Scope& scope);
  void CheckReference(const cel::ReferencePath& path, const std::string& pointer,
                      const Scope& scope);
  void CheckInputReference(const cel::ReferencePath& path, const std::string& pointer);
  void CheckStepReference(const cel::ReferencePath& path, const std::string& pointer,
                          const Scope& scope);
  void CheckStepOrder(const cel::ReferencePath& path, size_t read, const std::string& pointer,
                      const Scope& scope);
  // Warns of each output of a step that may be skipped by its `when` whose members are read, unless
  // it is plain that this was thought of. `paths` are those of one string.
  void CheckSkipped(const std::vector<cel::ReferencePath>& read_by_name, const std::string& pointer,
                    const Scope& scope);
  // The same for what belongs to a way of a choice, and for what may have failed: both are
  // mistakes.
  void CheckChosen(const std::vector<cel::ReferencePath>& paths, const std::string& pointer,
                   const Scope& scope);
  void CheckOptional(const std::vector<cel::ReferencePath>& paths, const std::string& pointer,
                     const Scope& scope);
  [[nodiscard]] bool CheckAnswerMember(const cel::ReferencePath& path, size_t read,
                                       const std::string& pointer);
  void CheckFailureReference(const cel::ReferencePath& path, const std::string& pointer);
  // The third name of a path that starts with a step's: 'output' and the like.
  [[nodiscard]] bool CheckStepMember(const cel::ReferencePath& path, size_t read,
                                     const std::string& pointer);
  [[nodiscard]] bool MindsStatus(const std::vector<cel::ReferencePath>& paths,
                                 const std::string& id, const Scope& scope) const;
  [[nodiscard]] bool MindsSkipped(const std::vector<cel::ReferencePath>& paths, size_t read,
                                  const Scope& scope) const;
  void CheckEnvReference(const cel::ReferencePath& path, const std::string& pointer);
  void RefuseUnknownName(const cel::ReferencePath& path, const std::string& pointer,
                         const Scope& scope);

  const StepTable& steps_;
  const Json* input_schema_;
  Environment& environment_;
  ProblemList& problems_;
  std::optional<Place> own_output_read_;
  bool token_read_ = false;
  std::map<size_t, AnswerRead> answers_read_;
  LetTable lets_;
  LetTable step_lets_;
  std::set<std::string> lets_checked_;  // While a name is.
};

// A template that always renders to `value`, which holds no "${".
[[nodiscard]] cel::Template LiteralTemplate(const Json& value);

}  // namespace entente::dsl
