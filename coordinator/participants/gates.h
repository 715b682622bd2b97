// Gates: every participant's gate, shared by all workers.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/time.h"
#include "coordinator/participants/participant_gate.h"
#include "dsl/plan.h"
#include "net/core/connection_quota.h"
#include "runtime/coordinator.h"

namespace entente::participants {

// A call that waits: `go`, run through `post` on the thread that the call came from.
struct ParkedCall {
  Gid gid;  // Whose it is.
  std::function<void(std::function<void()>)> post;
  std::function<void(ParticipantGate::Permit)> go;
};

// One participant's gate behind a lock, because a concurrency limit of N means N, however many
// workers there are. Thread-safe.
class SharedGate {
 public:
  // Told when the breaker opens, and when it closes again; not that a probe failed in between. Runs
  // on the thread of the call that ended; must be quick.
  using BreakerListener =
      std::function<void(const std::string& participant, const std::string& address, bool open)>;

  using Permit = ParticipantGate::Permit;
  using Ticket = ParticipantGate::Ticket;

  SharedGate(GateOptions options, std::string participant, std::string definition,
             std::string address, std::string service, Instant now,
             BreakerListener on_breaker = {});

  struct Entry {
    ParticipantGate::Admission admission;
    Permit permit;  // When admitted.
    Ticket ticket;  // When parked.
  };
  // `make_parked` is called, with the lock held, only if the call has to wait. `home`: whose
  // connections it would use. Nothing once the gate is retired: find its participant's gate again.
  [[nodiscard]] std::optional<Entry> Acquire(Lane lane, Instant now,
                                             const std::function<ParkedCall()>& make_parked,
                                             ParticipantGate::Home home = nullptr);

  // False if the call was let go in the meantime: its `go` is on the way.
  [[nodiscard]] bool Withdraw(Ticket ticket);

  // Ends an admitted call and lets waiting ones go; returns when to come again for those that
  // still wait.
  std::optional<Instant> Finish(const Permit& permit, const CallEnd& end, Instant now);

  // Lets go whoever may go at `now`; returns when to come again.
  std::optional<Instant> Release(Instant now);

  // As many connections as calls may be in flight.
  [[nodiscard]] const std::shared_ptr<net::ConnectionQuota>& connections() const {
    return connections_;
  }

  [[nodiscard]] std::string_view blocked_by(Instant now);

  // For who may as well go through another gate.
  struct Load {
    size_t calls = 0;   // Out, or waiting here.
    bool away = false;  // The participant fails, or asked for a pause.
  };
  [[nodiscard]] Load LoadAt(Instant now);
  [[nodiscard]] runtime::ParticipantStats Stats(Instant now);

  [[nodiscard]] Instant last_used();
  // Closes the gate for good if nothing would be lost with it. False if it is in use.
  [[nodiscard]] bool Retire(Instant now);

 private:
  using Released = std::vector<std::pair<ParkedCall, Permit>>;
  Released TakeReleased(Instant now, ParticipantGate::Home home = nullptr);
  static void LetGo(Released released);
  [[nodiscard]] bool BreakerTurned();
  [[nodiscard]] std::vector<Gid> FirstWaiting() const;

  // Shared with the clients that have connections.
  const std::shared_ptr<net::ConnectionQuota> connections_;
  std::mutex mutex_;
  ParticipantGate gate_;
  std::unordered_map<Ticket, ParkedCall> parked_;
  Ticket next_ticket_ = 1;
  Instant last_used_;
  bool retired_ = false;
  uint64_t calls_ = 0;  // Let go.
  uint64_t failures_ = 0;
  const std::string participant_;
  const std::string definition_;
  const std::string address_;
  const std::string service_;
  const BreakerListener on_breaker_;
  bool open_ = false;  // As was told.
};

struct GatesOptions {
  SharedGate::BreakerListener on_breaker;
  // Told of each call that this machine could not make. Runs on that call's thread; must be quick.
  std::function<void(const std::string& message)> on_exhausted;
  // Told of each call that its participant could not tell to be the coordinator's. As the above.
  std::function<void(const std::string& participant, const std::string& address,
                     const std::string& detail)>
      on_unverified;
  size_t many = limits::kMaxIdleParticipants;
  // What the process has for all participants together: no gate lets more go.
  size_t max_connections = std::numeric_limits<size_t>::max();
};

// Finds or makes the gate of a participant: one per address and limits. Thread-safe.
//
// Clients name addresses without end, so gates are not kept for ever: when there are more than
// `many`, those least recently used are retired, as far as nothing is in flight or waits there and
// no breaker or rate would be forgotten.
class Gates {
 public:
  explicit Gates(GatesOptions options = {})
      : options_(std::move(options)), sweep_at_(options_.many) {}

  // Shared with those who go through it: one that is retired meanwhile says so to them.
  [[nodiscard]] std::shared_ptr<SharedGate> Find(const dsl::Participant& participant,
                                                 const std::string& definition, Instant now);
  // Of one whose address SRV records name, those of `service`; apart from those whom definitions
  // call by that address.
  [[nodiscard]] std::shared_ptr<SharedGate> FindNamed(const dsl::Participant& participant,
                                                      const std::string& service,
                                                      const std::string& definition, Instant now);
  // Of one whose address is computed. By its origin alone, whatever the path; apart from those that
  // call there otherwise or may compute other addresses, since what they connect to was looked at
  // by other rules.
  [[nodiscard]] std::shared_ptr<SharedGate> FindComputed(const dsl::Participant& participant,
                                                         const std::string& origin,
                                                         const std::string& definition,
                                                         Instant now);
  [[nodiscard]] std::vector<runtime::ParticipantStats> Stats(Instant now);

  // A call was not made because this machine lacks something.
  void OnLocalExhaustion(const std::string& message, Instant now);
  [[nodiscard]] runtime::LocalExhaustion local_exhaustion();
  // A participant could not tell who calls; `detail` is what it says of that.
  void OnUnverified(const std::string& participant, const std::string& address,
                    const std::string& detail) const {
    if (options_.on_unverified) {
      options_.on_unverified(participant, address, detail);
    }
  }

 private:
  std::shared_ptr<SharedGate> FindAt(const dsl::Participant& participant, std::string address,
                                     const std::string& service, const std::string& rules,
                                     const std::string& definition, Instant now);
  void Sweep(Instant now);
  const GatesOptions options_;
  std::mutex mutex_;
  runtime::LocalExhaustion exhaustion_;
  size_t sweep_at_;
  std::map<std::string, std::shared_ptr<SharedGate>> gates_;
};

}  // namespace entente::participants
