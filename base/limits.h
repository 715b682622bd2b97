// Every bound of the coordinator, in one place. The README repeats this table; each refusal names
// the limit it met.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "base/time.h"

namespace entente::limits {

// Payloads: a submitted input, a participant's answer, a signal, a completion.
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 20;
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr JsonLimits kPayloadJson{kMaxPayloadBytes, kMaxJsonDepth};
// What an undo may send: more than anything else, so that it can repeat several things that each
// were within the limits.
inline constexpr size_t kMaxUndoBytes = 4 * kMaxPayloadBytes;
inline constexpr JsonLimits kUndoJson{kMaxUndoBytes, 2 * kMaxJsonDepth};

// Definitions.
inline constexpr size_t kMaxDefinitionBytes = size_t{1} << 20;
inline constexpr JsonLimits kDefinitionJson{kMaxDefinitionBytes, kMaxJsonDepth};
inline constexpr size_t kMaxSteps = 512;
inline constexpr size_t kMaxAlternatives = 16;
inline constexpr size_t kMaxLets = 64;  // Named values of a definition, and of each step.
inline constexpr size_t kMaxParticipants = 64;
inline constexpr size_t kMaxSensitiveHeaders = 64;  // Named by one participant.
inline constexpr size_t kMaxForEachBranches = 10'000;
inline constexpr size_t kMaxLabels = 16;
inline constexpr size_t kMaxLabelBytes = 256;  // Key and value each.
inline constexpr size_t kMaxNameBytes = 128;   // Definition, step, participant and signal names.
inline constexpr size_t kMaxChildDepth = 8;
// As they are in memory once compiled: of those that came with open transactions, together, and at
// most a quarter of what the process may use; and of those that are kept although no transaction
// needs them.
inline constexpr size_t kMaxInlineDefinitionBytes = size_t{1} << 30;
inline constexpr size_t kMaxCachedDefinitionBytes = size_t{128} << 20;

// Retry policies and forEach, as a definition may state them.
inline constexpr Duration kMinRetryDelay = std::chrono::milliseconds(1);
inline constexpr Duration kMaxRetryDelay = std::chrono::hours(24);
inline constexpr double kMaxRetryFactor = 100.0;
inline constexpr size_t kDefaultForEachParallel = 16;

// Expressions.
inline constexpr size_t kMaxExpressionBytes = 16 * 1024;
inline constexpr size_t kMaxExpressionDepth = 64;
// What the expressions of one call, of one condition or of one list cost together, in steps of
// evaluation; 16 bytes read, compared or made are one (docs/definitions.md).
inline constexpr uint64_t kMaxExpressionCost = 1'000'000;
// What is evaluated in one go may cost so much before only the lesser is left for whatever is no
// call.
inline constexpr uint64_t kMaxDecisionCost = 4 * kMaxExpressionCost;
inline constexpr uint64_t kMinExpressionCost = 10'000;
inline constexpr uint64_t kMaxUndoExpressionCost = 4 * kMaxExpressionCost;  // As kMaxUndoBytes.
inline constexpr size_t kMaxExpressionResultBytes = 4 * kMaxPayloadBytes;   // As JSON or as text.
// What expressions are put together to, such as a request's body, an input, an output or the list
// of a forEach, is bounded as payloads are; the calls of an undo as kUndoJson says.

// Regular expressions. Their size is counted in instructions of their compiled form.
inline constexpr size_t kMaxRegexMemoryBytes = size_t{1} << 20;  // Each, as RE2 counts it.
// Of all in a definition's expressions; also of all in the schema of its input.
inline constexpr size_t kMaxRegexInstructions = 250'000;
// Of all in the description of a client's branch, which is compiled by the thread that drives it.
inline constexpr size_t kMaxBranchRegexInstructions = 10'000;

// JSON Schemas of inputs.
inline constexpr size_t kMaxSchemaNodes = 4096;         // Subschemas of one schema.
inline constexpr size_t kMaxSchemaRecursion = 512;      // Subschemas being applied at one moment.
inline constexpr uint64_t kMaxSchemaWork = 10'000'000;  // Subschemas and values looked at.
inline constexpr size_t kMaxSchemaPatternBytes = 1024;

// Transactions.
// Of all payloads that one holds: its input, the items and answers of its branches, signals.
inline constexpr size_t kMaxTransactionBytes = 64 * kMaxPayloadBytes;
inline constexpr size_t kMaxGidBytes = 128;  // As given by a caller; a child's is longer.
inline constexpr size_t kMaxOpenTransactions = 2'000'000;
inline constexpr size_t kMaxAttemptsShown = 100;  // Per branch, the latest ones.
inline constexpr size_t kMaxErrorTextBytes = 2048;
inline constexpr Duration kMaxWait = std::chrono::minutes(5);  // `wait` on a submit or a get.
inline constexpr uint32_t kMaxAttempts = 1'000'000;
inline constexpr Duration kMaxRetryAfter = std::chrono::hours(1);  // A participant's longest wish.
// How long an undo, a finish or a step past the pivot may stay "accepted" before an operator is
// called.
inline constexpr Duration kMaxSettlePending = std::chrono::hours(1);

// Polls of what a participant works on. Each that brings nothing is a record, so they come less and
// less often, whatever the participant wishes: the least pause grows by a quarter of itself up to
// kLongPollPause, by the 256th part of itself up to kMaxPollPause, and then stays. That makes 1 600
// polls in the first eleven days, and kMaxPolls of one operation in a year.
inline constexpr Duration kMinPollInterval = std::chrono::milliseconds(10);
inline constexpr Duration kLongPollPause = std::chrono::seconds(10);
inline constexpr Duration kMaxPollPause = std::chrono::hours(1);
inline constexpr uint32_t kMaxPolls = 10'000;

// How often driving a transaction may fail before it is quarantined; where memory was short, in the
// course of some minutes.
inline constexpr int kMaxDefects = 2;
inline constexpr int kMaxShortages = 8;

// When a two-phase commit that states no deadline aborts by itself, unless it has decided.
inline constexpr Duration kDefaultTwoPhaseDeadline = std::chrono::minutes(1);

// Client-driven transactions: when they abort by themselves.
inline constexpr Duration kDefaultClientDrivenLimit = std::chrono::minutes(1);
inline constexpr Duration kMaxClientDrivenLimit = std::chrono::hours(24);

// Journal.
// Records handed in at once: more than the lists of all forEach steps of a transaction together.
inline constexpr size_t kMaxAppendBytes = size_t{512} << 20;
// What is read back, in values: much more than may be written, so that nothing written is lost.
inline constexpr JsonLimits kStoredJson{size_t{1} << 30, 16 * kMaxJsonDepth};
inline constexpr size_t kMaxGroupBytes = size_t{8} << 20;  // After which a commit is full.

// Servers.
inline constexpr size_t kMaxRequestBytes = 2 * kMaxPayloadBytes;
inline constexpr size_t kMaxHeaderBytes = 16 * 1024;
inline constexpr size_t kMaxHeaderFields = 200;
inline constexpr size_t kMaxConnections = 10'000;  // HTTP, of the process.
// Of HTTP requests that have not arrived whole, all connections together: without it, clients that
// never end their bodies could fill the memory. What each may hold beside it is enough for an
// ordinary request, so that those are served whatever the large ones do.
inline constexpr size_t kMaxRequestBytesBeingRead = size_t{64} << 20;
inline constexpr size_t kFreeRequestBytes = 16 * 1024;
// Of HTTP answers that their clients have not taken yet, all connections together; smaller ones are
// not counted. One is let through whatever its size while no other is held.
inline constexpr size_t kMaxAnswerBytesHeld = size_t{128} << 20;
inline constexpr size_t kFreeAnswerBytes = 64 * 1024;
inline constexpr size_t kMaxEventStreams = 1'000;
// Held for event streams whose readers are behind: live events of one, and all that all hold.
inline constexpr size_t kMaxQueuedEvents = 4'096;
inline constexpr size_t kMaxQueuedEventBytes = size_t{4} << 20;
inline constexpr size_t kMaxHeldEventBytes = size_t{64} << 20;
inline constexpr Duration kIdleConnectionTimeout = std::chrono::seconds(75);
inline constexpr Duration kRequestReadTimeout = std::chrono::seconds(30);
inline constexpr size_t kMaxPageSize = 1'000;
inline constexpr size_t kDefaultPageSize = 50;
// A transaction of more branches is shown without them, unless they are asked for in pages.
inline constexpr size_t kMaxBranchesShown = 500;
inline constexpr size_t kMaxQueuedInputsPerShard = 65'536;

// The gRPC server. An answer stays below the 4 MiB that clients take if they are not told
// otherwise; a page holds no more of the largest summaries than fit.
inline constexpr size_t kMaxGrpcConnections = 4'096;  // Of the process.
inline constexpr size_t kMaxGrpcAnswerBytes = 4'000'000;
inline constexpr uint32_t kMaxGrpcPageSize = 300;
// What gRPC clients may make the coordinator hold before it has a whole message, all together. gRPC
// ends calls when it is passed, so that somewhat more is held at times.
inline constexpr size_t kMaxGrpcMemoryBytes = size_t{128} << 20;

// Participants.
inline constexpr Duration kDefaultCallTimeout = std::chrono::seconds(10);
inline constexpr Duration kMaxCallTimeout = std::chrono::minutes(10);
inline constexpr size_t kDefaultMaxConcurrentCalls = 512;  // Per participant.
inline constexpr size_t kMaxConcurrentCalls = 65'536;
inline constexpr double kMinCallsPerSecond = 0.001;
inline constexpr double kMaxCallsPerSecond = 1'000'000.0;
inline constexpr size_t kMaxIdleConnectionsPerParticipant = 512;
// The shortest time-out that says something about the participant, not only about its caller.
inline constexpr Duration kLeastTellingTimeout = std::chrono::seconds(1);
// A call waits at its participant's gate at least so long before its transaction is asked whether
// it is still wanted, however short its time-out.
inline constexpr Duration kMinGateWait = std::chrono::seconds(1);
// Remembered without a call in flight: limits and statistics of addresses that clients name.
inline constexpr size_t kMaxIdleParticipants = 256;

// Participants whose endpoints DNS names.
inline constexpr size_t kMaxSrvTargets = 64;                      // Of one service.
inline constexpr size_t kMaxSrvNames = 1'000;                     // Remembered by a worker.
inline constexpr Duration kDnsTimeout = std::chrono::seconds(5);  // Of a lookup, all its tries.
inline constexpr Duration kMinSrvTtl = std::chrono::seconds(1);
inline constexpr Duration kMaxSrvTtl = std::chrono::minutes(5);
// What was known goes on being used so long while lookups fail.
inline constexpr Duration kSrvStale = std::chrono::minutes(10);
inline constexpr Duration kSrvPause = std::chrono::seconds(1);  // After a lookup that failed.

// Participants over gRPC.
// A message as objects in memory: a repeated element of two bytes can stand for an object of
// hundreds.
inline constexpr size_t kMaxMessageMemoryBytes = 64 * kMaxPayloadBytes;
inline constexpr size_t kMaxMessageFieldsRead = 10'000'000;  // While it is turned into JSON.
// What a descriptor set, or a server's reflection, may describe. A prototype is made by recursion
// into the types of its fields, 420 bytes of stack each.
inline constexpr size_t kMaxDescriptorFiles = 2'000;
inline constexpr size_t kMaxDescriptorMessages = 4'000;
inline constexpr size_t kMaxDescriptorFields = 100'000;  // Enum values too.
inline constexpr size_t kMaxMessageFields = 4'096;
// The message types made of all that describe them, in memory. Those that were used last are kept;
// a call for which there is no room waits until others have ended.
inline constexpr size_t kMaxMessageTypeBytes = size_t{256} << 20;

}  // namespace entente::limits
