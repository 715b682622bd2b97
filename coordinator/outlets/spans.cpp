#include "coordinator/outlets/spans.h"

#include <map>
#include <optional>
#include <type_traits>

#include "dsl/addresses.h"
#include "engine/child_gid.h"
#include "engine/engine.h"
#include "engine/state_lookup.h"
#include "observe/trace_ids.h"

namespace entente::outlets {
namespace {

using engine::BranchState;

// The branch that a record is about, or null. An abort names one only as its cause.
const BranchId* BranchOf(const engine::Record& record) {
  return std::visit(
      [](const auto& body) -> const BranchId* {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, engine::AbortDecided> ||
                      std::is_same_v<Body, engine::StepSkipped>) {
          return nullptr;
        } else if constexpr (requires { body.branch; }) {
          return &body.branch;
        } else {
          return nullptr;
        }
      },
      record.body);
}

const engine::Failure* FailureOf(const engine::Record& record) {
  return std::visit(
      [](const auto& body) -> const engine::Failure* {
        if constexpr (requires { body.failure.code; }) {
          return &body.failure;
        } else {
          return nullptr;
        }
      },
      record.body);
}

void Fail(Span& span, const engine::Failure& failure) {
  span.failed = true;
  span.message = failure.message;
  span.attributes.emplace_back("error.type", failure.code);
}

// What the plan says of a step's operation.
struct Way {
  const dsl::Participant* participant = nullptr;  // Null: nobody is called.
  bool child = false;
  bool undoes = false;  // That which the forward operation ran.
};

Way WayOf(const dsl::Plan* plan, size_t step, dsl::Role role, uint32_t alternative) {
  if (plan == nullptr || step >= plan->steps.size()) {
    return {};
  }
  const auto* work = std::get_if<dsl::CallWork>(&plan->steps[step].work);
  if (work == nullptr || alternative > work->alternatives.size()) {
    return {};
  }
  const dsl::CallWay& way = work->way(alternative);
  const dsl::OperationTemplate* operation =
      role == dsl::Role::kForward ? (way.forward ? &*way.forward : nullptr)
      : role == dsl::Role::kUndo  ? (way.undo ? &way.undo->call : nullptr)
                                  : (way.finish ? &*way.finish : nullptr);
  if (operation == nullptr) {
    return {};
  }
  const auto* call = std::get_if<dsl::CallTemplate>(operation);
  return call == nullptr ? Way{nullptr, true, role == dsl::Role::kUndo && way.HoldsChild()}
                         : Way{&plan->participants.at(call->participant)};
}

void AddParticipant(const dsl::Participant& participant, Span& span) {
  span.attributes.emplace_back("peer.service", participant.name);
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
    // Else it is not known which it was.
    if (http->others.empty() && !http->base_url.empty() && !dsl::NamesService(http->base_url)) {
      span.attributes.emplace_back("server.address", http->base_url);
    }
  } else if (const auto* grpc = std::get_if<dsl::GrpcAddress>(&participant.address)) {
    span.attributes.emplace_back("rpc.system", "grpc");
    span.attributes.emplace_back("rpc.service", grpc->service);
    if (grpc->others.empty() && !dsl::NamesService(grpc->target)) {
      span.attributes.emplace_back("server.address", grpc->target);
    }
  }
}

// Folds a history and notes when branches and attempts begin and end.
class Tracer {
 public:
  explicit Tracer(const runtime::History& history) : plan_(history.plan.get()) {}

  Status Take(const engine::Record& record) {
    const BranchId* branch = BranchOf(record);
    ENTENTE_RETURN_IF_ERROR(engine::Evolve(state_, record));
    if (const auto* accepted = std::get_if<engine::Accepted>(&record.body)) {
      Begin(*accepted, record.at);
    }
    if (branch != nullptr) {
      TakeOfBranch(*branch, record);
    } else {
      TakeOfTransaction(record);
    }
    last_ = record.at;
    return {};
  }

  std::vector<Span> Finish() {
    Span& transaction = spans_.front();
    transaction.end = last_;
    for (auto& [id, branch] : branches_) {
      if (branch.attempt) {
        CloseAttempt(branch, last_);
      }
      if (const BranchState* state = engine::FindBranch(state_, id); state != nullptr) {
        Conclude(*state, spans_[branch.span]);
      }
    }
    transaction.attributes.emplace_back("entente.status",
                                        std::string(engine::TxnStatusName(state_.status)));
    if (state_.abort && state_.status != engine::TxnStatus::kCommitted) {
      Fail(transaction, state_.abort->failure);
    } else if (state_.status == engine::TxnStatus::kMixed) {
      transaction.failed = true;
    }
    return std::move(spans_);
  }

