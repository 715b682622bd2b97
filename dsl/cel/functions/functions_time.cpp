// timestamp(), duration() and the fields of both.

#include <array>
#include <string>

#include "dsl/cel/error.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/timestamp.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

bool ToTimestamp(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kTimestamp: *out = value; return true;
    case Kind::kString:
      return context.Take(ParseTimestamp(value.string_value()), Value::FromTimestamp, out);
    case Kind::kInt:
      return context.Take(TimestampFromSeconds(value.int_value()), Value::FromTimestamp, out);
    default: return context.FailOverload("timestamp", arguments, false);
  }
}

bool ToDuration(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kDuration: *out = value; return true;
    case Kind::kString:
      return context.Take(ParseCelDuration(value.string_value()), Value::FromDuration, out);
    default: return context.FailOverload("duration", arguments, false);
  }
}

// A field of the timestamp arguments[0] in the zone arguments[1], UTC when left out.
template <class Field>
bool CalendarField(EvalContext& context, std::string_view name, Arguments arguments, Field field,
                   Value* out) {
  if (arguments[0].kind() != Kind::kTimestamp ||
      (arguments.size() > 1 && arguments[1].kind() != Kind::kString)) {
    return context.FailOverload(name, arguments, true);
  }
  int32_t offset = 0;
  if (arguments.size() > 1) {
    const Result<int32_t> zone = ParseTimezone(arguments[1].string_value());
    if (!zone.ok()) {
      return context.Fail(zone.status());
    }
    offset = *zone;
  }
  *out = Value::Int(field(FieldsOf(arguments[0].timestamp_value(), offset)));
  return true;
}

// The same, or the whole units in a duration of which one has `nanos_per_unit`, or what is left
// of them past `modulus` when that is not zero.
template <class Field>
bool ClockField(EvalContext& context, std::string_view name, Arguments arguments, Field field,
                int64_t nanos_per_unit, int64_t modulus, Value* out) {
  if (arguments[0].kind() != Kind::kDuration || arguments.size() > 1) {
    return CalendarField(context, name, arguments, field, out);
  }
  const int64_t units = arguments[0].duration_value().nanos / nanos_per_unit;
  *out = Value::Int(modulus == 0 ? units : units % modulus);
  return true;
}

bool GetFullYear(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getFullYear", arguments, [](const CalendarFields& f) { return f.year; }, out);
}

bool GetMonth(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getMonth", arguments, [](const CalendarFields& f) { return f.month; }, out);
}

bool GetDate(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getDate", arguments, [](const CalendarFields& f) { return f.day_of_month + 1; },
      out);
}

bool GetDayOfMonth(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getDayOfMonth", arguments, [](const CalendarFields& f) { return f.day_of_month; },
      out);
}

bool GetDayOfWeek(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getDayOfWeek", arguments, [](const CalendarFields& f) { return f.day_of_week; },
      out);
}

bool GetDayOfYear(EvalContext& context, Arguments arguments, Value* out) {
  return CalendarField(
      context, "getDayOfYear", arguments, [](const CalendarFields& f) { return f.day_of_year; },
      out);
}

bool GetHours(EvalContext& context, Arguments arguments, Value* out) {
  return ClockField(
      context, "getHours", arguments, [](const CalendarFields& f) { return f.hours; },
      3'600'000'000'000, 0, out);
}

bool GetMinutes(EvalContext& context, Arguments arguments, Value* out) {
  return ClockField(
      context, "getMinutes", arguments, [](const CalendarFields& f) { return f.minutes; },
      60'000'000'000, 0, out);
}

bool GetSeconds(EvalContext& context, Arguments arguments, Value* out) {
  return ClockField(
      context, "getSeconds", arguments, [](const CalendarFields& f) { return f.seconds; },
      1'000'000'000, 0, out);
}

bool GetMilliseconds(EvalContext& context, Arguments arguments, Value* out) {
  return ClockField(
      context, "getMilliseconds", arguments, [](const CalendarFields& f) { return f.milliseconds; },
      1'000'000, 1000, out);
}

constexpr std::array<Function, 12> kTimeFunctions = {{
    {"duration", false, 1, 1, ToDuration},
    {"getDate", true, 0, 1, GetDate},
    {"getDayOfMonth", true, 0, 1, GetDayOfMonth},
    {"getDayOfWeek", true, 0, 1, GetDayOfWeek},
    {"getDayOfYear", true, 0, 1, GetDayOfYear},
    {"getFullYear", true, 0, 1, GetFullYear},
    {"getHours", true, 0, 1, GetHours},
    {"getMilliseconds", true, 0, 1, GetMilliseconds},
    {"getMinutes", true, 0, 1, GetMinutes},
    {"getMonth", true, 0, 1, GetMonth},
    {"getSeconds", true, 0, 1, GetSeconds},
    {"timestamp", false, 1, 1, ToTimestamp},
}};

}  // namespace

std::span<const Function> TimeFunctions() {
  return kTimeFunctions;
}

}  // namespace entente::dsl::cel
