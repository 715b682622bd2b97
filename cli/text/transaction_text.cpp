#include "cli/text/transaction_text.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "cli/context.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

constexpr size_t kMaxDocumentShown = 400;  // Columns; --json shows all.
constexpr size_t kMaxNote = 100;

// What has ended may have been paused before; it matters no more.
bool IsPaused(const Json& transaction) {
  return IsTrue(transaction, "paused") && !sdk::IsFinalStatus(Text(transaction, "status"));
}

std::string StatusText(const Json& transaction) {
  std::string text = Text(transaction, "status");
  if (IsTrue(transaction, "incident")) {
    text += " !";
  }
  if (IsPaused(transaction)) {
    text += " (paused)";
  }
  return text;
}

Style StatusStyle(const Json& transaction) {
  return IsTrue(transaction, "incident") ? Style::kBad : StyleOfStatus(Text(transaction, "status"));
}

std::string DefinitionText(const Json& transaction) {
  const std::string version = NumberText(transaction, "version");
  const std::string name = Text(transaction, "definition");
  return version.empty() ? name : name + " v" + version;
}

// In a list: a saga of a definition is the usual case, and needs no word.
std::string ModeText(const Json& transaction) {
  const std::string mode = Text(transaction, "mode");
  return mode == "saga" && !Text(transaction, "definition").empty() ? "" : mode;
}

// Who drives it: the definition, or the client.
void AddDriver(const Json& transaction, Table& table) {
  const std::string mode = Text(transaction, "mode");
  if (IsTrue(transaction, "clientDriven")) {
    const bool closed =
        IsTrue(transaction, "closed") && Text(transaction, "decision") == "undecided";
    table.Add({{"driven by", Style::kDim},
               "a client (" + mode + ")" + (closed ? ", which wants to commit" : "")});
  } else if (const std::string definition = DefinitionText(transaction); !definition.empty()) {
    table.Add({{"definition", Style::kDim}, definition + " (" + mode + ")"});
  }
}

// "reserved until": a reservation matters as long as it may still be confirmed.
std::string ExpiryText(const Json& branch, Instant now) {
  const std::string phase = Text(branch, "phase");
  const bool over = phase == "finished" || phase == "undone";
  return over ? "" : ShowAge(Text(branch, "expiresAt"), now);
}

std::string OperationText(const Json& branch) {
  const std::string alternative = NumberText(branch, "alternative");
  return Text(branch, "operation") + (alternative.empty() ? "" : " alt " + alternative) +
         (IsTrue(branch, "onePhase") ? " in one phase" : "");
}

std::string WhoBlocks(const std::string& reason) {
  return reason == "operator"      ? "an operator"
         : reason == "client"      ? "its client"
         : reason == "participant" ? "its participant"
                                   : reason;
}

// What the branch waits for, and until when.
std::string WaitText(const Json& branch, Instant now) {
  const std::string why = Text(branch, "blockedBy");
  const std::string next = Text(branch, "nextAttemptAt");
  const std::string until = Text(branch, "waitsUntil");
  const std::string deadline = Text(branch, "deadline");
  if (why == "paused") {
    return why;
  }
  if (!next.empty()) {
    return "next " + ShowAge(next, now);
  }
  if (why == "signal") {
    return "waits for the signal '" + Text(branch, "signal") + "'" +
           (until.empty() ? "" : ", over " + ShowInstant(until, now));
  }
  if (!until.empty()) {
    return "waits, over " + ShowInstant(until, now);
  }
  if (why == "participant" && !deadline.empty()) {
    return "waits for " + WhoBlocks(why) + "; given up " + ShowAge(deadline, now);
  }
  return why.empty() ? "" : "waits for " + WhoBlocks(why);
}

std::string LabelsText(const Json& transaction) {
  std::string text;
  const auto labels = transaction.find("labels");
  if (labels != transaction.end() && labels->is_object()) {
    for (const auto& [key, value] : labels->items()) {
      text += (text.empty() ? "" : ", ") + key + "=" +
              (value.is_string() ? value.get<std::string>() : DumpJson(value));
    }
  }
  return text;
}

