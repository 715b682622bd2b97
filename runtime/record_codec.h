// Encodes engine records for the journal and back. The bytes are journal.proto's Record.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/record.h"

namespace entente::runtime {

// Never fails: every Record has a stored form.
[[nodiscard]] std::string EncodeRecord(const engine::Record& record);

// kDataLoss, reason journal.bad_record, for bytes that are no record of a release this one knows:
// damaged, or written by a newer one; journal.encrypted_record for what is still encrypted.
[[nodiscard]] Result<engine::Record> DecodeRecord(std::string_view bytes);

}  // namespace entente::runtime
