#include "participant-sdk/src/client/sse_parser.h"

namespace entente::sdk {

void SseParser::TakeLine(std::string_view line) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) {
    value.remove_prefix(1);
  }
  if (field == "data") {
    if (has_data_) {
      event_.data += '\n';
    }
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "id") {
    event_.id = value;
  }  // Others, comments among them (their field is empty), say nothing.
}

Status SseParser::Feed(std::string_view bytes,
                       const std::function<bool(const SseEvent&)>& on_event) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (line_.size() + event_.data.size() > max_event_bytes_) {
      return Internal("client.bad_answer", "an event of the stream is larger than the limit of " +
                                               std::to_string(max_event_bytes_) + " bytes");
    }
    if (end == std::string_view::npos) {
      return {};
    }
    bytes.remove_prefix(end + 1);
    if (!line_.empty() && line_ != "\r") {
      TakeLine(line_);
      line_.clear();
      continue;
    }
    line_.clear();
    const bool go_on = !has_data_ || on_event(event_);
    event_.type.clear();
    event_.data.clear();
    has_data_ = false;
    if (!go_on) {
      return {};
    }
  }
  return {};
}

}  // namespace entente::sdk