std::string FailureText(const Json& failure) {
  const std::string code = Text(failure, "code");
  const std::string message = Text(failure, "message");
  return code.empty() || message.empty() ? code + message : code + ": " + message;
}

std::string AbortText(const Json& abort) {
  std::string text = Text(abort, "cause");
  if (const std::string branch = Text(abort, "branch"); !branch.empty()) {
    text += " at " + branch;
  }
  if (const auto actor = abort.find("actor"); actor != abort.end()) {
    // The failure says the same in more words.
    const std::string reason = Text(*actor, "reason");
    return text + " by " + Text(*actor, "name") + (reason.empty() ? "" : ": " + reason);
  }
  const std::string failure = FailureText(abort);
  return text + (failure.empty() ? "" : ": " + failure);
}

std::string AttemptText(const Json& branch) {
  const std::string attempt = NumberText(branch, "attempt");
  const std::string most = NumberText(branch, "maxAttempts");
  return attempt.empty() || most.empty() ? attempt : attempt + "/" + most;
}

std::string TookText(const Json& branch) {
  const Result<Instant> from = ParseInstant(Text(branch, "startedAt"));
  const Result<Instant> to = ParseInstant(Text(branch, "endedAt"));
  return from.ok() && to.ok() && *to >= *from ? FormatAbout(*to - *from) : "";
}

std::string NoteText(const Json& branch, Instant now) {
  std::string note;
  const auto add = [&note](const std::string& text) {
    note += (note.empty() || text.empty() ? "" : "; ") + text;
  };
  if (const auto failure = branch.find("failure"); failure != branch.end()) {
    add(FailureText(*failure));
  }
  if (const std::string heuristic = Text(branch, "heuristic"); !heuristic.empty()) {
    add(heuristic + " by itself");
  }
  if (IsTrue(branch, "mayHaveHappened") && Text(branch, "endedAt").empty()) {
    add("may have happened");
  }
  add(WaitText(branch, now));
  if (const std::string by = Text(branch, "decideBy"); !by.empty()) {
    add("undone unless decided " + ShowAge(by, now));
  }
  if (const std::string child = Text(branch, "child"); !child.empty()) {
    add("child " + child);
  }
  return Shorten(note, kMaxNote);
}

// Branches that move or need somebody first, when not all can be shown.
int Interest(const Json& branch) {
  const std::string phase = Text(branch, "phase");
  if (phase.ends_with("-stuck")) {
    return 0;
  }
  const bool settled = phase == "done" || phase == "undone" || phase == "finished" ||
                       phase == "skipped" || phase == "blocked" || phase == "read-only";
  return settled ? 2 : 1;
}

void AddIfAny(const char* name, const std::string& text, Table& table, Style style = {}) {
  if (!text.empty()) {
    table.Add({{name, Style::kDim}, {text, style}});
  }
}

std::string DocumentText(const Json& transaction, const char* member) {
  const auto found = transaction.find(member);
  return found == transaction.end() || found->is_null()
             ? ""
             : Shorten(DumpJson(*found), kMaxDocumentShown);
}

}  // namespace

std::string NextPage(const Json& list) {
  const std::string cursor = Text(list, "nextCursor");
  return cursor.empty() ? "" : "more: --cursor " + ShowText(cursor) + "\n";
}

std::string ShowBranches(const Json& transaction, const Terminal& terminal, Instant now,
                         size_t max_lines) {
  std::vector<const Json*> branches;
  for (const Json& branch : Items(transaction, "branches")) {
    branches.push_back(&branch);
  }
  const size_t all = branches.size();
  if (max_lines > 0 && all > max_lines) {
    std::vector<const Json*> ranked = branches;
    std::stable_sort(ranked.begin(), ranked.end(), [](const Json* left, const Json* right) {
      return Interest(*left) < Interest(*right);
    });
    ranked.resize(max_lines - 1);
    branches = std::move(ranked);
  }
  Table table({"BRANCH", "PARTICIPANT", "PHASE", "OPERATION", "ATTEMPT", "TOOK", "VOTE", "EXPIRES",
               "NOTE"});
  for (const Json* branch : branches) {
    const std::string phase = Text(*branch, "phase");
    table.Add({Text(*branch, "id"),
               Text(*branch, "participant"),
               {phase, StyleOfPhase(phase)},
               OperationText(*branch),
               AttemptText(*branch),
               TookText(*branch),
               Text(*branch, "vote"),
               ExpiryText(*branch, now),
               NoteText(*branch, now)});
  }
  std::string text = table.Render(terminal);
  if (branches.size() < all) {
    text += "… and " + std::to_string(all - branches.size()) + " more branches\n";
  }
  return text;
}

