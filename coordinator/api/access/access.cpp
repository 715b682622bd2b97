#include "coordinator/api/access/access.h"

#include <array>
#include <string>

#include "base/check.h"

namespace entente::api {
namespace {

using identity::Role;

constexpr uint8_t Bit(Role role) {
  return static_cast<uint8_t>(1U << static_cast<unsigned>(role));
}
template <class... Roles>
constexpr uint8_t Any(Roles... roles) {
  return static_cast<uint8_t>((Bit(roles) | ... | Bit(Role::kAdmin)));
}

constexpr uint8_t kAdmins = Any();
constexpr uint8_t kOperators = Any(Role::kOperator);
constexpr uint8_t kDeployers = Any(Role::kDeployer);
constexpr uint8_t kSubmitters = Any(Role::kSubmitter, Role::kDeployer);
// Those who started something may also say that they have changed their mind.
constexpr uint8_t kInvolved = Any(Role::kSubmitter, Role::kDeployer, Role::kOperator);
constexpr uint8_t kReaders = Any(Role::kViewer, Role::kSubmitter, Role::kDeployer, Role::kOperator);
constexpr uint8_t kParticipants = Any(Role::kParticipant, Role::kDeployer, Role::kOperator);
constexpr uint8_t kAll = kReaders | Bit(Role::kParticipant);
constexpr Reach kOpen = Reach::kOpen;
constexpr Reach kScoped = Reach::kScoped;
constexpr Reach kWhole = Reach::kWhole;

constexpr std::array kRules{
    AccessRule{Action::kSubmit, "submit", "SubmitTransaction", kScoped, kSubmitters},
    AccessRule{Action::kBegin, "begin", "BeginTransaction", kScoped, kDeployers},
    AccessRule{Action::kEnlist, "enlist", "EnlistBranch", kScoped, kDeployers},
    AccessRule{Action::kCommit, "commit", "CommitTransaction", kScoped, kDeployers},
    AccessRule{Action::kAbort, "abort", "AbortTransaction", kScoped, kDeployers},
    AccessRule{Action::kGetDecision, "decision", "GetDecision", kScoped, kParticipants},
    AccessRule{Action::kGetTransaction, "get", "GetTransaction", kScoped, kReaders},
    AccessRule{Action::kListTransactions, "list", "ListTransactions", kScoped, kReaders},
    AccessRule{Action::kCountTransactions, "count", "CountTransactions", kScoped, kReaders},
    AccessRule{Action::kGetHistory, "history", "GetHistory", kScoped, kReaders},
    AccessRule{Action::kGetBranchCall, "call", "GetBranchCall", kScoped, kReaders},
    AccessRule{Action::kWatchTransaction, "watch", "WatchTransaction", kScoped, kReaders},
    AccessRule{Action::kCancel, "cancel", "CancelTransaction", kScoped, kInvolved, true},
    AccessRule{Action::kPause, "pause", "PauseTransaction", kScoped, kOperators, true},
    AccessRule{Action::kResume, "resume", "ResumeTransaction", kScoped, kOperators, true},
    AccessRule{Action::kRetry, "retry", "RetryTransaction", kScoped, kOperators, true},
    AccessRule{Action::kEdit, "edit", "EditBranch", kScoped, kOperators, true},
    AccessRule{Action::kSkip, "skip", "SkipBranch", kScoped, kOperators, true},
    AccessRule{Action::kCompleteBranch, "complete-branch", "CompleteBranch", kScoped, kOperators,
               true},
    AccessRule{Action::kResolve, "resolve", "ResolveTransaction", kScoped, kOperators, true},
    AccessRule{Action::kStartBulk, "bulk", "StartBulkAction", kScoped, kOperators, true},
    AccessRule{Action::kListBulk, "list-bulk", "ListBulkActions", kScoped, kReaders},
    AccessRule{Action::kGetBulk, "get-bulk", "GetBulkAction", kScoped, kReaders},
    AccessRule{Action::kStopBulk, "stop-bulk", "StopBulkAction", kScoped, kOperators, true},
    AccessRule{Action::kSignal, "signal", "SignalTransaction", kScoped, kInvolved},
    AccessRule{Action::kComplete, "complete", "CompleteOperation", kScoped, kParticipants},
    AccessRule{Action::kPutDefinition, "define", "PutDefinition", kScoped, kDeployers, true},
    AccessRule{Action::kValidateDefinition, "validate", "ValidateDefinition", kScoped, kDeployers},
    AccessRule{Action::kDryRun, "dry-run", "DryRunDefinition", kScoped, kInvolved},
    AccessRule{Action::kGetDefinition, "definition", "GetDefinition", kScoped, kReaders},
    AccessRule{Action::kListBranches, "branches", "ListBranches", kScoped, kReaders},
    AccessRule{Action::kListDefinitions, "definitions", "ListDefinitions", kScoped, kReaders},
    AccessRule{Action::kListVersions, "versions", "", kScoped, kReaders},
    AccessRule{Action::kGetVersion, "version", "", kScoped, kReaders},
    AccessRule{Action::kListIncidents, "incidents", "ListIncidents", kScoped, kReaders},
    AccessRule{Action::kListParticipants, "participants", "ListParticipants", kWhole, kReaders},
    AccessRule{Action::kListNodes, "nodes", "ListNodes", kWhole, kReaders},
    AccessRule{Action::kListDeadLetters, "dead-letters", "ListDeadLetters", kWhole, kReaders},
    AccessRule{Action::kSendDeadLetters, "send-dead-letters", "SendDeadLetters", kWhole, kOperators,
               true},
    AccessRule{Action::kWatchEvents, "events", "WatchEvents", kScoped, kReaders},
    AccessRule{Action::kGetSession, "session", "GetSession", kScoped, kAll},
    AccessRule{Action::kCreateToken, "create-token", "CreateToken", kWhole, kAdmins, true},
    AccessRule{Action::kListTokens, "list-tokens", "ListTokens", kWhole, kAdmins},
    AccessRule{Action::kRevokeToken, "revoke-token", "RevokeToken", kWhole, kAdmins, true},
    AccessRule{Action::kListAudit, "audit", "ListAudit", kWhole, kAdmins},
    AccessRule{Action::kListKeys, "keys", "ListKeys", kOpen, kAll},
    AccessRule{Action::kRotateKeys, "rotate-keys", "RotateKeys", kWhole, kAdmins, true},
    AccessRule{Action::kHealth, "healthz", "GetHealth", kOpen, kAll},
    AccessRule{Action::kReady, "readyz", "", kOpen, kAll},
    AccessRule{Action::kMetrics, "metrics", "", kWhole, kReaders},
    AccessRule{Action::kOpenApi, "openapi", "", kOpen, kAll},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < kRules.size(); ++i) {
    if (static_cast<size_t>(kRules[i].action) != i) {
      return false;
    }
  }
  return static_cast<size_t>(Action::kOpenApi) + 1 == kRules.size();
}
static_assert(InOrder(), "a rule is found by its action's number");

std::string NamesOf(uint8_t roles) {
  std::string names;
  for (int i = 0; i < identity::kRoleCount; ++i) {
    const Role role = static_cast<Role>(i);
    if ((roles & Bit(role)) != 0) {
      names += (names.empty() ? "" : ", ") + std::string(identity::RoleName(role));
    }
  }
  return names;
}

Status CheckWhole(const AccessRule& rule, const identity::Principal& principal) {
  if (principal.scope.Everything()) {
    return {};
  }
  return {StatusCode::kPermissionDenied, "access.scope",
          "'" + principal.name + "' can reach some definitions only and may not " +
              std::string(rule.name) + ": that tells of all"};
}

}  // namespace

