#include "dsl/cel/activation.h"

#include <utility>

namespace entente::dsl::cel {

Activation::Entry& Activation::NextEntry() {
  if (inline_count_ < kInlineEntries) {
    return inline_[inline_count_++];
  }
  return more_.emplace_back();
}

Activation& Activation::Bind(std::string_view name, const Json& json) {
  Entry& entry = NextEntry();
  entry.name = name;
  entry.json = &json;
  return *this;
}

Activation& Activation::Bind(std::string_view name, Value value) {
  Entry& entry = NextEntry();
  entry.name = name;
  entry.value = std::move(value);
  return *this;
}

Activation& Activation::SetResolver(const Resolver* resolver) {
  resolver_ = resolver;
  return *this;
}

Activation& Activation::SetBudget(Budget* budget) {
  budget_ = budget;
  return *this;
}

Activation::Binding Activation::Find(const std::string& name) const {
  const auto binding_of = [](const Entry& entry) {
    return entry.json != nullptr ? Binding{entry.json, nullptr} : Binding{nullptr, &entry.value};
  };
  for (size_t i = more_.size(); i > 0; --i) {
    if (more_[i - 1].name == name) {
      return binding_of(more_[i - 1]);
    }
  }
  for (size_t i = inline_count_; i > 0; --i) {
    if (inline_[i - 1].name == name) {
      return binding_of(inline_[i - 1]);
    }
  }
  if (object_ != nullptr) {
    if (const auto found = object_->find(name); found != object_->end()) {
      return Binding{&*found, nullptr};
    }
  }
  return Binding{};
}

}  // namespace entente::dsl::cel
