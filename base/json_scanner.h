// The fast way to read JSON that is as it should be.
//
// ParseJson reads every input and the library's parser, which goes byte by byte through several
// layers, would be one of the larger costs of a transaction. This scanner reads ordinary documents
// several times faster and gives up at anything else; the library then decides and explains.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace entente {

// Reads one document; used once. Never recurses. `text` must outlive it.
class JsonScanner {
 public:
  // What becomes of numbers: what the library makes of them, or kept as ParseExactJson says.
  enum class Numbers : uint8_t { kNative, kExact };

  explicit JsonScanner(std::string_view text, Numbers numbers = Numbers::kNative)
      : at_(text.data()), end_(text.data() + text.size()), numbers_(numbers) {}

  // Reads the whole text into `root`, which is null before. True: the text is a strict RFC 8259
  // document without duplicate keys, at most `max_depth` deep, and `root` is what the library would
  // have made of it, but for exact numbers. False says nothing about the text, and `root` holds
  // anything.
  [[nodiscard]] bool Scan(size_t max_depth, Json& root);

 private:
  static constexpr size_t kMaxOpen = 1024;

  void SkipSpace();
  bool Take(char c);
  bool TakeWord(std::string_view word);
  // Each reads one token that begins at at_. Null or false: gives up.
  bool Value(Json& slot);
  bool String(std::string& text);
  bool Escape(std::string& text);
  bool HexQuad(uint32_t& value);
  bool Number(Json& slot);
  bool LongInteger(const char* begin, Json& slot);
  bool Fraction(const char* begin, Json& slot);
  // Reads `"key":` and makes room for its value in `object`.
  Json* Member(Json& object);
  Json* Element(Json& array);
  // Steps into the container at at_, closing it at once if it is empty.
  bool Open(Json*& slot, bool& complete);
  // After a complete value: closes what ends here and finds the next slot, null at the end.
  bool Next(Json*& slot);

  const char* at_;
  const char* end_;
  Numbers numbers_;
  std::array<Json*, kMaxOpen> open_;  // The containers around at_, innermost last.
  size_t depth_ = 0;
  size_t max_depth_ = 0;
};

}  // namespace entente
