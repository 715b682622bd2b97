#include "examples/service/switches.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "examples/travel/common/switches.h"

namespace examples {
namespace {

using std::chrono::milliseconds;

struct Spec {
  std::string_view name;
  std::variant<int64_t SwitchValues::*, milliseconds SwitchValues::*> slot;
};
const std::array kSpecs = {
    Spec{"capacity", &SwitchValues::capacity},
    Spec{"hold-for", &SwitchValues::hold_for},
    Spec{"delay", &SwitchValues::delay},
    Spec{"fail-next", &SwitchValues::fail_next},
    Spec{"refuse-next", &SwitchValues::refuse_next},
    Spec{"hang-before-next", &SwitchValues::hang_before_next},
    Spec{"hang-next", &SwitchValues::hang_next},
    Spec{"fail-after-next", &SwitchValues::fail_after_next},
    Spec{"hang-for", &SwitchValues::hang_for},
};

std::optional<std::string> SetSlot(SwitchValues& values, const Spec& spec, const Json& value) {
  const std::string name(spec.name);
  if (const auto* count = std::get_if<int64_t SwitchValues::*>(&spec.slot)) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{1} << 53) {
      return "'" + name + "' must be a whole number of at least 0";
    }
    values.*(*count) = value.get<int64_t>();
    return std::nullopt;
  }
  const auto duration =
      travel::ParseDuration(value.is_string() ? value.get<std::string>() : value.dump());
  if (!duration) {
    return "'" + name + "' must be a duration such as \"200ms\" or \"30s\", a day at most";
  }
  values.*std::get<milliseconds SwitchValues::*>(spec.slot) = *duration;
  return std::nullopt;
}

std::optional<std::string> SetOne(SwitchValues& values, const std::string& name,
                                  const Json& value) {
  if (name == "only") {
    if (!value.is_string() ||
        (value != "all" && !entente::sdk::ParseOperation(value.get<std::string>()))) {
      return "'only' must be \"all\" or an operation such as \"commit\"";
    }
    values.only = value.get<std::string>();
    return std::nullopt;
  }
  const auto* const spec = std::find_if(kSpecs.begin(), kSpecs.end(),
                                        [&name](const Spec& each) { return each.name == name; });
  if (spec != kSpecs.end()) {
    return SetSlot(values, *spec, value);
  }
  std::string names = "only, release";
  for (const Spec& each : kSpecs) {
    names += ", " + std::string(each.name);
  }
  return "there is no switch '" + name + "'; there are: " + names;
}

bool TakeOne(int64_t& count) {
  if (count == 0) {
    return false;
  }
  --count;
  return true;
}

}  // namespace

std::optional<std::string> Switches::Apply(const Json& changes) {
  if (!changes.is_object()) {
    return "the switches must be a JSON object such as {\"fail-next\": 1}";
  }
  const std::lock_guard lock(mutex_);
  SwitchValues values = values_;
  bool release = false;
  for (const auto& [name, value] : changes.items()) {
    if (name == "release" && value.is_boolean()) {
      release = value.get<bool>();
    } else if (auto problem = SetOne(values, name, value)) {
      return problem;
    }
  }
  values_ = std::move(values);
  if (release) {
    ++releases_;
    wake_.notify_all();
  }
  return std::nullopt;
}

Json Switches::Show() const {
  const std::lock_guard lock(mutex_);
  Json shown = {{"only", values_.only}, {"hanging", Json::array()}};
  for (const Spec& spec : kSpecs) {
    if (const auto* count = std::get_if<int64_t SwitchValues::*>(&spec.slot)) {
      shown[std::string(spec.name)] = values_.*(*count);
    } else {
      const milliseconds duration = values_.*std::get<milliseconds SwitchValues::*>(spec.slot);
      shown[std::string(spec.name)] = std::to_string(duration.count()) + "ms";
    }
  }
  for (const Hanging& each : hanging_) {
    shown["hanging"].push_back({{"gid", each.call.gid.str()},
                                {"branch", each.call.branch.str()},
                                {"operation", OperationName(each.call.operation)},
                                {"done", each.done}});
  }
  return shown;
}

SwitchValues Switches::values() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

Switches::Fault Switches::Draw(const Call& call) {
  const std::lock_guard lock(mutex_);
  if (values_.only != "all" && values_.only != OperationName(call.operation)) {
    return Fault::kNone;
  }
  if (TakeOne(values_.fail_next))
    return Fault::kFail;
  if (TakeOne(values_.refuse_next))
    return Fault::kRefuse;
  if (TakeOne(values_.hang_before_next))
    return Fault::kHangBefore;
  if (TakeOne(values_.hang_next))
    return Fault::kHang;
  if (TakeOne(values_.fail_after_next))
    return Fault::kFailAfter;
  return Fault::kNone;
}

// False when the wait was ended.
bool Switches::Wait(milliseconds duration) {
  std::unique_lock lock(mutex_);
  const uint64_t releases = releases_;
  return !wake_.wait_for(lock, duration,
                         [this, releases] { return stopping_ || releases_ != releases; });
}

void Switches::Hang(const Call& call, bool done) {
  milliseconds duration;
  std::list<Hanging>::iterator entry;
  {
    const std::lock_guard lock(mutex_);
    duration = values_.hang_for;
    entry = hanging_.insert(hanging_.end(), Hanging{call, done});
  }
  static_cast<void>(Wait(duration));
  const std::lock_guard lock(mutex_);
  hanging_.erase(entry);
}

Result<Answer> Switches::Pass(const Call& call, const std::function<Result<Answer>()>& work) {
  const SwitchValues values = this->values();
  const Fault fault = Draw(call);
  if (values.delay.count() > 0 &&
      (values.only == "all" || values.only == OperationName(call.operation))) {
    static_cast<void>(Wait(values.delay));
  }
  switch (fault) {
    case Fault::kFail:
      return entente::sdk::Retry("switch.fail", "told to fail before doing anything");
    case Fault::kRefuse: return entente::sdk::Refused("switch.refuse", "told to refuse");
    case Fault::kHangBefore: Hang(call, /*done=*/false); break;
    case Fault::kNone:
    case Fault::kHang:
    case Fault::kFailAfter: break;
  }
  Result<Answer> answer = work();
  if (fault == Fault::kHang) {
    Hang(call, /*done=*/true);
  }
  if (fault == Fault::kFailAfter) {
    return entente::sdk::Retry("switch.fail_after", "told to fail after doing it");
  }
  return answer;
}

void Switches::Stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
}

}  // namespace examples