 private:
  struct OpenBranch {
    size_t span;                    // Of spans_.
    std::optional<size_t> attempt;  // The one that is out: of spans_.
    dsl::Role role = dsl::Role::kForward;
    uint32_t alternative = 0;
    uint32_t number = 0;
  };

  Span NewSpan(std::string id, std::string parent, std::string name, Span::Kind kind, Instant at) {
    Span span;
    span.trace_id = trace_id_;
    span.span_id = std::move(id);
    span.parent_span_id = std::move(parent);
    span.name = std::move(name);
    span.kind = kind;
    span.start = at;
    span.end = at;
    span.attributes.emplace_back("entente.gid", state_.gid.str());
    return span;
  }

  void Begin(const engine::Accepted& accepted, Instant at) {
    trace_id_ = observe::TraceIdOf(accepted.gid, accepted.traceparent);
    root_id_ = observe::TransactionSpanId(accepted.gid);
    std::string parent(observe::ParentSpanOf(accepted.traceparent));
    if (accepted.parent) {
      parent = observe::BranchSpanId(accepted.parent->gid, accepted.parent->branch);
    }
    const std::string mode(dsl::ModeName(accepted.mode));
    Span span = NewSpan(root_id_, std::move(parent),
                        accepted.client_driven ? mode + " of a client" : accepted.definition,
                        Span::Kind::kServer, at);
    span.attributes.emplace_back("entente.mode", mode);
    if (!accepted.client_driven) {
      span.attributes.emplace_back("entente.definition", accepted.definition);
      span.attributes.emplace_back("entente.version", int64_t{accepted.version});
    }
    if (accepted.parent) {
      span.links.push_back(observe::TransactionSpanId(accepted.parent->gid));
    }
    spans_.push_back(std::move(span));
  }

  // A record of the transaction as a whole is an event of its span.
  void TakeOfTransaction(const engine::Record& record) {
    if (std::holds_alternative<engine::Accepted>(record.body) ||
        std::holds_alternative<engine::StepExpanded>(record.body) ||
        std::holds_alternative<engine::Ended>(record.body)) {
      return;
    }
    SpanEvent event{record.at, std::string(engine::RecordName(record)), {}};
    if (const engine::Failure* failure = FailureOf(record);
        failure != nullptr && !failure->code.empty()) {
      event.attributes.emplace_back("error.type", failure->code);
    }
    spans_.front().events.push_back(std::move(event));
  }

  void TakeOfBranch(const BranchId& id, const engine::Record& record) {
    const BranchState* state = engine::FindBranch(state_, id);
    if (state == nullptr) {
      return;
    }
    const auto [place, fresh] = branches_.try_emplace(id);
    OpenBranch& branch = place->second;
    if (fresh) {
      branch.span = spans_.size();
      spans_.push_back(NewSpan(observe::BranchSpanId(state_.gid, id), root_id_, id.str(),
                               Span::Kind::kInternal, record.at));
      spans_.back().attributes.emplace_back("entente.branch", id.str());
    }
    spans_[branch.span].end = record.at;
    const bool out = engine::IsCalling(state->phase) || engine::IsPending(state->phase);
    const dsl::Role role = engine::RoleOf(state->phase);
    const bool same = out && role == branch.role && state->attempt == branch.number &&
                      state->alternative == branch.alternative;
    if (branch.attempt && same) {
      NoteOnAttempt(branch, record);
      return;
    }
    if (branch.attempt) {
      if (const engine::Failure* failure = FailureOf(record)) {
        Fail(spans_[*branch.attempt], *failure);
      } else if (std::holds_alternative<engine::CallInterrupted>(record.body)) {
        Fail(spans_[*branch.attempt], {"coordinator.stopped", "the coordinator stopped meanwhile"});
      }
      CloseAttempt(branch, record.at);
    } else if (!out) {
      SpanEvent event{record.at, std::string(engine::RecordName(record)), {}};
      spans_[branch.span].events.push_back(std::move(event));
    }
    if (out) {
      OpenAttempt(*state, role, record.at, branch);
    }
  }

  void NoteOnAttempt(const OpenBranch& branch, const engine::Record& record) {
    spans_[*branch.attempt].events.push_back(
        {record.at, std::string(engine::RecordName(record)), {}});
  }

