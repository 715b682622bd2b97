#include "engine/sensitive.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/json_number.h"
#include "base/limits.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "dsl/cel/activation.h"
#include "dsl/cel/budget.h"
#include "dsl/schema/sensitive.h"
#include "engine/block.h"

namespace entente::engine {
namespace {

constexpr std::string_view kCut = "...";

std::string PercentEncoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

// Where `text` has characters that encodings spell otherwise, what is between them, if it is long
// enough to be told from other text: so nothing long of it is shown, however often it was encoded.
std::vector<std::string> PiecesOf(std::string_view text) {
  constexpr size_t kMinPiece = 8;
  const auto spelled_otherwise = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '"' || c == '\\' || c == '/' || byte < 0x20 || byte >= 0x7F;
  };
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < text.size();) {
    const auto* const from = text.data() + begin;
    const auto* const to = std::find_if(from, text.data() + text.size(), spelled_otherwise);
    const auto size = static_cast<size_t>(to - from);
    if (size >= kMinPiece && size < text.size()) {
      pieces.emplace_back(from, size);
    }
    begin += size + 1;
  }
  return pieces;
}

// A text, or a number as it is written.
std::optional<std::string> WrittenScalar(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return IsJsonNumber(value) ? std::optional(DumpJson(value)) : std::nullopt;
}

void Gather(const Json& value, std::vector<std::string>& scalars) {
  if (value.is_structured()) {
    for (const Json& part : value) {
      Gather(part, scalars);
    }
  } else if (auto written = WrittenScalar(value)) {
    scalars.push_back(std::move(*written));
  }
}

bool Names(const dsl::Participant& participant, std::string_view header) {
  std::string lower(header);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::ranges::find(participant.sensitive_headers, lower) !=
         participant.sensitive_headers.end();
}

// A header's value, and what in it may be used alone: the token behind its scheme, a cookie's
// value.
void GatherHeader(std::string_view value, std::vector<std::string>& scalars) {
  constexpr size_t kMinPart = 8;
  constexpr std::string_view kBetween = " ;,=\"";
  scalars.emplace_back(value);
  for (size_t begin = 0; begin < value.size();) {
    const size_t end = std::min(value.find_first_of(kBetween, begin), value.size());
    if (end - begin >= kMinPart && end - begin < value.size()) {
      scalars.emplace_back(value.substr(begin, end - begin));
    }
    begin = end + 1;
  }
}

// What is sent with each call to it.
void GatherOwn(const dsl::Participant& participant, std::vector<std::string>& scalars) {
  const auto gather = [&](const auto& pairs) {
    for (const auto& [name, value] : pairs) {
      if (Names(participant, name)) {
        GatherHeader(value, scalars);
      }
    }
  };
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
    gather(http->headers);
  } else {
    gather(std::get<dsl::GrpcAddress>(participant.address).metadata);
  }
}

// What a step's expressions may read before any other step has answered: the input, the
// environment, an element of its forEach, and what `let` makes of those.
class KnownNames final : public dsl::cel::Resolver {
 public:
  // All are borrowed; `item` may be null.
  KnownNames(const dsl::Plan& plan, const dsl::Step& step, const Json& input, const Json* item,
             size_t index, dsl::cel::Budget& budget)
      : plan_(plan), step_(step) {
    activation_.Bind("input", input).Bind("env", plan.env).SetResolver(this).SetBudget(&budget);
    if (item != nullptr) {
      activation_.Bind("item", *item);
      activation_.Bind("index", dsl::cel::Value::Int(static_cast<int64_t>(index)));
    }
  }
  KnownNames(const KnownNames&) = delete;
  KnownNames& operator=(const KnownNames&) = delete;

  [[nodiscard]] const dsl::cel::Activation& activation() const { return activation_; }

  // The compiler saw to it that they do not read each other in circles.
  [[nodiscard]] std::optional<Resolved> Resolve(std::span<const std::string> path) const override {
    const std::string& name = path[0];
    if (const auto made = made_.find(name); made != made_.end()) {
      return Resolved{made->second, 1};
    }
    const dsl::Let* let = Find(step_.lets, name);
    let = let != nullptr ? let : Find(plan_.lets, name);
    auto value =
        let == nullptr ? Result<Json>(NotFound("let", name)) : let->value.Render(activation_);
    if (!value.ok()) {
      return std::nullopt;
    }
    return Resolved{
        made_.emplace(name, dsl::cel::Value::FromJson(std::move(value).value())).first->second, 1};
  }

 private:
  static const dsl::Let* Find(const std::vector<dsl::Let>& lets, const std::string& name) {
    const auto found = std::ranges::find(lets, name, &dsl::Let::name);
    return found == lets.end() ? nullptr : &*found;
  }

