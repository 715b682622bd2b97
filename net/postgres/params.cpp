#include "net/postgres/params.h"

#include "base/check.h"

namespace entente::pg {
namespace {

constexpr size_t kHeaderBytes = 20;
constexpr size_t kLengthBytes = 4;

void PutNumber(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void SetNumber32(std::string& out, size_t at, uint32_t value) {
  for (size_t i = 0; i < kLengthBytes; ++i) {
    out[at + i] = static_cast<char>(value >> (8 * (kLengthBytes - 1 - i)));
  }
}

size_t WidthOf(ElementType type) {
  switch (type) {
    case ElementType::kInt2: return 2;
    case ElementType::kInt4: return 4;
    case ElementType::kInt8: return 8;
    case ElementType::kBool:
    case ElementType::kBytes:
    case ElementType::kText: break;
  }
  ENTENTE_CHECK(false && "no number");
  return 0;
}

std::string Number(uint64_t value, size_t bytes) {
  std::string out;
  PutNumber(out, value, bytes);
  return out;
}

}  // namespace

ArrayParam::ArrayParam(ElementType type) : type_(type), bytes_(kHeaderBytes, '\0') {}

void ArrayParam::PutLength(size_t length) {
  PutNumber(bytes_, length, kLengthBytes);
  ++count_;
}

void ArrayParam::AddBool(bool value) {
  ENTENTE_CHECK(type_ == ElementType::kBool);
  PutLength(1);
  bytes_.push_back(value ? '\1' : '\0');
}

void ArrayParam::AddNumber(int64_t value) {
  const size_t width = WidthOf(type_);
  PutLength(width);
  PutNumber(bytes_, static_cast<uint64_t>(value), width);
}

void ArrayParam::AddBytes(std::string_view value) {
  ENTENTE_CHECK(type_ == ElementType::kBytes || type_ == ElementType::kText);
  PutLength(value.size());
  bytes_.append(value);
}

void ArrayParam::AddNull() {
  PutLength(UINT32_MAX);
  nulls_ = true;
}

std::string& ArrayParam::BeginBytes() {
  PutLength(0);
  element_ = bytes_.size();
  return bytes_;
}

void ArrayParam::EndBytes() {
  SetNumber32(bytes_, element_ - kLengthBytes, static_cast<uint32_t>(bytes_.size() - element_));
}

// Dimensions, whether there are nulls, the type; then the one dimension's size and its first index.
std::string ArrayParam::Take() {
  SetNumber32(bytes_, 0, count_ == 0 ? 0 : 1);
  SetNumber32(bytes_, 4, nulls_ ? 1 : 0);
  SetNumber32(bytes_, 8, static_cast<uint32_t>(type_));
  if (count_ == 0) {
    bytes_.resize(12);
  } else {
    SetNumber32(bytes_, 12, static_cast<uint32_t>(count_));
    SetNumber32(bytes_, 16, 1);
  }
  count_ = 0;
  nulls_ = false;
  return std::exchange(bytes_, std::string(kHeaderBytes, '\0'));
}

Params& Params::Bool(bool value) {
  values_.emplace_back(Number(value ? 1 : 0, 1));
  return *this;
}

Params& Params::Int2(int16_t value) {
  values_.emplace_back(Number(static_cast<uint64_t>(value), 2));
  return *this;
}

Params& Params::Int4(int32_t value) {
  values_.emplace_back(Number(static_cast<uint64_t>(value), 4));
  return *this;
}

Params& Params::Int8(int64_t value) {
  values_.emplace_back(Number(static_cast<uint64_t>(value), 8));
  return *this;
}

Params& Params::Bytes(std::string value) {
  values_.emplace_back(std::move(value));
  return *this;
}

Params& Params::Array(ArrayParam array) {
  values_.emplace_back(array.Take());
  return *this;
}

Params& Params::Null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

}  // namespace entente::pg
