#include <string_view>

#include "explore/moves.h"

namespace entente::explore {
namespace {

class Hasher {
 public:
  void Add(std::string_view text) {
    for (const char c : text) {
      Byte(static_cast<unsigned char>(c));
    }
    Byte(0xFF);  // In no UTF-8: it ends the text.
  }
  void Number(uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      Byte(static_cast<unsigned char>(number >> (8 * i)));
    }
  }
  [[nodiscard]] Fingerprint result() const { return {a_, b_}; }

 private:
  // FNV-1a, and the same with another prime.
  void Byte(unsigned char byte) {
    a_ = (a_ ^ byte) * 0x100000001b3ULL;
    b_ = (b_ ^ byte) * 0x9E3779B97F4A7C15ULL;
  }

  uint64_t a_ = 0xcbf29ce484222325ULL;
  uint64_t b_ = 0x84222325cbf29ce4ULL;
};

void AddBranch(const engine::BranchState& branch, Hasher& hasher) {
  hasher.Add(branch.id.str());
  hasher.Number(static_cast<uint64_t>(branch.phase));
  hasher.Number(branch.alternative);
  hasher.Number(branch.budget_used);
  hasher.Number(branch.rounds);
  hasher.Number((branch.may_have_happened ? 1 : 0) | (branch.undo_without_output ? 2 : 0) |
                (branch.one_phase ? 4 : 0) | (branch.expires_at ? 8 : 0) |
                (branch.tolerated ? 16 : 0) | (branch.undone_for_another ? 32 : 0) |
                (branch.given_up ? 64 : 0));
  hasher.Add(branch.item.text());
  hasher.Add(branch.output.text());
  hasher.Add(branch.answer.text());
  hasher.Add(branch.failure ? branch.failure->code : "");
}

}  // namespace

Fingerprint FingerprintOf(const Node& node) {
  const engine::TxnState& state = node.state;
  Hasher hasher;
  hasher.Number(static_cast<uint64_t>(state.status));
  hasher.Number((state.deadline_missed ? 1 : 0) | (state.commit_decided ? 2 : 0) |
                (node.abandoned ? 4 : 0) | (state.revision == Sequence() ? 8 : 0));
  hasher.Add(state.input.text());
  hasher.Number(state.abort ? static_cast<uint64_t>(state.abort->cause) : 0);
  for (const auto& [name, payloads] : state.signals) {
    for (const JsonText& payload : payloads) {
      hasher.Add(name);
      hasher.Add(payload.text());
    }
  }
  for (const engine::StepState& step : state.steps) {
    hasher.Number((step.expanded ? 1 : 0) | (step.skipped ? 2 : 0));
    for (const engine::BranchState& branch : step.branches) {
      AddBranch(branch, hasher);
    }
  }
  for (const Held& held : node.world) {
    hasher.Add(held.branch.str());
    hasher.Number(held.alternative);
    hasher.Number(static_cast<uint64_t>(held.effect) | (held.overtaken ? 16U : 0U));
  }
  return hasher.result();
}

}  // namespace entente::explore
