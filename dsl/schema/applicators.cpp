// The keywords that apply other subschemas: to the parts of a value, or to the value itself.
#include <algorithm>
#include <utility>

#include "dsl/schema/closest.h"
#include "dsl/schema/json_order.h"
#include "dsl/schema/validator.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxFormsShown = 4;

bool IsNever(const Node& node) {
  return node.keywords.size() == 1 && std::holds_alternative<NeverKeyword>(node.keywords.front());
}

// The known property that `name`, a member of `object`, was probably meant to be.
std::string Suggestion(const PropertiesKeyword& keyword, const Json& object,
                       const std::string& name) {
  std::vector<std::string_view> absent;
  for (const auto& [known, unused] : keyword.known) {
    if (!object.contains(known)) {
      absent.push_back(known);
    }
  }
  const auto closest = Closest(name, absent);
  return closest ? "; did you mean '" + std::string(*closest) + "'?" : "";
}

// "form 0: <why>; form 1: <why>; ..."
std::string DescribeForms(const std::vector<std::string>& whys, size_t forms) {
  std::string text;
  for (size_t i = 0; i < whys.size(); ++i) {
    text += (i == 0 ? "form " : "; form ") + std::to_string(i) + ": " + whys[i];
  }
  return text + (whys.size() < forms ? "; ..." : "");
}

}  // namespace

bool Validator::Check(const UniqueItemsKeyword&, const Site& site) {
  if (!site.value.is_array() || site.value.size() < 2) {
    return true;
  }
  const auto& items = site.value.get_ref<const Json::array_t&>();
  uint64_t steps = items.size();
  for (size_t rest = items.size(); rest > 1; rest /= 2) {
    steps += items.size();
  }
  if (!Spend(steps)) {
    return false;
  }
  std::vector<const Json*> sorted;
  sorted.reserve(items.size());
  for (const Json& item : items) {
    sorted.push_back(&item);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Json* a, const Json* b) { return CompareJson(*a, *b) < 0; });
  const auto twin =
      std::adjacent_find(sorted.begin(), sorted.end(),
                         [](const Json* a, const Json* b) { return CompareJson(*a, *b) == 0; });
  if (twin == sorted.end()) {
    return true;
  }
  return Refuse("uniqueItems", site, [&] {
    return "every item must be different, but items " + std::to_string(*twin - items.data()) +
           " and " + std::to_string(*(twin + 1) - items.data()) + " are equal";
  });
}

