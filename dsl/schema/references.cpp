// $ref: finding the subschema it names, and refusing references that could never end.
#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "dsl/schema/closest.h"
#include "dsl/schema/compiler.h"
#include "dsl/schema/uri.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxQuotedReferenceBytes = 200;

// What "$anchor" may be.
bool IsAnchor(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&letter](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

// The reference tokens of a JSON Pointer (RFC 6901), or nothing when `text` is none.
std::optional<std::vector<std::string>> PointerTokens(std::string_view text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      tokens.emplace_back();
    } else if (tokens.empty()) {
      return std::nullopt;
    } else if (text[i] != '~') {
      tokens.back() += text[i];
    } else if (const std::string_view escape = text.substr(i, 2);
               escape == "~0" || escape == "~1") {
      tokens.back() += escape == "~0" ? '~' : '/';
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return tokens;
}

const Json* Element(const Json& array, const std::string& token) {
  static constexpr size_t kMaxIndexDigits = 9;
  const bool is_index = !token.empty() && token.size() <= kMaxIndexDigits &&
                        token.find_first_not_of("0123456789") == std::string::npos &&
                        (token.size() == 1 || token.front() != '0');
  const size_t index = is_index ? std::stoul(token) : array.size();
  return index < array.size() ? &array[index] : nullptr;
}

const Json* Member(const Json& value, const std::string& token) {
  if (value.is_array()) {
    return Element(value, token);
  }
  if (!value.is_object()) {
    return nullptr;
  }
  const auto member = value.find(token);
  return member == value.end() ? nullptr : &*member;
}

std::string SuggestMember(const Json& value, const std::string& token, const std::string& parent) {
  if (!value.is_object()) {
    return "";
  }
  std::vector<std::string_view> names;
  for (const auto& [name, unused] : value.get_ref<const Json::object_t&>()) {
    names.push_back(name);
  }
  const auto closest = Closest(token, names);
  return closest ? "did you mean '#" + parent + "/" + EscapePointerToken(*closest) + "'?" : "";
}

// The nodes that are applied to the very value that `keyword` is applied to.
std::vector<NodeId> InPlace(const Keyword& keyword) {
  return std::visit(
      [](const auto& each) -> std::vector<NodeId> {
        using Each = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Each, RefKeyword>) {
          return {each.target};
        } else if constexpr (std::is_same_v<Each, NotKeyword>) {
          return {each.branch};
        } else if constexpr (std::is_same_v<Each, AllOfKeyword> ||
                             std::is_same_v<Each, AnyOfKeyword> ||
                             std::is_same_v<Each, OneOfKeyword>) {
          return each.branches;
        } else if constexpr (std::is_same_v<Each, IfKeyword>) {
          std::vector<NodeId> nodes = {each.condition};
          for (const auto& branch : {each.then_branch, each.else_branch}) {
            if (branch) {
              nodes.push_back(*branch);
            }
          }
          return nodes;
        } else if constexpr (std::is_same_v<Each, DependentSchemasKeyword>) {
          std::vector<NodeId> nodes;
          for (const auto& [name, branch] : each.branches) {
            nodes.push_back(branch);
          }
          return nodes;
        } else {
          return {};
        }
      },
      keyword);
}

struct Visit {
  NodeId node;
  std::vector<NodeId> next;  // Not yet followed.
};

// The open nodes from `first` to the latest.
std::vector<NodeId> PathFrom(NodeId first, const std::vector<Visit>& open) {
  std::vector<NodeId> path;
  for (const Visit& visit : open) {
    if (visit.node == first || !path.empty()) {
      path.push_back(visit.node);
    }
  }
  return path;
}

}  // namespace

void Compiler::RefRule(const Site& site) {
  if (!site.value.is_string()) {
    Problem(site.pointer(), "'$ref' must be a string");
    return;
  }
  const auto self = ids_by_pointer_.find(site.node_pointer);
  ENTENTE_CHECK(self != ids_by_pointer_.end());
  pending_.push_back({self->second, site.out.size(), site.resource, site.value.get<std::string>()});
  site.out.emplace_back(RefKeyword{kRootNode});
}

