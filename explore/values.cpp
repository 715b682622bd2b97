#include "explore/values.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "base/time.h"
#include "dsl/addresses.h"
#include "dsl/cel/activation.h"
#include "dsl/steps/step_sources.h"
#include "explore/requests.h"
#include "explore/schema_shape.h"
#include "explore/shape.h"
#include "explore/trials.h"

namespace entente::explore {
namespace {

// How many ways of putting the data together are tried for one expression.
constexpr size_t kMaxTriesOfPairs = 600;
constexpr size_t kMaxParts = 400;
constexpr size_t kMaxReads = 200;  // Of one expression.
// How often members are added that turn out to be missing.
constexpr size_t kMaxLessons = 4;

// A leaf or list of the data, and where it is.
struct Part {
  DataPath path;
  Shape* shape;
};

void CollectParts(Shape& shape, DataPath& path, std::vector<Part>& parts) {
  if (shape.choices() > 1 && parts.size() < kMaxParts) {
    parts.push_back({path, &shape});
  }
  for (auto& [name, member] : shape.members) {
    path.push_back(name);
    CollectParts(member, path, parts);
    path.pop_back();
  }
  for (Shape& element : shape.element) {
    path.emplace_back("*");
    CollectParts(element, path, parts);
    path.pop_back();
  }
}

bool IsPrefix(const DataPath& a, const DataPath& b) {
  return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
}

bool Fits(Wanted wanted, const Json& value) {
  switch (wanted) {
    case Wanted::kAny: return !value.is_null();
    case Wanted::kBool: return value.is_boolean();
    case Wanted::kList: return value.is_array();
    case Wanted::kDuration:
      return value.is_string() && ParseDuration(value.get<std::string>()).ok();
    case Wanted::kInstant: return value.is_string() && ParseInstant(value.get<std::string>()).ok();
    case Wanted::kUrl: return value.is_string() && !dsl::CheckHttpUrl(value.get<std::string>());
    case Wanted::kDurationOrInstant:
      return Fits(Wanted::kDuration, value) || Fits(Wanted::kInstant, value);
  }
  return false;
}

const dsl::WaitSignal* WaitSignalOf(const dsl::Step& step) {
  const auto* wait = std::get_if<dsl::WaitWork>(&step.work);
  return wait != nullptr ? std::get_if<dsl::WaitSignal>(wait) : nullptr;
}

// The name of the signals that it waits for; null: it waits for none.
const std::string* SignalOf(const dsl::Step& step) {
  const dsl::WaitSignal* signal = WaitSignalOf(step);
  return signal != nullptr ? &signal->name : nullptr;
}

bool IsAsWanted(const Trial& trial, const Json& value) {
  const auto& one_of = trial.one_of;
  return Fits(trial.wanted, value) &&
         (one_of.empty() || std::find(one_of.begin(), one_of.end(), value) != one_of.end());
}

// The values with a name that the expressions of a step may read.
class Lets final : public dsl::cel::Resolver {
 public:
  // Borrows all.
  Lets(const dsl::Plan& plan, const dsl::Step* step, const dsl::cel::Activation& activation)
      : plan_(plan), step_(step), activation_(activation) {}

  [[nodiscard]] std::optional<Resolved> Resolve(std::span<const std::string> path) const override {
    const std::string& name = path.front();
    if (const auto made = made_.find(name); made != made_.end()) {
      return Resolved{made->second, 1};
    }
    const dsl::cel::Template* source = step_ == nullptr ? nullptr : Find(step_->lets, name);
    source = source == nullptr ? Find(plan_.lets, name) : source;
    auto value = source == nullptr ? Result<Json>(NotFound("explore.no_name", name))
                                   : source->Render(activation_);
    if (!value.ok()) {
      return std::nullopt;
    }
    return Resolved{
        made_.emplace(name, dsl::cel::Value::FromJson(std::move(value).value())).first->second, 1};
  }

 private:
  static const dsl::cel::Template* Find(const std::vector<dsl::Let>& lets,
                                        const std::string& name) {
    const auto found = std::find_if(lets.begin(), lets.end(),
                                    [&](const dsl::Let& let) { return let.name == name; });
    return found == lets.end() ? nullptr : &found->value;
  }

