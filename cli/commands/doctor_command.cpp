// doctor: asks a coordinator for everything that could be wrong, and says what to do about it.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

enum class Grade { kOk, kWarning, kBad };

struct Finding {
  Grade grade = Grade::kOk;
  std::string what;
  std::string advice = {};  // Nothing where all is well.
};

// "name" or "name{labels}" -> value, of Prometheus' text.
using Samples = std::map<std::string, double>;

Samples ReadSamples(const std::string& text) {
  Samples samples;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t space = line.rfind(' ');
    if (!line.empty() && line[0] != '#' && space != std::string::npos) {
      samples[line.substr(0, space)] = std::strtod(line.c_str() + space + 1, nullptr);
    }
  }
  return samples;
}

double ValueOf(const Samples& samples, const std::string& name) {
  const auto found = samples.find(name);
  return found == samples.end() ? 0 : found->second;
}

std::string Rounded(double value) {
  return std::to_string(static_cast<int64_t>(value));
}

std::string Bytes(double bytes) {
  constexpr double kMebibyte = 1 << 20;
  return Rounded(bytes / kMebibyte) + " MiB";
}

class Doctor {
 public:
  explicit Doctor(Context& context) : context_(context) {}

  // What was found; empty: nobody answers, and that was said.
  std::vector<Finding> Examine() {
    const Result<sdk::Document> health = Checked(Answer::kHealth, context_.client().Health());
    if (!health.ok()) {
      context_.Fail(health.status());
      return {};
    }
    LookAtHealth(health->json);
    if (const Result<std::string> metrics = context_.client().Metrics(); metrics.ok()) {
      const Samples samples = ReadSamples(*metrics);
      LookAtStore(samples);
      LookAtLoad(samples);
    } else {
      Add(Grade::kBad, "its metrics can not be read: " + metrics.status().message());
    }
    LookAtParticipants();
    LookAtDefinitions();
    return std::move(findings_);
  }

 private:
  void Add(Grade grade, std::string what, std::string advice = {}) {
    findings_.push_back({grade, std::move(what), std::move(advice)});
  }
  void Expect(bool good, std::string well, Grade grade, std::string what, std::string advice) {
    if (good) {
      Add(Grade::kOk, std::move(well));
    } else {
      Add(grade, std::move(what), std::move(advice));
    }
  }

  void LookAtHealth(const Json& health) {
    Expect(IsTrue(health, "ready"), "it answers and takes transactions", Grade::kBad,
           "it takes no transactions: " + Text(health, "reason"),
           "wait for a recovery that moves; else see docs/operations.md, EntenteNotReady");
    Expect(Text(health, "status") == "ok", "what is due is done", Grade::kBad,
           "work that is due has waited for half a minute",
           "see docs/operations.md, EntenteStalled");
    if (const std::string lacking = Text(health, "exhausted"); !lacking.empty()) {
      Add(Grade::kBad, "this machine lacks something: " + lacking,
          "see docs/operations.md, Local exhaustion");
    }
  }

  void LookAtStore(const Samples& samples) {
    const double failed = ValueOf(samples, "entente_store_failed_commits_total");
    Expect(failed == 0, "every commit of the store succeeded", Grade::kWarning,
           Rounded(failed) + " commits of the store failed since it started",
           "look for event=store_failing in its log");
    const double lag = ValueOf(samples, "entente_journal_lag_seconds");
    if (lag > 1) {
      Add(Grade::kBad, "the oldest write has waited for " + Rounded(lag) + " s",
          "the disk is slow: see docs/operations.md, EntenteStoreSlow");
    }
    const double last = ValueOf(samples, "entente_store_last_commit_timestamp_seconds");
    const double now = std::chrono::duration<double>(Now().time_since_epoch()).count();
    Expect(last < now + kClockSeconds, "its clock agrees with this machine's", Grade::kBad,
           "its latest write lies " + Rounded(last - now) + " s ahead of this machine's clock",
           "set the clocks: deadlines and reservations go by them");
    const auto size = samples.find("entente_store_bytes");
    if (size == samples.end()) {
      return;
    }
    const double left = ValueOf(samples, "entente_store_disk_free_bytes");
    const std::string kept = "it keeps " + Bytes(size->second) + ", of it " +
                             Bytes(ValueOf(samples, "entente_store_free_bytes")) +
                             " to be used again; its disk has " + Bytes(left) + " left";
    // A compaction writes all of it anew, beside the old one.
    Expect(left > size->second, kept, Grade::kWarning, kept,
           "too little for `entente compact` and a backup on this disk");
  }

  void LookAtLoad(const Samples& samples) {
    const double incidents = ValueOf(samples, "entente_incidents_open");
    Expect(incidents == 0, "nothing waits for an operator", Grade::kWarning,
           Rounded(incidents) + " transactions wait for an operator", "entente incidents");
    if (const double held = ValueOf(samples, "entente_transactions_quarantined"); held > 0) {
      Add(Grade::kBad, Rounded(held) + " transactions are quarantined: driving them failed",
          "report it, then see docs/operations.md, Quarantine");
    }
    const double late = ValueOf(samples, "entente_oldest_overdue_seconds");
    Expect(late <= 5, "timers fire in time", Grade::kBad,
           "the oldest timer is " + Rounded(late) + " s late",
           "too much work for this machine: see docs/operations.md, EntenteOverdue");
    const double used = ValueOf(samples, "entente_payload_bytes");
    const double limit = ValueOf(samples, "entente_payload_bytes_limit");
    Expect(limit == 0 || used < 0.9 * limit,
           Rounded(ValueOf(samples, "entente_transactions_open")) +
               " transactions are open, with " + Bytes(used) + " of " + Bytes(limit) +
               " for their payloads",
           Grade::kWarning,
           "open transactions hold " + Bytes(used) + " of " + Bytes(limit) + " for their payloads",
           "soon it refuses others: --payload-memory, or see what does not end");
  }