std::span<const AccessRule> AccessRules() {
  return kRules;
}

const AccessRule& RuleOf(Action action) {
  return kRules[static_cast<size_t>(action)];
}

Status CheckAccess(const AccessRule& rule, const identity::Principal& principal) {
  if ((rule.roles & Bit(principal.role)) != 0) {
    return rule.reach == Reach::kWhole ? CheckWhole(rule, principal) : Status();
  }
  return {StatusCode::kPermissionDenied, "access.denied",
          "'" + principal.name + "' is a " + std::string(identity::RoleName(principal.role)) +
              " and may not " + std::string(rule.name) +
              "; that takes one of these roles: " + NamesOf(rule.roles)};
}

std::vector<std::string_view> MethodsFor(const identity::Principal& principal) {
  std::vector<std::string_view> names;
  for (const AccessRule& rule : kRules) {
    if (CheckAccess(rule, principal).ok()) {
      names.push_back(rule.name);
    }
  }
  return names;
}

Status CheckInline(const identity::Principal& principal) {
  if ((kDeployers & Bit(principal.role)) != 0) {
    return {};
  }
  return {
      StatusCode::kPermissionDenied, "access.inline_definition",
      "'" + principal.name + "' is a " + std::string(identity::RoleName(principal.role)) +
          " and may submit registered definitions only: who writes a definition decides what is "
          "called, which takes a deployer"};
}

Status CheckPayloads(const identity::Principal& principal) {
  if (principal.payloads) {
    return {};
  }
  return {StatusCode::kPermissionDenied, "access.payloads",
          "'" + principal.name + "' may not see payloads; ask for a token that may"};
}

Status CheckNewName(const identity::Principal& principal, std::string_view definition) {
  if (principal.scope.CoversDefinition(definition)) {
    return {};
  }
  return {StatusCode::kPermissionDenied, "access.scope",
          "'" + principal.name + "' can not reach definitions named " + std::string(definition)};
}

Status CheckNewLabels(const identity::Principal& principal,
                      const std::vector<std::pair<std::string, std::string>>& labels) {
  if (principal.scope.CoversLabels(labels)) {
    return {};
  }
  std::string wanted;
  for (const auto& [key, value] : principal.scope.labels) {
    wanted += (wanted.empty() ? "" : ", ") + key + "=" + value;
  }
  return {StatusCode::kPermissionDenied, "access.scope",
          "'" + principal.name + "' can reach transactions with these labels only: " + wanted};
}

}  // namespace entente::api
