// What expressions may read where they stand: the names half of ExpressionCompiler.
#include <algorithm>
#include <utility>

#include "dsl/expressions.h"

namespace entente::dsl {
namespace {

std::vector<std::string_view> KnownNames(const Scope& scope, bool env) {
  std::vector<std::string_view> names;
  const auto add = [&names](bool known, std::string_view name) {
    if (known) {
      names.push_back(name);
    }
  };
  add(env, "env");
  add(scope.input, "input");
  add(scope.steps, "steps");
  add(scope.gid, "gid");
  add(scope.key, "key");
  add(scope.token, "token");
  add(scope.token, "completionUrl");
  add(scope.body, "body");
  add(scope.answer, "output");
  add(scope.failure, "failure");
  add(scope.element, "item");
  add(scope.element, "index");
  return names;
}

}  // namespace

std::optional<size_t> StepTable::Find(std::string_view id) const {
  const auto found = std::find(ids.begin(), ids.end(), id);
  if (id.empty() || found == ids.end()) {
    return std::nullopt;
  }
  return static_cast<size_t>(found - ids.begin());
}

std::vector<std::string_view> ExpressionCompiler::NamesIn(const Scope& scope) const {
  std::vector<std::string_view> names = KnownNames(scope, !environment_.closed());
  for (const LetTable* table : {&lets_, &step_lets_}) {
    for (const auto& [name, reads] : *table) {
      names.push_back(name);
    }
  }
  return names;
}

void ExpressionCompiler::CheckReference(const cel::ReferencePath& path, const std::string& pointer,
                                        const Scope& scope) {
  const std::string& root = path.names.front();
  const std::vector<std::string_view> known = NamesIn(scope);
  if (std::find(known.begin(), known.end(), root) == known.end()) {
    RefuseUnknownName(path, pointer, scope);
  } else if (root == "token" || root == "completionUrl") {
    token_read_ = true;
  } else if (root == "input") {
    CheckInputReference(path, pointer);
  } else if (root == "steps") {
    CheckStepReference(path, pointer, scope);
  } else if (root == "env") {
    CheckEnvReference(path, pointer);
  } else if (root == "failure") {
    CheckFailureReference(path, pointer);
  } else if (FindLet(root) != nullptr) {
    CheckLetReference(path, pointer, scope);
  }
}

void ExpressionCompiler::CheckFailureReference(const cel::ReferencePath& path,
                                               const std::string& pointer) {
  const std::vector<std::string_view> members = {"code", "step", "message"};
  if (path.names.size() < 2 ||
      std::find(members.begin(), members.end(), path.names[1]) != members.end()) {
    return;
  }
  problems_.InString(pointer, path.offset, "unknown_failure_member",
                     "'failure' says why the transaction aborts: it has " +
                         QuoteAll(members, "and") + ", not " + Quote(path.names[1]),
                     DidYouMean(path.names[1], members));
}

void ExpressionCompiler::RefuseUnknownName(const cel::ReferencePath& path,
                                           const std::string& pointer, const Scope& scope) {
  const std::string& root = path.names.front();
  const std::vector<std::string_view> known = NamesIn(scope);
  const std::string place(scope.place);
  if (root == "item" || root == "index") {
    problems_.InString(pointer, path.offset, "unknown_name",
                       Quote(root) +
                           " is only known in the operations of a step with 'forEach', and in the "
                           "steps of one");
    return;
  }
  if (known.empty()) {
    problems_.InString(pointer, path.offset, "unknown_name",
                       Quote(root) + " can not be read in " + place + " of a client's branch",
                       "write the value itself");
    return;
  }
  if (root == "token" || root == "completionUrl") {
    problems_.InString(
        pointer, path.offset, "unknown_name",
        Quote(root) + ", by which a call is completed later, can not be read in " + place,
        "it is known in the request of what a step does");
    return;
  }
  if (root == "failure") {
    problems_.InString(pointer, path.offset, "unknown_name",
                       "'failure', why a transaction aborts, can not be read in " + place,
                       "it is known in what undoes a step and in 'onAborted'; why an optional step "
                       "failed is steps.ID.failure");
    return;
  }
  if (root == "key" || root == "steps" || root == "gid" || root == "input" || root == "env") {
    problems_.InString(pointer, path.offset, "unknown_name",
                       Quote(root) + " can not be read in " + place,
                       "only " + QuoteAll(known, "and") + " can be read there");
    return;
  }
  std::string suggestion = DidYouMean(root, known);
  if (suggestion.empty()) {
    suggestion = steps_.Find(root) && scope.steps
                     ? "did you mean 'steps." + root + ".output'?"
                     : "the names known there are " + QuoteAll(known, "and") +
                           "; text is written in quotes inside an expression";
  }
  problems_.InString(pointer, path.offset, "unknown_name", Quote(root) + " is not a known name",
                     std::move(suggestion));
}

void ExpressionCompiler::CheckInputReference(const cel::ReferencePath& path,
                                             const std::string& pointer) {
  if (path.names.size() < 2 || input_schema_ == nullptr || !input_schema_->is_object()) {
    return;
  }
  // Only a closed object says that a member can not be there.
  const auto additional = input_schema_->find("additionalProperties");
  const auto properties = input_schema_->find("properties");
  if (additional == input_schema_->end() || *additional != false ||
      properties == input_schema_->end() || !properties->is_object() ||
      properties->contains(path.names[1])) {
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [name, schema] : properties->items()) {
    names.push_back(name);
  }
  problems_.InString(pointer, path.offset, "unknown_input",
                     "the input has no member " + Quote(path.names[1]) +
                         ": its schema neither names it nor allows others",
                     DidYouMean(path.names[1], names));
}

void ExpressionCompiler::CheckStepReference(const cel::ReferencePath& path,
                                            const std::string& pointer, const Scope& scope) {
  if (path.names.size() < 2) {
    problems_.InString(pointer, path.offset, "vague_reference",
                       "'steps' alone says too little: which step is read must be known beforehand",
                       "write 'steps.ID.output' with the id of a step");
    return;
  }
  const std::string& id = path.names[1];
  const std::optional<size_t> read = steps_.Find(id);
  if (!read) {
    const std::vector<std::string_view> ids(steps_.ids.begin(), steps_.ids.end());
    problems_.InString(pointer, path.offset, "unknown_step", "there is no step " + Quote(id),
                       DidYouMean(id, ids));
    return;
  }
  if (path.names.size() < 3) {
    problems_.InString(pointer, path.offset, "vague_reference",
                       "'steps." + id + "' alone says too little",
                       "write 'steps." + id + ".output' or 'steps." + id + ".status'");
    return;
  }
  if (CheckStepMember(path, *read, pointer)) {
    CheckStepOrder(path, *read, pointer, scope);
  }
}

bool ExpressionCompiler::CheckStepMember(const cel::ReferencePath& path, size_t read,
                                         const std::string& pointer) {
  const std::string& id = path.names[1];
  const std::string& member = path.names[2];
  if (member == "failure" && steps_.races[read]) {
    // Of one that is undone it would be why the undo failed.
    problems_.InString(pointer, path.offset, "never_failed",
                       "step " + Quote(id) +
                           " is in a race, and only its status tells whether it "
                           "was done first, 'skipped' or 'failed'",
                       "write 'steps." + id + ".status'");
    return false;
  }
  if (member == "failure" && !steps_.optional[read]) {
    problems_.InString(pointer, path.offset, "never_failed",
                       "when step " + Quote(id) +
                           " fails the transaction does not go on, so that nobody reads why",
                       "write \"optional\": true at that step if the rest can do without it");
    return false;
  }
  if (member == "failure" && path.names.size() > 3 && path.names[3] != "code" &&
      path.names[3] != "message") {
    problems_.InString(pointer, path.offset, "unknown_step_member",
                       "a failure has 'code' and 'message', not " + Quote(path.names[3]),
                       DidYouMean(path.names[3], {"code", "message"}));
    return false;
  }
  if (steps_.IsBlock(read) && member != "status") {
    problems_.InString(pointer, path.offset, "unknown_step_member",
                       Quote(id) + " is a block of steps: each of them has an output, it has none",
                       "read a step of the block: outside of it its 'output' is a list, with an "
                       "element for each item");
    return false;
  }
  if (member == "headers" || member == "statusCode") {
    return CheckAnswerMember(path, read, pointer);
  }
  if (member != "output" && member != "status" && member != "failure") {
    std::string suggestion =
        DidYouMean(member, {"output", "status", "failure", "headers", "statusCode"});
    if (suggestion.empty()) {
      suggestion = "did you mean 'steps." + id + ".output." + member + "'?";
    }
    problems_.InString(
        pointer, path.offset, "unknown_step_member",
        "a step has 'output', 'status', 'failure', 'headers' and 'statusCode', not " +
            Quote(member),
        std::move(suggestion));
    return false;
  }
  return true;
}

bool ExpressionCompiler::CheckAnswerMember(const cel::ReferencePath& path, size_t read,
                                           const std::string& pointer) {
  const std::string& id = path.names[1];
  AnswerRead& answer =
      answers_read_.try_emplace(read, AnswerRead{{}, false, {pointer, path.offset}}).first->second;
  if (path.names[2] == "statusCode") {
    answer.status_code = true;
    return true;
  }
  if (path.names.size() < 4) {
    problems_.InString(
        pointer, path.offset, "vague_reference",
        "'steps." + id + ".headers' alone says too little: only what is read is kept",
        "write 'steps." + id + ".headers.etag', or 'steps." + id + ".headers[\'x-id\']'");
    return false;
  }
  std::string lower = path.names[3];
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower != path.names[3]) {
    problems_.InString(pointer, path.offset, "unknown_step_member",
                       "headers are named in lower case here", "write " + Quote(lower));
    return false;
  }
  answer.headers.insert(std::move(lower));
  return true;
}