  const dsl::Plan& plan_;
  const dsl::Step* step_;
  const dsl::cel::Activation& activation_;
  mutable std::map<std::string, dsl::cel::Value> made_;
};

// Makes the data up by trying: puts something in for every name that an expression reads, sees
// which expressions fail, and changes what those read.
class Maker {
 public:
  Maker(const dsl::Plan& plan, const Json& definition, const GivenValues& given)
      : plan_(plan), definition_(definition), given_(given), trials_(TrialsOf(definition)) {}

  Result<Values> Make() {
    if (given_.input) {
      ENTENTE_RETURN_IF_ERROR(CheckGiven());
    }
    Prepare();
    for (size_t round = 0; round < kMaxLessons; ++round) {
      GatherParts();
      AddConstants();
      Fit();
      if (!Learn()) {
        break;
      }
    }
    GatherParts();
    usual_ = Choice();
    Keep();
    for (size_t round = 0; round < 2; ++round) {
      for (size_t trial = 0; trial < trials_.size(); ++trial) {
        if (trials_[trial].condition) {
          Reach(trial, true);
          Reach(trial, false);
        }
      }
    }
    Set(usual_);
    KeepOnlyRequired();
    if (values_.inputs.empty()) {
      return InvalidArgument("explore.input_needed",
                             "no input was found that the definition's schema takes (" +
                                 why_no_input_ + "): give one with --input");
    }
    SayWhatIsNotSent();
    return std::move(values_);
  }

 private:
  using Assignment = std::vector<size_t>;

  struct Outcome {
    std::vector<bool> works;                // By trial.
    std::vector<std::optional<bool>> held;  // By trial, of a condition that works.
    double score = 0;
  };

  [[nodiscard]] Status CheckGiven() const {
    if (!plan_.input) {
      return {};
    }
    const auto violations = plan_.input->Validate(*given_.input, 1);
    return violations.empty()
               ? Status()
               : InvalidArgument("input.invalid",
                                 "the input does not match the definition's schema: " +
                                     violations.front().pointer + ": " +
                                     violations.front().message);
  }

  // ---- what the data looks like ----

  void Prepare() {
    const auto schema = definition_.find("input");
    if (given_.input) {
      input_.values = {*given_.input};
      input_.open = false;
    } else if (schema != definition_.end()) {
      input_ = ShapeOfSchema(*schema);
    } else {
      input_.values = {Json::object()};
    }
    for (const dsl::Step& step : plan_.steps) {
      Shape& output = outputs_[step.id];
      const auto found = given_.outputs.find(step.id);
      if (found != given_.outputs.end()) {
        output.values = found->second;
        output.open = false;
      } else if (const Json* payload = PayloadSchemaOf(step)) {
        output = ShapeOfSchema(*payload);
      } else {
        output = UnknownShape();
        output.values.insert(output.values.begin(), Json::object());
      }
      for_each_[step.id] = step.for_each.has_value();
      steps_[step.id] = &step;
    }
    ReadThroughLets();
    FindItems();
    for (Trial& trial : trials_) {
      for (DataPath& read : trial.reads) {
        read = Canonical(trial, read);
        Grow(read);
      }
    }
  }

  // What the definition says of the signals that the step waits for; null: nothing.
  [[nodiscard]] const Json* PayloadSchemaOf(const dsl::Step& step) const {
    const std::string* name = SignalOf(step);
    for (const dsl::StepSource& source : dsl::ListSteps(definition_)) {
      const auto wait = source.json->find("wait");
      if (name != nullptr && wait != source.json->end() && wait->value("signal", Json()) == *name &&
          wait->contains("payload")) {
        return &wait->at("payload");
      }
    }
    return nullptr;
  }

  // Whether the engine takes it for what the step waits for.
  [[nodiscard]] bool MayBring(const std::string& step, const Json& payload) const {
    const std::string* name = SignalOf(*steps_.at(step));
    return name == nullptr ||
           std::all_of(plan_.steps.begin(), plan_.steps.end(), [&](const dsl::Step& other) {
             const dsl::WaitSignal* signal = WaitSignalOf(other);
             return signal == nullptr || signal->name != *name || !signal->payload ||
                    signal->payload->Validate(payload, 1).empty();
           });
  }

