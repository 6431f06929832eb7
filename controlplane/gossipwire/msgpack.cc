#include "controlplane/gossipwire/msgpack.h"

#include <array>

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <msgpack/pack.hpp>

namespace aurora::gossipwire {
namespace {

constexpr size_t kMaxArrayBytes = 16;

struct StringSink {
  std::string* out;
  void write(const char* data, size_t size) { out->append(data, size); }
};
using Packer = msgpack::packer<StringSink>;

void PackRaw(Packer& packer, std::string_view text) {
  const uint32_t size = static_cast<uint32_t>(text.size());
  packer.pack_v4raw(size);
  packer.pack_v4raw_body(text.data(), size);
}

// What a type byte and the length after it say.
struct Head {
  enum class Kind : uint8_t { kNil, kBool, kUint, kInt, kFloat, kBytes, kExt, kArray, kMap };
  Kind kind = Kind::kNil;
  uint64_t number = 0;  // the value; for kBytes and kExt the body's bytes; for kArray and kMap the entries
};

class Cursor {
 public:
  Cursor(std::string_view in, const MapLimits& limits) : in_(in), limits_(limits) {}

  size_t at() const { return at_; }

  Parse ReadHead(Head* head) {
    if (++items_ > limits_.items) {
      return Parse::kBad;
    }
    if (at_ >= limits_.bytes) {
      return Parse::kBad;
    }
    if (at_ >= in_.size()) {
      return Parse::kMore;
    }
    const uint8_t type = static_cast<uint8_t>(in_[at_]);
    if (type < 0x80) {
      return Take(1, {Head::Kind::kUint, type}, head);
    }
    if (type < 0x90) {
      return Take(1, {Head::Kind::kMap, type & 0x0fu}, head);
    }
    if (type < 0xa0) {
      return Take(1, {Head::Kind::kArray, type & 0x0fu}, head);
    }
    if (type < 0xc0) {
      return Take(1, {Head::Kind::kBytes, type & 0x1fu}, head);
    }
    if (type >= 0xe0) {
      return Take(1, {Head::Kind::kInt, static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(type)))}, head);
    }
    return ReadLongHead(type, head);
  }

