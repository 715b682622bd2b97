#include "dsl/cel/evaluator.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "dsl/cel/error.h"
#include "dsl/cel/operators.h"

namespace entente::dsl::cel {

bool Evaluator::Evaluate(const Node& node, Value* out) {
  if (!context_.Charge(1)) {
    return false;
  }
  return std::visit([this, out](const auto& content) { return Visit(content, out); }, node.content);
}

bool Evaluator::Visit(const Constant& node, Value* out) {
  *out = node.value;
  return true;
}

// The hot path: names selected out of a document are followed through the document itself, and
// only what is found at the end becomes a Value.
bool Evaluator::Visit(const Path& node, Value* out) {
  if (!node.slot) {
    const Activation::Binding binding = activation_.Find(node.names.front());
    if (binding.json != nullptr) {
      return WalkJson(node, *binding.json, out);
    }
    if (binding.value != nullptr) {
      return WalkValue(node, *binding.value, 1, out);
    }
    size_t consumed = 1;
    Value value;
    return Resolve(node, &value, &consumed) && WalkValue(node, std::move(value), consumed, out);
  }
  return WalkValue(node, slots_[*node.slot], 1, out);
}

bool Evaluator::Resolve(const Path& path, Value* out, size_t* consumed) {
  if (const Resolver* resolver = activation_.resolver()) {
    if (std::optional<Resolver::Resolved> found = resolver->Resolve(path.names)) {
      *out = std::move(found->value);
      *consumed = found->consumed;
      return context_.Charge(1);  // Where it shows that the resolver spent too much.
    }
  }
  if (path.type_name) {
    *out = Value::Type(*path.type_name);
    return true;
  }
  return ResolveQualified(path, out, consumed) ||
         context_.Fail("undeclared reference to " + Quote(path.names.front()));
}

// A binding may itself have a qualified name, "a.b"; the longest one that fits wins.
bool Evaluator::ResolveQualified(const Path& path, Value* out, size_t* consumed) {
  std::string name;
  for (const std::string& part : path.names) {
    name += name.empty() ? part : '.' + part;
  }
  for (*consumed = path.names.size(); *consumed > 1; --*consumed) {
    const Activation::Binding binding = activation_.Find(name);
    if (binding.json != nullptr || binding.value != nullptr) {
      *out = binding.json != nullptr ? Value::FromJson(*binding.json) : *binding.value;
      return true;
    }
    name.resize(name.size() - path.names[*consumed - 1].size() - 1);
  }
  return false;
}

bool Evaluator::WalkJson(const Path& path, const Json& root, Value* out) {
  const Json* json = &root;
  const size_t count = path.names.size();
  for (size_t i = 1; i < count; ++i) {
    const Json::object_t* object = json->get_ptr<const Json::object_t*>();
    if (object == nullptr) {
      return FailPath(path, i, Value::FromJson(*json).kind());
    }
    const auto found = object->find(path.names[i]);
    if (path.presence_test && i + 1 == count) {
      *out = Value::Bool(found != object->end());
      return true;
    }
    if (found == object->end()) {
      return FailPath(path, i, Kind::kMap);
    }
    json = &found->second;
  }
  *out = Value::FromJson(*json);
  return true;
}

bool Evaluator::WalkValue(const Path& path, Value value, size_t consumed, Value* out) {
  const size_t count = path.names.size();
  if (path.presence_test && consumed == count) {
    *out = Value::Bool(true);  // The resolver found all of it.
    return true;
  }
  for (size_t i = consumed; i < count; ++i) {
    if (value.kind() != Kind::kMap) {
      return FailPath(path, i, value.kind());
    }
    std::optional<Value> found = value.Find(path.names[i]);
    if (path.presence_test && i + 1 == count) {
      *out = Value::Bool(found.has_value());
      return true;
    }
    if (!found) {
      return FailPath(path, i, Kind::kMap);
    }
    value = *std::move(found);
  }
  *out = std::move(value);
  return true;
}

bool Evaluator::FailPath(const Path& path, size_t at, Kind kind) {
  std::string prefix = path.names.front();
  for (size_t i = 1; i < at; ++i) {
    prefix += '.' + path.names[i];
  }
  if (kind == Kind::kMap) {
    return context_.Fail("no such key: " + Quote(path.names[at]) + " (in " + prefix + ")");
  }
  return context_.Fail("no such overload: type '" + std::string(KindName(kind)) +
                       "' does not support field selection (" + prefix + "." + path.names[at] +
                       ")");
}

bool Evaluator::Visit(const Select& node, Value* out) {
  Value operand;
  if (!Evaluate(*node.operand, &operand)) {
    return false;
  }
  // What is selected out of an optional is one too.
  const bool of_optional = operand.kind() == Kind::kOptional;
  if (of_optional) {
    const Value* held = operand.optional_value();
    operand = held == nullptr ? Value() : Value(*held);
  }
  if ((of_optional || node.optional) && operand.kind() == Kind::kNull) {
    *out = node.presence_test ? Value::Bool(false) : Value::None();
    return true;
  }
  if (operand.kind() != Kind::kMap) {
    return context_.Fail("no such overload: type '" + std::string(KindName(operand.kind())) +
                         "' does not support field selection (." + node.field + ")");
  }
  std::optional<Value> found = operand.Find(node.field);
  if ((of_optional || node.optional) && !node.presence_test) {
    *out = found ? Value::Optional(*std::move(found)) : Value::None();
    return true;
  }
  if (node.presence_test) {
    *out = Value::Bool(found.has_value());
    return true;
  }
  if (!found) {
    return context_.Fail("no such key: " + Quote(node.field));
  }
  *out = *std::move(found);
  return true;
}

bool Evaluator::Visit(const Index& node, Value* out) {
  Value operand;
  Value index;
  if (!Evaluate(*node.operand, &operand) || !Evaluate(*node.index, &index)) {
    return false;
  }
  const bool of_optional = operand.kind() == Kind::kOptional;
  if (!of_optional && !node.optional) {
    return IndexInto(context_, operand, index, out);
  }
  if (of_optional) {
    const Value* held = operand.optional_value();
    operand = held == nullptr ? Value() : Value(*held);
  }
  if (operand.kind() == Kind::kNull) {
    *out = Value::None();
    return true;
  }
  if (IndexInto(context_, operand, index, out)) {
    *out = Value::Optional(*out);
    return true;
  }
  if (context_.fatal() || (operand.kind() != Kind::kMap && operand.kind() != Kind::kList)) {
    return false;
  }
  static_cast<void>(context_.TakeError());  // There is no such element.
  *out = Value::None();
  return true;
}

// What a "?" in a literal stands before: the value, or that there is none.
bool Evaluator::TakeOptional(Value* value, bool* present) {
  if (value->kind() != Kind::kOptional) {
    return context_.Fail("cannot initialize optional entry from non-optional value of type " +
                         std::string(KindName(value->kind())));
  }
  const Value* held = value->optional_value();
  *present = held != nullptr;
  *value = held == nullptr ? Value() : Value(*held);
  return true;
}

bool Evaluator::Visit(const ListLiteral& node, Value* out) {
  std::vector<Value> elements;
  elements.reserve(node.elements.size());
  for (size_t i = 0; i < node.elements.size(); ++i) {
    Value element;
    bool present = true;
    if (!Evaluate(*node.elements[i], &element) ||
        (node.optional[i] && !TakeOptional(&element, &present))) {
      return false;
    }
    if (present) {
      elements.push_back(std::move(element));
    }
  }
  return MakeList(context_, std::move(elements), out);
}

bool Evaluator::Visit(const MapLiteral& node, Value* out) {
  std::vector<Value::Entry> entries;
  entries.reserve(node.entries.size());
  for (size_t i = 0; i < node.entries.size(); ++i) {
    Value::Entry entry;
    bool present = true;
    if (!Evaluate(*node.entries[i].first, &entry.first) ||
        !Evaluate(*node.entries[i].second, &entry.second) ||
        (node.optional[i] && !TakeOptional(&entry.second, &present))) {
      return false;
    }
    if (present) {
      entries.push_back(std::move(entry));
    }
  }
  return MakeMap(context_, std::move(entries), out);
}

bool Evaluator::Visit(const Not& node, Value* out) {
  Value operand;
  if (!Evaluate(*node.operand, &operand)) {
    return false;
  }
  if (operand.kind() != Kind::kBool) {
    return context_.FailOverload("!_", std::span(&operand, 1), false);
  }
  *out = Value::Bool(!operand.bool_value());
  return true;
}

bool Evaluator::Visit(const Negate& node, Value* out) {
  Value operand;
  return Evaluate(*node.operand, &operand) && NegateNumber(context_, operand, out);
}

bool Evaluator::Visit(const Arithmetic& node, Value* out) {
  Value left;
  if (!Evaluate(*node.first, &left)) {
    return false;
  }
  for (const auto& [op, operand] : node.rest) {
    Value right;
    Value result;
    if (!Evaluate(*operand, &right) || !context_.Charge(1) ||
        !Calculate(context_, op, left, right, &result)) {
      return false;
    }
    left = std::move(result);
  }
  *out = std::move(left);
  return true;
}

bool Evaluator::Visit(const Relation& node, Value* out) {
  Value left;
  Value right;
  bool result = false;
  if (!Evaluate(*node.left, &left) || !Evaluate(*node.right, &right) ||
      !Relate(context_, node.op, left, right, &result)) {
    return false;
  }
  *out = Value::Bool(result);
  return true;
}

Evaluator::Verdict Evaluator::Weigh(const Node& operand, bool deciding, Status* first_error) {
  Value value;
  if (Evaluate(operand, &value)) {
    if (value.kind() == Kind::kBool) {
      return value.bool_value() == deciding ? Verdict::kDecided : Verdict::kUndecided;
    }
    context_.FailOverload(deciding ? "_||_" : "_&&_", std::span(&value, 1), false);
  }
  if (context_.fatal()) {
    return Verdict::kFatal;
  }
  // Another operand may still decide; only then is the error forgotten.
  Status error = context_.TakeError();
  if (first_error->ok()) {
    *first_error = std::move(error);
  }
  return Verdict::kUndecided;
}

bool Evaluator::Visit(const Logical& node, Value* out) {
  Status first_error;
  for (const NodePtr& operand : node.operands) {
    switch (Weigh(*operand, node.is_or, &first_error)) {
      case Verdict::kDecided: *out = Value::Bool(node.is_or); return true;
      case Verdict::kFatal: return false;
      case Verdict::kUndecided: break;
    }
  }
  *out = Value::Bool(!node.is_or);
  return first_error.ok() || context_.Fail(std::move(first_error));
}

bool Evaluator::Visit(const Conditional& node, Value* out) {
  Value condition;
  if (!Evaluate(*node.condition, &condition)) {
    return false;
  }
  if (condition.kind() != Kind::kBool) {
    return context_.FailOverload("_?_:_", std::span(&condition, 1), false);
  }
  return Evaluate(condition.bool_value() ? *node.when_true : *node.when_false, out);
}

bool Evaluator::Visit(const Call& node, Value* out) {
  std::array<Value, kMaxArguments> arguments;
  const size_t count = node.arguments.size();
  for (size_t i = 0; i < count; ++i) {
    if (!Evaluate(*node.arguments[i], &arguments[i])) {
      return false;
    }
  }
  return node.function->body(context_, std::span<const Value>(arguments.data(), count), out);
}

bool Evaluator::Visit(const Match& node, Value* out) {
  Value subject;
  if (!Evaluate(*node.subject, &subject)) {
    return false;
  }
  if (subject.kind() != Kind::kString) {
    return context_.FailOverload("matches", std::span(&subject, 1), true);
  }
  return context_.Search(*node.pattern, subject.string_value(), out);
}

}  // namespace entente::dsl::cel