std::string ShowTransaction(const Json& transaction, const Terminal& terminal, Instant now) {
  Table table({});
  AddIfAny("gid", Text(transaction, "gid"), table, Style::kBold);
  AddIfAny("status", StatusText(transaction), table, StatusStyle(transaction));
  AddDriver(transaction, table);
  AddIfAny("revision", NumberText(transaction, "revision"), table);
  AddIfAny("created", ShowInstant(Text(transaction, "createdAt"), now), table);
  AddIfAny("ended", ShowInstant(Text(transaction, "endedAt"), now), table);
  const std::string deadline = ShowInstant(Text(transaction, "deadline"), now);
  const bool missed = IsTrue(transaction, "deadlineMissed");
  const bool ended = transaction.contains("endedAt");
  AddIfAny(IsTrue(transaction, "clientDriven") ? "time limit" : "deadline",
           missed ? deadline + ", missed" : (ended ? "" : deadline), table,
           missed ? Style::kWarning : Style::kPlain);
  if (const auto parent = transaction.find("parent"); parent != transaction.end()) {
    AddIfAny("parent",
             Text(*parent, "gid") + ", branch " + Text(*parent, "branch") +
                 (IsTrue(transaction, "held") ? "; done, and ends as that one does" : ""),
             table);
  }
  AddIfAny("labels", LabelsText(transaction), table);
  if (const auto abort = transaction.find("abort"); abort != transaction.end()) {
    AddIfAny("aborted", AbortText(*abort), table, Style::kWarning);
  }
  if (Text(transaction, "mode") != "saga" || transaction.contains("forced")) {
    AddIfAny("decision", Text(transaction, "decision"), table);
  }
  AddIfAny("forced", Text(transaction, "forced"), table, Style::kBad);
  AddIfAny("input", DocumentText(transaction, "input"), table);
  AddIfAny("output", DocumentText(transaction, "output"), table);
  if (const auto failure = transaction.find("outputFailure"); failure != transaction.end()) {
    AddIfAny("no output", FailureText(*failure), table, Style::kWarning);
  }
  const std::string branches = ShowBranches(transaction, terminal, now, 0);
  return table.Render(terminal) + (branches.empty() ? "" : "\n" + branches);
}

std::string ShowOutcome(const Json& transaction, const Terminal& terminal) {
  std::string text = ShowText(Text(transaction, "gid")) + " " +
                     terminal.Paint(StatusStyle(transaction), Text(transaction, "status")) +
                     ", revision " + NumberText(transaction, "revision");
  if (IsPaused(transaction)) {
    text += ", paused";
  }
  if (IsTrue(transaction, "incident")) {
    text += ", waits for an operator";
  }
  if (const auto abort = transaction.find("abort"); abort != transaction.end()) {
    text += " (" + ShowText(AbortText(*abort)) + ")";
  }
  return text + "\n";
}

std::string ShowTransactions(const Json& list, const Terminal& terminal, Instant now) {
  Table table(
      {"GID", "STATUS", "DEFINITION", "MODE", "CREATED", "UPDATED", "ATTEMPTS", "LABELS", "ERROR"});
  for (const Json& row : Items(list, "transactions")) {
    table.Add({Text(row, "gid"),
               {StatusText(row), StatusStyle(row)},
               DefinitionText(row),
               ModeText(row),
               ShowAge(Text(row, "createdAt"), now),
               ShowAge(Text(row, "updatedAt"), now),
               NumberText(row, "attempts"),
               Shorten(LabelsText(row), kMaxNote / 2),
               Shorten(Text(row, "error"), kMaxNote)});
  }
  return (table.empty() ? "no transactions\n" : table.Render(terminal)) + NextPage(list);
}

