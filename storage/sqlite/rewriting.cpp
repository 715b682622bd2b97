#include "storage/sqlite/rewriting.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "storage/codec.h"
#include "storage/rewrite_cursor.h"
#include "storage/sqlite/definitions.h"
#include "storage/sqlite/files/log_file.h"
#include "storage/sqlite/files/store_identity.h"

namespace entente::storage::sqlite {
namespace {

// Appends wait for one piece.
constexpr int64_t kRowsAtOnce = 128;
constexpr size_t kBytesAtOnce = size_t{2} << 20;
// Of transactions few have texts of their own.
constexpr int64_t kTxnsAtOnce = 4'096;

constexpr char kDefinitions = 'd';
constexpr char kSettings = 's';
constexpr char kTxns = 't';
constexpr char kJournal = 'j';

// One piece of a look; each phase begins where the one before found no more.
class Piece {
 public:
  Piece(Connection& writer, RewriteCursor cursor, const ChangeText& change)
      : writer_(writer), cursor_(std::move(cursor)), change_(change) {}

  Result<std::string> Run() {
    switch (cursor_.phase) {
      case 0: return Begin(kDefinitions);
      case kDefinitions: return Definitions();
      case kSettings: return Settings();
      case kTxns: return Txns();
      case kJournal: return Records();
      default: break;
    }
    return InvalidArgument("rewriting.bad_cursor", "no cursor of this store");
  }

 private:
  // Numbers: the last row looked at, and the last one that there was when the phase began.
  Result<std::string> Begin(char phase) {
    int64_t last = 0;
    if (phase == kTxns) {
      ENTENTE_ASSIGN_OR_RETURN(last, writer_.QueryInteger("SELECT coalesce(max(id), 0) FROM txn"));
    } else if (phase == kJournal) {
      ENTENTE_ASSIGN_OR_RETURN(last,
                               writer_.QueryInteger("SELECT coalesce(max(id), 0) FROM journal"));
    } else if (phase == kDefinitions) {
      ENTENTE_ASSIGN_OR_RETURN(
          last, writer_.QueryInteger("SELECT coalesce(max(rowid), 0) FROM definition"));
    }
    return RewriteCursor{phase, {0, last}}.Text();
  }

  [[nodiscard]] bool IsFull() const { return ++rows_ >= kRowsAtOnce || bytes_ >= kBytesAtOnce; }

  // What is to stand there instead; it is counted either way.
  std::optional<std::string> Changed(const TextPlace& place, std::string_view text) {
    bytes_ += text.size();
    return change_(place, text);
  }

  Result<std::string> After(int64_t row) {
    cursor_.numbers[0] = row;
    return cursor_.Text();
  }

  Result<std::string> Definitions() {
    Statement select;
    ENTENTE_RETURN_IF_ERROR(select.Prepare(
        writer_,
        "SELECT rowid, name, digest, source, env FROM definition WHERE rowid > ?1 AND rowid <= ?2"
        " ORDER BY rowid"));
    select.Bind(1, cursor_.numbers[0]);
    select.Bind(2, cursor_.numbers[1]);
    int code = select.Step();
    for (; code == SQLITE_ROW; code = select.Step()) {
      const std::string name(select.Bytes(1));
      const std::string digest(select.Bytes(2));
      const std::string source(select.Bytes(3));
      const std::string env(select.Bytes(4));
      const auto new_source = Changed({TextKind::kSource, name, 0, digest}, source);
      const auto new_env = Changed({TextKind::kEnv, name, 0, digest}, env);
      const int64_t row = select.Integer(0);
      if (new_source || new_env) {
        ENTENTE_RETURN_IF_ERROR(
            Put("UPDATE definition SET source = CAST(?2 AS TEXT), env = CAST(?3 AS TEXT)"
                " WHERE rowid = ?1",
                row, new_source.value_or(source), new_env.value_or(env)));
      }
      if (IsFull()) {
        return After(row);
      }
    }
    return code == SQLITE_DONE ? Begin(kSettings) : select.Failure(code, "reading definitions");
  }

  // Settings and notes are in one table.
  Result<std::string> Settings() {
    Statement select;
    ENTENTE_RETURN_IF_ERROR(
        select.Prepare(writer_, "SELECT name, value FROM setting WHERE name > ?1 ORDER BY name"));
    select.BindText(1, cursor_.name);
    Statement update;
    ENTENTE_RETURN_IF_ERROR(
        update.Prepare(writer_, "UPDATE setting SET value = ?2 WHERE name = ?1"));
    std::string last;
    int code = select.Step();
    for (; code == SQLITE_ROW; code = select.Step()) {
      last = select.Bytes(0);
      const bool own = last == kLogSetting || last == kHomeSetting || last == "probe";
      const bool note = last.starts_with(kNotePrefix);
      const TextPlace place{
          note ? TextKind::kNote : TextKind::kSetting,
          std::string_view(last).substr(note ? std::string_view(kNotePrefix).size() : 0)};
      const auto changed = own ? std::nullopt : Changed(place, select.Bytes(1));
      if (changed) {
        update.BindText(1, last);
        update.BindBlob(2, *changed);
        ENTENTE_RETURN_IF_ERROR(update.Run("rewriting a setting"));
      }
      if (IsFull()) {
        cursor_.name = last;
        return cursor_.Text();
      }
    }
    return code == SQLITE_DONE ? Begin(kTxns) : select.Failure(code, "reading settings");
  }

