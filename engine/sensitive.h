// What of a transaction nobody is shown, and what is shown in its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_text.h"
#include "dsl/plan.h"
#include "engine/record.h"
#include "engine/state.h"

namespace entente::engine {

inline constexpr std::string_view kSensitiveShown = "[sensitive]";

// What of one transaction its definition calls sensitive, which calls carry and nobody is shown:
// parts of its input, by the schema, and values of headers that a participant's `sensitiveHeaders`
// name, as far as they follow from the definition, the input and the elements of a forEach, also by
// way of `let`, or came with answers. Expressions
// take them into bodies, outputs and items, and participants send them back in errors: so they are
// known by their value wherever they stand, as they are, in parts of texts, percent-encoded, and by
// their longer pieces between characters that encodings spell otherwise, however often they were
// encoded. What is too short to be told from other text (kMinText bytes within a text, kMinWhole as
// a whole text or number; true, false and null always) is taken out of the input alone.
//
// A value type; const members from any thread. Never blocks.
class Sensitive {
 public:
  static constexpr size_t kMinText = 4;
  static constexpr size_t kMinWhole = 3;

  // Nothing.
  Sensitive() = default;
  [[nodiscard]] static Sensitive Of(const dsl::Plan& plan, const JsonText& input);

  // Of values that are known otherwise, as of headers that were sent.
  [[nodiscard]] static Sensitive OfHeaders(const std::vector<std::string>& values);

  // Adds what a state knows beyond that: what the headers hold that were kept of its answers
  // (engine::ReplyDone::answer) and that a participant of the plan names, and what steps with
  // forEach send in such headers of their elements.
  void Learn(const dsl::Plan& plan, const TxnState& state);
  // The same of one record of a transaction with that input; what the records before it brought has
  // to be known already.
  void Learn(const dsl::Plan& plan, const JsonText& input, const Record& record);

  [[nodiscard]] bool nothing() const { return parts_.empty() && wholes_.empty(); }

  // Takes it out of a text for people. Where one was cut ("..."), also the beginning of a value
  // that is all that is left of it.
  void Hide(std::string& text) const;
  void Hide(JsonText& value) const;
  // Of the input itself, also what is short.
  void HideInput(JsonText& input) const;
  // Of whatever it holds that is shown.
  void Hide(Record& record) const;
  void Hide(TxnState& state) const;

 private:
  void Learn(const dsl::Plan& plan, const JsonText& answer);
  // `keeper` is the step whose branches keep the elements.
  void LearnItems(const dsl::Plan& plan, const JsonText& input, size_t keeper,
                  const std::vector<const JsonText*>& items);
  void Know(std::vector<std::string> scalars);
  void HideCut(std::string& text) const;
  void HideValue(Json& value) const;

  std::vector<std::string> parts_;   // JSON Pointers into the input.
  std::vector<std::string> texts_;   // To be taken out of any text.
  std::vector<std::string> wholes_;  // Texts, and numbers as they are written: sorted.
};

// Whether the plan has anything of the kind: it is cheap to ask.
[[nodiscard]] bool HasSensitive(const dsl::Plan& plan);

// Whether the record has a failure's message.
[[nodiscard]] bool TellsOfFailure(const RecordBody& record);

// Takes what is sensitive out of the failure that a record tells of, before it is written: lists,
// logs, traces and whoever else reads it find nothing. Its other parts are data that later calls
// need.
void HideFailures(const Sensitive& sensitive, RecordBody& record);

}  // namespace entente::engine
