// Reads the members of a request's JSON body, or the parameters of its query, strictly.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "coordinator/api/problem.h"

namespace entente::api {

// Takes members out of one JSON object by name and notes every mistake: a wrong type, also null, or
// a member that nothing asked for. Not thread-safe.
class BodyReader {
 public:
  // `body` that is no object is a mistake, and every member is absent.
  explicit BodyReader(Json body);

  [[nodiscard]] std::string TakeString(std::string_view name);
  [[nodiscard]] std::optional<std::string> TakeOptionalString(std::string_view name);
  [[nodiscard]] std::optional<uint32_t> TakeNumber(std::string_view name);
  [[nodiscard]] bool TakeBool(std::string_view name);  // False if absent.
  [[nodiscard]] std::vector<std::string> TakeStringList(std::string_view name);
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> TakeStringMap(
      std::string_view name);
  // Any JSON value, as it is.
  [[nodiscard]] std::optional<Json> TakeValue(std::string_view name);

  // To be called last: what was wrong, or nothing. Members not asked for are among it.
  [[nodiscard]] std::optional<Error> Finish();

 private:
  static constexpr size_t kMaxNames = 16;

  Json* Find(std::string_view name);
  void Fail(std::string_view field, std::string message);

  Json body_;
  size_t taken_ = 0;
  std::array<std::string_view, kMaxNames> names_{};
  size_t name_count_ = 0;
  std::vector<Violation> violations_;
};

// The same for "a=1&b=2". Values are percent-decoded; a parameter may occur once, and not without a
// value: a filter that its sender failed to fill in would let everything through.
class QueryReader {
 public:
  explicit QueryReader(std::string_view query);

  [[nodiscard]] std::string TakeString(std::string_view name);
  [[nodiscard]] std::optional<std::string> TakeOptionalString(std::string_view name);
  [[nodiscard]] std::optional<bool> TakeBool(std::string_view name);
  [[nodiscard]] std::optional<uint32_t> TakeNumber(std::string_view name, uint32_t least = 1);
  [[nodiscard]] std::optional<Instant> TakeInstant(std::string_view name);

  [[nodiscard]] std::optional<Error> Finish();

 private:
  struct Parameter {
    std::string name;
    std::string value;
    bool taken = false;
  };

  void Fail(std::string_view field, std::string message);

  std::vector<Parameter> parameters_;
  std::vector<std::string_view> names_;
  std::vector<Violation> violations_;
};

// A decimal number without a sign, or nothing.
[[nodiscard]] std::optional<uint32_t> ParseNumber(std::string_view text);

}  // namespace entente::api
