#include "cli/answers.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/context.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

struct Required {
  const char* member;
  bool (Json::*is)() const noexcept;
};
const std::vector<Required>& RequiredOf(Answer kind) {
  static const std::vector<Required> kStanding{{"gid", &Json::is_string},
                                               {"status", &Json::is_string},
                                               {"revision", &Json::is_number_unsigned}};
  static const std::vector<Required> kTransactions{{"transactions", &Json::is_array}};
  static const std::vector<Required> kHistory{{"entries", &Json::is_array}};
  static const std::vector<Required> kBranchCall{{"branch", &Json::is_string},
                                                 {"operation", &Json::is_string}};
  static const std::vector<Required> kBulk{{"verb", &Json::is_string},
                                           {"state", &Json::is_string},
                                           {"matched", &Json::is_number_unsigned}};
  static const std::vector<Required> kBulkList{{"actions", &Json::is_array}};
  static const std::vector<Required> kBranches{{"branches", &Json::is_array}};
  static const std::vector<Required> kIncidents{{"incidents", &Json::is_array}};
  static const std::vector<Required> kParticipants{{"participants", &Json::is_array}};
  static const std::vector<Required> kNodes{{"nodes", &Json::is_array}};
  static const std::vector<Required> kDeadLetters{{"deadLetters", &Json::is_array}};
  static const std::vector<Required> kSentDeadLetters{{"count", &Json::is_number_unsigned}};
  static const std::vector<Required> kDefinition{{"name", &Json::is_string},
                                                 {"version", &Json::is_number_unsigned}};
  static const std::vector<Required> kDefinitions{{"definitions", &Json::is_array}};
  static const std::vector<Required> kHealth{{"status", &Json::is_string},
                                             {"ready", &Json::is_boolean}};
  static const std::vector<Required> kToken{{"id", &Json::is_string}, {"role", &Json::is_string}};
  static const std::vector<Required> kTokens{{"tokens", &Json::is_array}};
  static const std::vector<Required> kAudit{{"entries", &Json::is_array}};
  static const std::vector<Required> kKeys{{"keys", &Json::is_array}};
  switch (kind) {
    case Answer::kTransaction:
    case Answer::kCompletion: return kStanding;
    case Answer::kTransactions: return kTransactions;
    case Answer::kHistory: return kHistory;
    case Answer::kBranchCall: return kBranchCall;
    case Answer::kBulk: return kBulk;
    case Answer::kBulkList: return kBulkList;
    case Answer::kIncidents: return kIncidents;
    case Answer::kBranches: return kBranches;
    case Answer::kParticipants: return kParticipants;
    case Answer::kNodes: return kNodes;
    case Answer::kDeadLetters: return kDeadLetters;
    case Answer::kSentDeadLetters: return kSentDeadLetters;
    case Answer::kDefinition: return kDefinition;
    case Answer::kDefinitions: return kDefinitions;
    case Answer::kHealth: return kHealth;
    case Answer::kToken: return kToken;
    case Answer::kTokens: return kTokens;
    case Answer::kAudit: return kAudit;
    case Answer::kKeys: return kKeys;
  }
  CheckFailed("Answer is a declared enumerator", __FILE__, __LINE__);
}

Status NoCoordinator(const std::string& what) {
  return Internal("client.bad_answer",
                  "the answer " + what +
                      "; whoever answers at this address is no Entente coordinator of a version "
                      "that this program knows: check --server and ENTENTE_SERVER");
}

bool IsStatus(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"ACTIVE",   "COMMITTING", "COMMITTED",
                                                   "ABORTING", "ABORTED",    "MIXED"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Status Check(Answer kind, const Json& answer) {
  for (const auto& [member, is] : RequiredOf(kind)) {
    const auto found = answer.find(member);
    if (found == answer.end() || !((*found).*is)()) {
      return NoCoordinator(std::string("has no proper member '") + member + "'");
    }
  }
  const bool stands = kind == Answer::kTransaction || kind == Answer::kCompletion;
  if (const std::string status = Text(answer, "status"); stands && !IsStatus(status)) {
    return NoCoordinator("tells of a status '" + Shorten(status, 40) + "'");
  }
  return {};
}

}  // namespace

Result<sdk::Document> Checked(Answer kind, Result<sdk::Document> answer) {
  if (answer.ok()) {
    ENTENTE_RETURN_IF_ERROR(Check(kind, answer->json));
  }
  return answer;
}

Result<sdk::Transaction> Checked(Result<sdk::Transaction> answer) {
  if (answer.ok()) {
    ENTENTE_RETURN_IF_ERROR(Check(Answer::kTransaction, answer->json()));
  }
  return answer;
}

Result<sdk::SubmitResult> Checked(Result<sdk::SubmitResult> answer) {
  if (answer.ok()) {
    ENTENTE_RETURN_IF_ERROR(Check(Answer::kTransaction, answer->transaction.json()));
  }
  return answer;
}

}  // namespace entente::cli
