// Transactions are kept in a set of tables for each period in which they began. Which sets there
// are, and what is said to them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/postgres/options.h"

namespace entente::storage::postgres {

// The statements that one set of tables is sent. The texts live as long as their PeriodList.
struct PeriodTables {
  explicit PeriodTables(int32_t period);

  // `#` in the text is this period's number.
  [[nodiscard]] std::string Of(const char* text) const;

  int32_t period;
  std::string insert_txns;
  std::string update_txns;
  std::string insert_records;
  std::string insert_labels;
  std::string forget;  // All of one transaction, by shard, name, key, and a label of it.
  std::string open_page;
  std::string records_of;
};

// All sets there are, and the statements about all of them.
struct PeriodList {
  explicit PeriodList(const std::vector<int32_t>& newest_first);

  [[nodiscard]] const PeriodTables* Find(int32_t period) const;
  [[nodiscard]] int32_t newest() const { return tables.empty() ? 0 : tables.front().period; }

  std::vector<PeriodTables> tables;  // Newest first.
  std::string find;                  // Positions of transactions, by shard and name.
  std::string load_txn;              // By shard and name.
  std::string load_records;
};

// The columns of a summary, in the order in which DecodeSummary reads them.
inline constexpr const char* kSummaryColumns =
    "t.gid, t.pos, t.definition, t.version, t.mode, t.status, t.open, t.paused, t.attempts, "
    "t.created_at, t.updated_at, t.parent, t.labels, t.error, t.incidents, t.finished_at";

// Thread-safe.
class Periods {
 public:
  // As it was at the latest Refresh.
  [[nodiscard]] std::shared_ptr<const PeriodList> Get() const;

  // Reads which periods there are. Blocks.
  [[nodiscard]] Status Refresh(pg::Connection& connection, Duration timeout);

 private:
  mutable std::mutex mutex_;
  // Shared with whoever sends its texts while a refresh replaces it.
  std::shared_ptr<const PeriodList> list_ =
      std::make_shared<const PeriodList>(std::vector<int32_t>());
};

}  // namespace entente::storage::postgres
