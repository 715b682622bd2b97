#include "engine/engine.h"

#include "engine/bounded.h"
#include "engine/core/draft.h"
#include "engine/core/table.h"

namespace entente::engine {
namespace {

Decision DecideIn(Draft& draft, const TxnState& state, const Input& input) {
  const ModeTable& table = TableOf(draft.plan().mode);
  Turn turn{table, draft, input.event};
  Dispatch(turn, RowOf(state), Classify(state, input));
  const bool recovered = std::holds_alternative<Recovered>(input.event);
  const bool exists = draft.base().revision != Sequence();
  if (exists && draft.accepted() && (draft.changed() || recovered)) {
    table.advance(turn);
  }
  if (recovered) {
    // Everything that is out, these effects among it, is in Outstanding.
    draft.DropEffects();
  }
  const bool decided =
      state.status == TxnStatus::kCommitting || state.status == TxnStatus::kAborting;
  return draft.Take(input.event, table.lazy_settling && decided);
}

}  // namespace

Decision Decide(const dsl::Plan& plan, const TxnState& state, const Input& input) {
  Draft draft(plan, state, input.now, input.entropy);
  return DecideIn(draft, state, input);
}

std::optional<Decision> DecideWithin(uint64_t most, const dsl::Plan& plan, const TxnState& state,
                                     const Input& input) {
  Draft draft(plan, state, input.now, input.entropy, most);
  Decision decision = DecideIn(draft, state, input);
  return draft.overrun() ? std::nullopt : std::optional(std::move(decision));
}

}  // namespace entente::engine
