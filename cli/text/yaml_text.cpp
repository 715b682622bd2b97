// JsonOfYaml.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/text/definition_text.h"

namespace entente::cli {
namespace {

Status BadYaml(const YAML::Mark& mark, const std::string& what) {
  return InvalidArgument("definition.bad_yaml", std::to_string(mark.line + 1) + ":" +
                                                    std::to_string(mark.column + 1) + ": " + what);
}

// RFC 8259, section 6.
bool ReadsAsJsonNumber(std::string_view text) {
  const auto digits = [&text] {
    size_t count = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      text.remove_prefix(1);
      ++count;
    }
    return count;
  };
  const auto skip = [&text](std::string_view any) {
    const bool found = !text.empty() && any.find(text.front()) != std::string_view::npos;
    text.remove_prefix(found ? 1 : 0);
    return found;
  };
  skip("-");
  const bool zero = text.starts_with('0');
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1) || (skip(".") && digits() == 0)) {
    return false;
  }
  if (skip("eE")) {
    skip("+-");
    if (digits() == 0) {
      return false;
    }
  }
  return text.empty();
}

// Writes the nodes one after another, each where it stands in the document as far as that is ahead.
class Writer {
 public:
  Status Write(const YAML::Node& node, size_t depth) {
    if (depth > limits::kMaxJsonDepth) {
      return BadYaml(node.Mark(), "it is nested deeper than " +
                                      std::to_string(limits::kMaxJsonDepth) + " levels");
    }
    if (json_.size() > limits::kMaxDefinitionBytes) {
      return BadYaml(node.Mark(), "with its aliases written out it is larger than the limit of " +
                                      std::to_string(limits::kMaxDefinitionBytes) + " bytes");
    }
    switch (node.Type()) {
      case YAML::NodeType::Map: return WriteMap(node, depth);
      case YAML::NodeType::Sequence: return WriteList(node, depth);
      case YAML::NodeType::Scalar: return WriteScalar(node);
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: break;
    }
    Put(node.Mark(), "null");
    return {};
  }

  [[nodiscard]] std::string Take() && { return std::move(json_); }

 private:
  Status WriteMap(const YAML::Node& node, size_t depth) {
    Put(node.Mark(), "{");
    const char* separator = "";
    for (const auto& member : node) {
      if (!member.first.IsScalar()) {
        return BadYaml(member.first.Mark(), "a key is a text");
      }
      Add(separator);
      ENTENTE_RETURN_IF_ERROR(WriteText(member.first));
      Add(":");
      ENTENTE_RETURN_IF_ERROR(Write(member.second, depth + 1));
      separator = ",";
    }
    Add("}");
    return {};
  }

  Status WriteList(const YAML::Node& node, size_t depth) {
    Put(node.Mark(), "[");
    const char* separator = "";
    for (const YAML::Node& element : node) {
      Add(separator);
      ENTENTE_RETURN_IF_ERROR(Write(element, depth + 1));
      separator = ",";
    }
    Add("]");
    return {};
  }

  Status WriteScalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    const bool plain = node.Tag() == "?";
    const bool literal = text == "true" || text == "false" || text == "null" || text == "~";
    if (plain && (literal || ReadsAsJsonNumber(text))) {
      Put(node.Mark(), text == "~" ? "null" : text);
      return {};
    }
    return WriteText(node);
  }

  Status WriteText(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (ValidUtf8Prefix(text) != text.size()) {
      return BadYaml(node.Mark(), "it is not UTF-8");
    }
    Put(node.Mark(), DumpJson(Json(text)));
    return {};
  }

  void Put(const YAML::Mark& mark, const std::string& token) {
    const auto line = static_cast<size_t>(std::max(mark.line, 0));
    const auto column = static_cast<size_t>(std::max(mark.column, 0));
    if (line > line_) {
      json_.append(line - line_, '\n');
      line_ = line;
      column_ = 0;
    }
    if (line == line_ && column > column_) {
      json_.append(column - column_, ' ');
      column_ = column;
    }
    Add(token);
  }

  void Add(const std::string& token) {
    json_ += token;
    column_ += token.size();
  }

  std::string json_;
  size_t line_ = 0;
  size_t column_ = 0;
};

}  // namespace

Result<std::string> JsonOfYaml(std::string_view text) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() != 1) {
      return BadYaml(YAML::Mark(), "it is " + std::to_string(documents.size()) +
                                       " documents; a definition is one");
    }
    Writer writer;
    ENTENTE_RETURN_IF_ERROR(writer.Write(documents.front(), 1));
    return std::move(writer).Take();
  } catch (const YAML::Exception& error) {
    return BadYaml(error.mark, error.msg);
  }
}

}  // namespace entente::cli
