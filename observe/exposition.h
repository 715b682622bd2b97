// Exposition: measurements as text, in either of the two formats that Prometheus reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/histogram.h"

namespace entente::observe {

// Prometheus' own text, version 0.0.4; and OpenMetrics 1.0, which has exemplars.
enum class TextFormat : uint8_t { kPrometheus, kOpenMetrics };

// What an Accept field asks for (RFC 9110, 12.5.1). OpenMetrics only where it is named, and not
// liked less than plain text.
[[nodiscard]] TextFormat FormatFor(std::string_view accept);
[[nodiscard]] std::string_view ContentTypeOf(TextFormat format);

// What a histogram's values are, and so what is written of them.
enum class Unit : uint8_t {
  kSeconds,  // Values are microseconds.
  kCount,
};

// Names and values of labels, the values any text.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

// Not thread-safe. A family comes first, then its samples.
class Exposition {
 public:
  explicit Exposition(TextFormat format) : format_(format) {}

  // `type` is "counter", whose `name` ends in _total, "gauge" or "histogram".
  void Family(std::string_view name, std::string_view type, std::string_view help);
  void Sample(const Labels& labels, double value);
  // A family of one sample.
  void Single(std::string_view name, std::string_view type, std::string_view help, double value) {
    Family(name, type, help);
    Sample({}, value);
  }
  void Histogram(const Labels& labels, const HistogramSnapshot& snapshot, Unit unit);

  // The whole text; nothing is added any more.
  [[nodiscard]] std::string Take();

 private:
  void Line(std::string_view suffix, const std::string& labels, double value);
  void Bucket(const std::string& labels, const std::string& bound, uint64_t count,
              const Exemplar* exemplar, double unit);

  const TextFormat format_;
  std::string name_;
  std::string text_;
};

}  // namespace entente::observe