void Compiler::ResolveReferences() {
  // A target may hold references of its own.
  while (!pending_.empty()) {
    const PendingReference reference = std::move(pending_.back());
    pending_.pop_back();
    Resolve(reference);
  }
}

// Both were read when the subschema was begun: what stands before them in it may need them.
void Compiler::IdRule(const Site&) {}
void Compiler::AnchorRule(const Site&) {}

Compiler::ResourceId Compiler::ResourceOf(const Json& schema, const std::string& pointer,
                                          ResourceId around) {
  const auto id = schema.find("$id");
  if (id == schema.end()) {
    return around;
  }
  const std::string place = pointer + "/$id";
  const std::string text = id->is_string() ? id->get<std::string>() : std::string();
  const UriParts parts = SplitUri(text);
  if (!id->is_string() || !IsUriReference(text, UriAlphabet::kAscii) ||
      (parts.fragment && !parts.fragment->empty())) {
    Problem(place, "'$id' must be a URI reference without a fragment",
            "write for example \"https://example.org/order\", and \"$anchor\" for a name within");
    return around;
  }
  std::string uri = ResolveUri(resources_[around].uri, text);
  const bool taken = std::any_of(resources_.begin(), resources_.end(),
                                 [&uri](const Resource& each) { return each.uri == uri; });
  if (taken) {
    Problem(place, "'" + Cut(uri, kMaxQuotedReferenceBytes) + "' names another subschema too");
    return around;
  }
  if (pointer.empty()) {
    resources_.front().uri = std::move(uri);
    return 0;
  }
  resources_.push_back({std::move(uri), pointer, &schema, {}});
  return resources_.size() - 1;
}

void Compiler::NoteAnchor(const Json& schema, const std::string& pointer, ResourceId resource) {
  const auto anchor = schema.find("$anchor");
  if (anchor == schema.end()) {
    return;
  }
  const std::string place = pointer + "/$anchor";
  if (!anchor->is_string() || !IsAnchor(anchor->get_ref<const std::string&>())) {
    Problem(place,
            "'$anchor' must be a name: a letter or '_', then letters, digits, '-', '_', '.'");
  } else if (!resources_[resource].anchors.emplace(anchor->get<std::string>(), pointer).second) {
    Problem(place, "the anchor " + Cut(DumpJson(*anchor), kMaxQuotedReferenceBytes) +
                       " names another subschema too");
  }
}

void Compiler::Resolve(const PendingReference& reference) {
  const std::string place = nodes_[reference.node.value()].pointer + "/$ref";
  const auto located = Locate(reference, place);
  if (!located) {
    return;
  }
  const auto& [pointer, resource] = *located;
  const Json* target =
      Walk(pointer, place, "'" + Cut(reference.text, kMaxQuotedReferenceBytes) + "'");
  if (target == nullptr) {
    return;
  }
  const auto depth = static_cast<size_t>(std::count(pointer.begin(), pointer.end(), '/'));
  const NodeId id = Subschema(*target, pointer, depth, resource);
  // The keyword is the one that RefRule put there, unless its node was given up with a problem.
  std::vector<Keyword>& keywords = nodes_[reference.node.value()].keywords;
  if (reference.keyword_index < keywords.size()) {
    if (auto* ref = std::get_if<RefKeyword>(&keywords[reference.keyword_index])) {
      ref->target = id;
    }
  }
}

