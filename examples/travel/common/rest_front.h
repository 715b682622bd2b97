// The HTTP side of a service: its own operations, and what every service has besides:
//   GET  /healthz             alive and able to read its file
//   GET  /control             the switches; POST changes them
//   GET  /ledger, /calls      rows, oldest first  (?after=SEQUENCE&limit=N)
//   GET  /summary             sums and what is held  (?keys=false leaves the keys out)
//   GET  /operations/{key}    how a pending operation stands  (?of=undo for an undo)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "examples/travel/common/desk.h"
#include "examples/travel/common/http_server.h"
#include "examples/travel/common/reports.h"

namespace travel {

// The value with which the ledger shows a header: control characters and bytes outside ASCII become
// '?', and it ends after 1024 bytes.
std::string CleanHeader(std::string_view value);

class RestFront {
 public:
  // All must outlive the front.
  RestFront(const Business& business, Desk& desk, Switches& switches, Reports& reports);

  // Io thread only. `reply` runs exactly once.
  void Handle(const HttpRequest& request, const ReplyFn& reply);

 private:
  struct Target;  // A path, decoded, and its query.

  bool HandleOperation(const HttpRequest& request, const Target& target, const ReplyFn& reply);
  Reply HandleCommon(const HttpRequest& request, const Target& target);
  Reply Control(const HttpRequest& request);

  const Business& business_;
  const std::vector<Route> routes_;
  Desk& desk_;
  Switches& switches_;
  Reports& reports_;
};

}  // namespace travel
