// NodeMeta: what an Aurora node says of itself in the 128 bytes of meta that gossip spreads. Source: ours.
//
// Layout: A7 'u' 'r' version(1), sync port u16 BE, data version u16 BE, then uid and cluster_id as length u8 + bytes.
// Bytes after those belong to later versions and are skipped. A peer whose meta does not parse is a guest: it speaks
// the protocol and is no node of ours. Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aurora::membership {

inline constexpr size_t kMaxMeta = 128;
inline constexpr size_t kMaxMetaText = 48;  // of uid and of cluster_id

struct NodeMeta {
  std::string uid;
  std::string cluster_id;
  uint16_t sync_port = 0;
  uint16_t data_version = 1;
  bool operator==(const NodeMeta&) const = default;
};

// Texts beyond kMaxMetaText are a bug of the caller (checked).
std::string EncodeMeta(const NodeMeta& meta);
std::optional<NodeMeta> ParseMeta(std::string_view bytes);

}  // namespace aurora::membership
