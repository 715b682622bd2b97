#include "coordinator/log/process_log.h"

#include <unistd.h>

#include <csignal>
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
std::string* last_words = nullptr;  // Never freed: a handler may need it at any moment.
int last_exit_code = 0;

// A write and an exit are all that a handler may do here.
void OnLostMapping(int signal, siginfo_t* info, void* /*context*/) {
  if (info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR) {
    const ssize_t written = write(STDERR_FILENO, last_words->data(), last_words->size());
    static_cast<void>(written);
    _exit(last_exit_code);
  }
  std::signal(signal, SIG_DFL);
  if (info->si_code <= 0) {
    raise(signal);
  }
}

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

void EndOnLostMapping(const LogLine& line, int exit_code) {
  const auto level = LevelOf(LogLevel::kCritical);
  spdlog::memory_buf_t text;
  LineFormatter(json ? kJsonPattern : kTextPattern)
      .format({spdlog::source_loc{}, "", level, json ? line.AsJson().substr(1) : line.AsText()},
              text);
  last_words = new std::string(text.data(), text.size());
  last_exit_code = exit_code;
  struct sigaction action {};
  action.sa_sigaction = OnLostMapping;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

void EndLog() {
  spdlog::shutdown();
}

}  // namespace entente::coordinator
