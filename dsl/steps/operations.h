// OperationCompiler: the calls of a step.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/expressions.h"
#include "dsl/participants.h"
#include "dsl/plan.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {

// The field that names a refusal for programs; reports a bad one.
[[nodiscard]] std::optional<std::string> ReadRefusalCode(const ObjectReader& reader,
                                                         std::string_view field,
                                                         ProblemList& problems);

// Where an operation stands.
struct OperationSite {
  std::string pointer;
  Scope scope;
  std::optional<size_t> participant;  // The step's own, as an index of Participants::known.
  bool participant_known = true;      // False: a wrong participant of the step is reported already.
  bool may_be_transaction = true;
  bool of_branch = false;     // Of a client's, not of a definition.
  bool once_aborted = false;  // When the transaction aborts, and its children with it.
  // Of calls to a participant that has no timeout of its own; nothing: the step states one, which
  // holds for every participant.
  std::optional<Duration> default_timeout = std::nullopt;
};

// Borrows its arguments. Reports what is wrong; an operation that could not be compiled is nothing.
class OperationCompiler {
 public:
  OperationCompiler(const std::vector<KnownParticipant>& participants,
                    const CompileOptions& options, ExpressionCompiler& expressions,
                    ProblemList& problems)
      : participants_(participants),
        options_(options),
        expressions_(expressions),
        problems_(problems) {}

  [[nodiscard]] std::optional<OperationTemplate> Compile(const Json& json,
                                                         const OperationSite& site);
  // What a step does: with `refuseWhen` and what belongs to it.
  [[nodiscard]] std::optional<OperationTemplate> CompileForward(const Json& json,
                                                                const OperationSite& site);
  // Its forward call; how it is settled is left to the caller.
  [[nodiscard]] std::optional<OperationTemplate> CompileAlternative(const Json& json,
                                                                    const OperationSite& site,
                                                                    Mode mode);
  // With `whenUnknown`.
  [[nodiscard]] std::optional<UndoTemplate> CompileUndo(const Json& json,
                                                        const OperationSite& site);

 private:
  struct WhenUnknown {
    UndoTemplate::WhenUnknown what = UndoTemplate::WhenUnknown::kSameCall;
    std::optional<OperationTemplate> other_call;
  };

  // What an object of each kind of operation may hold.
  struct Specs {
    const ObjectSpec& http;
    const ObjectSpec& grpc;
    const ObjectSpec& transaction;
  };

  std::optional<OperationTemplate> CompileAs(const Json& json, const OperationSite& site,
                                             const Specs& specs);
  // The field that says what is called; reports none or several.
  std::optional<std::string_view> FindVerb(const Json& json, const OperationSite& site);
  std::optional<OperationTemplate> Call(const Json& json, const OperationSite& site,
                                        std::string_view verb, const ObjectSpec& spec);
  std::optional<OperationTemplate> Transaction(const ObjectReader& reader,
                                               const OperationSite& site);
  // What it runs, or may; false if that could not be compiled.
  bool ChildDefinitions(const ObjectReader& reader, const Scope& scope, ChildTemplate* child);
  // Reports a name that is none; warns of a definition that is not registered (yet).
  void CheckChild(const std::string& pointer, const std::string& definition,
                  std::optional<uint32_t> version);
  std::optional<size_t> FindParticipant(const ObjectReader& reader, const OperationSite& site,
                                        std::string_view verb);
  // The address of a participant that has none of its own, for the call at `site`.
  std::optional<cel::Template> BaseUrl(const KnownParticipant& called, const OperationSite& site);
  std::optional<HttpRequestTemplate> HttpRequest(const ObjectReader& reader,
                                                 const OperationSite& site, std::string_view verb,
                                                 const std::string& content_type);
  // `form` and `text`, which are a body and its type.
  void TextOrForm(const ObjectReader& reader, const Scope& scope, std::string_view verb,
                  HttpRequestTemplate* request);
  void SayContentType(const ObjectReader& reader, bool is_form, const std::string& pointer,
                      HttpRequestTemplate* request);
  void CheckFormFields(const Json& form, const std::string& pointer);
  AnswerForm ReadAnswerForm(const ObjectReader& reader);
  // Reports a list or an object that the type of the body has no form for; `content_type` is the
  // participant's.
  void CheckBodyKind(const ObjectReader& reader, const Json& body, std::string content_type);
  std::optional<GrpcRequestTemplate> GrpcRequest(const ObjectReader& reader,
                                                 const OperationSite& site);
  // Reports a method that the descriptor set of `called` does not have.
  void CheckMethod(const ObjectReader& reader, const std::string& method,
                   const KnownParticipant& called);
  std::optional<cel::Template> Path(const Json& value, const std::string& pointer,
                                    const Scope& scope);
  void Headers(const ObjectReader& reader, const Scope& scope, HttpRequestTemplate* request);
  AnswerRules Answers(const ObjectReader& reader, bool http);
  std::optional<RefuseRule> Refuses(const ObjectReader& reader, const Scope& scope);
  std::optional<RepeatRule> Repeats(const ObjectReader& reader, const Scope& scope);
  std::optional<CompletionRule> Completes(const ObjectReader& reader, const Scope& scope);
  struct Listed {
    std::string_view field;
    const std::vector<int>& statuses;
  };
  void CheckApart(const ObjectReader& reader, bool http, const Listed& some, const Listed& others);
  // Of HTTP it may name codes that stand in a body as well, which go to `codes` if that is given.
  std::vector<int> Statuses(const ObjectReader& reader, std::string_view field, bool http,
                            std::vector<std::string>* codes = nullptr);
  std::optional<int> Status(const Json& value, const std::string& pointer, bool http);
  WhenUnknown CompileWhenUnknown(const Json& json, const OperationSite& site);

  const std::vector<KnownParticipant>& participants_;
  const CompileOptions& options_;
  ExpressionCompiler& expressions_;
  ProblemList& problems_;
};

}  // namespace entente::dsl
