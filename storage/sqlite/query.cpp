#include "storage/sqlite/query.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "storage/list_order.h"
#include "storage/sqlite/schema.h"
#include "storage/summary_filter.h"

namespace entente::storage::sqlite {
namespace {

// Rows one page looks at before it ends early; some tens of milliseconds.
constexpr int64_t kMaxRowsExamined = 20'000;

// How far candidates of an index are counted to find the narrowest one.
constexpr int64_t kProbeRows = 2'000;

// Of kSummaryColumns, what an order goes by.
constexpr int kAttemptsColumn = 7;
constexpr int kUpdatedColumn = 9;

constexpr int64_t kMaxId = std::numeric_limits<int64_t>::max();

using Parameter = std::variant<int64_t, std::string>;

// Ids worth looking at: first <= id < below.
struct IdRange {
  int64_t first = 1;
  int64_t below = kMaxId;
};

// One way to find candidates: `where` narrows `tables`, its own parameters counting from ?3, and
// `id` is the column that orders them. Two conditions mean the union of both.
struct Access {
  std::string tables;
  std::vector<std::string> where;
  std::string id = "t.id";
  std::vector<Parameter> parameters;
  bool in_order = true;  // The index yields descending ids, without a sort.
};

std::string Indexed(const std::string& index) {
  return "txn AS t INDEXED BY " + index + " LEFT JOIN incident AS i ON i.txn = t.id";
}

// The least string greater than everything that begins with the prefix; nullopt if there is none.
std::optional<std::string> AfterPrefix(std::string prefix) {
  while (!prefix.empty()) {
    auto& last = prefix.back();
    if (static_cast<unsigned char>(last) != 0xff) {
      ++last;
      return prefix;
    }
    prefix.pop_back();
  }
  return std::nullopt;
}

// Every index the filter can use, the presumably narrowest first, or nullopt if it names a word no
// row has.
std::optional<std::vector<Access>> UsableIndexes(const Filter& filter, const Words& words) {
  std::vector<Access> usable;
  if (filter.label) {
    usable.push_back(
        {"label AS l CROSS JOIN txn AS t ON t.id = l.txn"
         " LEFT JOIN incident AS i ON i.txn = t.id",
         {"l.name = ?3 AND l.value = ?4"},
         "l.txn",
         {filter.label->first, filter.label->second}});
  }
  if (filter.incident == true) {
    usable.push_back({"incident AS i CROSS JOIN txn AS t ON t.id = i.txn", {"TRUE"}, "i.txn", {}});
  }
  if (filter.parent) {
    usable.push_back({Indexed("txn_parent"), {"t.parent = ?3"}, "t.id", {filter.parent->str()}});
  }
  if (filter.status) {
    const std::optional<int64_t> word = words.Find(*filter.status);
    if (!word) {
      return std::nullopt;
    }
    usable.push_back({Indexed("txn_state"),
                      {"t.state = ?3", "t.state = ?4"},
                      "t.id",
                      {StateOf(*word, true), StateOf(*word, false)}});
  }
  if (filter.definition) {
    const std::optional<int64_t> word = words.Find(*filter.definition);
    if (!word) {
      return std::nullopt;
    }
    usable.push_back({Indexed("txn_definition"), {"t.definition = ?3"}, "t.id", {*word}});
  }
  if (filter.gid_prefix) {
    const std::optional<std::string> after = AfterPrefix(*filter.gid_prefix);
    if (after) {
      usable.push_back({Indexed("txn_gid"),
                        {"t.gid >= ?3 AND t.gid < ?4"},
                        "t.id",
                        {*filter.gid_prefix, *after},
                        false});
    }
  }
  return usable;
}

class Query {
 public:
  Query(Reader& reader, const Filter& filter, const Page& page, const OpenRow& open)
      : reader_(reader),
        filter_(filter),
        page_(page),
        open_(open),
        limit_(ClampPageLimit(page.limit)) {}

