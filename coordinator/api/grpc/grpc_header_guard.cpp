#include "coordinator/api/grpc/grpc_header_guard.h"

#include <algorithm>

namespace entente::api {
namespace {

// RFC 9113, 6.2 and 6.10.
constexpr uint8_t kHeadersType = 1;
constexpr uint8_t kContinuationType = 9;
constexpr uint8_t kEndHeaders = 4;

// Each may take as much memory as a whole block may: a field that the connection has sent before
// is one byte.
constexpr size_t kMaxBlockFrames = 8;

}  // namespace

bool HeaderGuard::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (skip_ > 0) {
      const size_t skipped = std::min(skip_, bytes.size());
      bytes.remove_prefix(skipped);
      skip_ -= skipped;
      continue;
    }
    const size_t taken = std::min(kFrameHeaderBytes - header_bytes_, bytes.size());
    std::copy_n(bytes.begin(), taken, header_.begin() + static_cast<ptrdiff_t>(header_bytes_));
    bytes.remove_prefix(taken);
    header_bytes_ += taken;
    if (header_bytes_ == kFrameHeaderBytes && !TakeFrameHeader()) {
      return false;
    }
  }
  return true;
}

bool HeaderGuard::TakeFrameHeader() {
  header_bytes_ = 0;
  skip_ = size_t{header_[0]} << 16 | size_t{header_[1]} << 8 | header_[2];
  const uint8_t type = header_[3];
  if (type != kHeadersType && type != kContinuationType) {
    return true;
  }
  block_bytes_ += skip_;
  ++block_frames_;
  if (block_bytes_ > max_block_bytes_ || block_frames_ > kMaxBlockFrames) {
    return false;
  }
  if ((header_[4] & kEndHeaders) != 0) {
    block_bytes_ = 0;
    block_frames_ = 0;
  }
  return true;
}

}  // namespace entente::api
