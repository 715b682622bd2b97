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
  for (const auto& [name, value] : site.value.get_ref<const Json::object_t&>()) {
    valid = CheckProperty(keyword, site, name, value) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::CheckProperty(const PropertiesKeyword& keyword, const Site& site,
                              const std::string& name, const Json& value) {
  const Path path{&site.path, &name, 0};
  if (const auto known = keyword.known.find(name); known != keyword.known.end()) {
    return Visit(known->second, value, path);
  }
  if (!keyword.additional) {
    return true;
  }
  if (!IsNever(program_.at(*keyword.additional))) {
    return Visit(*keyword.additional, value, path);
  }
  return Refuse("additionalProperties", Site{site.node, value, path}, [&] {
    return "the property '" + Cut(name, kMaxShownBytes) + "' is not expected here" +
           Suggestion(keyword, site.value, name);
  });
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
    valid = Visit(node, items[i], Path{&site.path, nullptr, i}) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::Check(const AllOfKeyword& keyword, const Site& site) {
  bool valid = true;
  for (const NodeId branch : keyword.branches) {
    valid = Visit(branch, site.value, site.path) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::Check(const AnyOfKeyword& keyword, const Site& site) {
  std::vector<std::string> whys;
  for (const NodeId branch : keyword.branches) {
    std::string why;
    if (Try(branch, site, report_ != nullptr ? &why : nullptr)) {
      return true;
    }
    if (report_ != nullptr && whys.size() < kMaxFormsShown) {
      whys.push_back(std::move(why));
    }
  }
  return Refuse("anyOf", site, [&] {
    return "meets none of the allowed forms: " + DescribeForms(whys, keyword.branches.size());
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
  if (!Try(keyword.branch, site, nullptr)) {
    return true;
  }
  return Refuse("not", site, [] { return std::string("meets the form that 'not' forbids"); });
}

bool Validator::Check(const RefKeyword& keyword, const Site& site) {
  return Visit(keyword.target, site.value, site.path);
}

bool Validator::Try(NodeId branch, const Site& site, std::string* why) {
  Report inner{1, {}};
  Report* const outer = std::exchange(report_, why != nullptr ? &inner : nullptr);
  const bool valid = Visit(branch, site.value, site.path);
  report_ = outer;
  if (!valid && why != nullptr && !inner.violations.empty()) {
    const Violation& first = inner.violations.front();
    *why = "at '" + first.pointer + "', " + first.message;
  }
  return valid;
}

}  // namespace entente::dsl::schema_internal