  // Errors and incidents.
  Result<std::string> Txns() {
    const int64_t last = std::min(cursor_.numbers[0] + kTxnsAtOnce, cursor_.numbers[1]);
    Statement select;
    ENTENTE_RETURN_IF_ERROR(select.Prepare(
        writer_,
        "SELECT t.id, t.gid, t.error, i.branches FROM txn AS t LEFT JOIN incident AS i ON i.txn ="
        " t.id WHERE t.id > ?1 AND t.id <= ?2 AND (t.error IS NOT NULL OR i.branches IS NOT NULL)"
        " ORDER BY t.id"));
    select.Bind(1, cursor_.numbers[0]);
    select.Bind(2, last);
    int code = select.Step();
    for (; code == SQLITE_ROW; code = select.Step()) {
      const int64_t id = select.Integer(0);
      const std::string gid(select.Bytes(1));
      if (!select.IsNull(2)) {
        const std::string error(select.Bytes(2));
        if (const auto changed = Changed({TextKind::kError, gid}, error)) {
          ENTENTE_RETURN_IF_ERROR(
              Put("UPDATE txn SET error = CAST(?2 AS TEXT) WHERE id = ?1", id, *changed, ""));
        }
      }
      if (!select.IsNull(3)) {
        ENTENTE_RETURN_IF_ERROR(Incidents(id, gid, select.Bytes(3)));
      }
      if (IsFull()) {
        return After(id);
      }
    }
    if (code != SQLITE_DONE) {
      return select.Failure(code, "reading errors");
    }
    return last < cursor_.numbers[1] ? After(last) : Begin(kJournal);
  }

  Status Incidents(int64_t id, const std::string& gid, std::string_view blob) {
    std::vector<IncidentRow> incidents;
    if (!DecodeIncidents(blob, incidents)) {
      static_cast<void>(Changed({TextKind::kDamagedRow, gid}, blob));
      return {};  // Whoever reads it says so.
    }
    bool any = false;
    for (IncidentRow& incident : incidents) {
      const TextPlace place{TextKind::kIncident, gid, 0, incident.branch.str()};
      if (auto changed = Changed(place, incident.message)) {
        incident.message = std::move(*changed);
        any = true;
      }
    }
    return any ? Put("UPDATE incident SET branches = ?2 WHERE txn = ?1", id,
                     EncodeIncidents(incidents), "")
               : Status();
  }

  Result<std::string> Records() {
    Statement select;
    ENTENTE_RETURN_IF_ERROR(select.Prepare(
        writer_,
        "SELECT j.id, j.txn, j.first, j.records, t.gid FROM journal AS j JOIN txn AS t ON t.id ="
        " j.txn WHERE j.id > ?1 AND j.id <= ?2 ORDER BY j.id"));
    select.Bind(1, cursor_.numbers[0]);
    select.Bind(2, cursor_.numbers[1]);
    int code = select.Step();
    for (; code == SQLITE_ROW; code = select.Step()) {
      const int64_t id = select.Integer(0);
      ENTENTE_RETURN_IF_ERROR(Row(id, select.Integer(1),
                                  Sequence(static_cast<uint64_t>(select.Integer(2))),
                                  select.Bytes(3), std::string(select.Bytes(4))));
      if (IsFull()) {
        return After(id);
      }
    }
    return code == SQLITE_DONE ? Result<std::string>(std::string())
                               : select.Failure(code, "reading records");
  }

  Status Row(int64_t id, int64_t txn, Sequence first, std::string_view blob,
             const std::string& gid) {
    std::vector<std::string> records;
    if (!DecodeRecords(txn, first, blob, records)) {
      static_cast<void>(Changed({TextKind::kDamagedRow, gid}, blob));
      return {};  // Whoever reads it says so.
    }
    bool any = false;
    uint64_t sequence = first.value();
    for (std::string& record : records) {
      if (auto changed = Changed({TextKind::kRecord, gid, sequence++}, record)) {
        record = std::move(*changed);
        any = true;
      }
    }
    if (!any) {
      return {};
    }
    std::string rewritten;
    EncodeRecords(txn, first, records, rewritten);
    return Put("UPDATE journal SET records = ?2 WHERE id = ?1", id, rewritten, "");
  }

  // The statement may have one text or two.
  Status Put(std::string_view sql, int64_t row, const std::string& text,
             const std::string& second) {
    Statement update;
    ENTENTE_RETURN_IF_ERROR(update.Prepare(writer_, sql));
    update.Bind(1, row);
    update.BindBlob(2, text);
    update.BindBlob(3, second);  // Ignored by a statement without it.
    return update.Run("rewriting");
  }

  Connection& writer_;
  RewriteCursor cursor_;
  const ChangeText& change_;
  mutable int64_t rows_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

Result<std::string> RewriteSome(Connection& writer, const std::string& cursor,
                                const ChangeText& change) {
  auto at = RewriteCursor::Of(cursor);
  if (!at || (at->phase != 0 && at->numbers.size() != 2)) {
    return InvalidArgument("rewriting.bad_cursor", "no cursor of this store");
  }
  // What is replaced is overwritten, and not left in the pages for whoever reads the file.
  ENTENTE_RETURN_IF_ERROR(writer.Execute("PRAGMA secure_delete=ON"));
  Result<std::string> next = Piece(writer, std::move(*at), change).Run();
  const Status off = writer.Execute("PRAGMA secure_delete=OFF");
  return next.ok() && !off.ok() ? Result<std::string>(off) : next;
}

}  // namespace entente::storage::sqlite
