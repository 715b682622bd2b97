// In which order a list stands, where in it a row has its place, and what cursors look like: one
// definition for every journal.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// Where a row stands; in every order the larger place comes first. Rows of one rank stand in the
// order of their creation.
struct Place {
  int64_t rank = 0;
  int64_t position = 0;
  [[nodiscard]] friend auto operator<=>(const Place&, const Place&) = default;
};

// True if the order is that of creation, in which a journal has its rows: a page ends where it is
// full. In the others every row has to be looked at before the first one is known.
[[nodiscard]] bool IsByCreation(ListOrder order);

// `key` is what KeyOf gives; positions count transactions in the order of their creation, from 1.
[[nodiscard]] Place PlaceOf(ListOrder order, int64_t key, int64_t position);
// What the order goes by: microseconds of the latest change, attempts; 0 for an order of creation.
[[nodiscard]] int64_t KeyOf(ListOrder order, const Summary& summary);
// The position that PlaceOf was given.
[[nodiscard]] int64_t PositionOf(ListOrder order, const Place& place);

// A cursor names the last place that a page has looked at, and its order.
[[nodiscard]] std::string EncodeCursor(ListOrder order, const Place& last);
// The largest place of all for the empty cursor (the first page). kInvalidArgument,
// query.bad_cursor, also for a cursor of another order.
[[nodiscard]] Result<Place> DecodeCursor(ListOrder order, const std::string& cursor);

// kInvalidArgument, query.sort_too_wide.
[[nodiscard]] Status SortTooWide(size_t most);

// The rows of one page, picked from rows in any order: the first `limit` of those whose place is
// after `after`, in memory that only `limit` bounds.
class Ranking {
 public:
  Ranking(ListOrder order, const Place& after, size_t limit)
      : order_(order), after_(after), limit_(limit) {}

  // Whether a row with this place would be kept; others need not be decoded.
  [[nodiscard]] bool Wants(const Place& place) const;
  void Add(const Place& place, SummaryRow row);
  [[nodiscard]] SummaryPage Take();

 private:
  ListOrder order_;
  Place after_;
  size_t limit_;
  std::map<Place, SummaryRow, std::greater<>> rows_;  // One more than are shown.
};

}  // namespace entente::storage
