// The parser's leaves: literals, names, calls and macros.

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "dsl/cel/error.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/syntax/parser.h"

namespace entente::dsl::cel {
namespace {

struct MacroForm {
  std::string_view name;
  Macro macro;
  size_t max_bodies;
  bool transforms;  // The last body makes something of each element; else it is a condition.
};

constexpr std::array<MacroForm, 12> kMacros = {{
    {"all", Macro::kAll, 1, false},
    {"exists", Macro::kExists, 1, false},
    {"exists_one", Macro::kExistsOne, 1, false},
    {"existsOne", Macro::kExistsOne, 1, false},
    {"filter", Macro::kFilter, 1, false},
    {"map", Macro::kMap, 2, true},
    {"sortBy", Macro::kSortBy, 1, true},
    {"transformList", Macro::kTransformList, 2, true},
    {"transformMap", Macro::kTransformMap, 2, true},
    {"transformMapEntry", Macro::kTransformMapEntry, 2, true},
    {"optMap", Macro::kOptMap, 1, true},
    {"optFlatMap", Macro::kOptFlatMap, 1, true},
}};

const MacroForm* MacroOf(std::string_view name) {
  const auto* const found = std::find_if(kMacros.begin(), kMacros.end(),
                                         [name](const auto& form) { return form.name == name; });
  return found == kMacros.end() ? nullptr : found;
}

const MacroForm& FormOf(Macro macro) {
  return *std::find_if(kMacros.begin(), kMacros.end(),
                       [macro](const auto& form) { return form.macro == macro; });
}

bool MustHaveTwo(Macro macro) {
  return macro == Macro::kTransformList || macro == Macro::kTransformMap ||
         macro == Macro::kTransformMapEntry;
}

bool MayHaveTwo(Macro macro) {
  return macro == Macro::kAll || macro == Macro::kExists || macro == Macro::kExistsOne;
}

// The types that a lone name denotes.
std::optional<Kind> TypeNamed(std::string_view name) {
  for (const Kind kind : {Kind::kNull, Kind::kBool, Kind::kInt, Kind::kUint, Kind::kDouble,
                          Kind::kString, Kind::kBytes, Kind::kList, Kind::kMap, Kind::kType}) {
    if (KindName(kind) == name) {
      return kind;
    }
  }
  return std::nullopt;
}

// The digits of an int or uint literal, decimal or hexadecimal, as a magnitude.
std::optional<uint64_t> Magnitude(std::string_view digits) {
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  }
  uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  return error == std::errc() ? std::optional(magnitude) : std::nullopt;
}

std::optional<Value> NumberOf(const Token& token, bool negative) {
  if (token.kind == TokenKind::kDouble) {
    const std::optional<double> number = ParseDouble(token.text);
    return number ? std::optional(Value::Double(negative ? -*number : *number)) : std::nullopt;
  }
  const std::optional<uint64_t> magnitude = Magnitude(token.text);
  if (!magnitude) {
    return std::nullopt;
  }
  if (token.kind == TokenKind::kUint) {
    return Value::Uint(*magnitude);
  }
  constexpr uint64_t kTwo63 = uint64_t{1} << 63;
  if (*magnitude > kTwo63 || (*magnitude == kTwo63 && !negative)) {
    return std::nullopt;
  }
  return Value::Int(static_cast<int64_t>(negative ? 0 - *magnitude : *magnitude));
}

std::string CountOf(size_t minimum, size_t maximum) {
  if (minimum == 0 && maximum == 0) {
    return "no arguments";
  }
  std::string count = std::to_string(minimum);
  if (maximum != minimum) {
    count += " to " + std::to_string(maximum);
  }
  return count + (maximum == 1 ? " argument" : " arguments");
}

}  // namespace