  void LookAtParticipants() {
    const Result<sdk::Document> answer =
        Checked(Answer::kParticipants, context_.client().Participants());
    if (!answer.ok()) {
      Add(Grade::kBad, "participants can not be listed: " + answer.status().message());
      return;
    }
    size_t well = 0;
    for (const Json& each : Items(answer->json, "participants")) {
      const std::string who = Text(each, "name") + " (" + Text(each, "address") + ")";
      if (Text(each, "breaker") != "closed") {
        Add(Grade::kBad, who + " does not answer: its breaker is " + Text(each, "breaker"),
            "bring it back; calls wait meanwhile");
      } else if (Text(each, "blockedBy") == "backoff") {
        Add(Grade::kWarning, who + " says that it is busy", "give it more, or ask it for less");
      } else {
        ++well;
      }
    }
    Add(Grade::kOk, std::to_string(well) + " participants answer");
  }

  // A definition that no longer compiles still drives what runs by it, but nothing new can be
  // registered from it, and a release that reads more strictly says so here first.
  void LookAtDefinitions() {
    const Result<sdk::Document> answer =
        Checked(Answer::kDefinitions, context_.client().ListDefinitions());
    if (!answer.ok()) {
      Add(Grade::kBad, "definitions can not be listed: " + answer.status().message());
      return;
    }
    size_t valid = 0;
    for (const Json& each : Items(answer->json, "definitions")) {
      const std::string name = Text(each, "name");
      if (name.starts_with('~')) {
        continue;  // It came with a submit.
      }
      const Result<std::string> why = MistakeIn(name);
      if (!why.ok()) {
        Add(Grade::kWarning, "definitions can not be looked at: " + why.status().message(),
            "ask again with the token of a deployer");
        return;
      }
      if (why->empty()) {
        ++valid;
      } else {
        Add(Grade::kBad, "definition " + name + " is no longer valid: " + *why,
            "register a version that is, before an upgrade");
      }
    }
    Add(Grade::kOk, std::to_string(valid) + " definitions are valid");
  }

  // The first mistake in the newest version, or nothing. Fails if whoever asks may not know.
  Result<std::string> MistakeIn(const std::string& name) {
    const Result<sdk::Document> stored =
        Checked(Answer::kDefinition, context_.client().GetDefinition(name));
    if (!stored.ok()) {
      return stored.status().message();
    }
    const Result<sdk::Document> verdict =
        context_.client().ValidateDefinition(Text(stored->json, "source"));
    if (verdict.status().code() == StatusCode::kPermissionDenied) {
      return verdict.status();
    }
    if (!verdict.ok()) {
      return verdict.status().message();
    }
    const Json& problems = Items(verdict->json, "problems");
    return IsTrue(verdict->json, "valid") || problems.empty() ? ""
                                                              : Text(problems.front(), "message");
  }

  static constexpr double kClockSeconds = 5;

  Context& context_;
  std::vector<Finding> findings_;
};

std::string_view NameOf(Grade grade) {
  switch (grade) {
    case Grade::kOk: return "ok";
    case Grade::kWarning: return "warning";
    case Grade::kBad: return "bad";
  }
  CheckFailed("Grade is a declared enumerator", __FILE__, __LINE__);
}

Style StyleOf(Grade grade) {
  return grade == Grade::kOk ? Style::kGood
                             : (grade == Grade::kBad ? Style::kBad : Style::kWarning);
}

void Print(Context& context, const std::vector<Finding>& findings) {
  Json list = Json::array();
  Table table({});
  for (const Finding& finding : findings) {
    list.push_back(
        {{"grade", NameOf(finding.grade)}, {"what", finding.what}, {"advice", finding.advice}});
    table.Add({Cell(std::string(NameOf(finding.grade)), StyleOf(finding.grade)), finding.what});
    if (!finding.advice.empty()) {
      table.Add({Cell(""), Cell("-> " + finding.advice, Style::kDim)});
    }
  }
  if (context.json) {
    context.PrintJson(DumpJson({{"findings", std::move(list)}}));
  } else {
    context.terminal.out << table.Render(context.terminal) << std::flush;
  }
}

}  // namespace

void AddDoctor(CLI::App& app, Context& context) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Look at everything that could be wrong (exit 1 if something is)");
  AddClientOptions(*doctor, context);
  doctor->callback([&context] {
    const std::vector<Finding> findings = Doctor(context).Examine();
    if (findings.empty()) {
      return;
    }
    Print(context, findings);
    for (const Finding& finding : findings) {
      if (finding.grade == Grade::kBad) {
        context.exit_code = kExitNo;
      }
    }
  });
}

}  // namespace entente::cli
