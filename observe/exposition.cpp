#include "observe/exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/utf8.h"

namespace entente::observe {
namespace {

// The smallest and largest bounds that are written. What is below the first is in it, what is above
// the last in +Inf.
constexpr uint64_t kFirstMicros = uint64_t{1} << 6;
constexpr uint64_t kFineUntilMicros = uint64_t{1} << 26;  // Some 67 s; from there on by octaves.
constexpr uint64_t kLastCount = uint64_t{1} << 16;

constexpr size_t kMaxLabelBytes = 4096;

bool IsWritten(uint64_t bound, Unit unit) {
  if (unit == Unit::kCount) {
    return bound <= kLastCount;
  }
  const bool octave = std::has_single_bit(bound);
  return bound >= kFirstMicros && (octave || bound <= kFineUntilMicros);
}

std::string Number(double value) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), end};
}

// OpenMetrics writes bounds with a point.
std::string Bound(double value, TextFormat format) {
  std::string text = Number(value);
  if (format == TextFormat::kOpenMetrics && text.find_first_of(".e") == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::string Escape(std::string_view value) {
  std::string escaped;
  for (const char c : ToUtf8(value, kMaxLabelBytes)) {
    switch (c) {
      case '\\': escaped += "\\\\"; break;
      case '"': escaped += "\\\""; break;
      case '\n': escaped += "\\n"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

// Without braces.
std::string Text(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? "" : ",";
    text.append(name).append("=\"").append(Escape(value)).append("\"");
  }
  return text;
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes what stands before the next `separator` off the front.
std::string_view TakePart(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = Trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? x | 0x20 : x) == (y >= 'A' && y <= 'Z' ? y | 0x20 : y);
  });
}

// The weight of a media range's parameters.
double WeightOf(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view one = TakePart(parameters, ';');
    if (one.starts_with("q=") || one.starts_with("Q=")) {
      double weight = 0;
      std::from_chars(one.data() + 2, one.data() + one.size(), weight);
      return weight;
    }
  }
  return 1;
}

}  // namespace

TextFormat FormatFor(std::string_view accept) {
  double plain = 0;
  double open_metrics = 0;
  while (!accept.empty()) {
    std::string_view range = TakePart(accept, ',');
    const std::string_view type = TakePart(range, ';');
    if (EqualsIgnoringCase(type, "application/openmetrics-text")) {
      open_metrics = std::max(open_metrics, WeightOf(range));
    } else if (EqualsIgnoringCase(type, "text/plain")) {
      plain = std::max(plain, WeightOf(range));
    }
  }
  return open_metrics > 0 && open_metrics >= plain ? TextFormat::kOpenMetrics
                                                   : TextFormat::kPrometheus;
}

std::string_view ContentTypeOf(TextFormat format) {
  return format == TextFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

// In OpenMetrics a counter's family has the name without the _total of its samples.
void Exposition::Family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  std::string_view family = name;
  constexpr std::string_view kTotal = "_total";
  if (format_ == TextFormat::kOpenMetrics && type == "counter" && family.ends_with(kTotal)) {
    family.remove_suffix(kTotal.size());
  }
  text_.append("# HELP ").append(family).append(" ").append(help);
  text_.append("\n# TYPE ").append(family).append(" ").append(type).append("\n");
}

void Exposition::Line(std::string_view suffix, const std::string& labels, double value) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) {
    text_.append("{").append(labels).append("}");
  }
  text_.append(" ").append(Number(value)).append("\n");
}

void Exposition::Sample(const Labels& labels, double value) {
  Line("", Text(labels), value);
}

void Exposition::Bucket(const std::string& labels, const std::string& bound, uint64_t count,
                        const Exemplar* exemplar, double unit) {
  text_.append(name_).append("_bucket{").append(labels).append(labels.empty() ? "" : ",");
  text_.append("le=\"").append(bound).append("\"} ").append(std::to_string(count));
  if (exemplar != nullptr && format_ == TextFormat::kOpenMetrics) {
    text_.append(" # {trace_id=\"").append(exemplar->trace_id).append("\"");
    if (!exemplar->gid.empty()) {
      text_.append(",gid=\"").append(Escape(exemplar->gid)).append("\"");
    }
    text_.append("} ").append(Number(static_cast<double>(exemplar->value) * unit));
    text_.append(" ").append(
        Number(std::chrono::duration<double>(exemplar->at.time_since_epoch()).count()));
  }
  text_.append("\n");
}

// A written bucket has what those between it and the written one before it counted, and the latest
// of their exemplars.
void Exposition::Histogram(const Labels& labels, const HistogramSnapshot& snapshot, Unit unit) {
  const double factor = unit == Unit::kSeconds ? 1e-6 : 1;
  const std::string text = Text(labels);
  uint64_t count = 0;
  const Exemplar* latest = nullptr;
  for (size_t i = 0; i < kBuckets; ++i) {
    count += snapshot.counts[i];
    if (snapshot.exemplars[i] && (latest == nullptr || latest->at < snapshot.exemplars[i]->at)) {
      latest = &*snapshot.exemplars[i];
    }
    const bool last = i + 1 == kBuckets;
    if (last || IsWritten(UpperBoundOf(i), unit)) {
      const double bound = last ? 0 : static_cast<double>(UpperBoundOf(i)) * factor;
      Bucket(text, last ? "+Inf" : Bound(bound, format_), count, latest, factor);
      latest = nullptr;
    }
  }
  Line("_sum", text, static_cast<double>(snapshot.sum) * factor);
  Line("_count", text, static_cast<double>(count));
}

std::string Exposition::Take() {
  if (format_ == TextFormat::kOpenMetrics) {
    text_ += "# EOF\n";
  }
  return std::move(text_);
}

}  // namespace entente::observe
