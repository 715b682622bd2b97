// How a call of a participant fails before it has an answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace entente::net {

// What a failed call proves about its effect, which is all that its caller decides by.
enum class CallFailure {
  kInvalidRequest,  // Not sent, and sending it again will not help: the request itself, or the
                    // address it names, is not allowed.
  kNotSent,         // Not delivered: name resolution, connect or TLS failed. May work later.
  kUnknown,         // Bytes were sent and no answer came: the effect may have happened.
  kBadResponse,  // An answer came that can not be used: malformed, too large, encoded. The effect
                 // may have happened.
};

// The stable lower-case name ("not_sent").
[[nodiscard]] std::string_view CallFailureName(CallFailure failure);

// Where it failed, which is what a participant's health is judged by.
enum class CallFault : uint8_t {
  kPeer,       // The participant, or the way to it.
  kTimeLimit,  // The time that its caller allows was over: how much that says depends on how long
               // it was.
  kLocal,      // This machine had no descriptor, port or memory left, see local_exhaustion.h.
};

struct CallError {
  CallFailure failure;
  std::string reason;   // A stable dotted word: "connect.refused", "call.timeout".
  std::string message;  // What happened, with whom, and what to do.
  CallFault fault = CallFault::kPeer;
};

}  // namespace entente::net
