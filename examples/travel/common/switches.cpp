#include "examples/travel/common/switches.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace travel {
namespace {

std::optional<Millis> DurationFrom(const Json& value) {
  if (value.is_string()) {
    return ParseDuration(value.get_ref<const std::string&>());
  }
  return value.is_number() ? ParseDuration(value.dump()) : std::nullopt;
}

// Integral numbers only: 2.5 seats are a mistake.
std::optional<int64_t> CountFrom(const Json& value) {
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() >> 62)) {
    return std::nullopt;
  }
  const auto count = value.get<int64_t>();
  return count >= 0 ? std::optional(count) : std::nullopt;
}

std::optional<std::string> SetSlot(SwitchValues& values, const SwitchSpec& spec,
                                   const Json& value) {
  const std::string name(spec.name);
  if (const auto* count_slot = std::get_if<int64_t SwitchValues::*>(&spec.slot)) {
    const auto count = CountFrom(value);
    if (!count) {
      return "'" + name + "' must be a whole number of at least 0";
    }
    values.*(*count_slot) = *count;
  } else if (const auto* rate_slot = std::get_if<double SwitchValues::*>(&spec.slot)) {
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1) {
      return "'" + name + "' must be a number from 0 to 1";
    }
    values.*(*rate_slot) = value.get<double>();
  } else {
    const auto duration = DurationFrom(value);
    if (!duration) {
      return "'" + name + "' must be a duration such as \"200ms\" or \"30s\", a day at most";
    }
    values.*std::get<Millis SwitchValues::*>(spec.slot) = *duration;
  }
  return std::nullopt;
}

std::optional<std::string> SetCapacities(SwitchValues& values, const Json& value) {
  if (!value.is_object()) {
    return "'capacity-of' must be an object such as {\"Lisbon/4\": 0}";
  }
  for (const auto& [pool, number] : value.items()) {
    if (number.is_null()) {
      values.capacity_of.erase(pool);
      continue;
    }
    const auto count = CountFrom(number);
    if (!count) {
      return "'capacity-of' has no whole number of at least 0 for '" + pool + "'";
    }
    values.capacity_of[pool] = *count;
  }
  return std::nullopt;
}

std::string KnownNames(bool rest) {
  std::string names = "only, capacity-of";
  for (const SwitchSpec& spec : SwitchSpecs()) {
    if (rest || !spec.rest_only) {
      names += ", " + std::string(spec.name);
    }
  }
  return names;
}

bool TakeOne(int64_t& count) {
  if (count == 0) {
    return false;
  }
  --count;
  return true;
}

}  // namespace

const std::vector<SwitchSpec>& SwitchSpecs() {
  using V = SwitchValues;
  static const std::vector<SwitchSpec> kSpecs = {
      {"capacity", &V::capacity, "units that each pool has; 0 is full"},
      {"delay", &V::delay, "wait this long before doing anything"},
      {"fail-rate", &V::fail_rate, "share of calls answered 503 before doing anything"},
      {"fail-next", &V::fail_next, "so many calls are answered 503 before doing anything"},
      {"fail-after-rate", &V::fail_after_rate, "share of calls done, then answered 503"},
      {"fail-after-next", &V::fail_after_next, "so many calls are done, then answered 503"},
      {"hang-rate", &V::hang_rate, "share of calls done, their answer held back"},
      {"hang-next", &V::hang_next, "so many calls are done, their answer held back"},
      {"hang-for", &V::hang_for, "how long an answer is held back"},
      {"refuse-next", &V::refuse_next, "so many calls are refused with 422"},
      {"garbage-next", &V::garbage_next, "so many calls are answered 200 with no JSON", true},
      {"pending-next", &V::pending_next, "so many calls are answered 202, to be polled", true},
      {"pending-for", &V::pending_for, "how long such a call stays pending", true},
  };
  return kSpecs;
}

std::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kNone: return "";
    case Fault::kFail: return "fail";
    case Fault::kRefuse: return "refuse";
    case Fault::kHang: return "hang";
    case Fault::kFailAfter: return "fail-after";
    case Fault::kGarbage: return "garbage";
    case Fault::kPending: return "pending";
  }
  return "";
}

