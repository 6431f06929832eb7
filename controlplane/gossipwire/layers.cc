#include "controlplane/gossipwire/layers.h"

#include <array>

#include "controlplane/gossipwire/codec.h"
#include "controlplane/gossipwire/lzw.h"
#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::gossipwire {
namespace {

// A wrapper's map holds two short keys besides the packed bytes.
constexpr size_t kWrapperBytes = 1024;

constexpr std::array<uint32_t, 256> CrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
    }
    table[i] = crc;
  }
  return table;
}

void AppendU16(std::string* out, size_t value) {
  out->push_back(static_cast<char>(value >> 8 & 0xff));
  out->push_back(static_cast<char>(value & 0xff));
}

}  // namespace

std::string MakeCompound(std::span<const std::string> parts) {
  AURORA_CHECK(parts.size() <= kMaxCompoundParts);
  std::string out;
  out.push_back(static_cast<char>(Type::kCompound));
  out.push_back(static_cast<char>(parts.size()));
  for (const std::string& part : parts) {
    AURORA_CHECK(part.size() <= kMaxCompoundPart);
    AppendU16(&out, part.size());
  }
  for (const std::string& part : parts) {
    out += part;
  }
  return out;
}

absl::StatusOr<Compound> SplitCompound(std::string_view body) {
  if (body.empty()) {
    return InvalidArgument("compound: no count");
  }
  const size_t count = static_cast<uint8_t>(body[0]);
  if (body.size() < 1 + 2 * count) {
    return InvalidArgument("compound: cut in its lengths");
  }
  Compound out;
  std::string_view rest = body.substr(1 + 2 * count);
  for (size_t i = 0; i < count; ++i) {
    const size_t size =
        static_cast<size_t>(static_cast<uint8_t>(body[1 + 2 * i])) << 8 | static_cast<uint8_t>(body[2 + 2 * i]);
    if (size > rest.size()) {
      // The whole parts before are still good.
      out.truncated = count - i;
      break;
    }
    out.parts.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return out;
}

std::string Compress(std::string_view plain) {
  std::string out(1, static_cast<char>(Type::kCompress));
  MapWriter(&out, 2).Number("Algo", 0).Bytes("Buf", LzwEncode(plain));
  return out;
}

MapResult ReadCompressed(std::string_view map, std::string_view* packed) {
  *packed = {};
  // Few items: a stream's reader may look at the same beginning after each read.
  return ReadMap(map, {kMaxStreamSealed + kWrapperBytes, 16}, [packed](std::string_view key, const Value& value) {
    if (key == "Algo") {
      uint64_t algorithm = 0;
      return ReadUnsigned(value, 0, &algorithm);
    }
    if (key == "Buf") {
      *packed = value.bytes;
      return value.kind == Value::Kind::kBytes;
    }
    return true;
  });
}

absl::StatusOr<std::string> Decompress(std::string_view map, size_t limit) {
  std::string_view packed;
  if (ReadCompressed(map, &packed).parse != Parse::kOk) {
    return InvalidArgument("compression: malformed, or an algorithm that is not LZW");
  }
  return LzwDecode(packed, limit);
}

uint32_t Crc32(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = CrcTable();
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  }
  return ~crc;
}

std::string AddCrc(std::string_view bytes) {
  const uint32_t crc = Crc32(bytes);
  std::string out(1, static_cast<char>(Type::kCrc));
  AppendU16(&out, crc >> 16);
  AppendU16(&out, crc & 0xffff);
  out += bytes;
  return out;
}

std::string LabelHeader(std::string_view label) {
  AURORA_CHECK(label.size() <= kMaxLabel);
  if (label.empty()) {
    return "";
  }
  std::string out(1, static_cast<char>(Type::kLabel));
  out.push_back(static_cast<char>(label.size()));
  out += label;
  return out;
}

absl::Status CheckLabel(std::string_view label) {
  return label.size() <= kMaxLabel
             ? absl::OkStatus()
             : InvalidArgument("a label has at most 255 bytes, this one has " + std::to_string(label.size()));
}

}  // namespace aurora::gossipwire
