#include "engine/engine.h"

#include "engine/core/draft.h"
#include "engine/core/table.h"

namespace entente::engine {

Decision Decide(const dsl::Plan& plan, const TxnState& state, const Input& input) {
  const ModeTable& table = TableOf(plan.mode);
  Draft draft(plan, state, input.now, input.entropy);
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

}  // namespace entente::engine
