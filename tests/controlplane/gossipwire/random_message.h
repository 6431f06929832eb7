// Random messages within message.h's bounds, from a seed.
// Thread: tests. Invariant: what RandomMessage makes is a datagram's (no PushPull, no Error) and decodes to itself.
#pragma once

#include <string>

#include "controlplane/gossipwire/message.h"
#include "shared/base/rng.h"

namespace aurora::gossipwire {

inline std::string RandomText(Rng& rng, size_t least, size_t most) {
  std::string out(least + static_cast<size_t>(rng.Below(most - least + 1)), '\0');
  for (char& c : out) {
    c = static_cast<char>(rng.Below(256));
  }
  return out;
}

inline uint32_t RandomU32(Rng& rng) {
  return static_cast<uint32_t>(rng.Next() >> rng.Below(32)) >> rng.Below(32);
}

inline Address RandomAddress(Rng& rng) {
  std::string ip = RandomText(rng, 4, 4);
  if (rng.OneIn(3)) {
    // fd00::/8, so never IPv4-mapped.
    ip = "\xfd" + RandomText(rng, 15, 15);
  }
  return {ip, static_cast<uint16_t>(RandomU32(rng))};
}

inline Versions RandomVersions(Rng& rng) {
  const auto byte = [&] { return static_cast<uint8_t>(rng.Below(256)); };
  return {byte(), byte(), byte(), byte(), byte(), byte()};
}

inline NodeRecord RandomRecord(Rng& rng) {
  return {RandomText(rng, 1, 255),
          RandomAddress(rng),
          RandomText(rng, 0, 512),
          RandomU32(rng),
          static_cast<NodeState>(rng.Below(4)),
          RandomVersions(rng)};
}

inline Message RandomMessage(Rng& rng) {
  const std::string node = RandomText(rng, 1, rng.OneIn(4) ? 255 : 20);
  const std::string from = RandomText(rng, 0, 40);
  const Address source = rng.OneIn(2) ? RandomAddress(rng) : Address{};
  switch (rng.Below(8)) {
    case 0:
      return Ping{RandomU32(rng), from, source, RandomText(rng, 0, 40)};
    case 1:
      return IndirectPing{RandomU32(rng), RandomAddress(rng), from, rng.OneIn(2), source, node};
    case 2:
      return Ack{RandomU32(rng), RandomText(rng, 0, 300)};
    case 3:
      return Nack{RandomU32(rng)};
    case 4:
      return Suspect{RandomU32(rng), node, from};
    case 5:
      return Dead{RandomU32(rng), node, rng.OneIn(2) ? node : from};
    case 6:
      return Alive{RandomU32(rng), node, RandomAddress(rng), RandomText(rng, 0, 512), RandomVersions(rng)};
    default:
      return User{RandomText(rng, 0, 600)};
  }
}

inline PushPull RandomPushPull(Rng& rng) {
  PushPull out;
  out.join = rng.OneIn(2);
  for (size_t i = static_cast<size_t>(rng.Below(12)); i > 0; --i) {
    out.nodes.push_back(RandomRecord(rng));
  }
  out.user_state = rng.OneIn(2) ? RandomText(rng, 0, 2000) : "";
  return out;
}

}  // namespace aurora::gossipwire
