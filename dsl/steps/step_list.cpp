#include "dsl/steps/step_list.h"

#include <algorithm>
#include <utility>

#include "dsl/read/fields.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {
namespace {

class StepListReader {
 public:
  StepListReader(const std::vector<StepSource>& steps, ProblemList& problems)
      : steps_(steps), problems_(problems) {}

  StepList Read(Mode mode) {
    ReadIds();
    faulty_.assign(steps_.size(), false);
    for (size_t step = 0; step < steps_.size(); ++step) {
      stated_.push_back(ReadAfter(step));
    }
    for (size_t step = 0; step < steps_.size(); ++step) {
      list_.after.push_back(WithEnds(step));
    }
    list_.table.order = StepOrder(WholeOrder());
    ReportCycles();
    MarkUncertain();
    if (mode == Mode::kSaga) {
      ReadPivot();
    }
    for (size_t step = 0; step < steps_.size(); ++step) {
      ReadRace(step, mode);
    }
    return std::move(list_);
  }

 private:
  [[nodiscard]] std::string PointerTo(size_t step) const { return steps_[step].pointer; }
  [[nodiscard]] const Json* Find(size_t step, std::string_view field) const {
    const Json& json = *steps_[step].json;
    return json.is_object() && json.contains(field) ? &json[std::string(field)] : nullptr;
  }
  [[nodiscard]] std::string NameOf(size_t step) const {
    const std::string& id = list_.table.ids[step];
    return id.empty() ? "the step at " + PointerTo(step) : Quote(id);
  }

  void ReadIds();
  std::vector<size_t> ReadAfter(size_t step);
  // The steps that a list names; those that are wrong are reported and left out.
  std::vector<size_t> ReadPredecessors(size_t step, const Json& list, const std::string& pointer);
  // Who races for the step, if any do.
  void ReadRace(size_t step, Mode mode);
  // Why the step can not race for `goal`; nothing: it can. And what to do about it.
  struct Obstacle {
    std::string why;
    std::string suggestion;
  };
  [[nodiscard]] std::optional<Obstacle> WhyNotInRace(size_t step, size_t goal) const;
  std::optional<size_t> ReadPredecessor(size_t step, const Json& json, const std::string& pointer);
  // What the step comes after, a choice that it does not belong to with all its ways.
  [[nodiscard]] std::vector<size_t> WithEnds(size_t step) const;
  // It belongs to a way, and comes after nothing else of that choice.
  [[nodiscard]] bool StartsItsWay(size_t step) const;
  // What each step comes after; what has its time once the outcome is decided, after all others.
  [[nodiscard]] std::vector<std::vector<size_t>> WholeOrder() const;
  void AddEnds(size_t choice, std::vector<size_t>& ends) const;
  void ReportCycles();
  void MarkUncertain();
  void ReadPivot();
  void TakePivot(size_t step);
  void CheckBesidePivot(size_t pivot);