std::string ShowIncidents(const Json& list, const Terminal& terminal, Instant now) {
  Table table({"GID", "BRANCH", "OPERATION", "PARTICIPANT", "SINCE", "ERROR"});
  for (const Json& row : Items(list, "incidents")) {
    table.Add({Text(row, "gid"),
               Text(row, "branch"),
               Text(row, "operation"),
               Text(row, "participant"),
               ShowAge(Text(row, "since"), now),
               {Shorten(FailureText(row), kMaxNote), Style::kBad}});
  }
  return (table.empty() ? "no incidents\n" : table.Render(terminal)) + NextPage(list);
}

std::string ShowParticipants(const Json& list, const Terminal& terminal) {
  Table table({"NAME", "ADDRESS", "BREAKER", "BLOCKED BY", "IN FLIGHT", "QUEUED", "CALLS",
               "FAILURES", "MS"});
  for (const Json& row : Items(list, "participants")) {
    const std::string breaker = Text(row, "breaker");
    table.Add({Text(row, "name"),
               Text(row, "address"),
               {breaker, breaker == "closed" ? Style::kPlain : Style::kBad},
               Text(row, "blockedBy"),
               NumberText(row, "inFlight"),
               NumberText(row, "queued"),
               NumberText(row, "calls"),
               NumberText(row, "failures"),
               NumberText(row, "latencyMillis").substr(0, 6)});
  }
  return (table.empty() ? "no participants were called yet\n" : table.Render(terminal)) +
         NextPage(list);
}

std::string ShowDeadLetters(const Json& list, const Terminal& terminal, Instant now) {
  Table table({"ID", "EVENT", "DEFINITION", "BRANCH", "HAPPENED", "GIVEN UP", "THE RECEIVER SAID"});
  for (const Json& row : Items(list, "deadLetters")) {
    table.Add({Text(row, "id"),
               Text(row, "type"),
               Text(row, "definition"),
               Text(row, "branch"),
               ShowAge(Text(row, "at"), now),
               ShowAge(Text(row, "since"), now),
               {Shorten(Text(row, "why"), kMaxNote), Style::kBad}});
  }
  return (table.empty() ? "no dead letters\n" : table.Render(terminal)) + NextPage(list);
}

std::string ShowNodes(const Json& list, const Terminal& terminal, Instant now) {
  Table table({"ID", "STATE", "SHARDS", "HTTP", "PEERS", "RELEASE", "AGE"});
  for (const Json& row : Items(list, "nodes")) {
    const std::string state = Text(row, "state");
    table.Add({Text(row, "id").substr(0, 12) + (IsTrue(row, "self") ? " *" : ""),
               {state, state == "lost" ? Style::kBad : Style::kPlain},
               NumberText(row, "shards"),
               Text(row, "httpAddress"),
               Text(row, "peerAddress"),
               Text(row, "release"),
               ShowAge(Text(row, "startedAt"), now)});
  }
  return table.Render(terminal);
}

std::string ShowHealth(const Json& health, const Terminal& terminal) {
  Table table({});
  const std::string status = Text(health, "status");
  AddIfAny("status", status, table, StyleOfStatus(status));
  AddIfAny("ready", IsTrue(health, "ready") ? "yes" : "no", table);
  AddIfAny("reason", Text(health, "reason"), table, Style::kWarning);
  AddIfAny("open transactions", NumberText(health, "open"), table);
  AddIfAny("queued inputs", NumberText(health, "queuedInputs"), table);
  AddIfAny("oldest overdue", Text(health, "oldestOverdue"), table, Style::kWarning);
  AddIfAny("store behind by", Text(health, "storeLag"), table);
  return table.Render(terminal);
}

}  // namespace entente::cli