  // What reads a value with a name reads what that is made of.
  void ReadThroughLets() {
    const std::vector<Trial> before = trials_;
    for (Trial& trial : trials_) {
      for (size_t i = 0; i < trial.reads.size(); ++i) {
        const DataPath read = trial.reads[i];
        for (const Trial& let : before) {
          if (let.let != read.front() || !(let.step.empty() || let.step == trial.step)) {
            continue;
          }
          for (DataPath path : let.reads) {
            if (let.is_alias) {
              path.insert(path.end(), read.begin() + 1, read.end());
            }
            AddTo(trial.reads, path, kMaxReads);
          }
        }
      }
    }
  }

  // The list that the items of a step with forEach come from: the first that is read.
  void FindItems() {
    for (const Trial& trial : trials_) {
      const auto list = std::find_if(
          trial.reads.begin(), trial.reads.end(),
          [](const DataPath& read) { return read.front() == "input" || read.front() == "steps"; });
      if (trial.wanted == Wanted::kList && list != trial.reads.end()) {
        items_[trial.step] = *list;
        DataPath element = *list;
        element.emplace_back("*");
        Grow(element);
      }
    }
  }

  // Whose list the items of a step come from: its block's, or its own.
  [[nodiscard]] const std::string& OwnerOfItems(const std::string& step) const {
    const auto found = steps_.find(step);
    const bool in_block = found != steps_.end() && found->second->block;
    return in_block ? plan_.steps[*found->second->block].id : step;
  }

  // `item` and `output` by where they come from.
  [[nodiscard]] DataPath Canonical(const Trial& trial, const DataPath& read) const {
    DataPath path;
    const auto items = items_.find(OwnerOfItems(trial.step));
    if (read.front() == "item" && items != items_.end()) {
      path = items->second;
      path.emplace_back("*");
    } else if (read.front() == "output" && !trial.step.empty()) {
      path = {"steps", trial.step, "output"};
    } else {
      return read;
    }
    path.insert(path.end(), read.begin() + 1, read.end());
    return path;
  }

  void Grow(const DataPath& read) {
    const std::span<const std::string> path(read);
    if (path.front() == "input") {
      Ensure(input_, path.subspan(1));
    } else if (path.size() >= 3 && path[0] == "steps" && path[2] == "output") {
      if (const auto output = outputs_.find(path[1]); output != outputs_.end()) {
        const bool of_all = path.size() > 3 && path[3] == "*" && for_each_[path[1]];
        Ensure(output->second, path.subspan(of_all ? 4 : 3));
      }
    }
  }

  // What an evaluation says is missing is added to what the expression reads. False: nothing is.
  bool Learn() {
    Json data = Data();
    bool learned = false;
    for (const Trial& trial : trials_) {
      const Result<Json> value = Evaluate(trial, data, ItemOf(trial, data));
      static constexpr std::string_view kMissing = "no such key: '";
      const std::string text = value.ok() ? "" : value.status().message();
      const size_t from = text.find(kMissing);
      if (from == std::string::npos) {
        continue;
      }
      const size_t start = from + kMissing.size();
      const std::string name = text.substr(start, text.find('\'', start) - start);
      // What is a map lacks it; only if nothing is, something may be one.
      if (AddMember(trial, name, /*to_maps=*/true) || AddMember(trial, name, /*to_maps=*/false)) {
        learned = true;
        data = Data();  // Else the next one that lacks it would have it added to something else.
      }
    }
    return learned;
  }

  // To what the expression reads; true if it was added to something.
  bool AddMember(const Trial& trial, const std::string& name, bool to_maps) {
    bool added = false;
    for (DataPath read : trial.reads) {
      const Shape* shape = ShapeAt(read);
      if (shape != nullptr && shape->is_list()) {
        read.emplace_back("*");
        shape = ShapeAt(read);
      }
      if (shape != nullptr && shape->open && !shape->is_list() && shape->is_map() == to_maps &&
          !shape->members.contains(name)) {
        read.push_back(name);
        Grow(read);
        added = true;
      }
    }
    return added;
  }