  const std::vector<StepSource>& steps_;
  ProblemList& problems_;
  StepList list_;
  std::vector<std::vector<size_t>> stated_;  // `after` as it is written.
  std::vector<bool> faulty_;                 // Its `after` is wrong or it waits for itself.
};

void StepListReader::ReadIds() {
  std::vector<std::string>& ids = list_.table.ids;
  for (size_t step = 0; step < steps_.size(); ++step) {
    const Json* when = Find(step, "when");
    const bool is_text = when != nullptr && when->is_string();
    list_.table.when.push_back(is_text ? when->get<std::string>() : std::string());
    list_.table.ways.push_back(steps_[step].way);
    list_.table.blocks.push_back(steps_[step].block);
    list_.table.stages.push_back(steps_[step].stage);
    list_.table.races.emplace_back();
    list_.after_any.push_back(false);
    const Json* optional = Find(step, "optional");
    // What comes when all is decided is best effort unless it says otherwise.
    list_.table.optional.push_back(optional == nullptr ? list_.IsAfterwards(step)
                                                       : *optional == true);
    const Json* json = Find(step, "id");
    const auto* id = json == nullptr ? nullptr : json->get_ptr<const std::string*>();
    if (id == nullptr) {
      ids.emplace_back();  // Reported where the step's fields are read.
      continue;
    }
    const std::string pointer = PointerTo(step) + "/id";
    const auto first = std::find(ids.begin(), ids.end(), *id);
    if (const auto bad = CheckStepId(*id)) {
      problems_.AtValue(pointer, "bad_name", bad->message, bad->suggestion);
    } else if (first != ids.end()) {
      problems_.AtValue(pointer, "duplicate_id",
                        "the id " + Quote(*id) + " is taken by the step at " +
                            PointerTo(static_cast<size_t>(first - ids.begin())),
                        "give each step an id of its own");
    }
    ids.push_back(*id);
  }
}

std::vector<size_t> StepListReader::ReadAfter(size_t step) {
  const Json* json = Find(step, "after");
  if (json == nullptr) {
    const auto& previous = steps_[step].previous;
    return previous ? std::vector<size_t>{*previous} : std::vector<size_t>();
  }
  std::string pointer = PointerTo(step) + "/after";
  if (json->is_object()) {
    const ObjectReader reader(*json, pointer, fields::kAfterAny, problems_);
    reader.RefuseUnknownFields({});
    json = reader.Require("any", "name the steps of which one is to be done first");
    pointer += "/any";
    if (json == nullptr) {
      faulty_[step] = true;
      return {};
    }
    list_.after_any[step] = true;
  }
  if (!json->is_array()) {
    faulty_[step] = true;
    problems_.AtValue(pointer, "wrong_type",
                      "'after' must be an array of step ids, not " + std::string(TypeName(*json)),
                      json->is_string() ? "write [" + DumpJson(*json) + "]" : "");
    return {};
  }
  return ReadPredecessors(step, *json, pointer);
}

std::vector<size_t> StepListReader::ReadPredecessors(size_t step, const Json& list,
                                                     const std::string& pointer) {
  std::vector<size_t> after;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto predecessor = ReadPredecessor(step, list[i], pointer + "/" + std::to_string(i));
    if (!predecessor) {
      faulty_[step] = true;
    } else if (std::find(after.begin(), after.end(), *predecessor) == after.end()) {
      after.push_back(*predecessor);
    }
  }
  std::sort(after.begin(), after.end());
  return after;
}

std::optional<StepListReader::Obstacle> StepListReader::WhyNotInRace(size_t step,
                                                                     size_t goal) const {
  const auto says = [&](std::string_view field) { return Find(step, field) != nullptr; };
  const auto& way = steps_[step].way;
  const auto& other = steps_[goal].way;
  const bool same_way = way.has_value() == other.has_value() &&
                        (!way || (way->choice == other->choice && way->way == other->way));
  if (!says("action")) {
    return Obstacle{
        "only a step that calls somebody, or runs a transaction, can be undone when "
        "another is faster",
        "let what should be waited for be a transaction of its own"};
  }
  if (!same_way || steps_[step].block) {
    return Obstacle{"it belongs to another way or block than " + NameOf(goal),
                    "let the steps of a race, and what comes after it, stand in one list"};
  }
  for (const std::string_view field : {"forEach", "when", "optional", "onGiveUp", "pivot"}) {
    if (says(field)) {
      return Obstacle{
          "a step in a race is passed over when it fails and undone when another is "
          "faster: it has no " +
              Quote(field),
          "remove " + Quote(field)};
    }
  }
  if (list_.IsAfterPivot(step)) {
    return Obstacle{"past the pivot nothing is undone, so both would stand",
                    "let the race come before the pivot"};
  }
  const auto excluded = [&](size_t pivot) { return list_.table.Exclude(pivot, step); };
  if (std::any_of(list_.pivots.begin(), list_.pivots.end(), excluded)) {
    return Obstacle{
        "it may still be under way when what follows the pivot of another way commits the "
        "transaction: too late to abort if none of the race can be done",
        "let the pivot follow the choice"};
  }
  for (size_t next = 0; next < steps_.size(); ++next) {
    const std::vector<size_t>& after = stated_[next];
    if (next != goal && std::find(after.begin(), after.end(), step) != after.end()) {
      return Obstacle{"step " + NameOf(next) +
                          " comes after it, but it may be undone when another "
                          "is faster",
                      Find(next, "after") == nullptr
                          ? "say what " + NameOf(next) + " comes after: \"after\": [] if nothing"
                          : "let " + NameOf(next) + " come after " + NameOf(goal)};
    }
  }
  const size_t first = stated_[goal].front();
  for (size_t before = 0; before < steps_.size(); ++before) {
    const StepOrder& order = list_.table.order;
    const bool races =
        std::find(stated_[goal].begin(), stated_[goal].end(), before) != stated_[goal].end();
    if (!races && order.Precedes(before, step) != order.Precedes(before, first)) {
      const size_t behind = order.Precedes(before, step) ? step : first;
      return Obstacle{"only " + NameOf(behind) + " of " + NameOf(first) + " and " + NameOf(step) +
                          " comes after " + NameOf(before) +
                          ", so that the rest would go on without that when the other is faster",
                      "let the steps of a race come after the same ones"};
    }
  }
  return std::nullopt;
}

