#include "runtime/record_codec.h"

#include <type_traits>
#include <utility>

#include "base/limits.h"
#include "entente/journal/v1/journal.pb.h"

namespace entente::runtime {
namespace {

namespace pb = ::entente::journal::v1;
namespace eng = ::entente::engine;

std::string EncodeJson(const JsonText& value) {
  return value.is_null() ? std::string() : value.text();
}

// ---- encoding: one overload per record -------------------------------------------------------

void Put(const eng::Failure& from, pb::Failure* to) {
  to->set_code(from.code);
  to->set_message(from.message);
}

void Put(const eng::Actor& from, pb::Actor* to) {
  to->set_name(from.name);
  to->set_reason(from.reason);
}

void Put(const eng::Accepted& from, pb::Record& record) {
  auto* to = record.mutable_accepted();
  to->set_gid(from.gid.str());
  to->set_definition(from.definition);
  to->set_version(from.version);
  to->set_mode(static_cast<uint32_t>(from.mode));
  to->set_input(EncodeJson(from.input));
  for (const auto& [key, value] : from.labels) {
    auto* label = to->add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  if (from.deadline) {
    to->set_deadline(ToMicros(*from.deadline));
  }
  if (from.parent) {
    to->set_parent_gid(from.parent->gid.str());
    to->set_parent_branch(from.parent->branch.str());
    to->set_parent_holds(from.parent->holds);
  }
  to->set_request_digest(from.request_digest);
  to->set_traceparent(from.traceparent);
  to->set_client_driven(from.client_driven);
}

void Put(const eng::StepExpanded& from, pb::Record& record) {
  auto* to = record.mutable_step_expanded();
  to->set_step(static_cast<uint32_t>(from.step));
  to->set_id(from.id);
  to->set_for_each(from.for_each);
  for (const JsonText& item : from.items) {
    to->add_items(item.text());
  }
}

void Put(const eng::StepSkipped& from, pb::Record& record) {
  auto* to = record.mutable_step_skipped();
  to->set_step(static_cast<uint32_t>(from.step));
  if (from.branch) {
    to->set_branch(from.branch->str());
  }
}

void Put(const eng::OperationStarted& from, pb::Record& record) {
  auto* to = record.mutable_operation_started();
  to->set_branch(from.branch.str());
  to->set_role(static_cast<uint32_t>(from.role));
  to->set_alternative(from.alternative);
  if (from.deadline) {
    to->set_deadline(ToMicros(*from.deadline));
  }
  to->set_one_phase(from.one_phase);
}

void Put(const eng::WaitStarted& from, pb::Record& record) {
  auto* to = record.mutable_wait_started();
  to->set_branch(from.branch.str());
  if (from.until) {
    to->set_until(ToMicros(*from.until));
  }
  to->set_signal(from.signal);
}

void Put(const eng::AttemptFailed& from, pb::Record& record) {
  auto* to = record.mutable_attempt_failed();
  to->set_branch(from.branch.str());
  to->set_outcome(static_cast<uint32_t>(from.outcome));
  Put(from.failure, to->mutable_failure());
  to->set_retry_at(ToMicros(from.retry_at));
}

void Put(const eng::AttemptStarted& from, pb::Record& record) {
  record.mutable_attempt_started()->set_branch(from.branch.str());
}

void Put(const eng::CallInterrupted& from, pb::Record& record) {
  record.mutable_call_interrupted()->set_branch(from.branch.str());
}

void Put(const eng::OperationPending& from, pb::Record& record) {
  auto* to = record.mutable_operation_pending();
  to->set_branch(from.branch.str());
  to->set_poll_url(from.poll_url);
  if (from.wake_at) {
    to->set_wake_at(ToMicros(*from.wake_at));
  }
  if (from.deadline) {
    to->set_deadline(ToMicros(*from.deadline));
  }
}

void Put(const eng::PollScheduled& from, pb::Record& record) {
  auto* to = record.mutable_poll_scheduled();
  to->set_branch(from.branch.str());
  to->set_wake_at(ToMicros(from.wake_at));
  if (from.failure) {
    Put(*from.failure, to->mutable_failure());
  }
}

void Put(const eng::OperationSucceeded& from, pb::Record& record) {
  auto* to = record.mutable_operation_succeeded();
  to->set_branch(from.branch.str());
  to->set_output(EncodeJson(from.output));
  to->set_read_only(from.read_only);
  if (!from.answer.is_null()) {
    to->set_answer(EncodeJson(from.answer));
  }
}

template <class From>
void PutBranchFailure(const From& from, pb::BranchFailure* to) {
  to->set_branch(from.branch.str());
  Put(from.failure, to->mutable_failure());
}

void Put(const eng::OperationRefused& from, pb::Record& record) {
  PutBranchFailure(from, record.mutable_operation_refused());
  record.mutable_operation_refused()->set_tolerated(from.tolerated);
  record.mutable_operation_refused()->set_given_up(from.given_up);
}

void Put(const eng::OperationGaveUp& from, pb::Record& record) {
  PutBranchFailure(from, record.mutable_operation_gave_up());
  record.mutable_operation_gave_up()->set_tolerated(from.tolerated);
}

void Put(const eng::IncidentRaised& from, pb::Record& record) {
  PutBranchFailure(from, record.mutable_incident_raised());
}

void Put(const eng::CommitDecided& /*from*/, pb::Record& record) {
  record.mutable_commit_decided();
}

void Put(const eng::AbortDecided& from, pb::Record& record) {
  auto* to = record.mutable_abort_decided();
  to->set_cause(static_cast<uint32_t>(from.cause));
  if (from.branch) {
    to->set_branch(from.branch->str());
  }
  Put(from.failure, to->mutable_failure());
  if (from.actor) {
    Put(*from.actor, to->mutable_actor());
  }
}

void Put(const eng::DeadlineMissed& /*from*/, pb::Record& record) {
  record.mutable_deadline_missed();
}

void Put(const eng::SignalReceived& from, pb::Record& record) {
  auto* to = record.mutable_signal_received();
  to->set_name(from.name);
  to->set_payload(EncodeJson(from.payload));
  to->set_id(from.id);
  to->set_digest(from.digest);
}

void Put(const eng::Paused& from, pb::Record& record) {
  Put(from.actor, record.mutable_paused());
}

void Put(const eng::Resumed& from, pb::Record& record) {
  Put(from.actor, record.mutable_resumed());
}

void Put(const eng::OperatorRetried& from, pb::Record& record) {
  auto* to = record.mutable_operator_retried();
  to->set_branch(from.branch.str());
  Put(from.actor, to->mutable_actor());
}

void Put(const eng::OperatorEdited& from, pb::Record& record) {
  auto* to = record.mutable_operator_edited();
  to->set_branch(from.branch.str());
  to->set_before(EncodeJson(from.before));
  if (from.body) {
    to->set_body(EncodeJson(*from.body));
  }
  if (from.retry) {
    auto* retry = to->mutable_retry();
    retry->set_initial(from.retry->initial.count());
    retry->set_factor(from.retry->factor);
    retry->set_max(from.retry->max.count());
    retry->set_attempts(from.retry->attempts);
    retry->set_jitter(from.retry->jitter);
  }
  Put(from.actor, to->mutable_actor());
}

void Put(const eng::OperatorSkipped& from, pb::Record& record) {
  auto* to = record.mutable_operator_skipped();
  to->set_branch(from.branch.str());
  to->set_output(EncodeJson(from.output));
  Put(from.actor, to->mutable_actor());
}

void Put(const eng::OperatorCompleted& from, pb::Record& record) {
  auto* to = record.mutable_operator_completed();
  to->set_branch(from.branch.str());
  Put(from.actor, to->mutable_actor());
}

void Put(const eng::Held& from, pb::Record& record) {
  auto* to = record.mutable_held();
  to->set_output(EncodeJson(from.output));
  if (from.output_failure) {
    Put(*from.output_failure, to->mutable_output_failure());
  }
}

void Put(const eng::Ended& from, pb::Record& record) {
  auto* to = record.mutable_ended();
  to->set_status(static_cast<uint32_t>(from.status));
  to->set_output(EncodeJson(from.output));
  if (from.output_failure) {
    Put(*from.output_failure, to->mutable_output_failure());
  }
  if (from.forced) {
    to->set_forced(static_cast<uint32_t>(*from.forced));
  }
  if (from.actor) {
    Put(*from.actor, to->mutable_actor());
  }
}

void Put(const eng::BranchEnlisted& from, pb::Record& record) {
  auto* to = record.mutable_branch_enlisted();
  to->set_step(static_cast<uint32_t>(from.step));
  to->set_branch(from.branch.str());
  to->set_source(from.source);
}

void Put(const eng::ClockSetBack& from, pb::Record& record) {
  record.mutable_clock_set_back()->set_by_micros(from.by.count());
}

void Put(const eng::EnlistmentClosed& /*from*/, pb::Record& record) {
  record.mutable_enlistment_closed();
}

void Put(const eng::HeuristicReported& from, pb::Record& record) {
  auto* to = record.mutable_heuristic_reported();
  to->set_branch(from.branch.str());
  to->set_outcome(static_cast<uint32_t>(from.outcome));
  Put(from.failure, to->mutable_failure());
}

void Put(const eng::ReservationExpires& from, pb::Record& record) {
  auto* to = record.mutable_reservation_expires();
  to->set_branch(from.branch.str());
  to->set_expires(ToMicros(from.expires));
  to->set_safe_until(ToMicros(from.safe_until));
}

// ---- decoding ----------------------------------------------------------------------------------

Status BadRecord(const std::string& why) {
  return DataLoss("journal.bad_record", "a journal record can not be read (" + why +
                                            "): it is damaged, or was written by a newer release");
}

// No message begins with a field 0; what storage encrypted does.
bool IsEncrypted(std::string_view bytes) {
  return bytes.starts_with('\0');
}

Status GetJson(const std::string& text, JsonText& to) {
  auto stored = JsonText::FromStored(text);
  if (!stored.ok()) {
    return BadRecord("its JSON: " + stored.status().message());
  }
  to = std::move(stored).value();
  return {};
}

// A stored number as an enumerator of [1, last].
template <class Enum>
Status GetEnum(uint32_t number, Enum last, Enum& to) {
  if (number < 1 || number > static_cast<uint32_t>(last)) {
    return BadRecord("the enumerator " + std::to_string(number));
  }
  to = static_cast<Enum>(number);
  return {};
}

eng::Failure Get(const pb::Failure& from) {
  return {from.code(), from.message()};
}
eng::Actor Get(const pb::Actor& from) {
  return {from.name(), from.reason()};
}

Result<eng::RecordBody> Get(const pb::Accepted& from) {
  eng::Accepted to;
  to.gid = Gid(from.gid());
  to.definition = from.definition();
  to.version = from.version();
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.mode(), eng::Mode::kTwoPhaseCommit, to.mode));
  ENTENTE_RETURN_IF_ERROR(GetJson(from.input(), to.input));
  for (const auto& label : from.labels()) {
    to.labels.emplace_back(label.key(), label.value());
  }
  if (from.has_deadline()) {
    to.deadline = InstantFromMicros(from.deadline());
  }
  if (from.has_parent_gid()) {
    to.parent = eng::ParentLink{Gid(from.parent_gid()), BranchId(from.parent_branch()),
                                from.parent_holds()};
  }
  to.request_digest = from.request_digest();
  to.traceparent = from.traceparent();
  to.client_driven = from.client_driven();
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::StepExpanded& from) {
  eng::StepExpanded to;
  to.step = from.step();
  to.id = from.id();
  to.for_each = from.for_each();
  to.items.resize(static_cast<size_t>(from.items_size()));
  for (int i = 0; i < from.items_size(); ++i) {
    ENTENTE_RETURN_IF_ERROR(GetJson(from.items(i), to.items[static_cast<size_t>(i)]));
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::OperationStarted& from) {
  eng::OperationStarted to;
  to.branch = BranchId(from.branch());
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.role(), eng::Role::kFinish, to.role));
  to.alternative = from.alternative();
  if (from.has_deadline()) {
    to.deadline = InstantFromMicros(from.deadline());
  }
  to.one_phase = from.one_phase();
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::WaitStarted& from) {
  eng::WaitStarted to{BranchId(from.branch()), std::nullopt, from.signal()};
  if (from.has_until()) {
    to.until = InstantFromMicros(from.until());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::AttemptFailed& from) {
  eng::AttemptFailed to;
  to.branch = BranchId(from.branch());
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.outcome(), eng::AttemptOutcome::kNotYet, to.outcome));
  to.failure = Get(from.failure());
  to.retry_at = InstantFromMicros(from.retry_at());
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::PollScheduled& from) {
  eng::PollScheduled to{BranchId(from.branch()), InstantFromMicros(from.wake_at())};
  if (from.has_failure()) {
    to.failure = Get(from.failure());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::OperationPending& from) {
  eng::OperationPending to{BranchId(from.branch()), from.poll_url(), std::nullopt, std::nullopt};
  if (from.has_wake_at()) {
    to.wake_at = InstantFromMicros(from.wake_at());
  }
  if (from.has_deadline()) {
    to.deadline = InstantFromMicros(from.deadline());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::OperationSucceeded& from) {
  eng::OperationSucceeded to;
  to.branch = BranchId(from.branch());
  to.read_only = from.read_only();
  ENTENTE_RETURN_IF_ERROR(GetJson(from.output(), to.output));
  if (!from.answer().empty()) {
    ENTENTE_RETURN_IF_ERROR(GetJson(from.answer(), to.answer));
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::AbortDecided& from) {
  eng::AbortDecided to;
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.cause(), eng::AbortCause::kExpired, to.cause));
  if (from.has_branch()) {
    to.branch = BranchId(from.branch());
  }
  to.failure = Get(from.failure());
  if (from.has_actor()) {
    to.actor = Get(from.actor());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::SignalReceived& from) {
  eng::SignalReceived to;
  to.name = from.name();
  to.id = from.id();
  to.digest = from.digest();
  ENTENTE_RETURN_IF_ERROR(GetJson(from.payload(), to.payload));
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::OperatorEdited& from) {
  eng::OperatorEdited to;
  to.branch = BranchId(from.branch());
  ENTENTE_RETURN_IF_ERROR(GetJson(from.before(), to.before));
  if (from.has_body()) {
    ENTENTE_RETURN_IF_ERROR(GetJson(from.body(), to.body.emplace()));
  }
  if (from.has_retry()) {
    to.retry = dsl::RetryPolicy{Duration(from.retry().initial()), from.retry().factor(),
                                Duration(from.retry().max()), from.retry().attempts(),
                                from.retry().jitter()};
  }
  to.actor = Get(from.actor());
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::OperatorSkipped& from) {
  eng::OperatorSkipped to;
  to.branch = BranchId(from.branch());
  ENTENTE_RETURN_IF_ERROR(GetJson(from.output(), to.output));
  to.actor = Get(from.actor());
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::Held& from) {
  eng::Held to;
  ENTENTE_RETURN_IF_ERROR(GetJson(from.output(), to.output));
  if (from.has_output_failure()) {
    to.output_failure = Get(from.output_failure());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::Ended& from) {
  eng::Ended to;
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.status(), eng::TxnStatus::kMixed, to.status));
  ENTENTE_RETURN_IF_ERROR(GetJson(from.output(), to.output));
  if (from.has_output_failure()) {
    to.output_failure = Get(from.output_failure());
  }
  if (from.forced() != 0) {
    eng::TxnStatus forced{};
    ENTENTE_RETURN_IF_ERROR(GetEnum(from.forced(), eng::TxnStatus::kMixed, forced));
    to.forced = forced;
  }
  if (from.has_actor()) {
    to.actor = Get(from.actor());
  }
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> Get(const pb::HeuristicReported& from) {
  eng::HeuristicReported to;
  to.branch = BranchId(from.branch());
  ENTENTE_RETURN_IF_ERROR(GetEnum(from.outcome(), eng::HeuristicOutcome::kMixed, to.outcome));
  to.failure = Get(from.failure());
  return eng::RecordBody(std::move(to));
}

Result<eng::RecordBody> GetBody(const pb::Record& from) {
  using Body = eng::RecordBody;
  switch (from.body_case()) {
    case pb::Record::kAccepted: return Get(from.accepted());
    case pb::Record::kStepExpanded: return Get(from.step_expanded());
    case pb::Record::kStepSkipped: {
      const auto& skipped = from.step_skipped();
      return Body(eng::StepSkipped{skipped.step(), skipped.has_branch()
                                                       ? std::optional(BranchId(skipped.branch()))
                                                       : std::nullopt});
    }
    case pb::Record::kOperationStarted: return Get(from.operation_started());
    case pb::Record::kWaitStarted: return Get(from.wait_started());
    case pb::Record::kAttemptFailed: return Get(from.attempt_failed());
    case pb::Record::kAttemptStarted:
      return Body(eng::AttemptStarted{BranchId(from.attempt_started().branch())});
    case pb::Record::kCallInterrupted:
      return Body(eng::CallInterrupted{BranchId(from.call_interrupted().branch())});
    case pb::Record::kOperationPending: return Get(from.operation_pending());
    case pb::Record::kPollScheduled: return Get(from.poll_scheduled());
    case pb::Record::kOperationSucceeded: return Get(from.operation_succeeded());
    case pb::Record::kOperationRefused:
      return Body(eng::OperationRefused{
          BranchId(from.operation_refused().branch()), Get(from.operation_refused().failure()),
          from.operation_refused().tolerated(), from.operation_refused().given_up()});
    case pb::Record::kOperationGaveUp:
      return Body(eng::OperationGaveUp{BranchId(from.operation_gave_up().branch()),
                                       Get(from.operation_gave_up().failure()),
                                       from.operation_gave_up().tolerated()});
    case pb::Record::kIncidentRaised:
      return Body(eng::IncidentRaised{BranchId(from.incident_raised().branch()),
                                      Get(from.incident_raised().failure())});
    case pb::Record::kCommitDecided: return Body(eng::CommitDecided{});
    case pb::Record::kAbortDecided: return Get(from.abort_decided());
    case pb::Record::kDeadlineMissed: return Body(eng::DeadlineMissed{});
    case pb::Record::kSignalReceived: return Get(from.signal_received());
    case pb::Record::kPaused: return Body(eng::Paused{Get(from.paused())});
    case pb::Record::kResumed: return Body(eng::Resumed{Get(from.resumed())});
    case pb::Record::kOperatorRetried:
      return Body(eng::OperatorRetried{BranchId(from.operator_retried().branch()),
                                       Get(from.operator_retried().actor())});
    case pb::Record::kOperatorEdited: return Get(from.operator_edited());
    case pb::Record::kOperatorSkipped: return Get(from.operator_skipped());
    case pb::Record::kOperatorCompleted:
      return Body(eng::OperatorCompleted{BranchId(from.operator_completed().branch()),
                                         Get(from.operator_completed().actor())});
    case pb::Record::kHeld: return Get(from.held());
    case pb::Record::kEnded: return Get(from.ended());
    case pb::Record::kBranchEnlisted:
      return Body(eng::BranchEnlisted{from.branch_enlisted().step(),
                                      BranchId(from.branch_enlisted().branch()),
                                      from.branch_enlisted().source()});
    case pb::Record::kEnlistmentClosed: return Body(eng::EnlistmentClosed{});
    case pb::Record::kClockSetBack:
      return Body(eng::ClockSetBack{Duration(from.clock_set_back().by_micros())});
    case pb::Record::kHeuristicReported: return Get(from.heuristic_reported());
    case pb::Record::kReservationExpires:
      return Body(
          eng::ReservationExpires{BranchId(from.reservation_expires().branch()),
                                  InstantFromMicros(from.reservation_expires().expires()),
                                  InstantFromMicros(from.reservation_expires().safe_until())});
    case pb::Record::BODY_NOT_SET: break;
  }
  return BadRecord("a body this release does not know");
}

}  // namespace

std::string EncodeRecord(const engine::Record& record) {
  pb::Record to;
  to.set_at(ToMicros(record.at));
  std::visit([&to](const auto& body) { Put(body, to); }, record.body);
  return to.SerializeAsString();
}

Result<engine::Record> DecodeRecord(std::string_view bytes) {
  if (IsEncrypted(bytes)) {
    return DataLoss("journal.encrypted_record",
                    "a journal record can not be decrypted: it was changed, or the key that it is "
                    "encrypted with is not in the --encryption-key-file of this coordinator");
  }
  pb::Record from;
  if (!from.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadRecord("no protobuf message");
  }
  ENTENTE_ASSIGN_OR_RETURN(engine::RecordBody body, GetBody(from));
  return engine::Record{InstantFromMicros(from.at()), std::move(body)};
}

}  // namespace entente::runtime
