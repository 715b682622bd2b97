// The bytes inside the database's BLOB columns; docs/journal-format.md describes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "storage/journal.h"

namespace entente::storage {

// Writes the records of one append into `blob` (replacing what it held), with a checksum over them,
// the transaction's row and their place in its journal.
void EncodeRecords(int64_t txn_id, Sequence first, const std::vector<std::string>& records,
                   std::string& blob);

// Appends the records to `records`. False if the blob is not what EncodeRecords wrote for this
// place.
[[nodiscard]] bool DecodeRecords(int64_t txn_id, Sequence first, std::string_view blob,
                                 std::vector<std::string>& records);

[[nodiscard]] std::string EncodeIncidents(const std::vector<IncidentRow>& incidents);
[[nodiscard]] bool DecodeIncidents(std::string_view blob, std::vector<IncidentRow>& incidents);

[[nodiscard]] std::string EncodeLabels(const Labels& labels);
[[nodiscard]] bool DecodeLabels(std::string_view blob, Labels& labels);

}  // namespace entente::storage