void StepListReader::ReadRace(size_t step, Mode mode) {
  if (!list_.after_any[step] || faulty_[step]) {
    return;
  }
  const std::string pointer = PointerTo(step) + "/after/any";
  if (mode != Mode::kSaga || list_.IsAfterwards(step)) {
    problems_.AtValue(pointer, "wrong_mode",
                      "a race is of a saga's 'steps': whoever is not first is undone",
                      "name all of them in an array");
    return;
  }
  if (stated_[step].size() < 2) {
    problems_.AtValue(pointer, "too_few", "a race needs at least two steps",
                      "write \"after\": [...] for one");
    return;
  }
  for (const size_t racer : stated_[step]) {
    if (const auto obstacle = WhyNotInRace(racer, step)) {
      problems_.AtValue(pointer, "not_in_a_race",
                        "step " + NameOf(racer) + " can not be in a race: " + obstacle->why,
                        obstacle->suggestion);
    } else {
      list_.table.races[racer] = step;
      list_.table.optional[racer] = true;
    }
  }
}

std::vector<size_t> StepListReader::WithEnds(size_t step) const {
  std::vector<size_t> after;
  if (StartsItsWay(step)) {
    after.push_back(steps_[step].way->choice);  // It is not known before whether it is taken.
  }
  for (const size_t before : stated_[step]) {
    if (list_.table.WayWithin(step, before)) {
      after.push_back(before);
    } else {
      AddEnds(before, after);
    }
  }
  std::sort(after.begin(), after.end());
  after.erase(std::unique(after.begin(), after.end()), after.end());
  return after;
}

bool StepListReader::StartsItsWay(size_t step) const {
  const auto& way = steps_[step].way;
  return way && std::none_of(stated_[step].begin(), stated_[step].end(), [&](size_t before) {
           return before == way->choice || list_.table.WayWithin(before, way->choice);
         });
}

std::vector<std::vector<size_t>> StepListReader::WholeOrder() const {
  std::vector<std::vector<size_t>> order = list_.after;
  for (size_t step = 0; step < steps_.size(); ++step) {
    for (size_t main = 0; list_.IsAfterwards(step) && main < steps_.size(); ++main) {
      if (!list_.IsAfterwards(main)) {
        order[step].push_back(main);
      }
    }
  }
  return order;
}

// The last steps of each way, or the step itself if it is no choice or has no steps.
void StepListReader::AddEnds(size_t choice, std::vector<size_t>& ends) const {
  const size_t before = ends.size();
  for (size_t step = choice + 1; step < steps_.size(); ++step) {
    const auto& way = steps_[step].way;
    if (!way || way->choice != choice) {
      continue;
    }
    const auto follows = [&](size_t other) {
      const auto& same = steps_[other].way;
      return same && same->choice == choice && same->way == way->way &&
             std::find(stated_[other].begin(), stated_[other].end(), step) != stated_[other].end();
    };
    bool last = true;
    for (size_t other = choice + 1; other < steps_.size() && last; ++other) {
      last = !follows(other);
    }
    if (last) {
      AddEnds(step, ends);
    }
  }
  if (ends.size() == before) {
    ends.push_back(choice);
  }
}

std::optional<size_t> StepListReader::ReadPredecessor(size_t step, const Json& json,
                                                      const std::string& pointer) {
  const auto* id = json.get_ptr<const std::string*>();
  if (id == nullptr) {
    problems_.AtValue(pointer, "wrong_type",
                      "'after' must hold step ids, not " + std::string(TypeName(json)));
    return std::nullopt;
  }
  // A step whose id is repeated may well mean itself: then the cycle is the lesser surprise.
  const auto predecessor =
      *id == list_.table.ids[step] && !id->empty() ? std::optional(step) : list_.table.Find(*id);
  if (!predecessor) {
    std::vector<std::string_view> others;
    for (size_t other = 0; other < list_.table.ids.size(); ++other) {
      if (other != step) {
        others.push_back(list_.table.ids[other]);
      }
    }
    problems_.AtValue(pointer, "unknown_step", "there is no step " + Quote(*id) + " to come after",
                      DidYouMean(*id, others));
  } else if (steps_[*predecessor].stage != steps_[step].stage) {
    problems_.AtValue(pointer, "after_elsewhere",
                      "step " + Quote(*id) + " is listed in " +
                          Quote(FieldOf(steps_[*predecessor].stage)) + ", not in " +
                          Quote(FieldOf(steps_[step].stage)) +
                          ": 'after' orders the steps of one list",
                      "remove it");
    return std::nullopt;
  }
  return predecessor;
}

