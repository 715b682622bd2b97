#include "explore/trials.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "dsl/steps/step_sources.h"

namespace entente::explore {
namespace {

bool IsNameCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The name at `position`, and what is selected of it: "l.price".
std::string_view DottedNameAt(std::string_view text, size_t position) {
  size_t end = position;
  while (end < text.size() && (IsNameCharacter(text[end]) || text[end] == '.')) {
    ++end;
  }
  return text.substr(position, end - position);
}

DataPath Split(std::string_view dotted) {
  DataPath path;
  for (size_t from = 0; from <= dotted.size();) {
    const size_t dot = std::min(dotted.find('.', from), dotted.size());
    path.emplace_back(dotted.substr(from, dot - from));
    from = dot + 1;
  }
  return path;
}

// The members of a list's elements that a macro reads: of `input.lines.map(l, l.price)` it is
// input, lines, *, price. By the text, since an expression keeps its variables to itself; what is
// missed is only data that is less like what the author has in mind.
void AddMacroReads(std::string_view text, std::vector<DataPath>& reads) {
  static constexpr std::array<std::string_view, 8> kMacros = {
      ".map(",        ".filter(",    ".all(",    ".exists(",
      ".exists_one(", ".existsOne(", ".sortBy(", ".transformList("};
  for (const std::string_view macro : kMacros) {
    for (size_t at = text.find(macro); at != std::string_view::npos;
         at = text.find(macro, at + 1)) {
      size_t from = at;
      while (from > 0 && (IsNameCharacter(text[from - 1]) || text[from - 1] == '.')) {
        --from;
      }
      DataPath list = Split(text.substr(from, at - from));
      list.emplace_back("*");
      const std::string_view variable = DottedNameAt(text, at + macro.size());
      const std::string member = std::string(variable) + '.';
      reads.push_back(list);
      for (size_t use = text.find(member, at); use != std::string_view::npos;
           use = text.find(member, use + 1)) {
        if (variable.empty() || IsNameCharacter(text[use - 1]) || text[use - 1] == '.') {
          continue;
        }
        DataPath read = list;
        const std::string_view whole = DottedNameAt(text, use);
        const bool is_call = use + whole.size() < text.size() && text[use + whole.size()] == '(';
        DataPath selected = Split(whole);
        selected.erase(selected.begin());
        if (is_call && !selected.empty()) {
          selected.pop_back();
        }
        read.insert(read.end(), selected.begin(), selected.end());
        reads.push_back(std::move(read));
      }
    }
  }
}

// Texts and numbers that stand in the expression: what data is compared with.
std::vector<Json> ConstantsOf(std::string_view text) {
  std::vector<Json> constants;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\'' || c == '"') {
      const size_t end = std::min(text.find(c, i + 1), text.size());
      constants.emplace_back(std::string(text.substr(i + 1, end - i - 1)));
      i = end;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 &&
               (i == 0 || !IsNameCharacter(text[i - 1]))) {
      const std::string_view digits = DottedNameAt(text, i);
      const Result<Json> number = ParseJson(digits, limits::kPayloadJson);
      if (number.ok() && number->is_number_integer()) {
        const auto value = number->get<int64_t>();
        constants.insert(constants.end(), {value, value + 1, value - 1});
      } else if (number.ok() && number->is_number()) {
        const auto value = number->get<double>();
        constants.insert(constants.end(), {value, value + 1, value - 1});
      }
      i += digits.size();
    }
  }
  return constants;
}

Wanted WantedAt(std::string_view name) {
  static const std::map<std::string_view, Wanted> kPlaces = {
      {"when", Wanted::kBool},         {"refuseWhen", Wanted::kBool},
      {"items", Wanted::kList},        {"for", Wanted::kDuration},
      {"forEach", Wanted::kList},      {"timeout", Wanted::kDuration},
      {"deadline", Wanted::kDuration}, {"http", Wanted::kUrl},
      {"until", Wanted::kInstant},     {"expires", Wanted::kDurationOrInstant},
  };
  const auto found = kPlaces.find(name);
  return found == kPlaces.end() ? Wanted::kAny : found->second;
}

