#include "storage/postgres/query.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/postgres/params.h"
#include "storage/postgres/failure.h"
#include "storage/postgres/reader.h"
#include "storage/summary_filter.h"

namespace entente::storage::postgres {
namespace {

// Rows of one period that a page looks at before it ends early; some tens of milliseconds.
constexpr int64_t kMaxRowsExamined = 20'000;

// More names with a prefix than this are not worth sorting: the list is read through instead.
constexpr int64_t kMaxNames = 2'000;

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
  Query(pg::Connection& connection, const Filter& filter, size_t limit, int64_t below,
        const PostgresOptions& options)
      : connection_(connection), filter_(filter), limit_(limit), below_(below), options_(options) {}

  Result<SummaryPage> Run(const PeriodList& list) {
    for (const PeriodTables& tables : list.tables) {
      ENTENTE_RETURN_IF_ERROR(Collect(tables));
    }
    return Finish();
  }

 private:
  struct Row {
    int64_t pos;
    SummaryRow row;
  };

  // Periods overlap a little: shards change to the next one one by one. So each adds its newest
  // rows, but none that is older than what is shown anyway, or than where another one stopped.
  Status Collect(const PeriodTables& tables) {
    ENTENTE_ASSIGN_OR_RETURN(const Access access, AccessOf(tables));
    const std::string inner = " FROM " + access.from + " WHERE " + access.where.sql() +
                              " ORDER BY t.pos DESC LIMIT " + std::to_string(kMaxRowsExamined);
    Conditions filter;
    filter.After(access.where);
    AddFilter(filter);
    // What only the decoded row tells is looked for in all that may have it.
    const int64_t most = IsReadOut() ? kMaxRowsExamined : static_cast<int64_t>(limit_) + 1;
    const std::string sql = "SELECT " + std::string(kSummaryColumns) + " FROM (SELECT t.*" + inner +
                            ") AS t" + (filter.empty() ? "" : " WHERE " + filter.sql()) +
                            " ORDER BY t.pos DESC LIMIT " + std::to_string(most);
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult rows, Ask(tables.Of(sql.c_str()), filter.params()));
    size_t found = 0;
    for (int i = 0; i < rows.rows() && found <= limit_; ++i) {
      ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, DecodeSummary(rows, i));
      if (!IsReadOut() || Matches(filter_, row.gid, row.summary)) {
        ++found;
        rows_.push_back({rows.Number(i, 1), std::move(row)});
      }
    }
    std::ranges::sort(rows_, std::ranges::greater(), &Row::pos);
    if (rows_.size() > limit_) {
      rows_.resize(limit_ + 1);
      floor_ = std::max(floor_, rows_.back().pos);
    }
    return found > limit_ ? Status() : NoteEnd(tables, inner, access.where.params());
  }

  // Whether the filter asks for what the tables have only as bytes.
  [[nodiscard]] bool IsReadOut() const {
    return filter_.error || filter_.participant || filter_.code;
  }

  // Where the period's part of the page ended before the period did.
  Status NoteEnd(const PeriodTables& tables, const std::string& inner, const pg::Params& params) {
    const std::string sql = "SELECT count(*), min(b.pos) FROM (SELECT t.pos" + inner + ") AS b";
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult bound, Ask(tables.Of(sql.c_str()), params));
    if (bound.Number(0, 0) == kMaxRowsExamined) {
      cut_ = std::max(cut_, bound.Number(0, 1));
      floor_ = std::max(floor_, cut_ - 1);
    }
    return {};
  }

  Result<SummaryPage> Finish() {
    std::erase_if(rows_, [this](const Row& row) { return row.pos < cut_; });
    SummaryPage page;
    for (Row& row : rows_) {
      if (page.rows.size() == limit_) {
        page.next_cursor = EncodeCursor(rows_[limit_ - 1].pos);
        return page;
      }
      page.rows.push_back(std::move(row.row));
    }
    if (cut_ > 0) {
      page.next_cursor = EncodeCursor(cut_);
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
    if (filter_.participant || filter_.code) {
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
  const size_t limit_;
  const int64_t below_;
  const PostgresOptions& options_;
  std::vector<Row> rows_;  // The newest found, descending; one more than are shown.
  int64_t cut_ = 0;        // What is below was not looked at in every period.
  int64_t floor_ = 0;      // What is not above need not be looked at.
};

}  // namespace

Result<SummaryPage> RunQuery(pg::Connection& connection, const PeriodList& list,
                             const Filter& filter, const Page& page,
                             const PostgresOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const int64_t below, DecodeCursor(page.cursor));
  return Query(connection, filter, ClampPageLimit(page.limit), below, options).Run(list);
}

}  // namespace entente::storage::postgres
