#include "storage/codec.h"

#include <zlib.h>

#include <utility>

namespace entente::storage {
namespace {

constexpr size_t kChecksumBytes = 4;
constexpr int kBitsPerVarintByte = 7;
constexpr uint8_t kMoreBytes = 0x80;
constexpr int kMaxVarintShift = 63;

void PutFixed(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void PutVarint(std::string& out, uint64_t value) {
  while (value >= kMoreBytes) {
    out.push_back(static_cast<char>(value | kMoreBytes));
    value >>= kBitsPerVarintByte;
  }
  out.push_back(static_cast<char>(value));
}

void PutText(std::string& out, std::string_view text) {
  PutVarint(out, text.size());
  out.append(text);
}

// Reads what the functions above wrote. After the first malformed item everything fails.
class BlobReader {
 public:
  explicit BlobReader(std::string_view rest) : rest_(rest) {}

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift <= kMaxVarintShift; shift += kBitsPerVarintByte) {
      if (rest_.empty()) {
        return false;
      }
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & (kMoreBytes - 1)) << shift;
      if ((byte & kMoreBytes) == 0) {
        return true;
      }
    }
    return false;
  }

  bool Text(std::string& text) {
    uint64_t size = 0;
    if (!Varint(size) || size > rest_.size()) {
      return false;
    }
    text.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }

  // A count of items that take at least one byte each, so that damage can not ask for more memory
  // than the blob has.
  bool Count(uint64_t& count) { return Varint(count) && count <= rest_.size(); }

  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

uint32_t Checksum(int64_t txn_id, Sequence first, std::string_view payload) {
  std::string place;
  PutFixed(place, static_cast<uint64_t>(txn_id), 8);
  PutFixed(place, first.value(), 8);
  const auto bytes = [](std::string_view view) {
    return reinterpret_cast<const Bytef*>(view.data());
  };
  const uLong seed = crc32_z(0, bytes(place), place.size());
  return static_cast<uint32_t>(crc32_z(seed, bytes(payload), payload.size()));
}

// Over everything behind its own place.
void PutChecksum(int64_t txn_id, Sequence first, std::string& blob) {
  const uint32_t checksum = Checksum(txn_id, first, std::string_view(blob).substr(kChecksumBytes));
  for (size_t i = 0; i < kChecksumBytes; ++i) {
    blob[i] = static_cast<char>(checksum >> (8 * i));
  }
}

// Flags of a summary in a log.
constexpr uint64_t kOpen = 1;
constexpr uint64_t kPaused = 2;
constexpr uint64_t kLasting = 4;
constexpr uint64_t kHasParent = 8;

void PutSummary(std::string& out, const Summary& summary) {
  PutVarint(out, (summary.open ? kOpen : 0) | (summary.paused ? kPaused : 0) |
                     (summary.lasting ? kLasting : 0) | (summary.parent ? kHasParent : 0));
  PutText(out, summary.definition);
  PutVarint(out, summary.version);
  PutText(out, summary.mode);
  PutText(out, summary.status);
  PutVarint(out, static_cast<uint64_t>(ToMicros(summary.created_at)));
  PutVarint(out, static_cast<uint64_t>(ToMicros(summary.updated_at)));
  if (summary.parent) {
    PutText(out, summary.parent->str());
  }
  PutVarint(out, summary.attempts);
  PutText(out, summary.error);
  PutText(out, summary.labels.empty() ? std::string() : EncodeLabels(summary.labels));
  PutText(out, summary.incidents.empty() ? std::string() : EncodeIncidents(summary.incidents));
}

bool ReadSummary(BlobReader& reader, Summary& summary) {
  uint64_t flags = 0;
  uint64_t version = 0;
  uint64_t created = 0;
  uint64_t updated = 0;
  uint64_t attempts = 0;
  std::string parent;
  std::string labels;
  std::string incidents;
  if (!reader.Varint(flags) || !reader.Text(summary.definition) || !reader.Varint(version) ||
      !reader.Text(summary.mode) || !reader.Text(summary.status) || !reader.Varint(created) ||
      !reader.Varint(updated) || ((flags & kHasParent) != 0 && !reader.Text(parent)) ||
      !reader.Varint(attempts) || !reader.Text(summary.error) || !reader.Text(labels) ||
      !reader.Text(incidents)) {
    return false;
  }
  summary.open = (flags & kOpen) != 0;
  summary.paused = (flags & kPaused) != 0;
  summary.lasting = (flags & kLasting) != 0;
  summary.version = static_cast<uint32_t>(version);
  summary.created_at = InstantFromMicros(static_cast<int64_t>(created));
  summary.updated_at = InstantFromMicros(static_cast<int64_t>(updated));
  summary.attempts = static_cast<uint32_t>(attempts);
  if ((flags & kHasParent) != 0) {
    summary.parent = Gid(std::move(parent));
  }
  return (labels.empty() || DecodeLabels(labels, summary.labels)) &&
         (incidents.empty() || DecodeIncidents(incidents, summary.incidents));
}

bool ReadAppend(BlobReader& reader, TxnAppend& append) {
  std::string gid;
  uint64_t first = 0;
  uint64_t records = 0;
  if (!reader.Text(gid) || gid.empty() || !reader.Varint(first) || first == 0 ||
      !reader.Count(records) || records == 0) {
    return false;
  }
  append.gid = Gid(std::move(gid));
  append.first = Sequence(first);
  for (; records > 0; --records) {
    if (!reader.Text(append.records.emplace_back())) {
      return false;
    }
  }
  uint64_t has_summary = 0;
  if (!reader.Varint(has_summary) ||
      (has_summary != 0 && !ReadSummary(reader, append.summary.emplace()))) {
    return false;
  }
  return append.summary.has_value() || first > 1;
}

}  // namespace