  Result<SummaryPage> Run(const Place& after) {
    const std::optional<std::vector<Access>> usable = UsableIndexes(filter_, reader_.words());
    if (!usable) {
      return SummaryPage{};
    }
    if (page_.order == ListOrder::kNewest) {
      range_.below = after.position;
    }
    ENTENTE_RETURN_IF_ERROR(NarrowByTime());
    if (page_.order == ListOrder::kOldest && !page_.cursor.empty()) {
      range_.first = std::max(range_.first, PositionOf(page_.order, after) + 1);
    }
    ENTENTE_ASSIGN_OR_RETURN(const Access access, Narrowest(*usable));
    return IsByCreation(page_.order) ? Collect(access) : CollectRanked(access, after);
  }

 private:
  // Bounds the ids by the creation times of their eras. Clocks may jump, so an era has a range of
  // its own, and only eras that can not match are left out.
  Status NarrowByTime() {
    if (!filter_.since && !filter_.until) {
      return {};
    }
    ENTENTE_ASSIGN_OR_RETURN(
        const int64_t current,
        reader_.connection().QueryInteger("SELECT coalesce(max(first) + 4096, 1) FROM era"));
    static_assert(kEraTxns == 4096);
    if (filter_.since) {
      ENTENTE_ASSIGN_OR_RETURN(range_.first,
                               Bound("SELECT coalesce(min(first), ?2) FROM era WHERE latest >= ?1",
                                     *filter_.since, current));
    }
    if (filter_.until) {
      // The era that is being filled has no row; its own transactions tell.
      ENTENTE_ASSIGN_OR_RETURN(
          const int64_t current_matches,
          Bound("SELECT count(*) FROM (SELECT 1 FROM txn WHERE id >= ?2 AND created_at < ?1"
                " LIMIT 1)",
                *filter_.until, current));
      if (current_matches == 0) {
        ENTENTE_ASSIGN_OR_RETURN(
            const int64_t below,
            Bound("SELECT coalesce(max(first) + 4096, 1) FROM era WHERE earliest < ?1 AND ?2 > 0",
                  *filter_.until, current));
        range_.below = std::min(range_.below, below);
      }
    }
    return {};
  }

  Result<int64_t> Bound(std::string_view sql, Instant instant, int64_t current) {
    Statement statement;
    ENTENTE_RETURN_IF_ERROR(statement.Prepare(reader_.connection(), sql));
    statement.Bind(1, ToMicros(instant));
    statement.Bind(2, current);
    const int code = statement.Step();
    if (code != SQLITE_ROW) {
      return statement.Failure(code, "bounding a list by time");
    }
    return statement.Integer(0);
  }

  // The access with the fewest candidates, as far as they are counted; a plain scan if none has few
  // and the only index there is would have to be sorted.
  Result<Access> Narrowest(const std::vector<Access>& usable) {
    const Access scan{kSummaryTables, {"TRUE"}, "t.id", {}};
    const Access* best = nullptr;
    int64_t fewest = kMaxId;
    for (const Access& access : usable) {
      ENTENTE_ASSIGN_OR_RETURN(const int64_t candidates, CountCandidates(access));
      if (candidates < fewest && (access.in_order || candidates < kProbeRows)) {
        fewest = candidates;
        best = &access;
      }
    }
    return best == nullptr ? scan : *best;
  }

  Result<int64_t> CountCandidates(const Access& access) {
    std::string sql = "SELECT count(*) FROM (";
    for (size_t i = 0; i < access.where.size(); ++i) {
      sql += (i == 0 ? "" : " UNION ALL ") + ("SELECT " + access.id) + From(access, i);
    }
    sql += " LIMIT " + std::to_string(kProbeRows) + ")";
    Statement count;
    ENTENTE_RETURN_IF_ERROR(count.Prepare(reader_.connection(), sql));
    BindAll(count, access);
    const int code = count.Step();
    if (code != SQLITE_ROW) {
      return count.Failure(code, "planning a list");
    }
    return count.Integer(0);
  }

  static std::string Select(const Access& access, bool oldest_first) {
    std::string sql;
    for (size_t i = 0; i < access.where.size(); ++i) {
      sql += (i == 0 ? "SELECT " : " UNION ALL SELECT ") + std::string(kSummaryColumns) +
             From(access, i);
    }
    // A compound SELECT is ordered by a column's position, and merges its ordered halves.
    return sql + " ORDER BY " + (access.where.size() > 1 ? "1" : access.id) +
           (oldest_first ? " ASC" : " DESC");
  }

