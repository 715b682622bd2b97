#include "dsl/read/fields.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace entente::dsl {
namespace {

using Name = std::string_view;

constexpr std::array kSagaDefinitionFields = {
    Name("$schema"),  Name("name"),         Name("description"), Name("mode"),
    Name("deadline"), Name("timeout"),      Name("retry"),       Name("compensateRetry"),
    Name("input"),    Name("participants"), Name("steps"),       Name("output"),
    Name("labels"),   Name("onCommitted"),  Name("onAborted"),   Name("let")};
// TCC and 2PC alike: what follows the decision has one retry policy, whichever way it went.
constexpr std::array kDecidedDefinitionFields = {
    Name("$schema"), Name("name"),   Name("description"), Name("mode"),  Name("deadline"),
    Name("timeout"), Name("retry"),  Name("settleRetry"), Name("input"), Name("participants"),
    Name("steps"),   Name("output"), Name("labels"),      Name("let")};

constexpr std::array kHttpParticipantFields = {Name("http"),
                                               Name("headers"),
                                               Name("sensitiveHeaders"),
                                               Name("timeout"),
                                               Name("maxConcurrentCalls"),
                                               Name("maxCallsPerSecond"),
                                               Name("allow")};
constexpr std::array kGrpcParticipantFields = {Name("grpc"),
                                               Name("service"),
                                               Name("tls"),
                                               Name("descriptorSet"),
                                               Name("metadata"),
                                               Name("sensitiveMetadata"),
                                               Name("timeout"),
                                               Name("maxConcurrentCalls"),
                                               Name("maxCallsPerSecond")};

constexpr std::array kSagaStepFields = {
    Name("id"),         Name("description"),     Name("participant"), Name("after"),
    Name("when"),       Name("forEach"),         Name("action"),      Name("alternatives"),
    Name("compensate"), Name("pivot"),           Name("timeout"),     Name("deadline"),
    Name("retry"),      Name("compensateRetry"), Name("optional"),    Name("onGiveUp"),
    Name("let")};
constexpr std::array kTccStepFields = {
    Name("id"),      Name("description"), Name("participant"), Name("after"),
    Name("when"),    Name("forEach"),     Name("try"),         Name("alternatives"),
    Name("confirm"), Name("cancel"),      Name("timeout"),     Name("deadline"),
    Name("retry"),   Name("settleRetry"), Name("expires"),     Name("let")};
constexpr std::array kTwoPhaseCommitStepFields = {
    Name("id"),     Name("description"), Name("participant"), Name("after"),
    Name("when"),   Name("forEach"),     Name("prepare"),     Name("alternatives"),
    Name("commit"), Name("rollback"),    Name("timeout"),     Name("deadline"),
    Name("retry"),  Name("settleRetry"), Name("onePhase"),    Name("let")};
constexpr std::array kWaitStepFields = {Name("id"),   Name("description"), Name("after"),
                                        Name("when"), Name("wait"),        Name("let")};

// Branches that a client enlists: their forward part, if any, is the client's own.
constexpr std::array kSagaBranchFields = {Name("id"),          Name("description"),
                                          Name("participant"), Name("compensate"),
                                          Name("timeout"),     Name("compensateRetry")};
constexpr std::array kTccBranchFields = {Name("id"),      Name("description"), Name("participant"),
                                         Name("confirm"), Name("cancel"),      Name("expires"),
                                         Name("timeout"), Name("settleRetry")};
constexpr std::array kTwoPhaseCommitBranchFields = {
    Name("id"),       Name("description"), Name("participant"), Name("prepare"),
    Name("commit"),   Name("rollback"),    Name("onePhase"),    Name("timeout"),
    Name("deadline"), Name("retry"),       Name("settleRetry")};

constexpr std::array kChooseStepFields = {Name("id"),   Name("description"), Name("after"),
                                          Name("when"), Name("choose"),      Name("let")};
constexpr std::array kBlockStepFields = {Name("id"),   Name("description"), Name("after"),
                                         Name("when"), Name("forEach"),     Name("let")};
constexpr std::array kRefuseStepFields = {Name("id"),   Name("description"), Name("after"),
                                          Name("when"), Name("refuse"),      Name("let")};
constexpr std::array kChoiceFields = {Name("when"), Name("steps")};
constexpr std::array kRefusalFields = {Name("code"), Name("message")};

constexpr std::array kAfterAnyFields = {Name("any")};
constexpr std::array kExpiresFields = {Name("at"), Name("margin")};
constexpr std::array kForEachFields = {Name("items"), Name("maxParallel"), Name("atLeast")};
constexpr std::array kBlockFields = {Name("items"), Name("maxParallel"), Name("steps")};
constexpr std::array kRetryFields = {Name("initial"), Name("factor"), Name("max"), Name("attempts"),
                                     Name("jitter")};
constexpr std::array kRepeatFields = {Name("until"), Name("every"), Name("backoff"), Name("times"),
                                      Name("within")};
constexpr std::array kCompletionFields = {Name("when"), Name("output")};
constexpr std::array kWaitForFields = {Name("for")};
constexpr std::array kWaitUntilFields = {Name("until")};
constexpr std::array kWaitSignalFields = {Name("signal"), Name("timeout"), Name("onTimeout"),
                                          Name("payload")};

constexpr std::array kHttpMethods = {Name("get"), Name("put"), Name("post"), Name("patch"),
                                     Name("delete")};
// The undo variants have one field more, the last.
constexpr std::array kHttpUndoFields = {
    Name("get"),         Name("put"),     Name("post"),   Name("patch"),      Name("delete"),
    Name("participant"), Name("headers"), Name("body"),   Name("succeedOn"),  Name("failOn"),
    Name("form"),        Name("text"),    Name("answer"), Name("whenUnknown")};
constexpr std::array kGrpcUndoFields = {Name("rpc"),    Name("participant"),
                                        Name("body"),   Name("succeedOn"),
                                        Name("failOn"), Name("whenUnknown")};
constexpr std::array kTransactionUndoFields = {Name("transaction"), Name("whenUnknown")};

// A call that does something may be refused by what its answer says.
constexpr std::array kRefuseFields = {Name("refuseWhen"), Name("refuseCode"), Name("refuseMessage"),
                                      Name("effect"),     Name("retryOn"),    Name("repeat"),
                                      Name("completion")};

template <size_t size, size_t more>
constexpr std::array<Name, size - 1 + more> AllButLastAnd(const std::array<Name, size>& fields,
                                                          const std::array<Name, more>& others) {
  std::array<Name, size - 1 + more> all;
  std::copy(fields.begin(), fields.end() - 1, all.begin());
  std::copy(others.begin(), others.end(), all.end() - more);
  return all;
}
constexpr std::array kHttpForwardFields = AllButLastAnd(kHttpUndoFields, kRefuseFields);
constexpr std::array kGrpcForwardFields = AllButLastAnd(kGrpcUndoFields, kRefuseFields);

// An alternative may say how it is settled.
template <size_t size, size_t more>
constexpr std::array<Name, size + more> Both(const std::array<Name, size>& fields,
                                             const std::array<Name, more>& others) {
  std::array<Name, size + more> all;
  std::copy(fields.begin(), fields.end(), all.begin());
  std::copy(others.begin(), others.end(), all.end() - more);
  return all;
}
constexpr std::array kSagaSettling = {Name("compensate"), Name("on"), Name("after")};
constexpr std::array kTccSettling = {Name("confirm"), Name("cancel"), Name("on")};
constexpr std::array kTwoPhaseCommitSettling = {Name("commit"), Name("rollback"), Name("on")};
constexpr std::array kHttpSagaAlternativeFields = Both(kHttpForwardFields, kSagaSettling);
constexpr std::array kGrpcSagaAlternativeFields = Both(kGrpcForwardFields, kSagaSettling);
constexpr std::array kTransactionAlternativeFields =
    AllButLastAnd(kTransactionUndoFields, kSagaSettling);
constexpr std::array kHttpTccAlternativeFields = Both(kHttpForwardFields, kTccSettling);
constexpr std::array kGrpcTccAlternativeFields = Both(kGrpcForwardFields, kTccSettling);
constexpr std::array kHttpTwoPhaseCommitAlternativeFields =
    Both(kHttpForwardFields, kTwoPhaseCommitSettling);
constexpr std::array kGrpcTwoPhaseCommitAlternativeFields =
    Both(kGrpcForwardFields, kTwoPhaseCommitSettling);

constexpr std::array kTransactionFields = {Name("definition"), Name("version"), Name("input"),
                                           Name("among"), Name("deadline")};

template <size_t size>
constexpr std::span<const Name> AllButLast(const std::array<Name, size>& fields) {
  return std::span<const Name>(fields).first(size - 1);
}

}  // namespace

