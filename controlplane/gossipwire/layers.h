// The layers a datagram or a stream wraps around messages: compound, compression, CRC, label.
// Source: hashicorp/memberlist net.go, util.go, label.go. Thread: stateless. Bounds: limits.h.
// Errors: InvalidArgument says what is wrong; ResourceExhausted when a bound is passed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/gossipwire/msgpack.h"

namespace aurora::gossipwire {

// 7 | count | count lengths (u16 BE) | parts. At most 255 parts of at most 65535 bytes: our bug otherwise.
std::string MakeCompound(std::span<const std::string> parts);
struct Compound {
  std::vector<std::string_view> parts;  // point into the input
  size_t truncated = 0;                 // parts announced but not (wholly) there
};
// `body` begins after the type byte.
absl::StatusOr<Compound> SplitCompound(std::string_view body);

// 9 | {Algo: 0, Buf: LZW}.
std::string Compress(std::string_view plain);
// `map` begins after the type byte. kMore while a stream has not brought all of it; *packed points into `map`.
MapResult ReadCompressed(std::string_view map, std::string_view* packed);
absl::StatusOr<std::string> Decompress(std::string_view map, size_t limit);

// CRC-32 as IEEE 802.3 and zlib have it.
uint32_t Crc32(std::string_view bytes);
// 12 | CRC (u32 BE) | bytes.
std::string AddCrc(std::string_view bytes);

// 244 | length | label; nothing for an empty label.
std::string LabelHeader(std::string_view label);
// 0 to 255 bytes: what fits the header.
absl::Status CheckLabel(std::string_view label);

}  // namespace aurora::gossipwire
