// Shape: what a made-up document looks like, and the values that each part of it may have.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"

namespace entente::explore {

// A tree; a value type. A part is a map if it has members, a list if it has an element, and else a
// leaf. Leaves and lists have a choice: which value, which length.
struct Shape {
  std::map<std::string, Shape> members;
  std::vector<Shape> element;  // None or one, of which a list's elements are all made.
  std::vector<Json> values;    // Of a leaf.
  std::vector<size_t> sizes;   // Of a list.
  size_t chosen = 0;           // Into `values` or `sizes`.
  bool optional = false;       // It may be left out of the map that it is a member of.
  bool open = true;            // More may become known of it than is so far.

  [[nodiscard]] bool is_map() const { return !members.empty(); }
  [[nodiscard]] bool is_list() const { return !element.empty(); }
  [[nodiscard]] size_t choices() const { return is_list() ? sizes.size() : values.size(); }
};

// A leaf of which nothing is known: it may be any scalar, a list or a map.
[[nodiscard]] Shape UnknownShape();
// A list of two, or none, or one, of `element`.
[[nodiscard]] Shape ListShape(Shape element);

// Makes the part of `shape` at `path` where it is missing, as far as the shape is open; "*" in the
// path is a list's element.
void Ensure(Shape& shape, std::span<const std::string> path);

// The part at `path`, or null.
[[nodiscard]] const Shape* FindShape(const Shape& shape, std::span<const std::string> path);

// Adds what is not among the leaf's values yet.
void AddValue(Shape& leaf, const Json& value);

// The document with every choice as it is; without its optional members if `only_required`.
[[nodiscard]] Json Instance(const Shape& shape, bool only_required = false);

}  // namespace entente::explore
