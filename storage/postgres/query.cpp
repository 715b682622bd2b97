#include "storage/postgres/query.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/postgres/params.h"
#include "storage/list_order.h"
#include "storage/postgres/failure.h"
#include "storage/postgres/reader.h"
#include "storage/summary_filter.h"

namespace entente::storage::postgres {
namespace {

// Rows of one period that a page looks at before it ends early; some tens of milliseconds.
constexpr int64_t kMaxRowsExamined = 20'000;

// More names with a prefix than this are not worth sorting: the list is read through instead.
constexpr int64_t kMaxNames = 2'000;

// Of kSummaryColumns.
constexpr int kPosColumn = 1;

// A condition with its parameters, which count from the number that it is made with.
class Conditions {
 public:
  // `$` in the text stands for the next parameter.
  template <class... Values>
  void Add(std::string_view text, Values... values) {
    sql_ += sql_.empty() ? "" : " AND ";
    for (const char c : text) {
      c == '$' ? sql_ += "$" + std::to_string(++count_) : sql_ += c;
    }
    (Put(std::move(values)), ...);
  }

  [[nodiscard]] const std::string& sql() const { return sql_; }
  // How many parameters there are before those to come.
  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] const pg::Params& params() const { return params_; }
  [[nodiscard]] bool empty() const { return sql_.empty(); }

  // Goes on counting after `before`.
  void After(const Conditions& before) {
    count_ = before.count_;
    params_ = before.params_;
  }

 private:
  void Put(int64_t value) { params_.Int8(value); }
  void Put(std::string value) { params_.Bytes(std::move(value)); }
  void Put(const char* value) { params_.Bytes(value); }

  std::string sql_;
  int count_ = 0;
  pg::Params params_;
};

// The least string greater than everything that begins with the prefix; nullopt if there is none.
std::optional<std::string> AfterPrefix(std::string prefix) {
  while (!prefix.empty()) {
    auto& last = prefix.back();
    if (static_cast<unsigned char>(last) < 0x7f) {
      ++last;
      return prefix;
    }
    prefix.pop_back();
  }
  return std::nullopt;
}

std::string AllShards() {
  std::string shards = "t.shard IN (";
  for (uint64_t shard = 0; shard < kShardCount; ++shard) {
    shards += (shard == 0 ? "" : ", ") + std::to_string(shard);
  }
  return shards + ")";
}

// What narrows the rows that are looked at, by an index.
struct Access {
  std::string from = "entente_txn_# AS t";
  Conditions where;
};

class Query {
 public:
  Query(pg::Connection& connection, const Filter& filter, const Page& page, const Place& after,
        const PostgresOptions& options, const OpenRow& open)
      : connection_(connection),
        filter_(filter),
        page_(page),
        limit_(ClampPageLimit(page.limit)),
        after_(after),
        oldest_(page.order == ListOrder::kOldest),
        options_(options),
        open_(open) {
    if (page.cursor.empty()) {
      return;
    }
    if (oldest_) {
      floor_ = PositionOf(page.order, after);
    } else if (page.order == ListOrder::kNewest) {
      below_ = after.position;
    }
  }

  Result<SummaryPage> Run(const PeriodList& list) {
    for (const PeriodTables& tables : list.tables) {
      ENTENTE_RETURN_IF_ERROR(IsByCreation(page_.order) ? Collect(tables) : CollectRanked(tables));
    }
    return Finish();
  }

 private:
  struct Row {
    Place place;
    SummaryRow row;
  };

  // Periods overlap a little: shards change to the next one one by one. So each adds its first
  // rows, but none that comes after what is shown anyway, or after where another one stopped.
  Status Collect(const PeriodTables& tables) {
    ENTENTE_ASSIGN_OR_RETURN(const Access access, AccessOf(tables));
    const std::string by_pos = oldest_ ? " ORDER BY t.pos LIMIT " : " ORDER BY t.pos DESC LIMIT ";
    const std::string inner = " FROM " + access.from + " WHERE " + access.where.sql() + by_pos +
                              std::to_string(kMaxRowsExamined);
    Conditions filter;
    filter.After(access.where);
    AddFilter(filter);
    const std::string sql = "SELECT " + std::string(kSummaryColumns) + " FROM (SELECT t.*" + inner +
                            ") AS t" + (filter.empty() ? "" : " WHERE " + filter.sql()) + by_pos +
                            std::to_string(MostRead());
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult rows, Ask(tables.Of(sql.c_str()), filter.params()));
    ENTENTE_ASSIGN_OR_RETURN(const size_t found, Keep(rows));
    if (rows_.size() > limit_) {
      LeaveOutAfter(rows_.back().place);
    }
    return found > limit_ ? Status() : NoteEnd(tables, inner, access.where.params());
  }

