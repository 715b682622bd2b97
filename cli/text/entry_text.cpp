#include "cli/text/entry_text.h"

#include <functional>
#include <map>
#include <string_view>

#include "base/utf8.h"
#include "cli/context.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

constexpr size_t kBranchColumn = 16;
constexpr size_t kMaxPayloadShown = 160;

std::string FailureText(const Json& entry) {
  const auto failure = entry.find("failure");
  if (failure == entry.end()) {
    return "";
  }
  const std::string code = Text(*failure, "code");
  const std::string message = Text(*failure, "message");
  return code.empty() || message.empty() ? code + message : code + ": " + message;
}

// ": <text>", or nothing.
std::string After(const std::string& text) {
  return text.empty() ? "" : ": " + text;
}

std::string Payload(const Json& entry) {
  const auto payload = entry.find("payload");
  return payload == entry.end() ? "" : Shorten(DumpJson(*payload), kMaxPayloadShown);
}

std::string ByWhom(const Json& entry) {
  const auto actor = entry.find("actor");
  if (actor == entry.end()) {
    return "";
  }
  const std::string name = Text(*actor, "name");
  return (name.empty() ? " by an operator" : " by " + name) + After(Text(*actor, "reason"));
}

std::string Due(const Json& entry, std::string_view what, Instant now) {
  const std::string at = Text(entry, "dueAt");
  return at.empty() ? "" : "; " + std::string(what) + " at " + ShowMoment(at, now);
}

std::string Accepted(const Json& entry) {
  if (IsTrue(entry, "clientDriven")) {
    return "begun by a client";
  }
  const std::string version = NumberText(entry, "version");
  return "accepted " + Text(entry, "name") + (version.empty() ? "" : " v" + version);
}

std::string Expanded(const Json& entry) {
  return std::to_string(Items(entry, "payload").size()) + " branches";
}

// A step of one branch becoming ready: its operation's start says the same.
bool SaysNothing(const Json& entry) {
  return Text(entry, "type") == "step-expanded" && !entry.contains("payload");
}

std::string Started(const Json& entry) {
  const std::string alternative = NumberText(entry, "alternative");
  return Text(entry, "operation") + (alternative.empty() ? "" : ", alternative " + alternative) +
         (IsTrue(entry, "onePhase") ? ", in one phase" : "");
}

// Whom an enlisted branch calls.
std::string Enlisted(const Json& entry) {
  const Json::json_pointer where("/payload/participant");
  if (!entry.contains(where) || !entry.at(where).is_object()) {
    return "enlisted";
  }
  const Json& participant = entry.at(where);
  const std::string http = Text(participant, "http");
  return "enlisted" + After(http.empty() ? Text(participant, "grpc") : http);
}

std::string Succeeded(const Json& entry) {
  const bool read_only = Text(entry, "vote") == "read-only";
  return (read_only ? "read-only, nothing to commit" : "done") + After(Payload(entry));
}

std::string Expires(const Json& entry, Instant now) {
  return "held until " + ShowMoment(Text(entry, "expiresAt"), now) +
         Due(entry, "to be decided", now);
}

std::string Heuristic(const Json& entry) {
  return Text(entry, "outcome") + " by itself" + After(FailureText(entry));
}

// One that its participant will complete is not asked for: nothing is due before its deadline.
std::string Pending(const Json& entry, Instant now) {
  const bool asked_for = Text(entry, "dueAt") != Text(entry, "deadline");
  return "pending" + Due(entry, asked_for ? "asked for" : "given up", now);
}

std::string Waits(const Json& entry, Instant now) {
  const std::string signal = Text(entry, "name");
  const std::string due = Text(entry, "dueAt");
  const std::string until = due.empty() ? "" : " until " + ShowMoment(due, now);
  if (signal.empty()) {
    return "waits" + until;
  }
  return "waits for the signal '" + signal + "'" + (until.empty() ? "" : "," + until + " at most");
}

std::string AttemptFailed(const Json& entry, Instant now) {
  const std::string outcome = Text(entry, "outcome");
  const std::string what = outcome == "unknown"     ? "may have happened"
                           : outcome == "not-sent"  ? "not sent"
                           : outcome == "held-back" ? "held back"
                           : outcome == "not-yet"   ? "not yet"
                                                    : outcome;
  return what + After(FailureText(entry)) + Due(entry, "again", now);
}

std::string AbortDecided(const Json& entry) {
  // Of who aborted it, the failure says the same in more words.
  const std::string failure = entry.contains("actor") ? "" : FailureText(entry);
  return "will be undone" + After(Text(entry, "cause")) + After(failure) + ByWhom(entry);
}