NodePtr Parser::ParsePrimary(bool negative) {
  const Token token = token_;
  switch (token.kind) {
    case TokenKind::kInt:
    case TokenKind::kUint:
    case TokenKind::kDouble: return ParseNumber(negative);
    case TokenKind::kString:
      return Advance() ? MakeConstant(Value::String(token.text), token.offset) : nullptr;
    case TokenKind::kBytes:
      return Advance() ? MakeConstant(Value::Bytes(token.text), token.offset) : nullptr;
    case TokenKind::kName: return ParseName();
    case TokenKind::kPunctuation: break;
    case TokenKind::kEnd:
    case TokenKind::kEscapedName: return Unexpected("a value");
  }
  if (token.Is("(")) {
    NodePtr node = Advance() ? ParseExpression() : nullptr;
    return node != nullptr && Expect(")") ? std::move(node) : nullptr;
  }
  if (token.Is("[")) {
    return Advance() ? ParseList() : nullptr;
  }
  if (token.Is("{")) {
    return Advance() ? ParseMap() : nullptr;
  }
  return token.Is(".") ? ParseName() : Unexpected("a value");
}

NodePtr Parser::ParseNumber(bool negative) {
  const Token token = token_;
  std::optional<Value> number = NumberOf(token, negative);
  if (!number) {
    const std::string_view kind = token.kind == TokenKind::kInt    ? "int"
                                  : token.kind == TokenKind::kUint ? "uint"
                                                                   : "double";
    return Fail(token.offset, "range error: the literal does not fit a " + std::string(kind));
  }
  return Advance() ? MakeConstant(*std::move(number), token.offset) : nullptr;
}

NodePtr Parser::ParseList() {
  const size_t offset = token_.offset;
  ListLiteral list;
  if (!ParseArguments("]", &list.elements, &list.optional)) {
    return nullptr;
  }
  size_t height = 0;
  for (const NodePtr& element : list.elements) {
    height = std::max(height, element->height);
  }
  return Make(std::move(list), offset, height);
}

NodePtr Parser::ParseMap() {
  const size_t offset = token_.offset;
  MapLiteral map;
  size_t height = 0;
  while (!token_.Is("}")) {
    if (!map.entries.empty() && !Expect(",")) {
      return nullptr;
    }
    if (!map.entries.empty() && token_.Is("}")) {
      break;
    }
    bool optional = false;
    NodePtr key = TakeIf("?", &optional) ? ParseExpression() : nullptr;
    NodePtr value = key != nullptr && Expect(":") ? ParseExpression() : nullptr;
    if (value == nullptr) {
      return nullptr;
    }
    height = std::max({height, key->height, value->height});
    map.entries.emplace_back(std::move(key), std::move(value));
    map.optional.push_back(optional);
    if (!token_.Is(",") && !token_.Is("}")) {
      return Unexpected("',' or '}'");
    }
  }
  return Advance() ? Make(std::move(map), offset, height) : nullptr;
}

NodePtr Parser::ParseName() {
  bool is_rooted = false;  // ".x" is never a macro's variable.
  if (!TakeIf(".", &is_rooted)) {
    return nullptr;
  }
  const Token name = token_;
  if (name.kind != TokenKind::kName || name.text == "in") {
    return Unexpected("a value");
  }
  if (IsReservedWord(name.text)) {
    return Fail(name.offset, Quote(name.text) + " is a reserved word and can not name a value");
  }
  bool is_call = false;
  if (!Advance()) {
    return nullptr;
  }
  if (name.text == "true" || name.text == "false") {
    return MakeConstant(Value::Bool(name.text == "true"), name.offset);
  }
  if (name.text == "null") {
    return MakeConstant(Value(), name.offset);
  }
  if (!TakeIf("(", &is_call)) {
    return nullptr;
  }
  if (is_call) {
    return ParseFunctionCall(name);
  }
  for (size_t slot = scopes_.size(); slot > 0 && !is_rooted; --slot) {
    if (scopes_[slot - 1] == name.text) {
      Path path;
      path.names.push_back(name.text);
      path.slot = slot - 1;
      return Make(std::move(path), name.offset, 0);
    }
  }
  return MakeFreePath(name.text, name.offset);
}

NodePtr Parser::MakeFreePath(std::string name, size_t offset) {
  Path path;
  path.type_name = TypeNamed(name);
  path.names.push_back(std::move(name));
  if (!path.type_name) {
    path.reference = references_.size();
    references_.push_back(ReferencePath{path.names, offset});
  }
  return Make(std::move(path), offset, 0);
}