void StepListReader::ReportCycles() {
  for (const std::vector<size_t>& cycle : list_.table.order.cycles()) {
    std::string path;
    for (const size_t step : cycle) {
      faulty_[step] = true;
      path += NameOf(step) + " -> ";
    }
    path += NameOf(cycle.front());
    problems_.AtValue(PointerTo(cycle.front()) + "/after", "cycle",
                      cycle.size() == 1 ? "step " + NameOf(cycle.front()) + " comes after itself"
                                        : "steps come after each other in a circle: " + path +
                                              " (each after the next)",
                      "remove one of them from 'after'");
  }
}

void StepListReader::MarkUncertain() {
  list_.table.uncertain = faulty_;
  for (size_t step = 0; step < steps_.size(); ++step) {
    for (size_t other = 0; other < steps_.size(); ++other) {
      if (faulty_[other] && list_.table.order.Precedes(other, step)) {
        list_.table.uncertain[step] = true;
      }
    }
  }
}

void StepListReader::TakePivot(size_t step) {
  const auto rival = std::find_if(list_.pivots.begin(), list_.pivots.end(),
                                  [&](size_t other) { return !list_.table.Exclude(other, step); });
  if (rival == list_.pivots.end()) {
    list_.pivots.push_back(step);
    return;
  }
  problems_.AtValue(PointerTo(step) + "/pivot", "second_pivot",
                    "step " + NameOf(*rival) +
                        " is the pivot already; a saga has at most one point of no return on each "
                        "way that it can take",
                    "keep 'pivot' at one step");
}

void StepListReader::ReadPivot() {
  for (size_t step = 0; step < steps_.size(); ++step) {
    const Json* json = Find(step, "pivot");
    if (json != nullptr && *json == true && list_.IsAfterwards(step)) {
      problems_.AtKey(
          PointerTo(step) + "/pivot", "decided_before",
          "when the steps of " + Quote(FieldOf(steps_[step].stage)) +
              " have their time the outcome is decided, so that none of them is a pivot",
          "remove it");
    } else if (json != nullptr && *json == true && steps_[step].block) {
      problems_.AtKey(PointerTo(step) + "/pivot", "pivot_in_block",
                      "there is no way back from the pivot, while steps of other items could still "
                      "be refused",
                      "let it be a step that comes after " + NameOf(*steps_[step].block));
    } else if (json != nullptr && *json == true) {
      TakePivot(step);
    }
  }
  for (const size_t pivot : list_.pivots) {
    CheckBesidePivot(pivot);
  }
}

void StepListReader::CheckBesidePivot(size_t pivot) {
  const StepTable& table = list_.table;
  for (size_t step = 0; step < steps_.size(); ++step) {
    if (step == pivot || table.uncertain[step] || table.uncertain[pivot] ||
        table.order.Precedes(step, pivot) || table.order.Precedes(pivot, step) ||
        table.Exclude(step, pivot)) {
      continue;
    }
    problems_.AtValue(PointerTo(step), "beside_pivot",
                      "step " + NameOf(step) + " would run at the same time as the pivot " +
                          NameOf(pivot) + ": when it fails it could be too late to undo",
                      "add it to 'after' of the pivot, or let it come after the pivot");
  }
}

}  // namespace

bool StepList::IsPivot(size_t step) const {
  return std::find(pivots.begin(), pivots.end(), step) != pivots.end();
}

bool StepList::IsAfterPivot(size_t step) const {
  return IsAfterwards(step) || std::any_of(pivots.begin(), pivots.end(), [&](size_t pivot) {
           return table.order.Precedes(pivot, step);
         });
}

bool StepList::EndsBeforePivots(size_t step) const {
  return std::all_of(pivots.begin(), pivots.end(), [&](size_t pivot) {
    return pivot == step || table.order.Precedes(step, pivot);
  });
}

StepList ReadStepList(const std::vector<StepSource>& steps, Mode mode, ProblemList& problems) {
  return StepListReader(steps, problems).Read(mode);
}

}  // namespace entente::dsl
