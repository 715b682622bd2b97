// Messages from bytes that somebody else wrote.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr int kMaxDepth = 100;          // The parser's own.
constexpr size_t kNumberBytes = 16;     // Also of a field that is not known.
constexpr size_t kTextBytes = 48;       // Of an empty string or bytes.
constexpr size_t kNothingToFear = 128;  // Bytes that stand for too little to be counted first.

// Adds up what a parser would allocate, by reading tags and lengths only.
class Weight {
 public:
  Weight(std::string_view bytes, size_t memory)
      : input_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())),
        memory_(memory) {}

  // False: it would take more than there is. What is malformed ends the counting, as it will end
  // the parsing.
  [[nodiscard]] bool Fits(const Descriptor& type) {
    Count(&type, kMaxDepth);
    return fits_;
  }

  [[nodiscard]] size_t memory() const { return memory_; }

 private:
  bool Take(size_t bytes) {
    fits_ = fits_ && bytes <= memory_;
    memory_ -= fits_ ? bytes : 0;
    return fits_;
  }

  // The field of `type`, which is null within what is not known.
  static const FieldDescriptor* Find(const Descriptor* type, int number) {
    if (type == nullptr) {
      return nullptr;
    }
    const FieldDescriptor* field = type->FindFieldByNumber(number);
    return field == nullptr && type->IsExtensionNumber(number)
               ? type->file()->pool()->FindExtensionByNumber(type, number)
               : field;
  }

  // Up to the end of the input or of the group; false if the counting has to end.
  bool Count(const Descriptor* type, int depth) {
    while (const uint32_t tag = input_.ReadTag()) {
      if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_END_GROUP) {
        return true;
      }
      if (depth == 0 || !CountField(tag, type, depth)) {
        return false;
      }
    }
    return input_.ConsumedEntireMessage() || input_.BytesUntilLimit() == 0;
  }

  bool CountField(uint32_t tag, const Descriptor* type, int depth) {
    const FieldDescriptor* field = Find(type, WireFormatLite::GetTagFieldNumber(tag));
    const Descriptor* inner =
        field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
            ? field->message_type()
            : nullptr;
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: return CountLengthDelimited(inner, depth);
      case WireFormatLite::WIRETYPE_START_GROUP:
        return Take(inner == nullptr ? kNumberBytes : EmptyMessageBytes(*inner)) &&
               Count(inner, depth - 1);
      default: return Take(kNumberBytes) && WireFormatLite::SkipField(&input_, tag);
    }
  }

  bool CountLengthDelimited(const Descriptor* inner, int depth) {
    int length = 0;
    if (!input_.ReadVarintSizeAsInt(&length)) {
      return false;
    }
    if (inner == nullptr) {
      // Packed numbers grow from one byte to at most eight each.
      return Take(kTextBytes + 8 * static_cast<size_t>(length)) && input_.Skip(length);
    }
    if (!Take(EmptyMessageBytes(*inner))) {
      return false;
    }
    const auto limit = input_.PushLimit(length);
    const bool counted = Count(inner, depth - 1);
    input_.PopLimit(limit);
    return counted;
  }

  CodedInputStream input_;
  size_t memory_;
  bool fits_ = true;
};

}  // namespace

size_t EmptyMessageBytes(const Descriptor& type) {
  constexpr size_t kMessageBytes = 64;  // Itself, what the allocator adds, the pointer to it.
  constexpr size_t kFieldBytes = 16;    // A repeated field takes 24, a number 4 or 8.
  int places = type.field_count();
  for (int i = 0; i < type.real_oneof_decl_count(); ++i) {
    places -= type.oneof_decl(i)->field_count() - 1;  // Its fields share one.
  }
  return kMessageBytes + kFieldBytes * static_cast<size_t>(places);
}

Status ParseMessage(std::string_view bytes, Message& message, size_t& memory) {
  const Descriptor& type = *message.GetDescriptor();
  if (bytes.size() > kNothingToFear) {
    Weight weight(bytes, memory);
    if (!weight.Fits(type)) {
      return InvalidArgument("proto.too_large", "a " + type.full_name() +
                                                    " takes more than the limit of " +
                                                    std::to_string(limits::kMaxMessageMemoryBytes) +
                                                    " bytes in memory");
    }
    memory = weight.memory();
  }
  // Not ParseFromArray, which writes to the error output that required fields are missing.
  if (!message.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("proto.malformed", "the bytes are not a " + type.full_name());
  }
  if (!message.IsInitialized()) {
    return InvalidArgument("proto.malformed",
                           "required fields of a " + type.full_name() +
                               " are missing: " + message.InitializationErrorString());
  }
  return Status();
}

}  // namespace entente::net