std::string Ended(const Json& entry) {
  std::string text = "ended " + Text(entry, "status");
  if (const std::string forced = Text(entry, "forced"); !forced.empty()) {
    text += ", forced to " + forced;
  }
  const std::string failure = FailureText(entry);
  return text + ByWhom(entry) + (failure.empty() ? "" : "; no output: " + failure);
}

using Describe = std::function<std::string(const Json&, Instant now)>;

const std::map<std::string, Describe>& Descriptions() {
  const auto timeless = [](std::string (*describe)(const Json&)) {
    return [describe](const Json& entry, Instant) { return describe(entry); };
  };
  const auto fixed = [](std::string text) { return [text](const Json&, Instant) { return text; }; };
  static const std::map<std::string, Describe> kDescriptions{
      {"accepted", timeless(Accepted)},
      {"step-expanded", timeless(Expanded)},
      {"step-skipped", fixed("skipped")},
      {"operation-started", timeless(Started)},
      {"wait-started", Waits},
      {"attempt-failed", AttemptFailed},
      {"attempt-started", fixed("tried again")},
      {"call-interrupted", fixed("the call was interrupted; it may have happened")},
      {"operation-pending", Pending},
      {"poll-scheduled",
       [](const Json& entry, Instant now) {
         return "still pending" + Due(entry, "asked for", now);
       }},
      {"operation-succeeded", timeless(Succeeded)},
      {"operation-refused",
       [](const Json& entry, Instant) { return "refused" + After(FailureText(entry)); }},
      {"operation-gave-up",
       [](const Json& entry, Instant) { return "gave up" + After(FailureText(entry)); }},
      {"incident-raised",
       [](const Json& entry, Instant) { return "needs an operator" + After(FailureText(entry)); }},
      {"commit-decided", fixed("will be finished: no way back")},
      {"abort-decided", timeless(AbortDecided)},
      {"deadline-missed", fixed("missed its deadline")},
      {"signal-received",
       [](const Json& entry, Instant) {
         return "signal " + Text(entry, "name") + After(Payload(entry));
       }},
      {"paused", [](const Json& entry, Instant) { return "paused" + ByWhom(entry); }},
      {"resumed", [](const Json& entry, Instant) { return "resumed" + ByWhom(entry); }},
      {"operator-retried", [](const Json& entry, Instant) { return "retried" + ByWhom(entry); }},
      {"operator-edited",
       [](const Json& entry, Instant) { return "edited" + ByWhom(entry) + After(Payload(entry)); }},
      {"operator-skipped", [](const Json& entry, Instant) { return "skipped" + ByWhom(entry); }},
      {"held",
       [](const Json& entry, Instant) {
         return "done, and held: it ends as its parent does" + After(Payload(entry));
       }},
      {"ended", timeless(Ended)},
      {"branch-enlisted", timeless(Enlisted)},
      {"enlistment-closed", fixed("its client wants to commit: nobody joins any more")},
      {"reservation-expires", Expires},
      {"heuristic-reported", timeless(Heuristic)},
  };
  return kDescriptions;
}

Style StyleOf(const Json& entry) {
  const std::string type = Text(entry, "type");
  if (type == "ended") {
    return StyleOfStatus(Text(entry, "status"));
  }
  if (type == "incident-raised" || type == "operation-gave-up" || type == "heuristic-reported") {
    return Style::kBad;
  }
  if (type == "operation-refused" || type == "attempt-failed" || type == "abort-decided" ||
      type == "deadline-missed") {
    return Style::kWarning;
  }
  return type == "operation-succeeded" ? Style::kGood : Style::kPlain;
}

}  // namespace

std::string DescribeEntry(const Json& entry, Instant now) {
  const std::string type = Text(entry, "type");
  const auto found = Descriptions().find(type);
  return ShowText(found == Descriptions().end() ? type : found->second(entry, now));
}

std::string ShowEntry(const Json& entry, const Terminal& terminal, Instant now) {
  if (SaysNothing(entry)) {
    return "";
  }
  const std::string branch = Text(entry, "branch");
  std::string who = ShowText(branch.empty() ? Text(entry, "step") : branch);
  if (const size_t width = DisplayWidth(who); width < kBranchColumn) {
    who.append(kBranchColumn - width, ' ');
  }
  return terminal.Paint(Style::kDim, ShowMoment(Text(entry, "at"), now)) + "  " + who + "  " +
         terminal.Paint(StyleOf(entry), DescribeEntry(entry, now)) + "\n";
}

}  // namespace entente::cli
