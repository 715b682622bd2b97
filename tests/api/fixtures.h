// Plans and transactions to show, made of records as the engine writes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coordinator/api/commands.h"
#include "runtime/coordinator.h"

namespace entente::api::test {

// A saga of six steps: flight, rooms (a forEach), approval (a signal), pause (a duration),
// insurance (a child transaction) and pay (the pivot).
std::shared_ptr<const dsl::Plan> TripPlan();

// `offset` seconds after a fixed instant.
Instant At(int64_t offset_seconds);

// A flight and a hotel: held and confirmed, or prepared and committed.
std::shared_ptr<const dsl::Plan> ReservePlan();   // tcc
std::shared_ptr<const dsl::Plan> TransferPlan();  // 2pc, with a ledger beside them.

// A branch as a client enlists it, by mode; "flight" or whatever it is named.
std::string BranchSource(dsl::Mode mode, const std::string& id);

// The records of one transaction, each a second after the one before.
class Story {
 public:
  explicit Story(std::string gid = "trip-1");  // Of the trip.
  Story(std::string gid, std::shared_ptr<const dsl::Plan> plan);

  Story& Then(engine::RecordBody body);

  [[nodiscard]] runtime::TxnView View() const;
  [[nodiscard]] runtime::History History() const;
  // The event that tells of record `revision`.
  [[nodiscard]] runtime::TxnEvent Event(uint64_t revision) const;
  [[nodiscard]] size_t size() const { return records_.size(); }

 private:
  std::string gid_;
  std::shared_ptr<const dsl::Plan> plan_;
  std::vector<engine::Record> records_;
};

// Stories that between them use every record, every phase and every optional field.
Story CommittedStory();
Story AbortedStory();
Story StuckStory();  // With an incident, an alternative, a pending and a waiting branch.
Story ResolvedStory();
Story ReservedStory();   // A TCC whose reservations are held, one with an expiry.
Story HeuristicStory();  // A TCC whose hotel let go of its hold after the decision to confirm.
Story VotedStory();      // A two-phase commit with a yes, a read-only vote and a no.
Story OnePhaseStory();   // A two-phase commit with a client and one branch, committed in one phase.
Story EnlistedStory();   // A TCC with a client that is at work.
Story ForcedStory();     // Decided to commit, and then forced to end as aborted.
std::vector<Story> AllStories();

storage::SummaryPage SomeSummaries();
storage::DefinitionRow SomeDefinition();
std::vector<runtime::ParticipantStats> SomeParticipants();
std::vector<NodeInfo> SomeNodes();
std::vector<DeadLetter> SomeDeadLetters();

}  // namespace entente::api::test