  // The bytes of a raw, str, bin or ext.
  Parse ReadBody(uint64_t size, std::string_view* body) {
    if (size > limits_.bytes || at_ + size > limits_.bytes) {
      return Parse::kBad;
    }
    if (in_.size() - at_ < size) {
      return Parse::kMore;
    }
    *body = in_.substr(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return Parse::kOk;
  }

  // A container's entries must fit what is left of the item bound, so a loop over them is bounded.
  bool Fits(uint64_t entries) const { return entries <= limits_.items - items_; }

  // Skips `pending` whole values.
  Parse Skip(uint64_t pending) {
    while (pending > 0) {
      Head head;
      if (const Parse parse = ReadHead(&head); parse != Parse::kOk) {
        return parse;
      }
      --pending;
      if (head.kind == Head::Kind::kBytes || head.kind == Head::Kind::kExt) {
        std::string_view body;
        if (const Parse parse = ReadBody(head.number, &body); parse != Parse::kOk) {
          return parse;
        }
      } else if (head.kind == Head::Kind::kArray || head.kind == Head::Kind::kMap) {
        pending += head.kind == Head::Kind::kMap ? 2 * head.number : head.number;
        if (!Fits(pending)) {
          return Parse::kBad;
        }
      }
    }
    return Parse::kOk;
  }

 private:
  struct Layout {
    Head::Kind kind;
    uint8_t length_bytes;  // big-endian number after the type byte
    uint8_t fixed;         // a fixext's body, else 0
  };

  Parse ReadLongHead(uint8_t type, Head* head) {
    using K = Head::Kind;
    // 0xc0 to 0xdf in order. 0xc1 is never used.
    static constexpr std::array<Layout, 32> kLayouts = {{
        {K::kNil, 0, 0},   {K::kNil, 0, 1},   {K::kBool, 0, 0},  {K::kBool, 0, 0},  {K::kBytes, 1, 0},
        {K::kBytes, 2, 0}, {K::kBytes, 4, 0}, {K::kExt, 1, 0},   {K::kExt, 2, 0},   {K::kExt, 4, 0},
        {K::kFloat, 4, 0}, {K::kFloat, 8, 0}, {K::kUint, 1, 0},  {K::kUint, 2, 0},  {K::kUint, 4, 0},
        {K::kUint, 8, 0},  {K::kInt, 1, 0},   {K::kInt, 2, 0},   {K::kInt, 4, 0},   {K::kInt, 8, 0},
        {K::kExt, 0, 1},   {K::kExt, 0, 2},   {K::kExt, 0, 4},   {K::kExt, 0, 8},   {K::kExt, 0, 16},
        {K::kBytes, 1, 0}, {K::kBytes, 2, 0}, {K::kBytes, 4, 0}, {K::kArray, 2, 0}, {K::kArray, 4, 0},
        {K::kMap, 2, 0},   {K::kMap, 4, 0},
    }};
    if (type == 0xc1) {
      return Parse::kBad;
    }
    const Layout& layout = kLayouts[type - 0xc0];
    if (in_.size() - at_ - 1 < layout.length_bytes) {
      return at_ + 1 + layout.length_bytes > limits_.bytes ? Parse::kBad : Parse::kMore;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < layout.length_bytes; ++i) {
      number = number << 8 | static_cast<uint8_t>(in_[at_ + 1 + i]);
    }
    if (layout.kind == K::kInt && layout.length_bytes < 8) {
      // Sign-extends.
      const unsigned shift = 64 - 8u * layout.length_bytes;
      number = static_cast<uint64_t>(static_cast<int64_t>(number << shift) >> shift);
    }
    if (layout.kind == K::kBool) {
      number = type == 0xc3;
    }
    if (layout.kind == K::kExt) {
      number = (layout.fixed != 0 ? layout.fixed : number) + 1;  // its type byte
    }
    return Take(size_t{1} + layout.length_bytes, {layout.kind, number}, head);
  }

  Parse Take(size_t size, Head value, Head* head) {
    at_ += size;
    *head = value;
    return at_ > limits_.bytes ? Parse::kBad : Parse::kOk;
  }

  std::string_view in_;
  MapLimits limits_;
  size_t at_ = 0;
  size_t items_ = 0;
};

// Tries the array as bytes; anything else in it is skipped.
Parse ReadArray(Cursor& cursor, uint64_t entries, std::array<char, kMaxArrayBytes>& buffer, Value* value) {
  if (!cursor.Fits(entries)) {
    return Parse::kBad;
  }
  value->kind = Value::Kind::kOther;
  if (entries > kMaxArrayBytes) {
    return cursor.Skip(entries);
  }
  for (size_t i = 0; i < entries; ++i) {
    const Cursor before = cursor;
    Head head;
    if (const Parse parse = cursor.ReadHead(&head); parse != Parse::kOk) {
      return parse;
    }
    const bool integer = head.kind == Head::Kind::kUint || head.kind == Head::Kind::kInt;
    if (!integer || head.number > 255) {
      cursor = before;
      return cursor.Skip(entries - i);
    }
    buffer[i] = static_cast<char>(static_cast<uint8_t>(head.number));
  }
  value->kind = Value::Kind::kByteArray;
  value->bytes = std::string_view(buffer.data(), static_cast<size_t>(entries));
  return Parse::kOk;
}

Parse ReadValue(Cursor& cursor, std::array<char, kMaxArrayBytes>& buffer, Value* value) {
  Head head;
  if (const Parse parse = cursor.ReadHead(&head); parse != Parse::kOk) {
    return parse;
  }
  value->number = head.number;
  switch (head.kind) {
    case Head::Kind::kNil:
      value->kind = Value::Kind::kNil;
      return Parse::kOk;
    case Head::Kind::kBool:
      value->kind = Value::Kind::kBool;
      value->truth = head.number != 0;
      return Parse::kOk;
    case Head::Kind::kUint:
      value->kind = Value::Kind::kUint;
      return Parse::kOk;
    case Head::Kind::kInt:
      value->kind = static_cast<int64_t>(head.number) < 0 ? Value::Kind::kNegative : Value::Kind::kUint;
      return Parse::kOk;
    case Head::Kind::kFloat:
      value->kind = Value::Kind::kOther;
      return Parse::kOk;
    case Head::Kind::kBytes:
      value->kind = Value::Kind::kBytes;
      return cursor.ReadBody(head.number, &value->bytes);
    case Head::Kind::kExt:
      value->kind = Value::Kind::kOther;
      return cursor.ReadBody(head.number, &value->bytes);
    case Head::Kind::kArray:
      return ReadArray(cursor, head.number, buffer, value);
    case Head::Kind::kMap:
      value->kind = Value::Kind::kOther;
      return cursor.Fits(2 * head.number) ? cursor.Skip(2 * head.number) : Parse::kBad;
  }
  return Parse::kBad;
}

}  // namespace