  Result<SummaryPage> Collect(const Access& access) {
    Statement rows;
    ENTENTE_RETURN_IF_ERROR(
        rows.Prepare(reader_.connection(), Select(access, page_.order == ListOrder::kOldest)));
    BindAll(rows, access);
    return CollectRows(rows);
  }

  Result<SummaryPage> CollectRows(Statement& rows) {
    SummaryPage page;
    int64_t examined = 0;
    int64_t last_shown = 0;
    int64_t last_examined = 0;
    int code = rows.Step();
    for (; code == SQLITE_ROW; code = rows.Step()) {
      if (++examined > kMaxRowsExamined) {
        page.next_cursor = CursorAt(last_examined);
        return page;
      }
      last_examined = rows.Integer(0);
      ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, Decoded(rows));
      if (!Matches(filter_, row.gid, row.summary)) {
        continue;
      }
      if (page.rows.size() == limit_) {
        page.next_cursor = CursorAt(last_shown);
        return page;
      }
      page.rows.push_back(std::move(row));
      last_shown = last_examined;
    }
    if (code != SQLITE_DONE) {
      return rows.Failure(code, "listing transactions");
    }
    return page;
  }

  [[nodiscard]] std::string CursorAt(int64_t id) const {
    return EncodeCursor(page_.order, PlaceOf(page_.order, 0, id));
  }

  // Every candidate is looked at, and few are decoded: those that are no better than what is kept
  // already can not be on the page, whatever the filter says. Hence those that are likely to be the
  // best come first: what was created last has mostly changed last, too.
  Result<SummaryPage> CollectRanked(const Access& access, const Place& after) {
    Statement rows;
    ENTENTE_RETURN_IF_ERROR(
        rows.Prepare(reader_.connection(), Select(access, page_.order == ListOrder::kUnchanged)));
    BindAll(rows, access);
    const int key = page_.order == ListOrder::kAttempts ? kAttemptsColumn : kUpdatedColumn;
    Ranking ranking(page_.order, after, limit_);
    size_t examined = 0;
    int code = rows.Step();
    for (; code == SQLITE_ROW; code = rows.Step()) {
      if (++examined > page_.most_sorted) {
        return SortTooWide(page_.most_sorted);
      }
      const Place place = PlaceOf(page_.order, rows.Integer(key), rows.Integer(0));
      if (!ranking.Wants(place)) {
        continue;
      }
      ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, Decoded(rows));
      if (Matches(filter_, row.gid, row.summary)) {
        ranking.Add(place, std::move(row));
      }
    }
    if (code != SQLITE_DONE) {
      return rows.Failure(code, "sorting transactions");
    }
    return ranking.Take();
  }

  Result<SummaryRow> Decoded(Statement& rows) const {
    ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, reader_.DecodeSummary(rows));
    if (open_) {
      open_(row.gid, row.summary);
    }
    return row;
  }

  static std::string From(const Access& access, size_t condition) {
    return " FROM " + access.tables + " WHERE " + access.where[condition] + " AND " + access.id +
           " >= ?1 AND " + access.id + " < ?2";
  }

  void BindAll(Statement& statement, const Access& access) const {
    statement.Bind(1, range_.first);
    statement.Bind(2, range_.below);
    int parameter = 3;
    for (const Parameter& value : access.parameters) {
      if (const auto* number = std::get_if<int64_t>(&value)) {
        statement.Bind(parameter++, *number);
      } else {
        statement.BindText(parameter++, std::get<std::string>(value));
      }
    }
  }

  Reader& reader_;
  const Filter& filter_;
  const Page& page_;
  const OpenRow& open_;
  const size_t limit_;
  IdRange range_;
};

}  // namespace

Result<SummaryPage> RunQuery(Reader& reader, const Filter& filter, const Page& page,
                             const OpenRow& open) {
  ENTENTE_ASSIGN_OR_RETURN(const Place after, DecodeCursor(page.order, page.cursor));
  Snapshot snapshot(reader.connection());
  ENTENTE_RETURN_IF_ERROR(snapshot.Begin());
  return Query(reader, filter, page, open).Run(after);
}

}  // namespace entente::storage::sqlite
