#include "dsl/schema/sensitive.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "dsl/schema/program.h"

namespace entente::dsl {
namespace schema_internal {
namespace {

// Visits each (subschema, value) that a validation could reach, once.
class SensitiveFinder {
 public:
  SensitiveFinder(const Program& program, std::vector<SensitivePart>& found)
      : program_(program), found_(found) {}

  void Visit(NodeId id, const Json& value) {
    if (exhausted_ || !seen_.emplace(id.value(), &value).second) {
      return;
    }
    if (++work_ > limits::kMaxSchemaWork || depth_ == limits::kMaxSchemaRecursion) {
      exhausted_ = true;
      return;
    }
    ++depth_;
    for (const Keyword& keyword : program_.at(id).keywords) {
      std::visit([&](const auto& each) { Follow(each, value); }, keyword);
    }
    --depth_;
  }

  [[nodiscard]] bool exhausted() const { return exhausted_; }

 private:
  // What looks at the value alone.
  template <class Other>
  void Follow(const Other&, const Json&) {}

  void Follow(const SensitiveKeyword&, const Json& value) { found_.push_back({pointer_, &value}); }
  void Follow(const PropertiesKeyword& keyword, const Json& value) {
    if (!value.is_object()) {
      return;
    }
    for (const auto& [name, member] : value.items()) {
      const auto known = keyword.known.find(name);
      bool named = known != keyword.known.end();
      if (named) {
        Descend(known->second, name, member);
      }
      for (const PropertiesKeyword::Pattern& pattern : keyword.patterns) {
        ++work_;
        if (re2::RE2::PartialMatch(name, *pattern.regex)) {
          named = true;
          Descend(pattern.node, name, member);
        }
      }
      if (!named && keyword.additional) {
        Descend(*keyword.additional, name, member);
      }
    }
  }
  void Follow(const ItemsKeyword& keyword, const Json& value) {
    for (size_t i = 0; value.is_array() && i < value.size(); ++i) {
      if (i < keyword.prefix.size()) {
        Descend(keyword.prefix[i], std::to_string(i), value[i]);
      } else if (keyword.rest) {
        Descend(*keyword.rest, std::to_string(i), value[i]);
      }
    }
  }
  void Follow(const ContainsKeyword& keyword, const Json& value) {
    if (value.is_array()) {
      DescendAll(keyword.node, value);
    }
  }
  void Follow(const UnevaluatedKeyword& keyword, const Json& value) {
    if (keyword.of == UnevaluatedKeyword::Of::kItems ? value.is_array() : value.is_object()) {
      DescendAll(keyword.node, value);
    }
  }
  void Follow(const AllOfKeyword& keyword, const Json& value) {
    VisitEach(keyword.branches, value);
  }
  void Follow(const AnyOfKeyword& keyword, const Json& value) {
    VisitEach(keyword.branches, value);
  }
  void Follow(const OneOfKeyword& keyword, const Json& value) {
    VisitEach(keyword.branches, value);
  }
  void Follow(const NotKeyword& keyword, const Json& value) { Visit(keyword.branch, value); }
  void Follow(const RefKeyword& keyword, const Json& value) { Visit(keyword.target, value); }
  void Follow(const IfKeyword& keyword, const Json& value) {
    Visit(keyword.condition, value);
    for (const auto& branch : {keyword.then_branch, keyword.else_branch}) {
      if (branch) {
        Visit(*branch, value);
      }
    }
  }
  void Follow(const DependentSchemasKeyword& keyword, const Json& value) {
    for (const auto& [name, branch] : keyword.branches) {
      Visit(branch, value);
    }
  }

  void VisitEach(const std::vector<NodeId>& branches, const Json& value) {
    for (const NodeId branch : branches) {
      Visit(branch, value);
    }
  }
  void DescendAll(NodeId id, const Json& value) {
    for (const auto& [name, member] : value.items()) {  // Of an array, its indices.
      Descend(id, name, member);
    }
  }
  void Descend(NodeId id, const std::string& name, const Json& value) {
    const size_t size = pointer_.size();
    pointer_ += "/" + EscapePointerToken(name);
    Visit(id, value);
    pointer_.resize(size);
  }

  const Program& program_;
  std::vector<SensitivePart>& found_;
  std::set<std::pair<uint64_t, const Json*>> seen_;
  std::string pointer_;
  uint64_t work_ = 0;
  size_t depth_ = 0;
  bool exhausted_ = false;
};

}  // namespace
}  // namespace schema_internal

bool HasSensitive(const Schema& schema) {
  return schema.program_->has_sensitive;
}

std::vector<SensitivePart> SensitiveParts(const Schema& schema, const Json& instance) {
  std::vector<SensitivePart> found;
  if (!schema.program_->has_sensitive) {
    return found;
  }
  schema_internal::SensitiveFinder finder(*schema.program_, found);
  finder.Visit(schema_internal::kRootNode, instance);
  if (finder.exhausted()) {
    found = {{"", &instance}};
  }
  return found;
}

}  // namespace entente::dsl