MapResult ReadMap(std::string_view in, const MapLimits& limits, FieldSink field) {
  Cursor cursor(in, limits);
  Head head;
  if (const Parse parse = cursor.ReadHead(&head); parse != Parse::kOk) {
    return {parse, 0};
  }
  if (head.kind != Head::Kind::kMap || !cursor.Fits(2 * head.number)) {
    return {Parse::kBad, 0};
  }
  std::array<char, kMaxArrayBytes> buffer;
  for (uint64_t pairs = head.number; pairs > 0; --pairs) {
    Value key, value;
    if (const Parse parse = ReadValue(cursor, buffer, &key); parse != Parse::kOk) {
      return {parse, 0};
    }
    if (key.kind != Value::Kind::kBytes) {
      return {Parse::kBad, 0};
    }
    if (const Parse parse = ReadValue(cursor, buffer, &value); parse != Parse::kOk) {
      return {parse, 0};
    }
    if (!field(key.bytes, value)) {
      return {Parse::kBad, 0};
    }
  }
  return {Parse::kOk, cursor.at()};
}

bool ReadUnsigned(const Value& value, uint64_t limit, uint64_t* out) {
  if (value.kind == Value::Kind::kNil) {
    *out = 0;
    return true;
  }
  if (value.kind != Value::Kind::kUint || value.number > limit) {
    return false;
  }
  *out = value.number;
  return true;
}

bool ReadU32(const Value& value, uint32_t* out) {
  uint64_t wide = 0;
  if (!ReadUnsigned(value, UINT32_MAX, &wide)) {
    return false;
  }
  *out = static_cast<uint32_t>(wide);
  return true;
}

bool ReadU16(const Value& value, uint16_t* out) {
  uint64_t wide = 0;
  if (!ReadUnsigned(value, UINT16_MAX, &wide)) {
    return false;
  }
  *out = static_cast<uint16_t>(wide);
  return true;
}

bool ReadBool(const Value& value, bool* out) {
  *out = value.kind == Value::Kind::kBool && value.truth;
  return value.kind == Value::Kind::kBool || value.kind == Value::Kind::kNil;
}

bool ReadBytes(const Value& value, size_t limit, std::string* out) {
  out->clear();
  if (value.kind == Value::Kind::kNil) {
    return true;
  }
  if (value.kind != Value::Kind::kBytes || value.bytes.size() > limit) {
    return false;
  }
  out->assign(value.bytes);
  return true;
}

MapWriter::MapWriter(std::string* out, uint32_t fields) : out_(out) {
  StringSink sink{out_};
  Packer(sink).pack_map(fields);
}

MapWriter& MapWriter::Number(std::string_view key, uint64_t value) {
  StringSink sink{out_};
  Packer packer(sink);
  PackRaw(packer, key);
  packer.pack_uint64(value);
  return *this;
}

MapWriter& MapWriter::Bool(std::string_view key, bool value) {
  StringSink sink{out_};
  Packer packer(sink);
  PackRaw(packer, key);
  value ? packer.pack_true() : packer.pack_false();
  return *this;
}

MapWriter& MapWriter::Bytes(std::string_view key, std::string_view value) {
  StringSink sink{out_};
  Packer packer(sink);
  PackRaw(packer, key);
  PackRaw(packer, value);
  return *this;
}

MapWriter& MapWriter::Blob(std::string_view key, std::string_view value) {
  if (!value.empty()) {
    return Bytes(key, value);
  }
  StringSink sink{out_};
  Packer packer(sink);
  PackRaw(packer, key);
  packer.pack_nil();
  return *this;
}

}  // namespace aurora::gossipwire
