// Values with a name: the half of ExpressionCompiler that declares them.
#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/expressions.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {
namespace {

// What expressions find under a name anyway, here or elsewhere.
constexpr std::array<std::string_view, 12> kTaken = {"input",   "steps", "env",           "gid",
                                                     "key",     "item",  "index",         "output",
                                                     "failure", "token", "completionUrl", "body"};

}  // namespace

std::vector<Let> ExpressionCompiler::Declare(const Json& json, const std::string& pointer,
                                             const Scope& scope, LetLevel level) {
  std::vector<Let> lets;
  if (!ObjectReader::IsObject(json, pointer, "'let'", problems_)) {
    return lets;
  }
  if (json.size() > limits::kMaxLets) {
    problems_.AtValue(pointer, "too_many",
                      "'let' names " + std::to_string(json.size()) +
                          " values, more than the limit of " + std::to_string(limits::kMaxLets));
    return lets;
  }
  LetTable& table = level == LetLevel::kDefinition ? lets_ : step_lets_;
  for (const auto& [name, value] : json.items()) {
    const std::string at = pointer + "/" + EscapePointerToken(name);
    if (CheckLetName(name, at)) {
      table.try_emplace(name);  // So that they may read each other in any order.
    }
  }
  for (const auto& [name, value] : json.items()) {
    const auto known = table.find(name);
    auto compiled = Document(value, pointer + "/" + EscapePointerToken(name), scope);
    if (known == table.end() || !compiled) {
      continue;
    }
    for (const cel::TemplateReference& reference : compiled->references()) {
      known->second.push_back(reference.path);
    }
    lets.push_back({name, *std::move(compiled)});
  }
  static_cast<void>(TakeOwnOutputRead());  // It matters where the name is read, as does the token.
  static_cast<void>(TakeTokenRead());
  RefuseCircles(json, pointer, table);
  return lets;
}

bool ExpressionCompiler::CheckLetName(const std::string& name, const std::string& pointer) {
  if (std::find(kTaken.begin(), kTaken.end(), name) != kTaken.end()) {
    problems_.AtKey(pointer, "name_taken", Quote(name) + " stands for something else already",
                    "take another name");
    return false;
  }
  if (CheckStepId(name)) {
    problems_.AtKey(pointer, "bad_name",
                    Quote(name) +
                        " can not be the name of a value: it must start with a letter or '_', hold "
                        "only letters, digits and '_', and be no word of expressions");
    return false;
  }
  if (lets_.contains(name)) {
    problems_.AtKey(pointer, "name_taken",
                    "the definition's 'let' has a value " + Quote(name) + " already",
                    "take another name");
    return false;
  }
  return true;
}

const std::vector<cel::ReferencePath>* ExpressionCompiler::FindLet(const std::string& name) const {
  for (const LetTable* table : {&step_lets_, &lets_}) {
    if (const auto found = table->find(name); found != table->end()) {
      return &found->second;
    }
  }
  return nullptr;
}

bool ExpressionCompiler::Reaches(const std::string& from, const std::string& to,
                                 std::set<std::string>& seen) const {
  const auto* reads = FindLet(from);
  return reads != nullptr && std::any_of(reads->begin(), reads->end(), [&](const auto& path) {
           const std::string& name = path.names.front();
           return name == to || (seen.insert(name).second && Reaches(name, to, seen));
         });
}

void ExpressionCompiler::RefuseCircles(const Json& json, const std::string& pointer,
                                       LetTable& table) {
  for (const auto& [name, value] : json.items()) {
    std::set<std::string> seen;
    if (table.contains(name) && Reaches(name, name, seen)) {
      problems_.AtValue(pointer + "/" + EscapePointerToken(name), "cycle",
                        "the value " + Quote(name) + " is made of itself",
                        "let it read something else");
      table.at(name).clear();  // Said once of each circle.
    }
  }
}

// A name is as good where it is read as what it is made of. Each is looked at once, however many
// others are made of it.
void ExpressionCompiler::CheckLetReference(const cel::ReferencePath& path,
                                           const std::string& pointer, const Scope& scope) {
  const bool outermost = lets_checked_.empty();
  if (lets_checked_.insert(path.names.front()).second) {
    for (const cel::ReferencePath& read : *FindLet(path.names.front())) {
      CheckReference({read.names, path.offset}, pointer, scope);
    }
  }
  if (outermost) {
    lets_checked_.clear();
  }
}

std::vector<cel::ReferencePath> ExpressionCompiler::WithLets(
    const std::vector<cel::ReferencePath>& paths) const {
  std::vector<cel::ReferencePath> all = paths;
  std::set<std::string> seen;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto* reads = FindLet(all[i].names.front());
    if (reads != nullptr && seen.insert(all[i].names.front()).second) {
      const size_t offset = all[i].offset;
      for (const cel::ReferencePath& read : *reads) {
        all.push_back({read.names, offset});
      }
    }
  }
  return all;
}

}  // namespace entente::dsl
