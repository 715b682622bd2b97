#include "dsl/schema/validator.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/json_number.h"
#include "base/limits.h"
#include "dsl/schema/closest.h"
#include "dsl/schema/json_order.h"
#include "dsl/schema/number.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxPointerBytes = 1024;
constexpr size_t kMaxMessageBytes = 600;
// Texts cost a step per so many bytes: reading them is fast, matching them is not.
constexpr uint64_t kTextBytesPerStep = 16;
constexpr uint64_t kMatchedBytesPerStep = 4;
// At worst RE2 looks at every instruction for every byte.
constexpr uint64_t kInstructionsPerStep = 16;
constexpr uint64_t kMarksPerStep = 64;

std::string ToPointer(const Path& path) {
  std::vector<const Path*> way;
  for (const Path* at = &path; at->parent != nullptr; at = at->parent) {
    way.push_back(at);
  }
  std::string pointer;
  for (auto at = way.rbegin(); at != way.rend() && pointer.size() <= kMaxPointerBytes; ++at) {
    pointer += '/';
    pointer +=
        (*at)->key != nullptr ? EscapePointerToken(*(*at)->key) : std::to_string((*at)->index);
  }
  return Cut(pointer, kMaxPointerBytes);
}

unsigned TypesOf(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return TypeKeyword::kNull;
    case Json::value_t::boolean: return TypeKeyword::kBoolean;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
    case Json::value_t::binary:  // Written out (base/json_number.h).
      return TypeKeyword::kNumber | (IsInteger(value) ? TypeKeyword::kInteger : 0U);
    case Json::value_t::string: return TypeKeyword::kString;
    case Json::value_t::array: return TypeKeyword::kArray;
    case Json::value_t::object: return TypeKeyword::kObject;
    case Json::value_t::discarded: return 0;  // No JSON text holds these.
  }
  return 0;
}

// A value as a message shows it.
std::string Shown(const Json& value) {
  switch (value.type()) {
    case Json::value_t::array: return "an array of " + std::to_string(value.size());
    case Json::value_t::object: return "an object";
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      return DumpJson(Json(Cut(text, kMaxShownBytes)));
    }
    default: return Cut(DumpJson(value), kMaxShownBytes);
  }
}

