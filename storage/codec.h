// The bytes inside the database's BLOB columns; docs/journal-format.md describes them.
#pragma once

#include <cstdint>
#include <span>
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

// The same of appends that follow each other, as if they were one.
void EncodeRecords(int64_t txn_id, std::span<const TxnAppend* const> appends, std::string& blob);

// Appends the records to `records`. False if the blob is not what EncodeRecords wrote for this
// place.
[[nodiscard]] bool DecodeRecords(int64_t txn_id, Sequence first, std::string_view blob,
                                 std::vector<std::string>& records);

// Adds an append to what an entry of a log holds, which has no checksum of its own.
void AddToLog(const TxnAppend& append, std::string& payload);

// Adds the entry's appends to `appends`. False if the payload is not what AddToLog made.
[[nodiscard]] bool DecodeLog(std::string_view payload, std::vector<TxnAppend>& appends);

[[nodiscard]] std::string EncodeIncidents(const std::vector<IncidentRow>& incidents);
[[nodiscard]] bool DecodeIncidents(std::string_view blob, std::vector<IncidentRow>& incidents);

[[nodiscard]] std::string EncodeLabels(const Labels& labels);
[[nodiscard]] bool DecodeLabels(std::string_view blob, Labels& labels);

}  // namespace entente::storage