NodePtr Parser::ParseFunctionCall(const Token& name) {
  if (name.text == "has") {
    return ParseHas(name.offset);
  }
  std::vector<NodePtr> arguments;
  return ParseArguments(")", &arguments) ? MakeCall(name, false, std::move(arguments)) : nullptr;
}

NodePtr Parser::ParseMethodCall(NodePtr receiver, const Token& name) {
  std::vector<NodePtr> arguments;
  if (Token function = name; TakeNamespace(*receiver, &function)) {
    if (function.text == "cel.bind") {
      return ParseBind(function.offset);
    }
    return ParseArguments(")", &arguments) ? MakeCall(function, false, std::move(arguments))
                                           : nullptr;
  }
  if (const MacroForm* form = MacroOf(name.text)) {
    return ParseComprehension(std::move(receiver), form->macro, name);
  }
  if (name.text == "or" || name.text == "orValue") {
    return ParseInstead(std::move(receiver), name.text == "or" ? Macro::kOr : Macro::kOrValue,
                        name);
  }
  arguments.push_back(std::move(receiver));
  return ParseArguments(")", &arguments) ? MakeCall(name, true, std::move(arguments)) : nullptr;
}

NodePtr Parser::MakeCall(const Token& name, bool is_method, std::vector<NodePtr> arguments) {
  const Function* function = FindFunction(name.text, is_method);
  if (function == nullptr) {
    return Fail(name.offset, "undeclared reference to '" + name.text + "': no such " +
                                 (is_method ? "method" : "function") +
                                 SuggestFunction(name.text, is_method));
  }
  const size_t given = arguments.size() - (is_method ? 1 : 0);
  if (given < function->min_arguments || given > function->max_arguments) {
    return Fail(name.offset, "no such overload: '" + name.text + "' takes " +
                                 CountOf(function->min_arguments, function->max_arguments) +
                                 ", not " + std::to_string(given));
  }
  size_t height = 0;
  for (const NodePtr& argument : arguments) {
    height = std::max(height, argument->height);
  }
  if (name.text == "matches") {
    const Constant* pattern = std::get_if<Constant>(&arguments[1]->content);
    if (pattern != nullptr && pattern->value.kind() == Kind::kString) {
      return MakeMatch(name, std::move(arguments[0]), pattern->value.string_value(),
                       arguments[1]->offset);
    }
  }
  return Make(Call{function, std::move(arguments)}, name.offset, height);
}

NodePtr Parser::MakeMatch(const Token& name, NodePtr subject, const std::string& pattern,
                          size_t pattern_offset) {
  const auto over_budget = [&] {
    return Fail(pattern_offset,
                "the regular expressions come to more than the limit of " +
                    std::to_string(regexes_->limit) +
                    " instructions together when compiled; use fewer or simpler ones");
  };
  if (regexes_->spent > regexes_->limit) {
    return over_budget();
  }
  std::unique_ptr<const RE2> regex = CompileRegex(pattern);
  regexes_->spent += RegexInstructions(*regex);
  if (regexes_->spent > regexes_->limit) {
    return over_budget();
  }
  if (!regex->ok()) {
    return Fail(pattern_offset, DescribeBadRegex(*regex));
  }
  const size_t height = subject->height;
  return Make(Match{std::move(subject), std::move(regex)}, name.offset, height);
}

NodePtr Parser::ParseHas(size_t offset) {
  std::vector<NodePtr> arguments;
  if (!ParseArguments(")", &arguments)) {
    return nullptr;
  }
  if (arguments.size() == 1) {
    NodePtr node = std::move(arguments.front());
    if (Path* path = std::get_if<Path>(&node->content);
        path != nullptr && path->names.size() > 1 && !path->presence_test) {
      path->presence_test = true;
      return node;
    }
    if (Select* select = std::get_if<Select>(&node->content);
        select != nullptr && !select->presence_test) {
      select->presence_test = true;
      return node;
    }
  }
  return Fail(offset, "invalid argument to has() macro: it takes one selection, like has(a.b)");
}

bool Parser::TakeNamespace(const Node& receiver, Token* name) {
  const Path* path = std::get_if<Path>(&receiver.content);
  if (path == nullptr || path->names.size() != 1 || path->slot || path->type_name) {
    return false;
  }
  const std::string full = path->names.front() + "." + name->text;
  if (full != "cel.bind" && FindFunction(full, false) == nullptr) {
    return false;
  }
  references_.pop_back();  // The last that was read.
  name->text = full;
  return true;
}

