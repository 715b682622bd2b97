#include "coordinator/api/list_pages.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "coordinator/api/view.h"

namespace entente::api {
namespace {

Error BadCursor() {
  return {InvalidArgument("query.bad_cursor",
                          "'cursor' is not one that a page of this list came with; begin without"),
          {},
          {}};
}

std::optional<size_t> ReadNumber(std::string_view text) {
  size_t number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && stopped == text.data() + text.size();
  return whole && number <= std::numeric_limits<uint32_t>::max() ? std::optional(number)
                                                                 : std::nullopt;
}

// "<before>.<number>"
std::optional<std::pair<std::string_view, size_t>> ReadCursor(std::string_view cursor) {
  const size_t dot = cursor.rfind('.');
  if (dot == std::string_view::npos) {
    return std::nullopt;
  }
  const std::optional<size_t> number = ReadNumber(cursor.substr(dot + 1));
  return number ? std::optional(std::pair(cursor.substr(0, dot), *number)) : std::nullopt;
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string ToHex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kHexDigits[byte / 16];
    text += kHexDigits[byte % 16];
  }
  return text;
}

// Empty for anything that is not the hexadecimal form of bytes.
std::string FromHex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const size_t high = kHexDigits.find(text[i]);
    const size_t low = kHexDigits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return {};
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  return text.size() % 2 == 0 ? bytes : std::string();
}

// What participants are ordered by, as much of it as a cursor may hold.
std::string PlaceOf(const runtime::ParticipantStats& stats) {
  constexpr size_t kMaxPlaceBytes = 512;
  return (stats.address + '\n' + stats.name + '\n' + stats.definition).substr(0, kMaxPlaceBytes);
}

bool ComesBefore(const runtime::ParticipantStats& a, const runtime::ParticipantStats& b) {
  return std::tie(a.address, a.name, a.definition) < std::tie(b.address, b.name, b.definition);
}

}  // namespace

Outcome<ParticipantPage> PageOf(std::vector<runtime::ParticipantStats> all,
                                const storage::Page& page) {
  std::stable_sort(all.begin(), all.end(), ComesBefore);
  auto begin = all.begin();
  if (!page.cursor.empty()) {
    const auto cursor = ReadCursor(page.cursor);
    const std::string place = cursor ? FromHex(cursor->first) : std::string();
    if (place.empty()) {
      return BadCursor();
    }
    // Past those that come before, and as many at the very place as were shown.
    begin =
        std::find_if(begin, all.end(), [&](const auto& stats) { return PlaceOf(stats) >= place; });
    for (size_t seen = 0; seen < cursor->second && begin != all.end() && PlaceOf(*begin) == place;
         ++seen) {
      ++begin;
    }
  }
  const auto left = static_cast<size_t>(all.end() - begin);
  ParticipantPage result;
  result.first = static_cast<size_t>(begin - all.begin());
  result.count = std::min(left, page.limit);
  result.all = std::move(all);
  result.next_cursor = CursorAfter(result, result.count);
  return result;
}

std::string CursorAfter(const ParticipantPage& page, size_t kept) {
  const size_t end = page.first + kept;
  if (end == page.all.size()) {
    return {};
  }
  if (end == 0) {
    return {};  // Nothing was shown: the list begins anew.
  }
  const std::string place = PlaceOf(page.all[end - 1]);
  size_t shown = 0;
  for (size_t i = end; i > 0 && PlaceOf(page.all[i - 1]) == place; --i) {
    ++shown;
  }
  return ToHex(place) + "." + std::to_string(shown);
}

Outcome<BranchPage> PageOf(TxnDetail detail, const storage::Page& page) {
  BranchPage result;
  if (!page.cursor.empty()) {
    const auto cursor = ReadCursor(page.cursor);
    const std::optional<size_t> step = cursor ? ReadNumber(cursor->first) : std::nullopt;
    if (!step) {
      return BadCursor();
    }
    result.first = {*step, cursor->second};
  }
  result.detail = std::move(detail);
  result.count = page.limit;
  result.next_cursor = CursorAfter(result, page.limit);
  return result;
}

std::string CursorAfter(const BranchPage& page, size_t kept) {
  const std::optional<BranchPosition> next = PositionAfter(page.detail, page.first, kept);
  return next ? std::to_string(next->step) + "." + std::to_string(next->index) : std::string();
}

Outcome<DefinitionPage> PageOf(std::vector<storage::DefinitionRow> all, bool versions,
                               const storage::Page& page) {
  using Row = storage::DefinitionRow;
  std::sort(all.begin(), all.end(), [versions](const Row& a, const Row& b) {
    return versions ? a.version > b.version : a.name < b.name;
  });
  auto begin = all.begin();
  if (!page.cursor.empty()) {
    const std::optional<size_t> version = versions ? ReadNumber(page.cursor) : std::nullopt;
    const std::string name = versions ? std::string() : FromHex(page.cursor);
    if (!version && name.empty()) {
      return BadCursor();
    }
    begin = std::find_if(begin, all.end(), [&](const Row& row) {
      return versions ? row.version < *version : row.name > name;
    });
  }
  DefinitionPage result;
  const auto end =
      begin + static_cast<ptrdiff_t>(std::min(static_cast<size_t>(all.end() - begin), page.limit));
  if (end != all.end() && end != begin) {
    result.next_cursor = versions ? std::to_string((end - 1)->version) : ToHex((end - 1)->name);
  }
  result.rows.assign(std::make_move_iterator(begin), std::make_move_iterator(end));
  return result;
}

Outcome<DeadLetterPage> PageOf(std::vector<DeadLetter> all, const storage::Page& page) {
  const auto by_id = [](const DeadLetter& a, const DeadLetter& b) { return a.id < b.id; };
  std::sort(all.begin(), all.end(), by_id);
  auto begin = all.begin();
  if (!page.cursor.empty()) {
    DeadLetter last;
    last.id = FromHex(page.cursor);
    if (last.id.empty()) {
      return BadCursor();
    }
    begin = std::upper_bound(begin, all.end(), last, by_id);
  }
  DeadLetterPage result;
  const auto end =
      begin + static_cast<ptrdiff_t>(std::min(static_cast<size_t>(all.end() - begin), page.limit));
  if (end != all.end() && end != begin) {
    result.next_cursor = ToHex((end - 1)->id);
  }
  result.rows.assign(std::make_move_iterator(begin), std::make_move_iterator(end));
  return result;
}

}  // namespace entente::api