uint64_t CodePoints(const std::string& text) {
  return static_cast<uint64_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

bool Validator::Visit(NodeId id, const Json& value, const Path& path) {
  Marks* const outer = std::exchange(marks_, nullptr);
  const bool valid = Apply(id, value, path);
  marks_ = outer;
  return valid;
}

bool Validator::ApplyInPlace(NodeId id, const Site& site) {
  if (marks_ == nullptr) {
    return Apply(id, site.value, site.path);
  }
  if (!Spend(1 + site.value.size() / kMarksPerStep)) {
    return false;
  }
  Marks inner(site.value.size());
  Marks* const outer = std::exchange(marks_, &inner);
  const bool valid = Apply(id, site.value, site.path);
  marks_ = outer;
  for (size_t i = 0; valid && i < inner.size(); ++i) {
    (*outer)[i] = (*outer)[i] || inner[i];
  }
  return valid;
}

bool Validator::Apply(NodeId id, const Json& value, const Path& path) {
  if (!Spend(1)) {
    return false;
  }
  if (recursion_ == limits::kMaxSchemaRecursion) {
    exhausted_ = Exhausted::kRecursion;
    return false;
  }
  ++recursion_;
  const Site site{program_.at(id), value, path};
  Marks own;
  Marks* const outer = marks_;
  if (site.node.has_unevaluated && marks_ == nullptr && value.is_structured() &&
      Spend(1 + value.size() / kMarksPerStep)) {
    own.resize(value.size());
    marks_ = &own;
  }
  bool valid = true;
  for (const Keyword& keyword : site.node.keywords) {
    if (!valid && std::holds_alternative<UnevaluatedKeyword>(keyword)) {
      break;  // What a keyword that failed would have looked at is not known.
    }
    valid = std::visit([&](const auto& each) { return Check(each, site); }, keyword) && valid;
    if (!valid && Done()) {
      break;
    }
  }
  marks_ = outer;
  --recursion_;
  return valid;
}

bool Validator::Check(const NeverKeyword&, const Site& site) {
  return Refuse("", site, [] { return std::string("no value is allowed here"); });
}

bool Validator::Check(const TypeKeyword& keyword, const Site& site) {
  if ((TypesOf(site.value) & keyword.types) != 0) {
    return true;
  }
  return Refuse("type", site, [&] {
    return "must be of type " + keyword.shown + ", but is " + Shown(site.value);
  });
}

bool Validator::Check(const EnumKeyword& keyword, const Site& site) {
  if (!Spend(keyword.weight)) {
    return false;
  }
  const auto at = std::lower_bound(
      keyword.values.begin(), keyword.values.end(), site.value,
      [](const Json& each, const Json& value) { return CompareJson(each, value) < 0; });
  if (at != keyword.values.end() && CompareJson(*at, site.value) == 0) {
    return true;
  }
  return Refuse(keyword.name, site, [&] {
    return (keyword.values.size() == 1 ? "must be " : "must be one of ") + keyword.shown +
           ", but is " + Shown(site.value);
  });
}

bool Validator::Check(const BoundKeyword& keyword, const Site& site) {
  if (!IsJsonNumber(site.value)) {
    return true;
  }
  const auto order = CompareNumbers(site.value, keyword.limit);
  bool valid = false;
  std::string_view words;
  switch (keyword.relation) {
    case BoundKeyword::Relation::kAtLeast:
      valid = order >= 0;
      words = "at least ";
      break;
    case BoundKeyword::Relation::kMoreThan:
      valid = order > 0;
      words = "more than ";
      break;
    case BoundKeyword::Relation::kAtMost:
      valid = order <= 0;
      words = "at most ";
      break;
    case BoundKeyword::Relation::kLessThan:
      valid = order < 0;
      words = "less than ";
      break;
  }
  return valid || Refuse(keyword.name, site, [&] {
           return "must be " + std::string(words) + Shown(keyword.limit) + ", but is " +
                  Shown(site.value);
         });
}

bool Validator::Check(const MultipleOfKeyword& keyword, const Site& site) {
  if (!IsJsonNumber(site.value) || IsMultipleOf(site.value, keyword.divisor)) {
    return true;
  }
  return Refuse("multipleOf", site, [&] {
    return "must be a multiple of " + Shown(keyword.divisor) + ", but is " + Shown(site.value);
  });
}

bool Validator::Check(const CountKeyword& keyword, const Site& site) {
  uint64_t count = 0;
  std::string_view what;
  switch (keyword.of) {
    case CountKeyword::Of::kCodePoints:
      if (!site.value.is_string()) {
        return true;
      }
      if (!Spend(site.value.get_ref<const std::string&>().size() / kTextBytesPerStep)) {
        return false;
      }
      count = CodePoints(site.value.get_ref<const std::string&>());
      what = keyword.limit == 1 ? "character" : "characters";
      break;
    case CountKeyword::Of::kItems:
      if (!site.value.is_array()) {
        return true;
      }
      count = site.value.size();
      what = keyword.limit == 1 ? "item" : "items";
      break;
    case CountKeyword::Of::kProperties:
      if (!site.value.is_object()) {
        return true;
      }
      count = site.value.size();
      what = keyword.limit == 1 ? "property" : "properties";
      break;
  }
  if (keyword.at_least ? count >= keyword.limit : count <= keyword.limit) {
    return true;
  }
  return Refuse(keyword.name, site, [&] {
    return std::string(keyword.at_least ? "must have at least " : "must have at most ") +
           std::to_string(keyword.limit) + " " + std::string(what) + ", but has " +
           std::to_string(count);
  });
}

bool Validator::Check(const PatternKeyword& keyword, const Site& site) {
  if (!site.value.is_string()) {
    return true;
  }
  if (Found(*keyword.regex, site.value.get_ref<const std::string&>())) {
    return true;
  }
  return Refuse("pattern", site, [&] {
    return "must match the pattern " + Cut(keyword.shown, kMaxShownBytes) + ", but is " +
           Shown(site.value);
  });
}

bool Validator::Found(const re2::RE2& regex, const std::string& text) {
  const auto instructions = static_cast<uint64_t>(regex.ProgramSize());
  const uint64_t per_byte = 1 + instructions / kInstructionsPerStep;
  return Spend(text.size() * per_byte / kMatchedBytesPerStep) &&
         re2::RE2::PartialMatch(text, regex);
}

bool Validator::Check(const FormatKeyword& keyword, const Site& site) {
  if (!site.value.is_string()) {
    return true;
  }
  const auto& text = site.value.get_ref<const std::string&>();
  if (!Spend(text.size() / kMatchedBytesPerStep)) {
    return false;
  }
  return keyword.format->has(text) || Refuse("format", site, [&] {
           return "must be of the format " + std::string(keyword.format->name) + ", but is " +
                  Shown(site.value);
         });
}

bool Validator::Check(const RequiredKeyword& keyword, const Site& site) {
  return !site.value.is_object() || RequireNames(keyword.names, "required", site);
}

bool Validator::Check(const DependentRequiredKeyword& keyword, const Site& site) {
  if (!site.value.is_object()) {
    return true;
  }
  bool valid = Spend(keyword.names.size());
  for (const auto& [name, required] : keyword.names) {
    if (site.value.contains(name)) {
      valid = RequireNames(required, "dependentRequired", site) && valid;
    }
    if (!valid && Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::RequireNames(const std::vector<std::string>& names, std::string_view keyword,
                             const Site& site) {
  if (!Spend(names.size())) {
    return false;
  }
  bool valid = true;
  for (const std::string& name : names) {
    if (site.value.contains(name)) {
      continue;
    }
    valid = Refuse(keyword, site,
                   [&] { return "the property '" + Cut(name, kMaxShownBytes) + "' is missing"; });
    if (Done()) {
      break;
    }
  }
  return valid;
}

bool Validator::Spend(uint64_t steps) {
  work_ += steps;
  if (work_ > limits::kMaxSchemaWork && exhausted_ == Exhausted::kNothing) {
    exhausted_ = Exhausted::kWork;
  }
  return exhausted_ == Exhausted::kNothing;
}

bool Validator::Done() const {
  return report_ == nullptr || report_->full() || exhausted_ != Exhausted::kNothing;
}

void Validator::AddViolation(std::string_view keyword, const Site& site,
                             const std::string& message) {
  std::string keyword_pointer = site.node.pointer;
  if (!keyword.empty()) {
    keyword_pointer.append("/").append(keyword);
  }
  report_->violations.push_back({ToPointer(site.path), Cut(keyword_pointer, kMaxPointerBytes),
                                 Cut(message, kMaxMessageBytes)});
}

}  // namespace entente::dsl::schema_internal