  const dsl::Plan& plan_;
  const dsl::Step& step_;
  dsl::cel::Activation activation_;
  mutable std::map<std::string, dsl::cel::Value> made_;
};

// The templates of the headers that a step sends and its participants name.
std::vector<const dsl::cel::Template*> NamedHeadersOf(const dsl::Plan& plan,
                                                      const dsl::Step& step) {
  std::vector<const dsl::cel::Template*> named;
  const auto add = [&](const dsl::OperationTemplate& operation) {
    const auto* call = std::get_if<dsl::CallTemplate>(&operation);
    const auto* http =
        call == nullptr ? nullptr : std::get_if<dsl::HttpRequestTemplate>(&call->request);
    for (size_t i = 0; http != nullptr && i < http->headers.size(); ++i) {
      const auto& [name, value] = http->headers[i];
      if (Names(plan.participants[call->participant], name)) {
        named.push_back(&value);
      }
    }
  };
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  for (size_t number = 0; work != nullptr && number <= work->alternatives.size(); ++number) {
    const dsl::CallWay& way = work->way(number);
    for (const auto* operation : {&way.forward, &way.finish}) {
      if (*operation) {
        add(**operation);
      }
    }
    if (way.undo) {
      add(way.undo->call);
      if (way.undo->other_call) {
        add(*way.undo->other_call);
      }
    }
  }
  return named;
}

// Adds those that can be told, and returns the others. Each may cost what it may when it is sent,
// if the budget is given.
std::vector<const dsl::cel::Template*> GatherSent(
    const std::vector<const dsl::cel::Template*>& headers, const KnownNames& names,
    std::vector<std::string>& scalars, dsl::cel::Budget* each = nullptr) {
  std::vector<const dsl::cel::Template*> others;
  for (const dsl::cel::Template* header : headers) {
    if (each != nullptr) {
      each->Allow(limits::kMaxExpressionCost);
    }
    const auto text = header->RenderText(
        names.activation(),
        [](const dsl::cel::Value&, std::string_view spliced) { return std::string(spliced); });
    if (text.ok()) {
      GatherHeader(*text, scalars);
    } else {
      others.push_back(header);
    }
  }
  return others;
}

// Of each step what does not depend on an element.
void GatherSent(const dsl::Plan& plan, const Json& input, std::vector<std::string>& scalars) {
  dsl::cel::Budget budget;
  for (const dsl::Step& step : plan.steps) {
    const KnownNames names(plan, step, input, nullptr, 0, budget);
    static_cast<void>(GatherSent(NamedHeadersOf(plan, step), names, scalars, &budget));
  }
}

// Of a step with forEach what depends on its elements. Where that takes more work than a decision
// may, all that the others are made of counts as sensitive.
void GatherSentOfItems(const dsl::Plan& plan, const dsl::Step& step, const Json& input,
                       const std::vector<const JsonText*>& items,
                       std::vector<std::string>& scalars) {
  const auto headers = NamedHeadersOf(plan, step);
  if (headers.empty()) {
    return;
  }
  dsl::cel::Budget others;
  std::vector<std::string> known;
  const auto depending =
      GatherSent(headers, KnownNames(plan, step, input, nullptr, 0, others), known, &others);
  dsl::cel::Budget budget(limits::kMaxDecisionCost);
  for (size_t index = 0; !depending.empty() && index < items.size(); ++index) {
    const Json item = items[index]->Read();
    if (budget.spent() <= limits::kMaxDecisionCost) {
      const KnownNames names(plan, step, input, &item, index, budget);
      static_cast<void>(GatherSent(depending, names, scalars));
    }
    if (budget.spent() > limits::kMaxDecisionCost) {
      Gather(item, scalars);
    }
  }
}

bool NamesHeaders(const dsl::Plan& plan) {
  return std::ranges::any_of(plan.participants, [](const dsl::Participant& participant) {
    return !participant.sensitive_headers.empty();
  });
}

// The longest beginning of `value` with which `text` ends, but for the whole of it.
size_t EndsWithBeginning(std::string_view text, std::string_view value) {
  for (size_t size = std::min(text.size(), value.size() - 1); size >= Sensitive::kMinText; --size) {
    if (text.ends_with(value.substr(0, size))) {
      return size;
    }
  }
  return 0;
}

template <class Body, class Visit>
void ForEachFailure(Body& body, const Visit& visit) {
  if constexpr (requires { body.failure.message; }) {
    visit(body.failure);
  } else if constexpr (requires { body.failure->message; }) {
    if (body.failure) {
      visit(*body.failure);
    }
  }
  if constexpr (requires { body.output_failure; }) {
    if (body.output_failure) {
      visit(*body.output_failure);
    }
  }
}

}  // namespace

