// What makes one service different from another; everything else in this folder is shared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "examples/travel/common/json.h"

namespace travel {

// What a request comes to: `units` taken from `pool` (one seat of "seats", 9900 cents of "limit"),
// and the JSON that answers it, now and on every repeat.
struct Offer {
  std::string pool;
  int64_t units = 1;
  Json answer;
};

// Why a request is refused, as an HTTP status, a word and a sentence.
struct Refusal {
  int status = 422;
  std::string error;
  std::string message;
};

using Quote = std::variant<Offer, Refusal>;

enum class Direction {
  kForward,  // Book, rent, charge.
  kUndo,     // Give back, refund.
  kLook,     // Read only: nothing is logged.
};

// Where a REST request carries the key it is idempotent by.
enum class KeyPlace {
  kPath,    // What follows the route's path.
  kHeader,  // The Idempotency-Key header.
  kBody,    // The string member `key_member` of the body.
};

// One REST operation. With KeyPlace::kPath, `path` ends with '/'.
struct Route {
  std::string_view method;
  std::string_view path;
  KeyPlace key_place = KeyPlace::kPath;
  Direction direction = Direction::kForward;
  std::string_view key_member = {};
};

// One service's own rules. Immutable, so safe to share between threads; none of it blocks.
class Business {
 public:
  virtual ~Business() = default;

  virtual std::string Name() const = 0;  // "flights"
  virtual std::string Unit() const = 0;  // What a pool holds, for messages: "seat".

  // How many units each pool has unless a switch says otherwise.
  virtual int64_t DefaultCapacity() const = 0;

  // Pools that exist before anybody asks for them. Others appear with their first booking.
  virtual std::vector<std::string> KnownPools() const { return {}; }

  // The words for the two effects in the ledger.
  virtual std::string ForwardEffect() const { return "held"; }
  virtual std::string UndoEffect() const { return "released"; }

  // Checks `request` and prices it, by the request alone. `number` is unique to this booking, for
  // ids that people can read.
  virtual Quote Understand(const Json& request, int64_t number) const = 0;

  // The answer to an undo that gave back `units`, or that had nothing to give back (0).
  virtual Json Receipt(const std::string& key, int64_t units) const = 0;

  // The REST operations; none for a service that speaks something else.
  virtual std::vector<Route> Routes() const { return {}; }
};

// A number from `text` in [0, range), the same on every machine and in every run.
inline int64_t Spread(std::string_view text, int64_t range) {
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a.
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return static_cast<int64_t>(hash % static_cast<uint64_t>(range));
}

// The string member `name` of `request`, or empty when it is missing, no string or empty.
inline std::string TextMember(const Json& request, std::string_view name) {
  if (!request.is_object()) {
    return {};
  }
  const auto member = request.find(name);
  return member != request.end() && member->is_string() ? member->get<std::string>()
                                                        : std::string();
}

}  // namespace travel
