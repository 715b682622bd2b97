#include "coordinator/process_log.h"

#include <memory>
#include <string>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/utf8.h"

namespace entente::coordinator {
namespace {

// Lines hold what clients and participants wrote: none may reach the terminal as it came. A JSON
// object is still the same object afterwards.
class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(std::string pattern)
      : pattern_(pattern), formatter_(std::move(pattern), spdlog::pattern_time_type::local, "") {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    spdlog::memory_buf_t raw;
    formatter_.format(message, raw);
    const std::string shown = ShowText({raw.data(), raw.size()}) + '\n';
    line.append(shown.data(), shown.data() + shown.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(pattern_);
  }

 private:
  const std::string pattern_;
  spdlog::pattern_formatter formatter_;
};

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";
// What is logged is an object; its members follow.
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v)";

// Set before there is a second thread.
bool json = false;

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kCritical: return spdlog::level::critical;
  }
  return spdlog::level::critical;
}

}  // namespace

void SetUpLog(const Config& config) {
  json = config.log_format == "json";
  auto logger = spdlog::stderr_logger_mt("entente");
  logger->set_formatter(std::make_unique<LineFormatter>(json ? kJsonPattern : kTextPattern));
  logger->set_level(spdlog::level::from_str(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void Log(LogLevel level, const LogLine& line) {
  // As a value, not as a format: a line may hold braces.
  spdlog::log(LevelOf(level), "{}", json ? line.AsJson().substr(1) : line.AsText());
}

void EndLog() {
  spdlog::shutdown();
}

}  // namespace entente::coordinator
