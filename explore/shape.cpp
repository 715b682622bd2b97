#include "explore/shape.h"

#include <algorithm>
#include <utility>

namespace entente::explore {

Shape UnknownShape() {
  Shape shape;
  shape.values = {1,
                  "x",
                  true,
                  false,
                  1.5,
                  "5m",
                  "7",
                  "2030-01-01T00:00:00Z",
                  Json::array({"x", "y"}),
                  Json::object()};
  return shape;
}

Shape ListShape(Shape element) {
  Shape shape;
  shape.element.push_back(std::move(element));
  shape.sizes = {2, 0, 1};
  return shape;
}

void Ensure(Shape& shape, std::span<const std::string> path) {
  if (path.empty()) {
    return;
  }
  const std::string& name = path.front();
  if (name == "*") {
    if (!shape.is_list()) {
      if (!shape.open || shape.is_map()) {
        return;
      }
      shape = ListShape(UnknownShape());
    }
    return Ensure(shape.element.front(), path.subspan(1));
  }
  if (shape.is_list()) {
    return;
  }
  auto found = shape.members.find(name);
  if (found == shape.members.end()) {
    if (!shape.open) {
      return;
    }
    shape.values.clear();
    found = shape.members.emplace(name, UnknownShape()).first;
  }
  Ensure(found->second, path.subspan(1));
}

const Shape* FindShape(const Shape& shape, std::span<const std::string> path) {
  if (path.empty()) {
    return &shape;
  }
  if (path.front() == "*") {
    return shape.is_list() ? FindShape(shape.element.front(), path.subspan(1)) : nullptr;
  }
  const auto found = shape.members.find(path.front());
  return found == shape.members.end() ? nullptr : FindShape(found->second, path.subspan(1));
}

void AddValue(Shape& leaf, const Json& value) {
  if (std::find(leaf.values.begin(), leaf.values.end(), value) == leaf.values.end()) {
    leaf.values.push_back(value);
  }
}

Json Instance(const Shape& shape, bool only_required) {
  if (shape.is_map()) {
    Json map = Json::object();
    for (const auto& [name, member] : shape.members) {
      if (!only_required || !member.optional) {
        map[name] = Instance(member, only_required);
      }
    }
    return map;
  }
  if (shape.is_list()) {
    Json list = Json::array();
    for (size_t i = 0; i < shape.sizes[shape.chosen]; ++i) {
      list.push_back(Instance(shape.element.front(), only_required));
    }
    return list;
  }
  return shape.values.empty() ? Json(Json::object()) : shape.values[shape.chosen];
}

}  // namespace entente::explore