  [[nodiscard]] const Shape* ShapeAt(const DataPath& read) const {
    const std::span<const std::string> path(read);
    if (path.front() == "input") {
      return FindShape(input_, path.subspan(1));
    }
    const auto output = path.size() >= 3 && path[0] == "steps" && path[2] == "output"
                            ? outputs_.find(path[1])
                            : outputs_.end();
    if (output == outputs_.end()) {
      return nullptr;
    }
    const bool of_all = path.size() > 3 && path[3] == "*" && for_each_.at(path[1]);
    return FindShape(output->second, path.subspan(of_all ? 4 : 3));
  }

  // The first of the items of the trial's step; null: it has none.
  [[nodiscard]] Json ItemOf(const Trial& trial, const Json& data) const {
    for (const Trial& items : trials_) {
      if (items.wanted != Wanted::kList || items.step != OwnerOfItems(trial.step)) {
        continue;
      }
      const Result<Json> list = Evaluate(items, data, Json());
      if (list.ok() && list->is_array() && !list->empty()) {
        return list->front();
      }
    }
    return Json();
  }

  void GatherParts() {
    parts_.clear();
    related_.clear();
    DataPath path = {"input"};
    CollectParts(input_, path, parts_);
    for (auto& [step, output] : outputs_) {
      path = {"steps", step, "output"};
      CollectParts(output, path, parts_);
    }
    for (const Trial& trial : trials_) {
      std::vector<size_t>& related = related_.emplace_back();
      for (size_t part = 0; part < parts_.size(); ++part) {
        if (std::any_of(trial.reads.begin(), trial.reads.end(), [&](const DataPath& read) {
              return IsPrefix(read, parts_[part].path) || IsPrefix(parts_[part].path, read);
            })) {
          related.push_back(part);
        }
      }
    }
  }

  void AddConstants() {
    for (size_t trial = 0; trial < trials_.size(); ++trial) {
      for (const size_t part : related_[trial]) {
        Shape& shape = *parts_[part].shape;
        for (const Json& constant : trials_[trial].constants) {
          const bool fits = shape.open || shape.values.empty() ||
                            shape.values.front().is_string() == constant.is_string();
          if (!shape.is_list() && fits) {
            AddValue(shape, constant);
          }
        }
      }
    }
  }

  // ---- trying ----

  [[nodiscard]] Assignment Choice() const {
    Assignment choice;
    for (const Part& part : parts_) {
      choice.push_back(part.shape->chosen);
    }
    return choice;
  }

  void Set(const Assignment& choice) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      parts_[i].shape->chosen = choice[i];
    }
  }

  [[nodiscard]] Json Data() const {
    Json steps = Json::object();
    for (const auto& [step, output] : outputs_) {
      const Json one = Instance(output);
      steps[step] = AnswerOf(*steps_.at(step));
      steps[step].update({{"status", "done"},
                          {"failure", nullptr},
                          {"output", for_each_.at(step) ? Json::array({one, one}) : one}});
    }
    return {{"input", Instance(input_)},
            {"steps", std::move(steps)},
            {"env", plan_.env},
            {"gid", "transaction"},
            {"key", "transaction:step"},
            {"index", 0},
            {"failure", {{"code", "refused"}, {"message", "explored"}, {"step", ""}}}};
  }

  [[nodiscard]] Outcome Try() const {
    const Json data = Data();
    Outcome outcome;
    for (const Trial& trial : trials_) {
      const Result<Json> value = Evaluate(trial, data, ItemOf(trial, data));
      const bool works = value.ok() && IsAsWanted(trial, *value);
      outcome.works.push_back(works);
      outcome.held.push_back(works && trial.condition ? std::optional(value->get<bool>())
                                                      : std::nullopt);
      outcome.score += works ? 1 : 0;
      outcome.score += works && trial.condition && *outcome.held.back() == trial.usual ? 0.01 : 0;
    }
    return outcome;
  }

  [[nodiscard]] Result<Json> Evaluate(const Trial& trial, const Json& data,
                                      const Json& item) const {
    dsl::cel::Activation activation(data);
    activation.Bind("item", item);
    Json own;
    Json steps;
    const auto step = steps_.find(trial.step);
    const Lets lets(plan_, step == steps_.end() ? nullptr : step->second, activation);
    activation.SetResolver(&lets);
    const auto output = outputs_.find(trial.step);
    if (output != outputs_.end()) {
      own = Instance(output->second);
      activation.Bind("output", own);
      if (for_each_.at(trial.step)) {
        steps = data["steps"];
        for (const auto& [id, other] : steps_) {
          const bool in_block = step->second->block && other->block == step->second->block;
          if (id == trial.step || in_block) {
            steps[id]["output"] = Instance(outputs_.at(id));
          }
        }
        activation.Bind("steps", steps);
      }
    }
    return trial.source.Render(activation);
  }