// What is below is the author's own, and its names mean nothing here.
bool IsData(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames = {"body",   "headers", "input", "output",
                                                             "labels", "form",    "text",  "let"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Whether `text` is the name of a place and nothing else.
bool IsPlain(std::string_view text, const dsl::cel::Template& source) {
  std::string name;
  for (const std::string& part : source.references().front().path.names) {
    name += (name.empty() ? "" : ".") + part;
  }
  return text == "${" + name + "}";
}

class Collector {
 public:
  explicit Collector(std::vector<Trial>& trials) : trials_(trials) {}

  struct Place {
    std::string pointer;
    std::string name;  // Of the member; of an element that of its list.
    std::string step;
    bool in_choose = false;
    size_t way = 0;
    bool refuses = false;          // The object that the member belongs to is a step that refuses.
    bool data = false;             // Part of what is sent or shown.
    bool repeats = false;          // Part of how a call is repeated.
    bool names = false;            // The object whose members are values with a name.
    std::string let = "";          // Part of the value of this name.
    const Json* one_of = nullptr;  // What it may come to: a list of texts, or null.
  };

  void Collect(const Json& json, const Place& place) {
    if (json.is_string()) {
      Add(json.get_ref<const std::string&>(), place);
    } else if (json.is_array()) {
      for (size_t i = 0; i < json.size(); ++i) {
        Place inner{place.pointer + '/' + std::to_string(i), place.name, place.step};
        inner.data = place.data;
        inner.let = place.let;
        inner.in_choose = place.name == "choose";
        inner.way = i;
        Collect(json[i], inner);
      }
    } else if (json.is_object()) {
      const bool is_step =
          (place.name == "steps" || place.name == "onCommitted" || place.name == "onAborted") &&
          json.contains("id") && json["id"].is_string();
      for (const auto& [name, value] : json.items()) {
        if ((name == "completion" || (name == "payload" && place.name == "wait")) && !place.data) {
          continue;  // Its output is made up as any other; what it is made of is not.
        }
        Place inner = place;
        inner.pointer += '/' + name;
        inner.name = name;
        inner.step = is_step ? json["id"].get<std::string>() : place.step;
        inner.refuses = is_step && json.contains("refuse");
        inner.data = place.data || IsData(name);
        inner.repeats = !inner.data && (place.repeats || name == "repeat");
        inner.let = place.names ? name : place.let;
        inner.names = is_step && name == "let";
        inner.one_of = !place.data && name == "definition" && json.contains("among")
                           ? &json["among"]
                           : nullptr;
        Collect(value, inner);
      }
    }
  }

 private:
  void Add(const std::string& text, const Place& place) {
    if (text.find("${") == std::string::npos || place.name == "description") {
      return;
    }
    auto compiled = dsl::cel::Template::Compile(Json(text));
    auto* source = std::get_if<dsl::cel::Template>(&compiled);
    if (source == nullptr) {
      return;
    }
    const bool until = place.repeats && place.name == "until";
    const Wanted wanted = until ? Wanted::kBool : WantedAt(place.name);
    Trial trial{place.pointer, place.step, place.data ? Wanted::kAny : wanted, std::move(*source)};
    trial.let = place.let;
    trial.is_alias = trial.source.references().size() == 1 && IsPlain(text, trial.source);
    for (const dsl::cel::TemplateReference& reference : trial.source.references()) {
      trial.reads.push_back(reference.path.names);
    }
    AddMacroReads(text, trial.reads);
    trial.condition = trial.wanted == Wanted::kBool;
    if (trial.condition || !trial.let.empty()) {
      trial.constants = ConstantsOf(text);
    }
    if (trial.wanted == Wanted::kUrl) {
      trial.constants = {"http://explored.example"};
    }
    if (place.one_of != nullptr) {
      trial.one_of.assign(place.one_of->begin(), place.one_of->end());
      trial.constants = trial.one_of;
    }
    if (trial.condition) {
      trial.usual = until || (place.name == "when" && !place.refuses);
      if (place.in_choose && place.name == "when") {
        // ".../choose/2/when" is of the way 2 of ".../choose".
        const size_t end = place.pointer.rfind('/', place.pointer.rfind('/') - 1);
        trial.choice = place.pointer.substr(0, end);
        trial.way = place.way;
      }
    }
    trials_.push_back(std::move(trial));
  }

  std::vector<Trial>& trials_;
};

bool Calls(const Json& json, const std::string& participant) {
  if (json.is_object() && json.value("participant", Json()) == participant) {
    return true;
  }
  return json.is_structured() && std::any_of(json.begin(), json.end(), [&](const Json& part) {
           return Calls(part, participant);
         });
}

// The addresses that the calls of steps compute.
void CollectAddresses(const Json& definition, Collector& collector) {
  const auto participants = definition.find("participants");
  if (participants == definition.end()) {
    return;
  }
  for (const auto& [name, participant] : participants->items()) {
    for (const dsl::StepSource& step : dsl::ListSteps(definition)) {
      const bool has_steps = step.json->contains("choose") || (step.json->contains("forEach") &&
                                                               !step.json->contains("participant"));
      if (participant.contains("allow") && !has_steps && Calls(*step.json, name)) {
        collector.Collect(participant["http"], {"/participants/" + name + "/http", "http",
                                                (*step.json)["id"].get<std::string>()});
      }
    }
  }
}

}  // namespace

std::vector<Trial> TrialsOf(const Json& definition) {
  std::vector<Trial> trials;
  Collector collector(trials);
  for (const auto& [name, value] : definition.items()) {
    if (name != "input" && name != "participants") {
      Collector::Place place{'/' + name, name, ""};
      place.data = IsData(name);
      place.names = name == "let";
      collector.Collect(value, place);
    }
  }
  CollectAddresses(definition, collector);
  return trials;
}

}  // namespace entente::explore