bool HasSensitive(const dsl::Plan& plan) {
  return (plan.input && dsl::HasSensitive(*plan.input)) || NamesHeaders(plan);
}

Sensitive Sensitive::Of(const dsl::Plan& plan, const JsonText& input) {
  Sensitive found;
  if (!HasSensitive(plan)) {
    return found;
  }
  const Json document = input.Read();
  std::vector<std::string> scalars;
  if (plan.input) {
    for (dsl::SensitivePart& part : dsl::SensitiveParts(*plan.input, document)) {
      found.parts_.push_back(std::move(part.pointer));
      Gather(*part.value, scalars);
    }
  }
  if (NamesHeaders(plan)) {
    for (const dsl::Participant& participant : plan.participants) {
      GatherOwn(participant, scalars);
    }
    GatherSent(plan, document, scalars);
  }
  found.Know(std::move(scalars));
  return found;
}

Sensitive Sensitive::OfHeaders(const std::vector<std::string>& values) {
  std::vector<std::string> scalars;
  for (const std::string& value : values) {
    GatherHeader(value, scalars);
  }
  Sensitive found;
  found.Know(std::move(scalars));
  return found;
}

void Sensitive::Learn(const dsl::Plan& plan, const JsonText& answer) {
  if (answer.is_null() || !NamesHeaders(plan)) {
    return;
  }
  const Json kept = answer.Read();
  const auto headers = kept.is_object() ? kept.find("headers") : kept.end();
  if (!kept.is_object() || headers == kept.end() || !headers->is_object()) {
    return;
  }
  std::vector<std::string> scalars;
  for (const auto& header : headers->items()) {
    const std::string& name = header.key();
    const bool named = std::ranges::any_of(
        plan.participants,
        [&name](const dsl::Participant& participant) { return Names(participant, name); });
    if (named && header.value().is_string()) {
      GatherHeader(header.value().get_ref<const std::string&>(), scalars);
    }
  }
  Know(std::move(scalars));
}

void Sensitive::LearnItems(const dsl::Plan& plan, const JsonText& input, size_t keeper,
                           const std::vector<const JsonText*>& items) {
  std::vector<std::string> scalars;
  std::optional<Json> document;
  for (size_t step = keeper; step < plan.steps.size(); ++step) {
    if (KeeperOf(plan, step) == keeper) {
      document = document ? std::move(document) : std::optional(input.Read());
      GatherSentOfItems(plan, plan.steps[step], *document, items, scalars);
    }
  }
  Know(std::move(scalars));
}

void Sensitive::Learn(const dsl::Plan& plan, const TxnState& state) {
  if (!NamesHeaders(plan)) {
    return;
  }
  for (size_t step = 0; step < state.steps.size(); ++step) {
    std::vector<const JsonText*> items;
    for (const BranchState& branch : state.steps[step].branches) {
      Learn(plan, branch.answer);
      if (state.steps[step].for_each) {
        items.push_back(&branch.item);
      }
    }
    if (!items.empty()) {
      LearnItems(plan, state.input, step, items);
    }
  }
}

void Sensitive::Learn(const dsl::Plan& plan, const JsonText& input, const Record& record) {
  if (const auto* done = std::get_if<OperationSucceeded>(&record.body)) {
    Learn(plan, done->answer);
  } else if (const auto* expanded = std::get_if<StepExpanded>(&record.body);
             expanded != nullptr && expanded->for_each && NamesHeaders(plan)) {
    std::vector<const JsonText*> items;
    for (const JsonText& item : expanded->items) {
      items.push_back(&item);
    }
    LearnItems(plan, input, expanded->step, items);
  }
}

void Sensitive::Know(std::vector<std::string> scalars) {
  std::sort(scalars.begin(), scalars.end());
  scalars.erase(std::unique(scalars.begin(), scalars.end()), scalars.end());
  for (std::string& text : scalars) {
    if (text.size() >= kMinText) {
      texts_.push_back(text);
      if (std::string encoded = PercentEncoded(text); encoded != text) {
        texts_.push_back(std::move(encoded));
      }
      for (std::string& piece : PiecesOf(text)) {
        texts_.push_back(std::move(piece));
      }
    }
    if (text.size() >= kMinWhole) {
      wholes_.insert(std::lower_bound(wholes_.begin(), wholes_.end(), text), text);
    }
  }
}

void Sensitive::Hide(std::string& text) const {
  if (texts_.empty()) {
    return;
  }
  Redact(texts_, kSensitiveShown, text);
  HideCut(text);
}

