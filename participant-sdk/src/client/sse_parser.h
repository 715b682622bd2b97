// Server-sent events (WHATWG HTML, 9.2.6), as far as the coordinator uses them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::sdk {

struct SseEvent {
  std::string type;  // Empty: a plain message.
  std::string id;    // The latest one seen on the stream.
  std::string data;
};

// Bytes in, events out. Not thread-safe.
class SseParser {
 public:
  // An event of more than `max_event_bytes` is an error.
  explicit SseParser(size_t max_event_bytes) : max_event_bytes_(max_event_bytes) {}

  // Calls `on_event` for each event that `bytes` completes, until it returns false. Fails with
  // client.bad_answer.
  [[nodiscard]] Status Feed(std::string_view bytes,
                            const std::function<bool(const SseEvent&)>& on_event);

 private:
  void TakeLine(std::string_view line);

  const size_t max_event_bytes_;
  std::string line_;  // Not ended yet.
  SseEvent event_;
  bool has_data_ = false;
};

}  // namespace entente::sdk