void ExpressionCompiler::CheckStepOrder(const cel::ReferencePath& path, size_t read,
                                        const std::string& pointer, const Scope& scope) {
  if (!scope.step && steps_.stages[read] != Stage::kMain) {
    problems_.InString(pointer, path.offset, "step_does_not_precede",
                       "step " + Quote(steps_.ids[read]) +
                           " has its time when the outcome is decided, so that the output can not "
                           "tell of it",
                       "read a step of 'steps'");
    return;
  }
  if (!scope.step) {
    return;
  }
  const size_t reader = *scope.step;
  if (read == reader) {
    if (!scope.own_output) {
      const std::string why = scope.when_unknown
                                  ? " reads its step's own output, which is not there when the "
                                    "outcome is unknown"
                                  : " reads its own step, which has not run then";
      problems_.InString(pointer, path.offset, "reads_itself", std::string(scope.place) + why);
    } else if (!own_output_read_ && (path.names[2] == "output" || path.names[2] == "headers" ||
                                     path.names[2] == "statusCode")) {
      own_output_read_ = Place{pointer, path.offset};
    }
    return;
  }
  if (steps_.uncertain[reader] || steps_.order.Precedes(read, reader)) {
    return;
  }
  const std::string id = Quote(steps_.ids[read]);
  const std::string own = steps_.ids[reader].empty() ? "this step" : Quote(steps_.ids[reader]);
  const bool follows = steps_.order.Precedes(reader, read);
  problems_.InString(
      pointer, path.offset, "step_does_not_precede",
      "step " + id + " does not come before " + own + ", so what it produced can not be read here",
      follows ? "step " + id + " comes after " + own + "; read another step"
              : "add " + id + " to 'after' of " + own);
}

