#include "storage/list_order.h"

#include <charconv>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "storage/journal_errors.h"

namespace entente::storage {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

char PrefixOf(ListOrder order) {
  switch (order) {
    case ListOrder::kNewest: return 't';
    case ListOrder::kOldest: return 'o';
    case ListOrder::kChanged: return 'c';
    case ListOrder::kUnchanged: return 'u';
    case ListOrder::kAttempts: return 'a';
  }
  return 't';
}

std::optional<int64_t> ReadWhole(std::string_view text) {
  int64_t number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && stopped == text.data() + text.size();
  return whole ? std::optional(number) : std::nullopt;
}

}  // namespace

bool IsByCreation(ListOrder order) {
  return order == ListOrder::kNewest || order == ListOrder::kOldest;
}

Place PlaceOf(ListOrder order, int64_t key, int64_t position) {
  switch (order) {
    case ListOrder::kNewest: return {0, position};
    case ListOrder::kOldest: return {0, -position};
    case ListOrder::kUnchanged: return {-key, position};
    case ListOrder::kChanged:
    case ListOrder::kAttempts: break;
  }
  return {key, position};
}

int64_t KeyOf(ListOrder order, const Summary& summary) {
  if (IsByCreation(order)) {
    return 0;
  }
  return order == ListOrder::kAttempts ? summary.attempts : ToMicros(summary.updated_at);
}

int64_t PositionOf(ListOrder order, const Place& place) {
  return order == ListOrder::kOldest ? -place.position : place.position;
}

std::string EncodeCursor(ListOrder order, const Place& last) {
  const std::string position = std::to_string(PositionOf(order, last));
  return PrefixOf(order) +
         (IsByCreation(order) ? position : std::to_string(last.rank) + "." + position);
}

Result<Place> DecodeCursor(ListOrder order, const std::string& cursor) {
  if (cursor.empty()) {
    return Place{kLargest, kLargest};
  }
  std::string_view text = cursor;
  if (text[0] != PrefixOf(order)) {
    return BadCursor(cursor);
  }
  text.remove_prefix(1);
  std::optional<int64_t> rank = 0;
  if (!IsByCreation(order)) {
    const size_t dot = text.find('.');
    rank = ReadWhole(text.substr(0, dot));
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  }
  const std::optional<int64_t> position = ReadWhole(text);
  if (!rank || !position || *position < 1) {
    return BadCursor(cursor);
  }
  return Place{*rank, order == ListOrder::kOldest ? -*position : *position};
}

Status SortTooWide(size_t most) {
  return InvalidArgument("query.sort_too_wide",
                         "more than " + std::to_string(most) +
                             " transactions would have to be sorted; narrow the list (status, "
                             "definition, label, incident, since), or sort by creation");
}

bool Ranking::Wants(const Place& place) const {
  return place < after_ && (rows_.size() <= limit_ || place > rows_.rbegin()->first);
}

void Ranking::Add(const Place& place, SummaryRow row) {
  rows_.emplace(place, std::move(row));
  if (rows_.size() > limit_ + 1) {
    rows_.erase(std::prev(rows_.end()));
  }
}

SummaryPage Ranking::Take() {
  SummaryPage page;
  Place last;
  for (auto& [place, row] : rows_) {
    if (page.rows.size() == limit_) {
      page.next_cursor = EncodeCursor(order_, last);
      break;
    }
    page.rows.push_back(std::move(row));
    last = place;
  }
  return page;
}

}  // namespace entente::storage
