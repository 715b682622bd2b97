// What of structured fields (RFC 8941) message signatures are written in. Pure.
//
// Stricter than the RFC where that costs no sender of ours anything: a key that stands twice is
// refused, and so are decimals. Nothing recurses; what is read is as large as its text at most.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace entente::net {

struct FieldToken {
  std::string text;
  friend bool operator==(const FieldToken&, const FieldToken&) = default;
};
struct FieldBytes {
  std::string bytes;
  friend bool operator==(const FieldBytes&, const FieldBytes&) = default;
};
using FieldValue = std::variant<bool, int64_t, std::string, FieldToken, FieldBytes>;
using FieldParameters = std::vector<std::pair<std::string, FieldValue>>;

struct FieldItem {
  FieldValue value;
  FieldParameters parameters;
};

struct FieldInnerList {
  std::vector<FieldItem> items;
  FieldParameters parameters;
  std::string text;  // The member as it stood, parameters included.
};

template <class Member>
using FieldDictionary = std::vector<std::pair<std::string, Member>>;

// A dictionary of inner lists: Signature-Input. Fails with kInvalidArgument, reason
// field.malformed.
[[nodiscard]] Result<FieldDictionary<FieldInnerList>> ParseInnerLists(std::string_view text);

// A dictionary of items: Signature. Fails alike.
[[nodiscard]] Result<FieldDictionary<FieldItem>> ParseItems(std::string_view text);

// A string in its quotes. `text` holds printable ASCII only.
[[nodiscard]] std::string QuoteFieldString(std::string_view text);

}  // namespace entente::net