  // Changes what failing expressions read as long as that makes more of them work.
  void Fit() {
    Outcome best = Try();
    for (size_t round = 0; round < 4; ++round) {
      const double before = best.score;
      for (size_t trial = 0; trial < trials_.size(); ++trial) {
        const bool unusual = best.held[trial] && *best.held[trial] != trials_[trial].usual;
        if (!best.works[trial] || unusual) {
          Improve(trial, best);
        }
      }
      if (best.score <= before) {
        return;
      }
    }
  }

  void Improve(size_t trial, Outcome& best) {
    const auto better = [&](const Outcome& outcome) {
      return outcome.score > best.score && IsInputGood();
    };
    if (auto found = Search(trial, better)) {
      best = std::move(*found);
    }
  }

  // Changes one part that the expression reads, or two, until `good`; else leaves all as it was.
  template <class Good>
  std::optional<Outcome> Search(size_t trial, const Good& good) {
    const std::vector<size_t>& related = related_[trial];
    for (const size_t part : related) {
      if (auto found = SearchPart(part, good)) {
        return found;
      }
    }
    size_t tries = 0;
    for (size_t i = 0; i < related.size(); ++i) {
      for (size_t j = i + 1; j < related.size() && tries < kMaxTriesOfPairs; ++j) {
        Shape& first = *parts_[related[i]].shape;
        const size_t before = first.chosen;
        for (first.chosen = 0; first.chosen < first.choices(); ++first.chosen) {
          tries += parts_[related[j]].shape->choices();
          if (auto found = SearchPart(related[j], good)) {
            return found;
          }
        }
        first.chosen = before;
      }
    }
    return std::nullopt;
  }

  template <class Good>
  std::optional<Outcome> SearchPart(size_t part, const Good& good) {
    Shape& shape = *parts_[part].shape;
    const size_t before = shape.chosen;
    for (shape.chosen = 0; shape.chosen < shape.choices(); ++shape.chosen) {
      Outcome outcome = Try();
      if (good(outcome)) {
        return outcome;
      }
    }
    shape.chosen = before;
    return std::nullopt;
  }

  // ---- going both ways ----

  // Whether the condition is asked at all, and is the one that decides.
  [[nodiscard]] bool IsAsked(size_t trial, const Outcome& outcome) const {
    const Trial& asked = trials_[trial];
    for (size_t other = 0; other < trials_.size(); ++other) {
      const Trial& way = trials_[other];
      if (way.choice.empty() || other == trial) {
        continue;
      }
      const std::string of_choice = way.choice + '/';
      if (!asked.pointer.starts_with(of_choice)) {
        continue;
      }
      const bool same_choice = asked.choice == way.choice;
      const size_t number = std::stoul(asked.pointer.substr(of_choice.size()));
      const bool held = outcome.held[other].value_or(false);
      if ((way.way < number && held) || (!same_choice && way.way == number && !held)) {
        return false;
      }
    }
    return true;
  }

  // Finds data under which the condition comes to `target`, starting from all that was found.
  void Reach(size_t trial, bool target) {
    if (!reached_.insert({trial, target}).second) {
      return;
    }
    for (const Assignment& start : std::vector<Assignment>(kept_)) {
      Set(start);
      const Outcome from = Try();
      const auto good = [&](const Outcome& outcome) {
        return outcome.held[trial] == target && IsAsked(trial, outcome) && IsInputGood() &&
               std::floor(outcome.score) >= std::floor(from.score);
      };
      if (good(from)) {
        return;
      }
      if (Search(trial, good)) {
        Keep();
        return;
      }
    }
    reached_.erase({trial, target});
  }

  [[nodiscard]] bool IsInputGood() const {
    return !plan_.input || given_.input || plan_.input->Validate(Instance(input_), 1).empty();
  }

