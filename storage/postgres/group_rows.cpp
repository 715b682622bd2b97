#include "storage/postgres/group_rows.h"

#include <utility>

#include "storage/codec.h"

namespace entente::storage::postgres {

void GroupRows::AddRecords(ShardId shard, const Position& position, const TxnAppend& append) {
  Records& rows = periods_[position.period].records;
  rows.shard.AddNumber(static_cast<int64_t>(shard.value()));
  rows.pos.AddNumber(position.pos);
  rows.first.AddNumber(static_cast<int64_t>(append.first.value()));
  rows.next.AddNumber(static_cast<int64_t>(append.first.value() + append.records.size()));
  EncodeRecords(position.pos, append.first, append.records, blob_);
  rows.records.AddBytes(blob_);
  bytes_ += blob_.size();
}

void GroupRows::Changing::Add(const Summary& summary) {
  status.AddBytes(summary.status);
  open.AddBool(summary.open);
  paused.AddBool(summary.paused);
  attempts.AddNumber(summary.attempts);
  updated_at.AddNumber(ToMicros(summary.updated_at));
  summary.open || summary.lasting ? finished_at.AddNull()
                                  : finished_at.AddNumber(ToMicros(summary.updated_at));
  summary.error.empty() ? error.AddNull() : error.AddBytes(summary.error);
  summary.incidents.empty() ? incidents.AddNull()
                            : incidents.AddBytes(EncodeIncidents(summary.incidents));
}

void GroupRows::AddTxn(ShardId shard, const Gid& gid, const Position& position) {
  Period& period = periods_[position.period];
  Txns& rows = period.txns;
  const Summary& created = *position.created;
  rows.shard.AddNumber(static_cast<int64_t>(shard.value()));
  rows.gid.AddBytes(gid.str());
  rows.pos.AddNumber(position.pos);
  rows.definition.AddBytes(created.definition);
  rows.version.AddNumber(created.version);
  rows.mode.AddBytes(created.mode);
  rows.created_at.AddNumber(ToMicros(created.created_at));
  created.parent ? rows.parent.AddBytes(created.parent->str()) : rows.parent.AddNull();
  created.labels.empty() ? rows.labels.AddNull()
                         : rows.labels.AddBytes(EncodeLabels(created.labels));
  rows.changing.Add(*position.latest);
  for (const auto& [name, value] : created.labels) {
    period.labels.name.AddBytes(name);
    period.labels.value.AddBytes(value);
    period.labels.pos.AddNumber(position.pos);
  }
}

void GroupRows::AddUpdate(const Position& position) {
  Updates& rows = periods_[position.period].updates;
  rows.pos.AddNumber(position.pos);
  rows.changing.Add(*position.latest);
}

bool GroupRows::Statements(const PeriodList& list, std::vector<pg::Statement>& out,
                           std::vector<size_t>& changes) {
  for (auto& [number, rows] : periods_) {
    const PeriodTables* tables = list.Find(number);
    if (tables == nullptr) {
      return false;
    }
    AddStatements(*tables, rows, out, changes);
  }
  return true;
}

void GroupRows::AddStatements(const PeriodTables& tables, Period& rows,
                              std::vector<pg::Statement>& out, std::vector<size_t>& changes) {
  const auto add = [&](const std::string& sql, size_t least,
                       std::initializer_list<pg::ArrayParam*> columns) {
    if ((*columns.begin())->size() == 0) {
      return;
    }
    pg::Statement& statement = out.emplace_back(pg::Statement{sql, {}});
    for (pg::ArrayParam* column : columns) {
      statement.params.Array(std::move(*column));
    }
    changes.push_back(least);
  };
  Txns& t = rows.txns;
  Changing& c = t.changing;
  add(tables.insert_txns, t.pos.size(),
      {&t.shard, &t.gid, &t.pos, &t.definition, &t.version, &t.mode, &c.status, &c.open, &c.paused,
       &c.attempts, &t.created_at, &c.updated_at, &c.finished_at, &t.parent, &t.labels, &c.error,
       &c.incidents});
  Labels& l = rows.labels;
  add(tables.insert_labels, 0, {&l.name, &l.value, &l.pos});  // One may be said twice.
  Changing& u = rows.updates.changing;
  add(tables.update_txns, rows.updates.pos.size(),
      {&rows.updates.pos, &u.status, &u.open, &u.paused, &u.attempts, &u.updated_at, &u.finished_at,
       &u.error, &u.incidents});
  Records& r = rows.records;
  add(tables.insert_records, r.pos.size(), {&r.shard, &r.pos, &r.first, &r.next, &r.records});
}

}  // namespace entente::storage::postgres