bool StepTable::IsBlock(size_t step) const {
  return std::any_of(blocks.begin(), blocks.end(),
                     [step](const std::optional<size_t>& block) { return block == step; });
}

std::optional<size_t> StepTable::WayWithin(size_t step, size_t choice) const {
  for (auto way = ways[step]; way; way = ways[way->choice]) {
    if (way->choice == choice) {
      return way->way;
    }
  }
  return std::nullopt;
}

bool StepTable::Exclude(size_t a, size_t b) const {
  for (auto way = ways[a]; way; way = ways[way->choice]) {
    const auto other = WayWithin(b, way->choice);
    if (other && *other != way->way) {
      return true;
    }
  }
  return false;
}

std::optional<size_t> StepTable::ChoiceBetween(size_t step, std::optional<size_t> reader) const {
  for (auto way = ways[step]; way; way = ways[way->choice]) {
    const bool same = reader && WayWithin(*reader, way->choice) == way->way;
    if (!same && !IsBlock(way->choice)) {
      return way->choice;
    }
  }
  return std::nullopt;
}

void ExpressionCompiler::CheckChosen(const std::vector<cel::ReferencePath>& paths,
                                     const std::string& pointer, const Scope& scope) {
  for (const cel::ReferencePath& path : paths) {
    if (path.names.size() < 4 || path.names[0] != "steps" || path.names[2] != "output") {
      continue;
    }
    const std::optional<size_t> read = steps_.Find(path.names[1]);
    const bool aborted = scope.step && steps_.stages[*scope.step] == Stage::kAborted;
    const auto choice = read && !aborted ? steps_.ChoiceBetween(*read, scope.step) : std::nullopt;
    const auto asks_choice = [&](const cel::ReferencePath& other) {
      return other.names.size() >= 3 && other.names[0] == "steps" && choice &&
             other.names[1] == steps_.ids[*choice];
    };
    if (!choice || MindsSkipped(paths, *read, scope) ||
        std::any_of(paths.begin(), paths.end(), asks_choice)) {
      continue;
    }
    const std::string& id = path.names[1];
    problems_.InString(pointer, path.offset, "may_be_skipped",
                       "step " + Quote(id) + " belongs to a way of the choice " +
                           Quote(steps_.ids[*choice]) +
                           "; when another one is taken its output is null and has no member " +
                           Quote(path.names[3]),
                       "write \"steps." + id + ".status == 'done' ? steps." + id + ".output." +
                           path.names[3] + " : null\", or read it within that way");
  }
}

