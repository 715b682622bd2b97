#include "coordinator/api/grpc/grpc_fit.h"

#include <algorithm>

namespace entente::api {
namespace {

namespace v1 = ::entente::v1;

// Each gives the bytes that it took out.

size_t LeaveOutOutput(v1::Branch& branch) {
  if (!branch.has_output()) {
    return 0;
  }
  const size_t bytes = branch.output().ByteSizeLong();
  branch.clear_output();
  branch.add_left_out("output");
  return bytes;
}

size_t LeaveOutItem(v1::Branch& branch) {
  if (!branch.has_item()) {
    return 0;
  }
  const size_t bytes = branch.item().ByteSizeLong();
  branch.clear_item();
  branch.add_left_out("item");
  return bytes;
}

size_t LeaveOutOutput(v1::Transaction& transaction) {
  if (!transaction.has_output()) {
    return 0;
  }
  const size_t bytes = transaction.output().ByteSizeLong();
  transaction.clear_output();
  transaction.add_left_out("output");
  return bytes;
}

size_t LeaveOutInput(v1::Transaction& transaction) {
  if (!transaction.has_input()) {
    return 0;
  }
  const size_t bytes = transaction.input().ByteSizeLong();
  transaction.clear_input();
  transaction.add_left_out("input");
  return bytes;
}

size_t LeaveOutLastBranch(v1::Transaction& transaction) {
  auto& branches = *transaction.mutable_branches();
  const size_t bytes = branches.Get(branches.size() - 1).ByteSizeLong();
  branches.RemoveLast();
  return bytes;
}

void LeaveOutPayload(v1::HistoryEntry& entry) {
  if (entry.has_payload()) {
    entry.clear_payload();
    entry.add_left_out("payload");
  }
}

// What names and lengths add to what was counted.
constexpr size_t kSparedBytes = 1'024;

template <class Items>
int HowManyFit(const Items& items, size_t limit) {
  const size_t room = limit - std::min(limit, kSparedBytes);
  size_t bytes = 0;
  int kept = 0;
  while (kept < items.size() && (bytes += items.Get(kept).ByteSizeLong() + 8) <= room) {
    ++kept;
  }
  return kept;
}

template <class Items>
void KeepFirst(int count, Items& items) {
  if (count < items.size()) {
    items.DeleteSubrange(count, items.size() - count);
  }
}

}  // namespace

void FitTransaction(v1::Transaction* answer, size_t limit) {
  size_t bytes = answer->ByteSizeLong();
  const auto take = [&bytes](size_t taken) { bytes -= std::min(bytes, taken); };
  for (int i = answer->branches_size() - 1; i >= 0 && bytes > limit; --i) {
    v1::Branch& branch = *answer->mutable_branches(i);
    take(LeaveOutOutput(branch));
    take(LeaveOutItem(branch));
  }
  if (bytes > limit) {
    take(LeaveOutOutput(*answer));
  }
  if (bytes > limit) {
    take(LeaveOutInput(*answer));
  }
  if (bytes > limit && answer->branches_size() > 0) {
    answer->add_left_out("branches");
    bytes = answer->ByteSizeLong();  // The names of what was left out have come in.
    while (bytes > limit && answer->branches_size() > 0) {
      take(LeaveOutLastBranch(*answer));
    }
  }
}

void FitEvent(v1::TransactionEvent* event, size_t limit) {
  if (event->ByteSizeLong() > limit) {
    LeaveOutPayload(*event->mutable_entry());
  }
}

void FitHistory(uint32_t after, uint32_t count, v1::History* answer, size_t limit) {
  auto& entries = *answer->mutable_entries();
  int seen = 0;
  while (seen < entries.size() && entries.Get(seen).revision() <= after) {
    ++seen;
  }
  entries.DeleteSubrange(0, seen);
  size_t left = limit - std::min(limit, kSparedBytes);
  int kept = 0;
  while (kept < entries.size() && (count == 0 || kept < static_cast<int>(count))) {
    v1::HistoryEntry& entry = *entries.Mutable(kept);
    if (kept == 0 && entry.ByteSizeLong() + kSparedBytes > left) {
      LeaveOutPayload(entry);
    }
    const size_t bytes = entry.ByteSizeLong() + 8;  // With its tag and length.
    if (bytes > left && kept > 0) {
      break;
    }
    left -= std::min(left, bytes);
    ++kept;
  }
  if (kept < entries.size()) {
    entries.DeleteSubrange(kept, entries.size() - kept);
    answer->set_next_after_revision(kept == 0 ? after : entries.Get(kept - 1).revision());
  }
}

void FitBranches(v1::ListBranchesResponse* answer, size_t limit) {
  auto& branches = *answer->mutable_branches();
  if (!branches.empty() && HowManyFit(branches, limit) == 0) {
    LeaveOutOutput(*branches.Mutable(0));
    LeaveOutItem(*branches.Mutable(0));
  }
  KeepFirst(std::max(1, HowManyFit(branches, limit)), branches);
}

void FitParticipants(v1::ListParticipantsResponse* answer, size_t limit) {
  auto& participants = *answer->mutable_participants();
  KeepFirst(std::max(1, HowManyFit(participants, limit)), participants);
}

void FitIncidents(v1::ListIncidentsResponse* answer, size_t limit) {
  auto& incidents = *answer->mutable_incidents();
  const int kept = HowManyFit(incidents, limit);
  if (kept < incidents.size()) {
    answer->set_left_out_count(static_cast<uint32_t>(incidents.size() - kept));
    incidents.DeleteSubrange(kept, incidents.size() - kept);
  }
}

void FitBranchCall(v1::BranchCall* call, size_t limit) {
  if (call->ByteSizeLong() > limit) {
    call->clear_body();
    call->add_left_out("body");
  }
}

void LeaveOutPayloads(v1::Transaction* answer) {
  LeaveOutInput(*answer);
  LeaveOutOutput(*answer);
  for (v1::Branch& branch : *answer->mutable_branches()) {
    LeaveOutOutput(branch);
    LeaveOutItem(branch);
  }
}

}  // namespace entente::api