  // In an order that no index has: all that the filter lets through is sorted, for want of which
  // the first row could be any.
  Status CollectRanked(const PeriodTables& tables) {
    ENTENTE_ASSIGN_OR_RETURN(const Access access, AccessOf(tables));
    Conditions where = access.where;
    AddFilter(where);
    const std::string from = " FROM " + access.from + " WHERE " + where.sql();
    ENTENTE_RETURN_IF_ERROR(CountSorted(tables, from, where.params()));
    Conditions next;
    next.After(where);
    next.Add("(" + RankColumn() + ", t.pos) < ($::bigint, $::bigint)", after_.rank,
             after_.position);
    const std::string sql = "SELECT " + std::string(kSummaryColumns) + from + " AND " + next.sql() +
                            " ORDER BY " + RankColumn() + " DESC, t.pos DESC LIMIT " +
                            std::to_string(MostRead());
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult rows, Ask(tables.Of(sql.c_str()), next.params()));
    ENTENTE_ASSIGN_OR_RETURN(const size_t found, Keep(rows));
    if (found <= limit_ && rows.rows() == kMaxRowsExamined) {
      ENTENTE_ASSIGN_OR_RETURN(const SummaryRow last, DecodeSummary(rows, rows.rows() - 1));
      CutAt(PlaceOf(page_.order, KeyOf(page_.order, last.summary),
                    rows.Number(rows.rows() - 1, kPosColumn)));
    }
    return {};
  }

  [[nodiscard]] std::string RankColumn() const {
    switch (page_.order) {
      case ListOrder::kAttempts: return "t.attempts::bigint";
      case ListOrder::kUnchanged: return "(-t.updated_at)";
      default: return "t.updated_at";
    }
  }

  Status CountSorted(const PeriodTables& tables, const std::string& from,
                     const pg::Params& params) {
    const std::string sql = "SELECT count(*) FROM (SELECT 1" + from + " LIMIT " +
                            std::to_string(page_.most_sorted + 1) + ") AS n";
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult count, Ask(tables.Of(sql.c_str()), params));
    sorted_ += static_cast<size_t>(count.Number(0, 0));
    return sorted_ > page_.most_sorted ? SortTooWide(page_.most_sorted) : Status();
  }

  // What only the decoded row tells is looked for in all that may have it.
  [[nodiscard]] int64_t MostRead() const {
    return IsReadOut() ? kMaxRowsExamined : static_cast<int64_t>(limit_) + 1;
  }

  // Keeps of these and those before the first ones. Returns how many of these match.
  Result<size_t> Keep(const pg::PgResult& rows) {
    size_t found = 0;
    for (int i = 0; i < rows.rows() && found <= limit_; ++i) {
      ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, DecodeSummary(rows, i));
      if (open_) {
        open_(row.gid, row.summary);
      }
      if (!IsReadOut() || Matches(filter_, row.gid, row.summary)) {
        ++found;
        const Place place =
            PlaceOf(page_.order, KeyOf(page_.order, row.summary), rows.Number(i, kPosColumn));
        rows_.push_back({place, std::move(row)});
      }
    }
    std::ranges::sort(rows_, std::ranges::greater(), &Row::place);
    if (rows_.size() > limit_) {
      rows_.resize(limit_ + 1);
    }
    return found;
  }

  // Whether the filter asks for what the tables have only as bytes.
  [[nodiscard]] bool IsReadOut() const {
    return filter_.error || filter_.participant || filter_.code || filter_.step;
  }

  // Of an order of creation: what comes after `place` need not be looked at in other periods.
  void LeaveOutAfter(const Place& place) {
    const int64_t pos = PositionOf(page_.order, place);
    if (oldest_) {
      below_ = std::min(below_, pos);
    } else {
      floor_ = std::max(floor_, pos);
    }
  }

  void CutAt(const Place& place) { cut_ = cut_ ? std::max(*cut_, place) : place; }

  // Where the period's part of the page ended before the period did.
  Status NoteEnd(const PeriodTables& tables, const std::string& inner, const pg::Params& params) {
    const std::string sql = std::string("SELECT count(*), ") + (oldest_ ? "max" : "min") +
                            "(b.pos) FROM (SELECT t.pos" + inner + ") AS b";
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult bound, Ask(tables.Of(sql.c_str()), params));
    if (bound.Number(0, 0) == kMaxRowsExamined) {
      CutAt(PlaceOf(page_.order, 0, bound.Number(0, 1)));
      const int64_t pos = PositionOf(page_.order, *cut_);
      LeaveOutAfter(PlaceOf(page_.order, 0, oldest_ ? pos + 1 : pos - 1));
    }
    return {};
  }

  Result<SummaryPage> Finish() {
    std::erase_if(rows_, [this](const Row& row) { return cut_ && row.place < *cut_; });
    SummaryPage page;
    for (Row& row : rows_) {
      if (page.rows.size() == limit_) {
        page.next_cursor = EncodeCursor(page_.order, rows_[limit_ - 1].place);
        return page;
      }
      page.rows.push_back(std::move(row.row));
    }
    if (cut_) {
      page.next_cursor = EncodeCursor(page_.order, *cut_);
    }
    return page;
  }

  Result<Access> AccessOf(const PeriodTables& tables) {
    Access access;
    access.where.Add("t.pos < $::bigint AND t.pos > $::bigint", below_, floor_);
    if (filter_.label) {
      access.from = "entente_label_# AS l JOIN entente_txn_# AS t ON t.pos = l.pos";
      access.where.Add("l.name = $::bytea AND l.value = $::bytea", filter_.label->first,
                       filter_.label->second);
    } else if (filter_.incident == true) {
      access.where.Add("t.incidents IS NOT NULL");
    } else if (filter_.parent) {
      access.where.Add("t.parent = $::text", filter_.parent->str());
    } else if (filter_.gid_prefix) {
      const std::optional<std::string> after = AfterPrefix(*filter_.gid_prefix);
      if (after) {
        ENTENTE_ASSIGN_OR_RETURN(const bool few, FewNames(tables, *filter_.gid_prefix, *after));
        if (few) {
          access.where.Add(AllShards() + " AND t.gid >= $::text AND t.gid < $::text",
                           *filter_.gid_prefix, *after);
        }
      }
    }
    return access;
  }

  Result<bool> FewNames(const PeriodTables& tables, const std::string& prefix,
                        const std::string& after) {
    Conditions names;
    names.Add(AllShards() + " AND t.gid >= $::text AND t.gid < $::text", prefix, after);
    const std::string sql = "SELECT count(*) FROM (SELECT 1 FROM entente_txn_# AS t WHERE " +
                            names.sql() + " LIMIT " + std::to_string(kMaxNames + 1) + ") AS n";
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult count, Ask(tables.Of(sql.c_str()), names.params()));
    return count.Number(0, 0) <= kMaxNames;
  }

  void AddFilter(Conditions& where) const {
    if (filter_.status) {
      where.Add("t.status = $::text", *filter_.status);
    }
    if (filter_.mode) {
      where.Add("t.mode = $::text", *filter_.mode);
    }
    if (filter_.definition) {
      where.Add("t.definition = $::text", *filter_.definition);
    }
    if (filter_.incident) {
      where.Add(*filter_.incident ? "t.incidents IS NOT NULL" : "t.incidents IS NULL");
    }
    if (filter_.since) {
      where.Add("t.created_at >= $::bigint", ToMicros(*filter_.since));
    }
    if (filter_.until) {
      where.Add("t.created_at < $::bigint", ToMicros(*filter_.until));
    }
    if (filter_.parent) {
      where.Add("t.parent = $::text", filter_.parent->str());
    }
    if (filter_.paused) {
      where.Add(*filter_.paused ? "t.paused" : "NOT t.paused");
    }
    if (filter_.unchanged_since) {
      where.Add("t.updated_at < $::bigint", ToMicros(*filter_.unchanged_since));
    }
    if (filter_.attempts) {
      where.Add("t.attempts >= $::bigint", static_cast<int64_t>(*filter_.attempts));
    }
    if (filter_.error && !filter_.error->empty()) {
      where.Add("t.error IS NOT NULL");
    }
    if (filter_.participant || filter_.code || filter_.step) {
      where.Add("t.incidents IS NOT NULL");
    }
    if (filter_.gid_prefix && !filter_.gid_prefix->empty()) {
      // Byte by byte, whatever stands in it.
      where.Add("left(t.gid, length($::text)) = $::text", *filter_.gid_prefix, *filter_.gid_prefix);
    }
  }

  Result<pg::PgResult> Ask(const std::string& sql, const pg::Params& params) {
    pg::PgResult result =
        connection_.RunOnce(sql, params, After(options_.list_timeout + std::chrono::seconds(1)));
    if (!result.ok()) {
      return NotWritten(result, "listing transactions");
    }
    return result;
  }

  pg::Connection& connection_;
  const Filter& filter_;
  const Page& page_;
  const size_t limit_;
  const Place after_;
  const bool oldest_;
  const PostgresOptions& options_;
  const OpenRow& open_;
  std::vector<Row> rows_;     // The first ones found, in order; one more than are shown.
  std::optional<Place> cut_;  // What comes after was not looked at in every period.
  size_t sorted_ = 0;
  // Only what is above and below need be looked at.
  int64_t floor_ = 0;
  int64_t below_ = std::numeric_limits<int64_t>::max();
};

}  // namespace

Result<SummaryPage> RunQuery(pg::Connection& connection, const PeriodList& list,
                             const Filter& filter, const Page& page, const PostgresOptions& options,
                             const OpenRow& open) {
  ENTENTE_ASSIGN_OR_RETURN(const Place after, DecodeCursor(page.order, page.cursor));
  return Query(connection, filter, page, after, options, open).Run(list);
}

}  // namespace entente::storage::postgres