void ExpressionCompiler::CheckOptional(const std::vector<cel::ReferencePath>& paths,
                                       const std::string& pointer, const Scope& scope) {
  for (const cel::ReferencePath& path : paths) {
    const bool reads = path.names.size() >= 4 && path.names[0] == "steps" &&
                       (path.names[2] == "output" || path.names[2] == "failure");
    const std::optional<size_t> read = reads ? steps_.Find(path.names[1]) : std::nullopt;
    // A transaction may abort before any of its steps was begun.
    const bool aborted = scope.step && read && steps_.stages[*scope.step] == Stage::kAborted &&
                         steps_.stages[*read] == Stage::kMain;
    if (!read || !(steps_.optional[*read] || aborted)) {
      continue;
    }
    const std::string& id = path.names[1];
    const bool output = path.names[2] == "output";
    const std::string asked = "steps." + id + (output ? ".output." : ".failure.") + path.names[3];
    const bool minds =
        output && !aborted ? MindsSkipped(paths, *read, scope) : MindsStatus(paths, id, scope);
    if (!minds) {
      problems_.InString(
          pointer, path.offset, "may_have_failed",
          "step " + Quote(id) +
              (steps_.races[*read]      ? " may be slower than another; "
               : steps_.optional[*read] ? " is optional; "
                                        : " may not have been done when the transaction aborts; ") +
              (output ? "then its output" : "unless it failed its failure") +
              " is null and has no member " + Quote(path.names[3]),
          std::string("write \"steps.") + id + ".status " + (output ? "== 'done'" : "== 'failed'") +
              " ? " + asked + " : null\"");
    }
  }
}

bool ExpressionCompiler::MindsStatus(const std::vector<cel::ReferencePath>& paths,
                                     const std::string& id, const Scope& scope) const {
  const bool by_condition =
      scope.step && steps_.when[*scope.step].find("steps." + id + ".status") != std::string::npos;
  return by_condition ||
         std::any_of(paths.begin(), paths.end(), [&id](const cel::ReferencePath& path) {
           return path.names.size() >= 3 && path.names[0] == "steps" && path.names[1] == id &&
                  path.names[2] == "status";
         });
}

bool ExpressionCompiler::MindsSkipped(const std::vector<cel::ReferencePath>& paths, size_t read,
                                      const Scope& scope) const {
  const std::string& id = steps_.ids[read];
  if (scope.step) {
    // It is itself taken only when the other one is, or at least asks.
    const std::string& own = steps_.when[*scope.step];
    if (*scope.step == read || (!own.empty() && own == steps_.when[read]) ||
        own.find("steps." + id + ".") != std::string::npos) {
      return true;
    }
  }
  return std::any_of(paths.begin(), paths.end(), [&id](const cel::ReferencePath& path) {
    return path.names.size() >= 3 && path.names[0] == "steps" && path.names[1] == id &&
           (path.names[2] == "status" || path.names[2] == "failure");
  });
}

void ExpressionCompiler::CheckSkipped(const std::vector<cel::ReferencePath>& read_by_name,
                                      const std::string& pointer, const Scope& scope) {
  const std::vector<cel::ReferencePath> paths = WithLets(read_by_name);
  CheckChosen(paths, pointer, scope);
  CheckOptional(paths, pointer, scope);
  for (const cel::ReferencePath& path : paths) {
    if (path.names.size() < 4 || path.names[0] != "steps" || path.names[2] != "output") {
      continue;
    }
    const std::optional<size_t> read = steps_.Find(path.names[1]);
    const bool aborted = scope.step && steps_.stages[*scope.step] == Stage::kAborted;
    if (!read || steps_.when[*read].empty() || steps_.optional[*read] || aborted ||
        MindsSkipped(paths, *read, scope)) {
      continue;
    }
    const std::string& id = path.names[1];
    problems_.WarnInString(pointer, path.offset, "may_be_skipped",
                           "step " + Quote(id) +
                               " has a 'when', and when it is skipped its "
                               "output is null and has no member " +
                               Quote(path.names[3]) + ": this would fail",
                           "write \"steps." + id + ".status == 'done' ? steps." + id + ".output." +
                               path.names[3] + " : null\"");
  }
}

void ExpressionCompiler::CheckEnvReference(const cel::ReferencePath& path,
                                           const std::string& pointer) {
  if (path.names.size() < 2) {
    problems_.InString(pointer, path.offset, "vague_reference",
                       "'env' alone says too little: the variable must be known beforehand",
                       "write 'env.NAME'");
    return;
  }
  if (path.names.size() > 2) {
    problems_.InString(
        pointer, path.offset, "unknown_name",
        "'env." + path.names[1] + "' is a string and has no member " + Quote(path.names[2]));
    return;
  }
  environment_.Use(path.names[1], pointer, path.offset);
}

}  // namespace entente::dsl