void EncodeRecords(int64_t txn_id, Sequence first, const std::vector<std::string>& records,
                   std::string& blob) {
  blob.assign(kChecksumBytes, '\0');
  PutVarint(blob, records.size());
  for (const std::string& record : records) {
    PutText(blob, record);
  }
  PutChecksum(txn_id, first, blob);
}

void EncodeRecords(int64_t txn_id, std::span<const TxnAppend* const> appends, std::string& blob) {
  size_t count = 0;
  for (const TxnAppend* append : appends) {
    count += append->records.size();
  }
  blob.assign(kChecksumBytes, '\0');
  PutVarint(blob, count);
  for (const TxnAppend* append : appends) {
    for (const std::string& record : append->records) {
      PutText(blob, record);
    }
  }
  PutChecksum(txn_id, appends.front()->first, blob);
}

bool DecodeRecords(int64_t txn_id, Sequence first, std::string_view blob,
                   std::vector<std::string>& records) {
  if (blob.size() < kChecksumBytes) {
    return false;
  }
  std::string checksum;
  PutFixed(checksum, Checksum(txn_id, first, blob.substr(kChecksumBytes)), kChecksumBytes);
  if (blob.substr(0, kChecksumBytes) != checksum) {
    return false;
  }
  BlobReader reader(blob.substr(kChecksumBytes));
  uint64_t count = 0;
  if (!reader.Count(count) || count == 0) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (!reader.Text(records.emplace_back())) {
      return false;
    }
  }
  return reader.AtEnd();
}

void AddToLog(const TxnAppend& append, std::string& payload) {
  PutText(payload, append.gid.str());
  PutVarint(payload, append.first.value());
  PutVarint(payload, append.records.size());
  for (const std::string& record : append.records) {
    PutText(payload, record);
  }
  PutVarint(payload, append.summary ? 1 : 0);
  if (append.summary) {
    PutSummary(payload, *append.summary);
  }
}

bool DecodeLog(std::string_view payload, std::vector<TxnAppend>& appends) {
  BlobReader reader(payload);
  if (reader.AtEnd()) {
    return false;
  }
  while (!reader.AtEnd()) {
    if (!ReadAppend(reader, appends.emplace_back())) {
      return false;
    }
  }
  return true;
}

std::string EncodeIncidents(const std::vector<IncidentRow>& incidents) {
  std::string blob;
  PutVarint(blob, incidents.size());
  for (const IncidentRow& incident : incidents) {
    PutText(blob, incident.branch.str());
    PutText(blob, incident.participant);
    PutText(blob, incident.operation);
    PutText(blob, incident.code);
    PutText(blob, incident.message);
    PutVarint(blob, static_cast<uint64_t>(ToMicros(incident.since)));
  }
  return blob;
}

bool DecodeIncidents(std::string_view blob, std::vector<IncidentRow>& incidents) {
  BlobReader reader(blob);
  uint64_t count = 0;
  if (!reader.Count(count)) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    IncidentRow& incident = incidents.emplace_back();
    std::string branch;
    uint64_t since = 0;
    if (!reader.Text(branch) || !reader.Text(incident.participant) ||
        !reader.Text(incident.operation) || !reader.Text(incident.code) ||
        !reader.Text(incident.message) || !reader.Varint(since)) {
      return false;
    }
    incident.branch = BranchId(std::move(branch));
    incident.since = InstantFromMicros(static_cast<int64_t>(since));
  }
  return reader.AtEnd();
}

std::string EncodeLabels(const Labels& labels) {
  std::string blob;
  PutVarint(blob, labels.size());
  for (const auto& [name, value] : labels) {
    PutText(blob, name);
    PutText(blob, value);
  }
  return blob;
}

bool DecodeLabels(std::string_view blob, Labels& labels) {
  BlobReader reader(blob);
  uint64_t count = 0;
  if (!reader.Count(count)) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    auto& [name, value] = labels.emplace_back();
    if (!reader.Text(name) || !reader.Text(value)) {
      return false;
    }
  }
  return reader.AtEnd();
}

}  // namespace entente::storage
