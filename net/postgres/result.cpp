#include "net/postgres/result.h"

#include <charconv>
#include <utility>

namespace entente::pg {

std::string WithoutLineEnd(std::string text) {
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

std::string PgErrorOf(PGconn* connection) {
  return WithoutLineEnd(PQerrorMessage(connection));
}

PgResult::PgResult(PGresult* handle, PGconn* connection)
    : handle_(handle),
      message_(WithoutLineEnd(handle != nullptr ? PQresultErrorMessage(handle)
                                                : PQerrorMessage(connection))) {}

bool PgResult::ok() const {
  const ExecStatusType status = PQresultStatus(handle_.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool PgResult::skipped() const {
  return PQresultStatus(handle_.get()) == PGRES_PIPELINE_ABORTED;
}

std::string PgResult::sqlstate() const {
  const char* state = PQresultErrorField(handle_.get(), PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string() : std::string(state);
}

std::string PgResult::severity() const {
  const char* severity = PQresultErrorField(handle_.get(), PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == nullptr ? std::string() : std::string(severity);
}

std::string PgResult::tag() const {
  return handle_ == nullptr ? std::string() : std::string(PQcmdStatus(handle_.get()));
}

size_t PgResult::changed() const {
  const std::string_view text = handle_ == nullptr ? "" : PQcmdTuples(handle_.get());
  size_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

int PgResult::rows() const {
  return PQntuples(handle_.get());
}

std::optional<std::string> PgResult::OptionalText(int row, int column) const {
  return IsNull(row, column) ? std::nullopt : std::optional(std::string(Bytes(row, column)));
}

std::string PgResult::Text(int row, int column) const {
  return std::string(Bytes(row, column));
}

int64_t PgResult::Integer(int row, int column) const {
  const std::string_view text = Bytes(row, column);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool PgResult::Boolean(int row, int column) const {
  return Bytes(row, column) == "t";
}

bool PgResult::IsNull(int row, int column) const {
  return PQgetisnull(handle_.get(), row, column) != 0;
}

std::string_view PgResult::Bytes(int row, int column) const {
  if (IsNull(row, column)) {
    return {};
  }
  return {PQgetvalue(handle_.get(), row, column),
          static_cast<size_t>(PQgetlength(handle_.get(), row, column))};
}

int64_t PgResult::Number(int row, int column) const {
  const std::string_view bytes = Bytes(row, column);
  if (bytes.empty()) {
    return 0;
  }
  // Sign-extended from the first byte.
  uint64_t number = (static_cast<unsigned char>(bytes.front()) & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char byte : bytes) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  return static_cast<int64_t>(number);
}

}  // namespace entente::pg
