// The fields of every object in a definition, as data. The published JSON Schema
// (dsl/schema/definition.schema.json) says the same to editors; a test compares the two.
#pragma once

#include <span>
#include <string_view>

#include "dsl/plan.h"

namespace entente::dsl {

struct ObjectSpec {
  std::string_view schema_name;  // The name under $defs in the published schema.
  std::string_view what;         // For messages: "a step of a saga".
  std::span<const std::string_view> fields;

  [[nodiscard]] bool Has(std::string_view field) const;
};

namespace fields {

extern const ObjectSpec kSagaDefinition;
extern const ObjectSpec kTccDefinition;
extern const ObjectSpec kTwoPhaseCommitDefinition;
extern const ObjectSpec kHttpParticipant;
extern const ObjectSpec kGrpcParticipant;
extern const ObjectSpec kSagaStep;
extern const ObjectSpec kTccStep;
extern const ObjectSpec kTwoPhaseCommitStep;
extern const ObjectSpec kWaitStep;
extern const ObjectSpec kChooseStep;
extern const ObjectSpec kBlockStep;
extern const ObjectSpec kRefuseStep;
extern const ObjectSpec kChoice;
extern const ObjectSpec kRefusal;
extern const ObjectSpec kSagaBranch;
extern const ObjectSpec kTccBranch;
extern const ObjectSpec kTwoPhaseCommitBranch;
extern const ObjectSpec kAfterAny;
extern const ObjectSpec kExpires;
extern const ObjectSpec kForEach;
extern const ObjectSpec kBlock;
extern const ObjectSpec kRetry;
extern const ObjectSpec kRepeat;
extern const ObjectSpec kCompletion;
extern const ObjectSpec kWaitFor;
extern const ObjectSpec kWaitUntil;
extern const ObjectSpec kWaitSignal;
extern const ObjectSpec kHttpOperation;
extern const ObjectSpec kHttpForward;  // May be refused by what its answer says.
extern const ObjectSpec kGrpcForward;
extern const ObjectSpec kHttpUndo;
extern const ObjectSpec kGrpcOperation;
extern const ObjectSpec kGrpcUndo;
extern const ObjectSpec kTransactionOperation;
extern const ObjectSpec kTransactionUndo;
extern const ObjectSpec kHttpSagaAlternative;
extern const ObjectSpec kGrpcSagaAlternative;
extern const ObjectSpec kTransactionAlternative;
extern const ObjectSpec kHttpTccAlternative;
extern const ObjectSpec kGrpcTccAlternative;
extern const ObjectSpec kHttpTwoPhaseCommitAlternative;
extern const ObjectSpec kGrpcTwoPhaseCommitAlternative;
extern const ObjectSpec kTransaction;

// Every one of the above.
[[nodiscard]] std::span<const ObjectSpec* const> All();

// The HTTP methods as fields of an operation.
[[nodiscard]] std::span<const std::string_view> HttpMethods();

[[nodiscard]] const ObjectSpec& DefinitionOf(Mode mode);
[[nodiscard]] const ObjectSpec& StepOf(Mode mode);
// Of an alternative, which may say how it is settled.
[[nodiscard]] const ObjectSpec& HttpAlternativeOf(Mode mode);
[[nodiscard]] const ObjectSpec& GrpcAlternativeOf(Mode mode);
// Of a branch that a client enlists.
[[nodiscard]] const ObjectSpec& BranchOf(Mode mode);

}  // namespace fields
}  // namespace entente::dsl