std::optional<std::pair<std::string, Compiler::ResourceId>> Compiler::Locate(
    const PendingReference& reference, const std::string& place) {
  const std::string shown = "'" + Cut(reference.text, kMaxQuotedReferenceBytes) + "'";
  const UriParts parts = SplitUri(reference.text);
  ResourceId resource = reference.resource;
  if (!reference.text.starts_with('#') && !reference.text.empty()) {
    const std::string uri = ResolveUri(resources_[resource].uri, reference.text);
    const auto found = std::find_if(resources_.begin(), resources_.end(),
                                    [&uri](const Resource& each) { return each.uri == uri; });
    if (found == resources_.end()) {
      Problem(place, "$ref " + shown + " leads out of this document, which is not supported",
              "copy what it names into $defs and write \"#/$defs/name\"");
      return std::nullopt;
    }
    resource = static_cast<ResourceId>(found - resources_.begin());
  }
  const auto fragment = PercentDecoded(parts.fragment.value_or(""));
  if (fragment && (fragment->empty() || fragment->front() == '/')) {
    return std::pair(resources_[resource].pointer + *fragment, resource);
  }
  if (fragment) {
    if (const auto anchor = resources_[resource].anchors.find(*fragment);
        anchor != resources_[resource].anchors.end()) {
      return std::pair(anchor->second, resource);
    }
    if (IsAnchor(*fragment)) {
      Problem(place, "$ref " + shown + " names nothing: there is no such $anchor");
      return std::nullopt;
    }
  }
  Problem(place, "$ref " + shown + " is not \"#\" followed by a JSON Pointer or an $anchor",
          "write for example \"#/$defs/name\"");
  return std::nullopt;
}

const Json* Compiler::Walk(const std::string& path, const std::string& place,
                           const std::string& shown) {
  const auto tokens = PointerTokens(path);
  if (!tokens) {
    Problem(place, "$ref " + shown + " is not \"#\" followed by a JSON Pointer",
            "write for example \"#/$defs/name\"");
    return nullptr;
  }
  const Json* target = &document_;
  std::string pointer;
  for (const std::string& token : *tokens) {
    const Json* const member = Member(*target, token);
    if (member == nullptr) {
      Problem(place,
              "$ref " + shown + " names nothing: there is no '" +
                  Cut(token, kMaxQuotedReferenceBytes) + "' at '#" +
                  Cut(pointer, kMaxQuotedReferenceBytes) + "'",
              SuggestMember(*target, token, pointer));
      return nullptr;
    }
    target = member;
    pointer += "/" + EscapePointerToken(token);
  }
  return target;
}

void Compiler::ReportCycle(const std::vector<NodeId>& cycle) {
  for (size_t i = cycle.size(); i-- > 0;) {
    const Node& node = nodes_[cycle[i].value()];
    const NodeId successor = cycle[(i + 1) % cycle.size()];
    const bool is_reference =
        std::any_of(node.keywords.begin(), node.keywords.end(), [successor](const Keyword& each) {
          const auto* const reference = std::get_if<RefKeyword>(&each);
          return reference != nullptr && reference->target == successor;
        });
    if (is_reference) {
      Problem(node.pointer + "/$ref",
              "this $ref leads back to itself through '#" + nodes_[successor.value()].pointer +
                  "' without descending into the value, so checking it would never end",
              "put the reference below properties, items or additionalProperties");
      return;
    }
  }
  // A document is a tree: only references close cycles.
  ENTENTE_CHECK(cycle.empty());
}

void Compiler::FindReferenceCycles() {
  enum class State { kUnseen, kOpen, kDone };
  std::vector<State> states(nodes_.size(), State::kUnseen);
  const auto visit = [this, &states](NodeId node) {
    states[node.value()] = State::kOpen;
    Visit opened{node, {}};
    for (const Keyword& keyword : nodes_[node.value()].keywords) {
      const std::vector<NodeId> targets = InPlace(keyword);
      opened.next.insert(opened.next.end(), targets.begin(), targets.end());
    }
    return opened;
  };
  for (size_t root = 0; root < nodes_.size(); ++root) {
    if (states[root] != State::kUnseen) {
      continue;
    }
    // Depth first, with a stack of its own: a chain may be as long as there are nodes.
    std::vector<Visit> open;
    open.push_back(visit(NodeId(root)));
    while (!open.empty()) {
      if (open.back().next.empty()) {
        states[open.back().node.value()] = State::kDone;
        open.pop_back();
        continue;
      }
      const NodeId next = open.back().next.back();
      open.back().next.pop_back();
      if (states[next.value()] == State::kUnseen) {
        open.push_back(visit(next));
      } else if (states[next.value()] == State::kOpen) {
        ReportCycle(PathFrom(next, open));
      }
    }
  }
}

}  // namespace entente::dsl::schema_internal
