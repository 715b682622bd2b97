#include "engine/engine.h"

#include "engine/draft.h"
#include "engine/table.h"

namespace entente::engine {

Decision Decide(const dsl::Plan& plan, const TxnState& state, const Input& input) {
  const ModeTable* table = TableOf(plan.mode);
  if (table == nullptr) {
    return {InvalidArgument("definition.mode_not_supported",
                            "definition '" + plan.name + "' is of mode '" +
                                std::string(dsl::ModeName(plan.mode)) +
                                "', which this coordinator can not run"),
            Durability::kLazy,
            {},
            {}};
  }
  Draft draft(plan, state, input.now, input.entropy);
  Turn turn{*table, draft, input.event};
  Dispatch(turn, RowOf(state), Classify(state, input));
  const bool recovered = std::holds_alternative<Recovered>(input.event);
  const bool exists = draft.base().revision != Sequence();
  if (exists && draft.accepted() && (draft.changed() || recovered)) {
    table->advance(turn);
  }
  if (recovered) {
    // Everything that is out, these effects among it, is in Outstanding.
    draft.DropEffects();
  }
  return draft.Take(input.event);
}

}  // namespace entente::engine