  template <class List>
  static bool AddTo(List& list, const typename List::value_type& value, size_t most) {
    if (std::find(list.begin(), list.end(), value) != list.end()) {
      return true;
    }
    if (list.size() >= most) {
      return false;
    }
    list.push_back(value);
    return true;
  }

  void KeepInput(const Json& input) {
    if (plan_.input && !given_.input) {
      if (const auto violations = plan_.input->Validate(input, 1); !violations.empty()) {
        why_no_input_ = violations.front().pointer + ": " + violations.front().message;
        return;
      }
    }
    if (!AddTo(values_.inputs, input, kMaxInputs)) {
      LeaveOut("inputs beyond " + std::to_string(kMaxInputs));
    }
  }

  void Keep() {
    kept_.push_back(Choice());
    KeepInput(Instance(input_));
    for (const auto& [step, output] : outputs_) {
      std::vector<Json>& list = values_.outputs[step];
      if (const auto given = given_.outputs.find(step); given != given_.outputs.end()) {
        list.clear();
        std::copy_if(given->second.begin(), given->second.end(), std::back_inserter(list),
                     [&, &id = step](const Json& value) { return MayBring(id, value); });
      } else if (!MayBring(step, Instance(output))) {
        continue;
      } else if (!AddTo(list, Instance(output), kMaxOutputs)) {
        LeaveOut("answers of '" + step + "' beyond " + std::to_string(kMaxOutputs));
      }
    }
  }

  void KeepOnlyRequired() {
    if (!given_.input && input_.is_map()) {
      KeepInput(Instance(input_, /*only_required=*/true));
    }
  }

  void SayWhatIsNotSent() {
    for (const auto& [step, list] : values_.outputs) {
      if (list.empty()) {
        LeaveOut("the signal that '" + step +
                 "' waits for: no payload was found that its schema takes; give one with "
                 "--answers, as an event");
      }
    }
  }

  void LeaveOut(std::string what) {
    if (std::find(values_.left_out.begin(), values_.left_out.end(), what) ==
        values_.left_out.end()) {
      values_.left_out.push_back(std::move(what));
    }
  }

  const dsl::Plan& plan_;
  const Json& definition_;
  const GivenValues& given_;
  std::vector<Trial> trials_;
  Shape input_;
  std::map<std::string, Shape> outputs_;  // By step; of a forEach of one element.
  std::map<std::string, bool> for_each_;  // By step.
  std::map<std::string, const dsl::Step*> steps_;
  std::map<std::string, DataPath> items_;  // By step: the list that its items are of.
  std::vector<Part> parts_;
  std::vector<std::vector<size_t>> related_;  // By trial: the parts that it reads.
  Assignment usual_;
  std::vector<Assignment> kept_;
  std::set<std::pair<size_t, bool>> reached_;
  Values values_;
  std::string why_no_input_ = "none fits";
};

}  // namespace

namespace {

// What signals bring, to each step that waits for them.
void AddSignals(const dsl::Plan& plan, const Json& answers,
                std::map<std::string, std::vector<Json>>& outputs) {
  const auto events = answers.find("events");
  if (events == answers.end() || !events->is_array()) {
    return;
  }
  for (const Json& event : *events) {
    for (const dsl::Step& step : plan.steps) {
      const std::string* name = SignalOf(step);
      if (name != nullptr && event.is_object() && event.value("signal", Json()) == *name) {
        outputs[step.id].push_back(event.value("payload", Json()));
      }
    }
  }
}

}  // namespace

std::map<std::string, std::vector<Json>> OutputsOf(const dsl::Plan& plan, const Json& answers) {
  std::map<std::string, std::vector<Json>> outputs;
  const std::string forward = '.' + std::string(dsl::OperationName(plan.mode, dsl::Role::kForward));
  for (const auto& [name, list] : answers.items()) {
    if (!name.ends_with(forward) || !list.is_array()) {
      continue;
    }
    for (const Json& answer : list) {
      if (answer.is_object() && answer.contains("done")) {
        outputs[name.substr(0, name.find_first_of(".:"))].push_back(answer["done"]);
      }
    }
  }
  AddSignals(plan, answers, outputs);
  return outputs;
}

Result<Values> MakeValues(const dsl::Plan& plan, const Json& definition, const GivenValues& given) {
  return Maker(plan, definition, given).Make();
}

}  // namespace entente::explore
