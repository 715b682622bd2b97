// The rows that one group commit writes, as arrays: a statement for each table, however many rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "net/postgres/connection.h"
#include "net/postgres/params.h"
#include "storage/journal.h"
#include "storage/postgres/periods.h"
#include "storage/postgres/positions.h"

namespace entente::storage::postgres {

// What is added stays readable until Statements was called and its result sent.
class GroupRows {
 public:
  void AddRecords(ShardId shard, const Position& position, const TxnAppend& append);
  // A transaction that the group creates, with the summary it ends the group with.
  void AddTxn(ShardId shard, const Gid& gid, const Position& position);
  // One that was there.
  void AddUpdate(const Position& position);

  [[nodiscard]] bool empty() const { return periods_.empty(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

  // Appends the statements to `out`, and to `changes` how many rows each changes at least. False if
  // `list` does not have a period that is written to.
  [[nodiscard]] bool Statements(const PeriodList& list, std::vector<pg::Statement>& out,
                                std::vector<size_t>& changes);

 private:
  struct Records {
    pg::ArrayParam shard{pg::ElementType::kInt2};
    pg::ArrayParam pos{pg::ElementType::kInt8};
    pg::ArrayParam first{pg::ElementType::kInt8};
    pg::ArrayParam next{pg::ElementType::kInt8};
    pg::ArrayParam records{pg::ElementType::kBytes};
  };
  // What changes in the course of a transaction.
  struct Changing {
    pg::ArrayParam status{pg::ElementType::kText};
    pg::ArrayParam open{pg::ElementType::kBool};
    pg::ArrayParam paused{pg::ElementType::kBool};
    pg::ArrayParam attempts{pg::ElementType::kInt8};
    pg::ArrayParam updated_at{pg::ElementType::kInt8};
    pg::ArrayParam finished_at{pg::ElementType::kInt8};
    pg::ArrayParam error{pg::ElementType::kBytes};
    pg::ArrayParam incidents{pg::ElementType::kBytes};

    void Add(const Summary& summary);
  };
  struct Txns {
    pg::ArrayParam shard{pg::ElementType::kInt2};
    pg::ArrayParam gid{pg::ElementType::kText};
    pg::ArrayParam pos{pg::ElementType::kInt8};
    pg::ArrayParam definition{pg::ElementType::kText};
    pg::ArrayParam version{pg::ElementType::kInt4};
    pg::ArrayParam mode{pg::ElementType::kText};
    pg::ArrayParam created_at{pg::ElementType::kInt8};
    pg::ArrayParam parent{pg::ElementType::kText};
    pg::ArrayParam labels{pg::ElementType::kBytes};
    Changing changing;
  };
  struct Updates {
    pg::ArrayParam pos{pg::ElementType::kInt8};
    Changing changing;
  };
  struct Labels {
    pg::ArrayParam name{pg::ElementType::kBytes};
    pg::ArrayParam value{pg::ElementType::kBytes};
    pg::ArrayParam pos{pg::ElementType::kInt8};
  };
  struct Period {
    Records records;
    Txns txns;
    Updates updates;
    Labels labels;
  };

  static void AddStatements(const PeriodTables& tables, Period& rows,
                            std::vector<pg::Statement>& out, std::vector<size_t>& changes);

  std::map<int32_t, Period> periods_;
  std::string blob_;
  size_t bytes_ = 0;
};

}  // namespace entente::storage::postgres