bool ObjectSpec::Has(std::string_view field) const {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

namespace fields {

constexpr ObjectSpec kSagaDefinition = {"sagaDefinition", "a definition", kSagaDefinitionFields};
constexpr ObjectSpec kTccDefinition = {"tccDefinition", "a definition of mode tcc",
                                       kDecidedDefinitionFields};
constexpr ObjectSpec kTwoPhaseCommitDefinition = {
    "twoPhaseCommitDefinition", "a definition of mode 2pc", kDecidedDefinitionFields};
constexpr ObjectSpec kHttpParticipant = {"httpParticipant", "an HTTP participant",
                                         kHttpParticipantFields};
constexpr ObjectSpec kGrpcParticipant = {"grpcParticipant", "a gRPC participant",
                                         kGrpcParticipantFields};
constexpr ObjectSpec kSagaStep = {"sagaStep", "a step of a saga", kSagaStepFields};
constexpr ObjectSpec kTccStep = {"tccStep", "a step of mode tcc", kTccStepFields};
constexpr ObjectSpec kTwoPhaseCommitStep = {"twoPhaseCommitStep", "a step of mode 2pc",
                                            kTwoPhaseCommitStepFields};
constexpr ObjectSpec kWaitStep = {"waitStep", "a step that waits", kWaitStepFields};
constexpr ObjectSpec kChooseStep = {"chooseStep", "a step that chooses", kChooseStepFields};
constexpr ObjectSpec kBlockStep = {"blockStep", "a step whose 'forEach' has steps",
                                   kBlockStepFields};
constexpr ObjectSpec kRefuseStep = {"refuseStep", "a step that refuses", kRefuseStepFields};
constexpr ObjectSpec kChoice = {"choice", "a way of 'choose'", kChoiceFields};
constexpr ObjectSpec kRefusal = {"refusal", "'refuse'", kRefusalFields};
constexpr ObjectSpec kSagaBranch = {"sagaBranch", "a branch of a saga", kSagaBranchFields};
constexpr ObjectSpec kTccBranch = {"tccBranch", "a branch of mode tcc", kTccBranchFields};
constexpr ObjectSpec kTwoPhaseCommitBranch = {"twoPhaseCommitBranch", "a branch of mode 2pc",
                                              kTwoPhaseCommitBranchFields};
constexpr ObjectSpec kAfterAny = {"afterAny", "'after'", kAfterAnyFields};
constexpr ObjectSpec kExpires = {"expires", "expires", kExpiresFields};
constexpr ObjectSpec kForEach = {"forEach", "forEach", kForEachFields};
constexpr ObjectSpec kBlock = {"block", "a 'forEach' with steps", kBlockFields};
constexpr ObjectSpec kRetry = {"retry", "a retry policy", kRetryFields};
constexpr ObjectSpec kRepeat = {"repeat", "'repeat'", kRepeatFields};
constexpr ObjectSpec kCompletion = {"completion", "'completion'", kCompletionFields};
constexpr ObjectSpec kWaitFor = {"waitFor", "a wait for a duration", kWaitForFields};
constexpr ObjectSpec kWaitUntil = {"waitUntil", "a wait for an instant", kWaitUntilFields};
constexpr ObjectSpec kWaitSignal = {"waitSignal", "a wait for a signal", kWaitSignalFields};
constexpr ObjectSpec kHttpOperation = {"httpOperation", "an HTTP operation",
                                       AllButLast(kHttpUndoFields)};
constexpr ObjectSpec kHttpForward = {"httpForward", "an HTTP operation", kHttpForwardFields};
constexpr ObjectSpec kGrpcForward = {"grpcForward", "a gRPC operation", kGrpcForwardFields};
constexpr ObjectSpec kHttpUndo = {"httpUndo", "an HTTP operation that undoes", kHttpUndoFields};
constexpr ObjectSpec kGrpcOperation = {"grpcOperation", "a gRPC operation",
                                       AllButLast(kGrpcUndoFields)};
constexpr ObjectSpec kGrpcUndo = {"grpcUndo", "a gRPC operation that undoes", kGrpcUndoFields};
constexpr ObjectSpec kTransactionOperation = {"transactionOperation", "a child transaction",
                                              AllButLast(kTransactionUndoFields)};
constexpr ObjectSpec kTransactionUndo = {"transactionUndo", "a child transaction that undoes",
                                         kTransactionUndoFields};
constexpr ObjectSpec kHttpSagaAlternative = {"httpSagaAlternative", "an alternative over HTTP",
                                             kHttpSagaAlternativeFields};
constexpr ObjectSpec kGrpcSagaAlternative = {"grpcSagaAlternative", "an alternative over gRPC",
                                             kGrpcSagaAlternativeFields};
constexpr ObjectSpec kTransactionAlternative = {"transactionAlternative",
                                                "an alternative that is a child transaction",
                                                kTransactionAlternativeFields};
constexpr ObjectSpec kHttpTccAlternative = {"httpTccAlternative", "an alternative over HTTP",
                                            kHttpTccAlternativeFields};
constexpr ObjectSpec kGrpcTccAlternative = {"grpcTccAlternative", "an alternative over gRPC",
                                            kGrpcTccAlternativeFields};
constexpr ObjectSpec kHttpTwoPhaseCommitAlternative = {"httpTwoPhaseCommitAlternative",
                                                       "an alternative over HTTP",
                                                       kHttpTwoPhaseCommitAlternativeFields};
constexpr ObjectSpec kGrpcTwoPhaseCommitAlternative = {"grpcTwoPhaseCommitAlternative",
                                                       "an alternative over gRPC",
                                                       kGrpcTwoPhaseCommitAlternativeFields};
constexpr ObjectSpec kTransaction = {"transaction", "'transaction'", kTransactionFields};

std::span<const ObjectSpec* const> All() {
  static constexpr std::array kAll = {&kSagaDefinition,
                                      &kTccDefinition,
                                      &kTwoPhaseCommitDefinition,
                                      &kHttpParticipant,
                                      &kGrpcParticipant,
                                      &kSagaStep,
                                      &kTccStep,
                                      &kTwoPhaseCommitStep,
                                      &kWaitStep,
                                      &kChooseStep,
                                      &kBlockStep,
                                      &kRefuseStep,
                                      &kChoice,
                                      &kRefusal,
                                      &kSagaBranch,
                                      &kTccBranch,
                                      &kTwoPhaseCommitBranch,
                                      &kAfterAny,
                                      &kExpires,
                                      &kForEach,
                                      &kBlock,
                                      &kRetry,
                                      &kRepeat,
                                      &kCompletion,
                                      &kWaitFor,
                                      &kWaitUntil,
                                      &kWaitSignal,
                                      &kHttpOperation,
                                      &kHttpForward,
                                      &kGrpcForward,
                                      &kHttpUndo,
                                      &kGrpcOperation,
                                      &kGrpcUndo,
                                      &kTransactionOperation,
                                      &kTransactionUndo,
                                      &kHttpSagaAlternative,
                                      &kGrpcSagaAlternative,
                                      &kTransactionAlternative,
                                      &kHttpTccAlternative,
                                      &kGrpcTccAlternative,
                                      &kHttpTwoPhaseCommitAlternative,
                                      &kGrpcTwoPhaseCommitAlternative,
                                      &kTransaction};
  return kAll;
}

std::span<const std::string_view> HttpMethods() {
  return kHttpMethods;
}

const ObjectSpec& DefinitionOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return kSagaDefinition;
    case Mode::kTcc: return kTccDefinition;
    case Mode::kTwoPhaseCommit: return kTwoPhaseCommitDefinition;
  }
  ENTENTE_CHECK(false);
}

const ObjectSpec& HttpAlternativeOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return kHttpSagaAlternative;
    case Mode::kTcc: return kHttpTccAlternative;
    case Mode::kTwoPhaseCommit: return kHttpTwoPhaseCommitAlternative;
  }
  ENTENTE_CHECK(false);
}

const ObjectSpec& GrpcAlternativeOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return kGrpcSagaAlternative;
    case Mode::kTcc: return kGrpcTccAlternative;
    case Mode::kTwoPhaseCommit: return kGrpcTwoPhaseCommitAlternative;
  }
  ENTENTE_CHECK(false);
}

const ObjectSpec& BranchOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return kSagaBranch;
    case Mode::kTcc: return kTccBranch;
    case Mode::kTwoPhaseCommit: return kTwoPhaseCommitBranch;
  }
  ENTENTE_CHECK(false);
}

const ObjectSpec& StepOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return kSagaStep;
    case Mode::kTcc: return kTccStep;
    case Mode::kTwoPhaseCommit: return kTwoPhaseCommitStep;
  }
  ENTENTE_CHECK(false);
}

}  // namespace fields
}  // namespace entente::dsl
