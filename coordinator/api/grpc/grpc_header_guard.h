// HeaderGuard: notices an HTTP/2 header block without end. Internal to api.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace entente::api {

// Reads along what the client of one HTTP/2 connection sends, and understands of it no more than
// where frames end (RFC 9113, 4.1) and header blocks do (4.3).
//
// A header block is one HEADERS frame and as many CONTINUATION frames as its sender likes. gRPC
// 1.51 keeps all of a block until its end, and holds each frame of it against the limit for headers
// by itself, so that one connection could take all memory.
class HeaderGuard {
 public:
  explicit HeaderGuard(size_t max_block_bytes) : max_block_bytes_(max_block_bytes) {}

  // `bytes` follow those of the call before. False: a header block takes more bytes, or more
  // frames, than it may; the connection is to be closed.
  [[nodiscard]] bool Take(std::string_view bytes);

 private:
  [[nodiscard]] bool TakeFrameHeader();

  static constexpr size_t kFrameHeaderBytes = 9;
  static constexpr size_t kPrefaceBytes = 24;

  const size_t max_block_bytes_;
  size_t skip_ = kPrefaceBytes;  // Of what is between frame headers, still to come.
  std::array<uint8_t, kFrameHeaderBytes> header_{};
  size_t header_bytes_ = 0;
  size_t block_bytes_ = 0;  // Of the header block that is not ended.
  size_t block_frames_ = 0;
};

}  // namespace entente::api