  void OpenAttempt(const BranchState& state, dsl::Role role, Instant at, OpenBranch& branch) {
    branch.role = role;
    branch.alternative = state.alternative;
    branch.number = state.attempt;
    branch.attempt = spans_.size();
    const std::string operation(dsl::OperationName(state_.mode, role));
    Span span = NewSpan(
        observe::AttemptSpanId(state_.gid, state.id, operation, state.alternative, state.attempt),
        spans_[branch.span].span_id, state.id.str() + " " + operation, Span::Kind::kClient, at);
    span.attributes.emplace_back("entente.branch", state.id.str());
    span.attributes.emplace_back("entente.operation", operation);
    span.attributes.emplace_back("entente.attempt", int64_t{state.attempt});
    if (state.alternative != 0) {
      span.attributes.emplace_back("entente.alternative", int64_t{state.alternative});
    }
    const Way way = WayOf(plan_, StepOf(state.id), role, state.alternative);
    if (way.participant != nullptr) {
      AddParticipant(*way.participant, span);
    } else if (way.child) {
      span.kind = Span::Kind::kInternal;
      const dsl::Role ran = way.undoes ? dsl::Role::kForward : role;
      span.links.push_back(observe::TransactionSpanId(
          engine::ChildGidOf({state_.gid, state.id, ran, state.alternative}, state_.mode,
                             way.undoes ? state.forward_run : state.run)));
    }
    spans_.push_back(std::move(span));
  }

  void CloseAttempt(OpenBranch& branch, Instant at) {
    spans_[*branch.attempt].end = at;
    branch.attempt.reset();
  }

  static void Conclude(const BranchState& state, Span& span) {
    span.attributes.emplace_back("entente.phase",
                                 std::string(engine::BranchPhaseName(state.phase)));
    using P = engine::BranchPhase;
    const bool failed = state.phase == P::kRefused || state.phase == P::kGaveUp ||
                        state.phase == P::kForwardStuck || state.phase == P::kUndoStuck ||
                        state.phase == P::kFinishStuck;
    if (failed && state.failure) {
      Fail(span, *state.failure);
    }
  }

  [[nodiscard]] size_t StepOf(const BranchId& id) const {
    const auto ref = engine::LocateBranch(state_, id);
    return ref ? ref->step : SIZE_MAX;
  }

  const dsl::Plan* const plan_;
  engine::TxnState state_;
  std::string trace_id_;
  std::string root_id_;
  std::vector<Span> spans_;
  std::map<BranchId, OpenBranch> branches_;
  Instant last_;
};

struct Stripper {
  engine::RecordBody operator()(const engine::Accepted& body) const {
    engine::Accepted kept;
    kept.gid = body.gid;
    kept.definition = body.definition;
    kept.version = body.version;
    kept.mode = body.mode;
    kept.parent = body.parent;
    kept.traceparent = body.traceparent;
    kept.client_driven = body.client_driven;
    return kept;
  }
  engine::RecordBody operator()(const engine::StepExpanded& body) const {
    return engine::StepExpanded{body.step, body.id, body.for_each,
                                std::vector<JsonText>(body.items.size())};
  }
  engine::RecordBody operator()(const engine::BranchEnlisted& body) const {
    return engine::BranchEnlisted{body.step, body.branch, {}};
  }
  engine::RecordBody operator()(const engine::OperationSucceeded& body) const {
    return engine::OperationSucceeded{body.branch, {}, body.read_only};
  }
  engine::RecordBody operator()(const engine::SignalReceived& body) const {
    return engine::SignalReceived{body.name, {}};
  }
  engine::RecordBody operator()(const engine::OperatorEdited& body) const {
    return engine::OperatorEdited{body.branch, {}, std::nullopt, std::nullopt, body.actor};
  }
  engine::RecordBody operator()(const engine::OperatorSkipped& body) const {
    return engine::OperatorSkipped{body.branch, {}, body.actor};
  }
  engine::RecordBody operator()(const engine::Held& body) const {
    return engine::Held{{}, body.output_failure};
  }
  engine::RecordBody operator()(const engine::Ended& body) const {
    return engine::Ended{body.status, {}, body.output_failure, body.forced, body.actor};
  }
  template <class Body>
  engine::RecordBody operator()(const Body& body) const {
    return body;
  }
};

}  // namespace

Result<std::vector<Span>> SpansOf(const runtime::History& history) {
  if (history.entries.empty() ||
      !std::holds_alternative<engine::Accepted>(history.entries.front().record.body)) {
    return DataLoss("journal.impossible_record",
                    "the history of '" + history.gid.str() + "' has no beginning");
  }
  Tracer tracer(history);
  for (const runtime::HistoryEntry& entry : history.entries) {
    ENTENTE_RETURN_IF_ERROR(tracer.Take(entry.record));
  }
  return tracer.Finish();
}

engine::Record WithoutPayloads(const engine::Record& record) {
  return {record.at, std::visit(Stripper{}, record.body)};
}

}  // namespace entente::outlets