bool Validator::Check(const PropertiesKeyword& keyword, const Site& site) {
  if (!site.value.is_object()) {
    return true;
  }
  if (!Spend(site.value.size())) {
    return false;
  }
  bool valid = true;
  size_t index = 0;
  for (const auto& [name, value] : site.value.get_ref<const Json::object_t&>()) {
    valid = CheckProperty(keyword, site, name, value, index++) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::CheckProperty(const PropertiesKeyword& keyword, const Site& site,
                              const std::string& name, const Json& value, size_t index) {
  const Path path{&site.path, &name, 0};
  bool valid = true;
  bool named = false;
  if (const auto known = keyword.known.find(name); known != keyword.known.end()) {
    named = true;
    valid = Visit(known->second, value, path);
  }
  for (const PropertiesKeyword::Pattern& pattern : keyword.patterns) {
    if ((valid || !Done()) && Found(*pattern.regex, name)) {
      named = true;
      valid = Visit(pattern.node, value, path) && valid;
    }
  }
  if (exhausted_ != Exhausted::kNothing) {
    return false;
  }
  if (named || keyword.additional) {
    Mark(index);
  }
  if (named || !keyword.additional) {
    return valid;
  }
  if (!IsNever(program_.at(*keyword.additional))) {
    return Visit(*keyword.additional, value, path);
  }
  return Refuse("additionalProperties", Site{site.node, value, path}, [&] {
    return "the property '" + Cut(name, kMaxShownBytes) + "' is not expected here" +
           Suggestion(keyword, site.value, name);
  });
}

bool Validator::Check(const PropertyNamesKeyword& keyword, const Site& site) {
  if (!site.value.is_object()) {
    return true;
  }
  bool valid = Spend(site.value.size());
  for (const auto& [name, value] : site.value.get_ref<const Json::object_t&>()) {
    if (!valid && Done()) {
      break;
    }
    valid = Visit(keyword.node, Json(name), Path{&site.path, &name, 0}) && valid;
  }
  return valid;
}

bool Validator::Check(const ItemsKeyword& keyword, const Site& site) {
  if (!site.value.is_array()) {
    return true;
  }
  const auto& items = site.value.get_ref<const Json::array_t&>();
  const size_t checked =
      keyword.rest ? items.size() : std::min(items.size(), keyword.prefix.size());
  bool valid = true;
  for (size_t i = 0; i < checked; ++i) {
    const NodeId node = i < keyword.prefix.size() ? keyword.prefix[i] : *keyword.rest;
    Mark(i);
    valid = Visit(node, items[i], Path{&site.path, nullptr, i}) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::Check(const ContainsKeyword& keyword, const Site& site) {
  if (!site.value.is_array()) {
    return true;
  }
  const auto& items = site.value.get_ref<const Json::array_t&>();
  uint64_t met = 0;
  for (size_t i = 0; i < items.size() && exhausted_ == Exhausted::kNothing; ++i) {
    if (Meets(keyword.node, items[i], Path{&site.path, nullptr, i})) {
      ++met;
      Mark(i);
    }
  }
  if (exhausted_ != Exhausted::kNothing) {
    return false;
  }
  if (met < keyword.at_least) {
    return Refuse(keyword.at_least == 1 ? "contains" : "minContains", site, [&] {
      return "must have at least " + std::to_string(keyword.at_least) +
             " items of the form that 'contains' asks for, but has " + std::to_string(met);
    });
  }
  return !keyword.at_most || met <= *keyword.at_most || Refuse("maxContains", site, [&] {
    return "must have at most " + std::to_string(*keyword.at_most) +
           " items of the form that 'contains' asks for, but has " + std::to_string(met);
  });
}

bool Validator::Check(const AllOfKeyword& keyword, const Site& site) {
  bool valid = true;
  for (const NodeId branch : keyword.branches) {
    valid = ApplyInPlace(branch, site) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::Check(const AnyOfKeyword& keyword, const Site& site) {
  std::vector<std::string> whys;
  bool met = false;
  for (const NodeId branch : keyword.branches) {
    std::string why;
    if (Try(branch, site, report_ != nullptr ? &why : nullptr)) {
      met = true;
      if (marks_ == nullptr) {  // Else the other forms may have looked at more.
        break;
      }
    } else if (report_ != nullptr && whys.size() < kMaxFormsShown) {
      whys.push_back(std::move(why));
    }
  }
  return met || Refuse("anyOf", site, [&] {
           return "meets none of the allowed forms: " +
                  DescribeForms(whys, keyword.branches.size());
         });
}

bool Validator::Check(const OneOfKeyword& keyword, const Site& site) {
  std::vector<std::string> whys;
  std::vector<size_t> met;
  for (size_t i = 0; i < keyword.branches.size() && met.size() < 2; ++i) {
    std::string why;
    if (Try(keyword.branches[i], site, report_ != nullptr ? &why : nullptr)) {
      met.push_back(i);
    } else if (report_ != nullptr && whys.size() < kMaxFormsShown) {
      whys.push_back(std::move(why));
    }
  }
  if (met.size() == 1) {
    return true;
  }
  return Refuse("oneOf", site, [&] {
    if (met.empty()) {
      return "meets none of the allowed forms: " + DescribeForms(whys, keyword.branches.size());
    }
    return "meets form " + std::to_string(met[0]) + " and form " + std::to_string(met[1]) +
           ", but only one form may be met";
  });
}

bool Validator::Check(const NotKeyword& keyword, const Site& site) {
  if (!Meets(keyword.branch, site.value, site.path)) {
    return true;
  }
  return Refuse("not", site, [] { return std::string("meets the form that 'not' forbids"); });
}

bool Validator::Check(const RefKeyword& keyword, const Site& site) {
  return ApplyInPlace(keyword.target, site);
}

bool Validator::Check(const IfKeyword& keyword, const Site& site) {
  const bool met = Try(keyword.condition, site, nullptr);
  const auto& branch = met ? keyword.then_branch : keyword.else_branch;
  return !branch || ApplyInPlace(*branch, site);
}

bool Validator::Check(const DependentSchemasKeyword& keyword, const Site& site) {
  if (!site.value.is_object()) {
    return true;
  }
  bool valid = Spend(keyword.branches.size());
  for (const auto& [name, branch] : keyword.branches) {
    if (!valid && Done()) {
      break;
    }
    if (site.value.contains(name)) {
      valid = ApplyInPlace(branch, site) && valid;
    }
  }
  return valid;
}

bool Validator::Check(const UnevaluatedKeyword& keyword, const Site& site) {
  const bool properties = keyword.of == UnevaluatedKeyword::Of::kProperties;
  if (marks_ == nullptr || (properties ? !site.value.is_object() : !site.value.is_array())) {
    return exhausted_ == Exhausted::kNothing;
  }
  const bool never = IsNever(program_.at(keyword.node));
  bool valid = true;
  size_t index = 0;
  const auto check = [&](const Json& value, const Path& path) {
    const size_t at = index++;
    if ((*marks_)[at] || (!valid && Done())) {
      return;
    }
    Mark(at);
    valid = (never ? Refuse(keyword.name, Site{site.node, value, path},
                            [] { return std::string("this is not expected here"); })
                   : Visit(keyword.node, value, path)) &&
            valid;
  };
  if (properties) {
    for (const auto& [name, value] : site.value.get_ref<const Json::object_t&>()) {
      check(value, Path{&site.path, &name, 0});
    }
  } else {
    for (const Json& item : site.value) {
      check(item, Path{&site.path, nullptr, index});
    }
  }
  return valid;
}

bool Validator::Meets(NodeId id, const Json& value, const Path& path) {
  Report* const outer = std::exchange(report_, nullptr);
  const bool met = Visit(id, value, path);
  report_ = outer;
  return met;
}

bool Validator::Try(NodeId branch, const Site& site, std::string* why) {
  Report inner{1, {}};
  Report* const outer = std::exchange(report_, why != nullptr ? &inner : nullptr);
  const bool valid = ApplyInPlace(branch, site);
  report_ = outer;
  if (!valid && why != nullptr && !inner.violations.empty()) {
    const Violation& first = inner.violations.front();
    *why = "at '" + first.pointer + "', " + first.message;
  }
  return valid;
}

}  // namespace entente::dsl::schema_internal
