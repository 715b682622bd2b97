// What became of one statement.
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace entente::pg {

// A statement's result, good or not. Movable; views of values live as long as it.
class PgResult {
 public:
  // Takes ownership of `handle`; null means that the connection broke, and the connection has the
  // message then.
  PgResult(PGresult* handle, PGconn* connection);
  // One that the server never gave.
  explicit PgResult(std::string message) : message_(std::move(message)) {}

  [[nodiscard]] bool ok() const;
  // Not executed, because an earlier statement of the same pipeline failed.
  [[nodiscard]] bool skipped() const;
  // Five characters; empty if the server did not say: the connection broke.
  [[nodiscard]] std::string sqlstate() const;
  // As the server words it in its own language-independent form: "ERROR", "FATAL", ...
  [[nodiscard]] std::string severity() const;
  // The failure for people; empty for a good result.
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] std::string tag() const;  // "INSERT 0 1", "COMMIT", ...
  [[nodiscard]] size_t changed() const;   // Rows, of an INSERT, UPDATE or DELETE.
  [[nodiscard]] int rows() const;

  // Values in text form.
  [[nodiscard]] std::optional<std::string> OptionalText(int row, int column) const;
  [[nodiscard]] std::string Text(int row, int column) const;
  [[nodiscard]] int64_t Integer(int row, int column) const;
  [[nodiscard]] bool Boolean(int row, int column) const;

  // Values of a result that was asked for in binary form.
  [[nodiscard]] bool IsNull(int row, int column) const;
  [[nodiscard]] std::string_view Bytes(int row, int column) const;  // text, bytea
  // smallint, integer, bigint, boolean; big-endian of whatever width.
  [[nodiscard]] int64_t Number(int row, int column) const;

 private:
  struct Clear {
    void operator()(PGresult* handle) const { PQclear(handle); }
  };
  std::unique_ptr<PGresult, Clear> handle_;
  std::string message_;
};

// `text` without the line end that libpq's messages have.
[[nodiscard]] std::string WithoutLineEnd(std::string text);

// What the connection's latest failure was, for people.
[[nodiscard]] std::string PgErrorOf(PGconn* connection);

}  // namespace entente::pg
