// Effect: what the engine wants done in the world, once the records beside it are durable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/record.h"

namespace entente::engine {

// What stands in a request for the token that completes the call, and for the address that whoever
// has something to tell of it sends that to. Neither can be known here: the token proves itself
// with a secret. Of characters that no encoding changes.
inline constexpr std::string_view kTokenPlace = "entente-token-7c41f09be2";
inline constexpr std::string_view kCompletionUrlPlace = "entente-completion-url-7c41f09be2";

// A rendered request; nothing of the plan is needed to send it but the participant's address.
struct RenderedHttp {
  std::string method;
  std::string target;  // Path and query below the participant's base URL, percent-encoded.
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;  // JSON text, unless a header says otherwise.
  // Of a participant whose address is computed: that, with no slash at its end unless it has no
  // path. It may have a query where `target` is "/", which then adds nothing to it.
  std::string base_url = {};
};
struct RenderedGrpc {
  std::string method;
  JsonText body;  // The request message in the proto3 JSON mapping.
};

// Call a participant; answer with BranchReplied carrying the same command and attempt.
struct CallBranch {
  CommandId command;
  uint32_t attempt = 1;
  size_t participant = 0;  // Index into Plan::participants.
  std::variant<RenderedHttp, RenderedGrpc> request;
  const dsl::AnswerRules* answers = nullptr;  // Owned by the plan; never null.
  Duration timeout{};
  bool one_phase = false;  // A commit without a prepare: the participant decides.
  uint32_t round = 0;      // Of a call that is repeated: how many answers there were before.
  // How often the operation was answered and is called for all the same. Calls of one run may be
  // one call to the participant: nothing was heard of those before.
  uint32_t run = 0;
  bool sends_token = false;  // The request may hold kTokenPlace and kCompletionUrlPlace.
};

// Ask a pending operation's own address how it stands.
struct PollBranch {
  CommandId command;
  uint32_t attempt = 1;
  size_t participant = 0;
  std::string poll_url;
  Duration timeout{};
  const dsl::AnswerRules* answers = nullptr;  // As CallBranch's; null if the plan has no such call.
};

// Submit a child transaction; answer with BranchReplied when it has ended: Done with its output if
// COMMITTED, Refused if ABORTED, Unknown never (a child that is MIXED answers Refused with the code
// "child.mixed", which the engine turns into an incident).
//
// One that its parent `holds` answers as soon as it is held. `undoes`: nothing is submitted; the
// child that the forward operation ran, of that name, is aborted, and its end ABORTED is Done.
struct StartChild {
  CommandId command;
  uint32_t attempt = 1;
  Gid child;
  std::string definition;
  std::optional<uint32_t> version;
  JsonText input;
  std::optional<Duration> deadline;  // From its start on; absent: its definition's.
  bool holds = false;
  bool undoes = false;
};

// The parent aborts while the child is under way: request the child's abort. Its end still answers
// the StartChild.
struct CancelChild {
  Gid child;
};

// Deliver TimerFired with the same branch at `at` or later. A later ArmTimer for the same branch
// replaces an earlier one. A timer that outlives its reason is harmless: it is a no-op when it
// fires.
struct ArmTimer {
  std::optional<BranchId> branch;  // Absent: the transaction's deadline.
  Instant at;
};

// The transaction ended: tell whoever waits, and its parent.
struct NotifyEnded {};

// The transaction is held: answer the call of its parent that runs it.
struct NotifyHeld {};

using Effect = std::variant<CallBranch, PollBranch, StartChild, CancelChild, ArmTimer, NotifyEnded,
                            NotifyHeld>;

}  // namespace entente::engine