bool Parser::IsSecondVariable() const {
  if (token_.kind != TokenKind::kName || IsKeyword(token_)) {
    return false;
  }
  Lexer ahead = lexer_;
  Token next;
  return !ahead.Next(&next) && next.Is(",");
}

bool Parser::ParseVariables(Macro macro, const Token& name, std::vector<std::string>* variables) {
  const bool two = MustHaveTwo(macro);
  do {
    const Token variable = token_;
    if (variable.kind != TokenKind::kName || IsKeyword(variable) || IsReservedWord(variable.text)) {
      static_cast<void>(Unexpected(two ? "the names of two variables: " + name.text + "(k, v, ...)"
                                       : "the name of a variable: " + name.text + "(x, ...)"));
      return false;
    }
    if (!Advance() || !Expect(",")) {
      return false;
    }
    variables->push_back(variable.text);
  } while (variables->size() < 2 && (two || (MayHaveTwo(macro) && IsSecondVariable())));
  return true;
}

NodePtr Parser::ParseComprehension(NodePtr range, Macro macro, const Token& name) {
  const MacroForm& form = FormOf(macro);
  std::vector<std::string> variables;
  if (!ParseVariables(macro, name, &variables)) {
    return nullptr;
  }
  scopes_.insert(scopes_.end(), variables.begin(), variables.end());
  slot_count_ = std::max(slot_count_, scopes_.size());
  std::vector<NodePtr> bodies;
  const bool parsed = ParseArguments(")", &bodies);
  scopes_.resize(scopes_.size() - variables.size());
  if (!parsed) {
    return nullptr;
  }
  if (bodies.empty() || bodies.size() > form.max_bodies) {
    return Fail(name.offset, "'" + name.text + "' takes " +
                                 (variables.size() == 2 ? "two variables" : "a variable") +
                                 " and " +
                                 (form.max_bodies == 2 ? "1 or 2 expressions" : "1 expression") +
                                 ", not " + std::to_string(bodies.size()));
  }
  size_t height = range->height;
  for (const NodePtr& body : bodies) {
    height = std::max(height, body->height);
  }
  Comprehension comprehension{macro,   scopes_.size(), std::move(range),
                              nullptr, nullptr,        variables.size() == 2};
  if (form.transforms) {
    comprehension.transform = std::move(bodies.back());
    bodies.pop_back();
  }
  if (!bodies.empty()) {
    comprehension.predicate = std::move(bodies.front());
  }
  return Make(std::move(comprehension), name.offset, height);
}

NodePtr Parser::ParseInstead(NodePtr optional, Macro macro, const Token& name) {
  std::vector<NodePtr> arguments;
  if (!ParseArguments(")", &arguments)) {
    return nullptr;
  }
  if (arguments.size() != 1) {
    return Fail(name.offset, "no such overload: '" + name.text + "' takes 1 argument, not " +
                                 std::to_string(arguments.size()));
  }
  const size_t height = std::max(optional->height, arguments.front()->height);
  return Make(Comprehension{macro, scopes_.size(), std::move(optional), nullptr,
                            std::move(arguments.front())},
              name.offset, height);
}

NodePtr Parser::ParseBind(size_t offset) {
  const Token variable = token_;
  if (variable.kind != TokenKind::kName || IsKeyword(variable) || IsReservedWord(variable.text)) {
    return Unexpected("the name of a variable: cel.bind(x, value, ...)");
  }
  NodePtr value = Advance() && Expect(",") ? ParseExpression() : nullptr;
  if (value == nullptr || !Expect(",")) {
    return nullptr;
  }
  scopes_.push_back(variable.text);
  slot_count_ = std::max(slot_count_, scopes_.size());
  NodePtr body = ParseExpression();
  scopes_.pop_back();
  if (body == nullptr || !Expect(")")) {
    return nullptr;
  }
  const size_t height = std::max(value->height, body->height);
  return Make(
      Comprehension{Macro::kBind, scopes_.size(), std::move(value), nullptr, std::move(body)},
      offset, height);
}

}  // namespace entente::dsl::cel
