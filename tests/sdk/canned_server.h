// A tiny HTTP server with canned answers, on loopback and a free port.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace entente::sdk::test {

// What to do with the next request.
struct Canned {
  int status = 200;
  std::string body = "{}";
  std::string content_type = "application/json";
  std::string headers = {};  // Whole lines, each ended by "\r\n".
  std::string raw = {};      // Sent instead of all of the above, and then nothing more.
  bool hang_up = false;      // Close without an answer.
  bool cut_off = false;      // Announce more than is sent, then close.
  bool stay_mute = false;    // Neither answer nor close, until the server is destroyed.
  bool close_after = false;
};

struct Seen {
  std::string method;
  std::string target;
  std::string body;
  std::string last_event_id;
  std::string content_type;
  std::string head;    // All of it, as it came.
  int connection = 0;  // From 1.
};

// Answers the requests of all connections with `script`, in order; what comes after it is answered
// with 500. Its thread ends with the object.
class CannedServer {
 public:
  explicit CannedServer(std::vector<Canned> script);
  ~CannedServer();
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::vector<Seen> seen() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// A problem document as the coordinator writes it.
[[nodiscard]] Canned Problem(int status, const std::string& code, const std::string& detail,
                             const std::string& more = "");

}  // namespace entente::sdk::test