std::optional<Millis> ParseDuration(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) {
    return std::nullopt;
  }
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  const double factor = unit.empty() || unit == "ms" ? 1
                        : unit == "s"                ? 1'000
                        : unit == "m"                ? 60'000
                        : unit == "h"                ? 3'600'000
                                                     : -1;
  const double ms = number * factor;
  constexpr double kDayMs = 24 * 3'600'000.0;
  if (factor < 0 || !(ms >= 0) || ms > kDayMs) {
    return std::nullopt;
  }
  return Millis(std::llround(ms));
}

Switches::Switches(int64_t default_capacity, uint64_t seed, bool rest) : rest_(rest), dice_(seed) {
  values_.capacity = default_capacity;
}

std::optional<std::string> Switches::Apply(const Json& changes) {
  if (!changes.is_object()) {
    return "the switches must be a JSON object such as {\"fail-next\": 1}";
  }
  const std::lock_guard lock(mutex_);
  SwitchValues values = values_;
  for (const auto& [name, value] : changes.items()) {
    std::string spelled = name;
    std::replace(spelled.begin(), spelled.end(), '_', '-');
    if (auto problem = ApplyOne(values, spelled, value)) {
      return problem;
    }
  }
  values_ = std::move(values);
  return std::nullopt;
}

std::optional<std::string> Switches::ApplyOne(SwitchValues& values, const std::string& name,
                                              const Json& value) const {
  if (name == "only") {
    if (value != "all" && value != "forward" && value != "undo") {
      return "'only' must be \"all\", \"forward\" or \"undo\"";
    }
    values.only = value.get<std::string>();
    return std::nullopt;
  }
  if (name == "capacity-of") {
    return SetCapacities(values, value);
  }
  for (const SwitchSpec& spec : SwitchSpecs()) {
    if (spec.name == name && (rest_ || !spec.rest_only)) {
      return SetSlot(values, spec, value);
    }
  }
  return "there is no switch '" + name + "'; there are: " + KnownNames(rest_);
}

Json Switches::Show() const {
  const std::lock_guard lock(mutex_);
  Json shown = {{"only", values_.only}, {"capacity-of", values_.capacity_of}};
  for (const SwitchSpec& spec : SwitchSpecs()) {
    if (spec.rest_only && !rest_) {
      continue;
    }
    const std::string name(spec.name);
    if (const auto* count = std::get_if<int64_t SwitchValues::*>(&spec.slot)) {
      shown[name] = values_.*(*count);
    } else if (const auto* rate = std::get_if<double SwitchValues::*>(&spec.slot)) {
      shown[name] = values_.*(*rate);
    } else {
      const Millis duration = values_.*std::get<Millis SwitchValues::*>(spec.slot);
      shown[name] = std::to_string(duration.count()) + "ms";
    }
  }
  return shown;
}

Fate Switches::Draw(Direction direction) {
  const std::lock_guard lock(mutex_);
  Fate fate{values_.delay, Fault::kNone, values_.hang_for, values_.pending_for};
  const bool undo = direction == Direction::kUndo;
  if (values_.only == "all" || (values_.only == "undo") == undo) {
    fate.fault = DrawFault();
  }
  return fate;
}

Fault Switches::DrawFault() {
  if (TakeOne(values_.fail_next))
    return Fault::kFail;
  if (TakeOne(values_.refuse_next))
    return Fault::kRefuse;
  if (TakeOne(values_.hang_next))
    return Fault::kHang;
  if (TakeOne(values_.fail_after_next))
    return Fault::kFailAfter;
  if (TakeOne(values_.garbage_next))
    return Fault::kGarbage;
  if (TakeOne(values_.pending_next))
    return Fault::kPending;
  std::uniform_real_distribution<double> chance(0, 1);
  if (chance(dice_) < values_.fail_rate)
    return Fault::kFail;
  if (chance(dice_) < values_.hang_rate)
    return Fault::kHang;
  if (chance(dice_) < values_.fail_after_rate)
    return Fault::kFailAfter;
  return Fault::kNone;
}

int64_t Switches::CapacityOf(const std::string& pool) const {
  const std::lock_guard lock(mutex_);
  const auto own = values_.capacity_of.find(pool);
  return own != values_.capacity_of.end() ? own->second : values_.capacity;
}

}  // namespace travel
