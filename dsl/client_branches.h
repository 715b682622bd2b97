// Client-driven transactions: no definition, only the branches that a client enlists one by one.
//
// A branch is described with the words of a definition's step, its participant written out in it:
//
//   {"id": "flight", "participant": {"http": "http://flights:8080"},
//    "confirm": {"post": "/holds/${key}/confirm"}, "cancel": {"delete": "/holds/${key}"}}
//
// A TCC's has confirm and cancel, a two-phase commit's prepare, commit and rollback, a saga's
// compensate; what comes before those is the client's own work. Expressions read `gid` and `key`.
//
// All functions are pure and safe from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "dsl/compiler.h"
#include "dsl/plan.h"

namespace entente::dsl {

// A branch that was compiled and belongs to no plan yet: in it, participant 0 is its own.
struct ClientBranch {
  Participant participant;
  Step step;
  std::string source;  // Its description, canonical: equal descriptions have equal sources.
};

using ClientBranchResult = std::variant<ClientBranch, Problems>;

// Compiles the description of one branch; reports every mistake, as Compile does.
[[nodiscard]] ClientBranchResult CompileClientBranch(Mode mode, std::string_view source);

// kInvalidArgument "branch.invalid": how many problems, and the first of them.
[[nodiscard]] Status BranchProblemsToStatus(const Problems& problems);

// A client-driven plan without branches; limits::kDefaultClientDrivenLimit is its deadline.
[[nodiscard]] std::shared_ptr<const Plan> BeginClientDriven(Mode mode);

// `plan` with one branch more, as its last step. In a saga it comes after all the others, so that
// compensation runs backwards. kResourceExhausted past limits::kMaxSteps.
[[nodiscard]] Result<std::shared_ptr<const Plan>> WithBranch(const Plan& plan, ClientBranch branch);

// The plan of a transaction whose branches were enlisted with these descriptions, in this order.
// kDataLoss if one of them does not compile: each did once.
[[nodiscard]] Result<std::shared_ptr<const Plan>> ClientDrivenPlan(
    Mode mode, const std::vector<std::string>& sources);

}  // namespace entente::dsl
