// The head of an HTTP/1 message (RFC 9112), judged before a parser reads it.
//
// A proxy before us and we must agree, to the byte, where each message ends: where the two differ,
// what one takes for a body runs on the other as the next request. So whatever the RFC leaves to a
// recipient to repair (a folded line, a bare LF, a length stated twice, a transfer coding that
// nobody asked for) is refused. Both servers and the client that calls participants use this one
// rule. Pure: it sees bytes only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace entente {

enum class HttpSide : uint8_t { kRequest, kAnswer };

// The reasons of the refusals below; each has an HTTP status of its own.
inline constexpr std::string_view kHttpMalformed = "http.malformed";            // 400
inline constexpr std::string_view kHttpVersion = "http.version";                // 505
inline constexpr std::string_view kHttpTooManyFields = "http.too_many_fields";  // 431
inline constexpr std::string_view kHttpExpectation = "http.expectation";        // 417

// Reads one head, as its bytes come. A refusal is final. Not thread-safe.
//
// What it lets pass has: a start line with one blank between its parts; lines that end in CRLF and
// hold no other control byte than tabs; of a request a valid target, and exactly one valid Host (in
// HTTP/1.0 at most one); a body that is framed by one Content-Length of digits, or by one
// Transfer-Encoding that is exactly "chunked", or by neither; and no field of those that may stand
// once (IsSingularField) twice with different values.
class HttpHeadReader {
 public:
  explicit HttpHeadReader(HttpSide side) : side_(side) {}

  // `input` begins where the message begins, and is at least as long as at the call before; it may
  // have moved. Reads what is new in it. Fails with kInvalidArgument and one of the reasons above.
  [[nodiscard]] Status Read(std::string_view input);

  // Whether the empty line that ends the head has been read.
  [[nodiscard]] bool complete() const { return complete_; }
  // Of the head with its empty line. Only when complete.
  [[nodiscard]] size_t bytes() const { return next_; }

 private:
  // A place in the input, which may move between two calls.
  struct Piece {
    size_t begin = 0;
    size_t size = 0;
  };
  struct Field {
    Piece name;
    Piece value;
  };

  [[nodiscard]] Status TakeLine(std::string_view input, size_t line);
  [[nodiscard]] Status TakeRequestLine(std::string_view line);
  [[nodiscard]] Status TakeField(std::string_view input, size_t line);
  [[nodiscard]] Status TakeSingular(std::string_view input, const Field& field);
  [[nodiscard]] Status CheckWhole(std::string_view input);

  HttpSide side_;
  size_t line_begin_ = 0;
  size_t next_ = 0;  // The first byte that has not been looked at.
  size_t lines_ = 0;
  bool complete_ = false;
  bool http11_ = false;
  bool last_is_singular_ = false;
  std::optional<Piece> target_;
  std::vector<Field> singular_;
};

// Whether `text` holds no control byte but tabs. Parsers let a chunk's quoted extension hold
// others, also the LF at which some end a line: it is to be held to the same.
[[nodiscard]] bool IsHttpText(std::string_view text);

// How many bytes of empty lines stand where a request is to begin: they are ignored there (RFC
// 9112, 2.2), since some clients send one after a body.
[[nodiscard]] size_t LeadingEmptyLines(std::string_view input);

// Whether a field of this name says one thing, so that two of them can not both be meant: Host,
// Content-Length, Content-Type, Transfer-Encoding, Idempotency-Key, Last-Event-ID, Location,
// Retry-After and every one of ours (Entente-*).
[[nodiscard]] bool IsSingularField(std::string_view name);

// A Host field's value, or the authority of a URL without user information.
struct HttpHost {
  std::string_view name;  // Without the brackets of an IPv6 address.
  std::string_view port;  // Digits, or empty.
};

// Nothing for what is no host: an empty name, user information, an unclosed bracket, a port beyond
// 65535, or a name whose last label is a number though it is no IPv4 address ("127.", "127.1"),
// which programs read in different ways.
[[nodiscard]] std::optional<HttpHost> ParseHttpHost(std::string_view text);

// What a request is for, in whichever of the four forms (RFC 9112, 3.2) its target came.
struct HttpTarget {
  std::string path_and_query;  // Begins with '/', or is "*". Unreserved characters stand plain.
  std::string authority;       // The target's own if it has one, else the Host field's value.
  std::optional<bool> https;   // The scheme, where the target names one.
};

// `target` is as on the request line, `host` the Host field's value. Fails with http.malformed for
// what is no target, or not one for this method.
[[nodiscard]] Result<HttpTarget> ReadHttpTarget(std::string_view method, std::string_view target,
                                                std::string_view host);

}  // namespace entente