void Sensitive::HideCut(std::string& text) const {
  for (size_t end = text.find(kCut);; end = text.find(kCut, end)) {
    const std::string_view before = std::string_view(text).substr(0, end);
    size_t longest = 0;
    for (const std::string& value : texts_) {
      longest = std::max(longest, EndsWithBeginning(before, value));
    }
    const size_t begin = before.size() - longest;
    if (longest > 0) {
      text.replace(begin, longest, kSensitiveShown);
    }
    if (end == std::string::npos) {
      return;
    }
    end = (longest > 0 ? begin + kSensitiveShown.size() : end) + kCut.size();
  }
}

void Sensitive::HideValue(Json& value) const {
  if (value.is_object()) {
    Json shown = Json::object();
    for (auto& [name, member] : value.items()) {
      std::string key = name;
      Hide(key);
      HideValue(member);
      shown[std::move(key)] = std::move(member);
    }
    value = std::move(shown);
  } else if (value.is_array()) {
    for (Json& item : value) {
      HideValue(item);
    }
  } else if (const auto written = WrittenScalar(value)) {
    if (std::binary_search(wholes_.begin(), wholes_.end(), *written)) {
      value = kSensitiveShown;
    } else if (value.is_string()) {
      Hide(value.get_ref<std::string&>());
    }
  }
}

void Sensitive::Hide(JsonText& value) const {
  if (wholes_.empty() || value.is_null()) {
    return;
  }
  Json document = value.Read();
  HideValue(document);
  value = JsonText(document);
}

void Sensitive::HideInput(JsonText& input) const {
  if (nothing()) {
    return;
  }
  Json document = input.Read();
  for (const std::string& part : parts_) {
    // A part within another one is gone with it.
    if (const Json::json_pointer pointer(part); document.contains(pointer)) {
      document[pointer] = kSensitiveShown;
    }
  }
  HideValue(document);
  input = JsonText(document);
}

bool TellsOfFailure(const RecordBody& record) {
  bool tells = false;
  std::visit(
      [&tells](auto& body) { ForEachFailure(body, [&tells](const Failure&) { tells = true; }); },
      record);
  return tells;
}

void HideFailures(const Sensitive& sensitive, RecordBody& record) {
  const auto hide = [&sensitive](Failure& failure) {
    sensitive.Hide(failure.message);
    if (failure.message.size() > limits::kMaxErrorTextBytes) {
      failure.message = ToUtf8(failure.message, limits::kMaxErrorTextBytes);
    }
  };
  std::visit([&hide](auto& body) { ForEachFailure(body, hide); }, record);
}

namespace {

struct HidePayloads {
  const Sensitive& sensitive;

  // What holds none that is shown.
  template <class Body>
  void operator()(Body&) const {}
  void operator()(Accepted& record) const { sensitive.HideInput(record.input); }
  void operator()(StepExpanded& record) const {
    for (JsonText& item : record.items) {
      sensitive.Hide(item);
    }
  }
  void operator()(OperationSucceeded& record) const {
    sensitive.Hide(record.output);
    sensitive.Hide(record.answer);
  }
  void operator()(SignalReceived& record) const { sensitive.Hide(record.payload); }
  void operator()(OperatorEdited& record) const {
    sensitive.Hide(record.before);
    if (record.body) {
      sensitive.Hide(*record.body);
    }
  }
  void operator()(OperatorSkipped& record) const { sensitive.Hide(record.output); }
  void operator()(Held& record) const { sensitive.Hide(record.output); }
  void operator()(Ended& record) const { sensitive.Hide(record.output); }
};

void HideIn(const Sensitive& sensitive, BranchState& branch) {
  sensitive.Hide(branch.item);
  sensitive.Hide(branch.output);
  sensitive.Hide(branch.answer);
  if (branch.edit != nullptr && branch.edit->body) {
    auto edit = std::make_shared<BranchEdit>(*branch.edit);
    sensitive.Hide(*edit->body);
    branch.edit = std::move(edit);
  }
}

}  // namespace

void Sensitive::Hide(Record& record) const {
  if (!nothing()) {
    std::visit(HidePayloads{*this}, record.body);
  }
}

void Sensitive::Hide(TxnState& state) const {
  if (nothing()) {
    return;
  }
  HideInput(state.input);
  Hide(state.output);
  for (auto& [name, payloads] : state.signals) {
    for (JsonText& payload : payloads) {
      Hide(payload);
    }
  }
  for (StepState& step : state.steps) {
    for (BranchState& branch : step.branches) {
      HideIn(*this, branch);
    }
  }
}

}  // namespace entente::engine
