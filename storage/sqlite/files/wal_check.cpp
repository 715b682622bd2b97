#include "storage/sqlite/files/wal_check.h"

#include <fcntl.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "storage/sqlite/files/file_descriptor.h"

namespace entente::storage::sqlite {
namespace {

// From SQLite's "WAL-mode File Format".
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr uint32_t kMagic = 0x377f0682;
constexpr uint32_t kBigEndianChecksums = 1;  // The magic's lowest bit.
constexpr size_t kMinPageBytes = 512;
constexpr size_t kMaxPageBytes = 65'536;

struct Sum {
  uint32_t first = 0;
  uint32_t second = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};

uint32_t Read32(const uint8_t* at, bool big_endian) {
  uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return big_endian == (std::endian::native == std::endian::big) ? word : __builtin_bswap32(word);
}

uint32_t Field(const uint8_t* at) {
  return Read32(at, true);
}

Sum Extend(Sum sum, const uint8_t* bytes, size_t count, bool big_endian) {
  for (size_t i = 0; i < count; i += 8) {
    sum.first += Read32(bytes + i, big_endian) + sum.second;
    sum.second += Read32(bytes + i + 4, big_endian) + sum.first;
  }
  return sum;
}

// One pass over a log.
class Scan {
 public:
  Scan(int file, const std::string& path) : file_(file), path_(path) {}

  Status Run() {
    ENTENTE_RETURN_IF_ERROR(ReadHeader());
    if (page_bytes_ == 0) {
      return {};
    }
    bool broken = false;        // A bad frame was met, at broken_at.
    bool commit_after = false;  // An intact commit was met after it.
    uint64_t broken_at = 0;
    for (uint64_t at = kHeaderBytes; ReadFrame(at); at += frame_.size()) {
      const Sum stored{Field(&frame_[16]), Field(&frame_[20])};
      const bool ours = std::memcmp(&frame_[8], salts_.data(), salts_.size()) == 0;
      const bool intact = ours && SumOf(previous_) == stored;
      if (!intact && !broken) {
        broken = true;
        broken_at = at;
      } else if (intact && commit_after) {
        return Damaged("is damaged at byte " + std::to_string(broken_at) +
                       ", before commits that were acknowledged");
      } else if (intact && broken && Field(&frame_[4]) != 0) {
        commit_after = true;
      }
      previous_ = stored;
    }
    return {};
  }

 private:
  Status ReadHeader() {
    std::array<uint8_t, kHeaderBytes> header{};
    const ssize_t length = pread(file_, header.data(), header.size(), 0);
    const bool blank = header == std::array<uint8_t, kHeaderBytes>{};
    // A log that was just begun when the power failed: nothing was committed through it.
    if (length <= 0 || blank) {
      return {};
    }
    const uint32_t magic = Field(header.data());
    big_endian_ = (magic & kBigEndianChecksums) != 0;
    const size_t page_bytes = Field(&header[8]);
    previous_ = {Field(&header[24]), Field(&header[28])};
    if (length < static_cast<ssize_t>(kHeaderBytes) || (magic & ~kBigEndianChecksums) != kMagic ||
        page_bytes < kMinPageBytes || page_bytes > kMaxPageBytes ||
        !std::has_single_bit(page_bytes) ||
        Extend({}, header.data(), 24, big_endian_) != previous_) {
      return Damaged("has a damaged header");
    }
    std::memcpy(salts_.data(), &header[16], salts_.size());
    page_bytes_ = page_bytes;
    frame_.resize(kFrameHeaderBytes + page_bytes_);
    return {};
  }

  bool ReadFrame(uint64_t at) {
    return pread(file_, frame_.data(), frame_.size(), static_cast<off_t>(at)) ==
           static_cast<ssize_t>(frame_.size());
  }

  Sum SumOf(Sum before) const {
    const Sum sum = Extend(before, frame_.data(), 8, big_endian_);
    return Extend(sum, &frame_[kFrameHeaderBytes], page_bytes_, big_endian_);
  }

  Status Damaged(const std::string& what) const {
    return DataLoss("store.corrupt", "the write-ahead log " + path_ + " " + what +
                                         "; keep a copy of it and of the database, then restore "
                                         "a backup; deleting the log loses what it holds");
  }

  const int file_;
  const std::string& path_;
  size_t page_bytes_ = 0;
  bool big_endian_ = false;
  std::array<uint8_t, 8> salts_{};
  Sum previous_;  // As stored in the frame before.
  std::vector<uint8_t> frame_;
};

}  // namespace

Status CheckWal(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return file.valid() ? Scan(file.get(), path).Run() : Status();
}

}  // namespace entente::storage::sqlite
