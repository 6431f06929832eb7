// What a membership core can be told, with memberlist's LAN profile as the default (gossip times and counts:
// hashicorp/memberlist config.go; the limits and Aurora's own behaviours: ours). Plain values, read once by the
// constructor. Durations are exact; counts are per node. Every list the core keeps has its bound here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "shared/base/time.h"

namespace aurora::membership {

// kStock: the rules of memberlist's HEAD, kept so that the simulator can print the baseline beside ours and so that
// a law names what it improves. A process never runs with it.
enum class Rules : uint8_t { kAurora, kStock };

struct Config {
  Rules rules = Rules::kAurora;

  // Failure detector. A probe fails `probe_window` after its ping; the next one starts `probe_period` after the last
  // began (times health + 1), or when that one ends. Suspicion times are multiples of probe_window. memberlist has one
  // number for both; probing twice as often finds a crash sooner without giving anyone less time to answer.
  Duration probe_window = Duration::Seconds(1);
  Duration probe_period = Duration::Millis(500);
  Duration probe_timeout = Duration::Millis(500);
  size_t indirect_checks = 3;
  int awareness_max = 8;
  int suspicion_mult = 4;
  int suspicion_max_mult = 6;
  bool stream_ping = true;
  // An accusation heard makes its subject one of our next probes, so that it is confirmed or answered soon. At most
  // about this many nodes do so, however large the cluster; 0: nobody.
  size_t second_opinions = 8;

  // Dissemination.
  Duration gossip_interval = Duration::Millis(200);
  size_t gossip_nodes = 3;
  int retransmit_mult = 4;
  // A member hears an item about min_transmits * (1 - loss) times, whatever the size of the cluster, and so misses it
  // with e to the minus that: with 24 and 25 % loss one event of 66 000 misses one of 1000 members (with 16: of 160).
  int min_transmits = 24;
  Duration gossip_to_the_dead = Duration::Seconds(30);
  // Payload bytes of one datagram, before label and encryption: the driver subtracts those.
  size_t datagram_bytes = 1400;

  // State exchange and coming together again.
  Duration push_pull_interval = Duration::Seconds(30);
  // With more news waiting than this, packets are too small for it: whole views are exchanged about this often.
  size_t flood = 100;
  Duration flood_interval = Duration::Seconds(5);
  Duration rejoin_interval = Duration::Seconds(30);
  Duration lonely_rejoin_interval = Duration::Seconds(2);
  Duration dead_memory = Duration::Seconds(24 * 3600);
  Duration left_memory = Duration::Seconds(3600);

  // A known name at a new address: the old address is asked first, this long. A DEAD record older than reclaim_after
  // is replaced without asking.
  Duration address_check = Duration::Millis(750);
  Duration reclaim_after = Duration::Seconds(5);
  // A stronger accusation is told again to its subject at most this often.
  Duration reaccuse_interval = Duration::Seconds(5);

  // A timer that runs this late means that the process stood still: nothing it missed is held against others.
  bool stall_guard = true;
  Duration stall_threshold = Duration::Millis(200);

  // Who has heard nothing at all this long is more likely cut off itself: no suspicion of its own runs out until it
  // hears something, or for deaf_at_most more. From four nodes on; with fewer, silence may well be all there is.
  Duration deaf_after = Duration::Seconds(2);
  Duration deaf_at_most = Duration::Seconds(30);

  // A peer whose meta names another cluster is refused; empty: meta is opaque, and nobody is a guest.
  std::string cluster_id;
  // Our meta is a NodeMeta and names the cluster, also when UpdateMeta changes it; who has none is a guest.
  bool node_meta = false;

  size_t max_members = 8192;   // records, the dead included
  size_t max_relays = 256;     // indirect pings under way for others
  size_t max_checks = 256;     // address checks under way or remembered as refused
  size_t max_strangers = 64;   // accusations of unknown nodes passed on lately
};

// A restarted node must begin above everything its earlier life may have said: above the stored incarnation and, when
// that was lost with the disk, at the seconds since 2024-01-01 (they fit 32 bits until 2160).
inline uint32_t StartIncarnation(std::optional<uint32_t> stored, int64_t unix_seconds) {
  constexpr int64_t kEpoch2024 = 1704067200;
  const int64_t by_time = unix_seconds > kEpoch2024 ? unix_seconds - kEpoch2024 : 1;
  const int64_t by_disk = stored ? static_cast<int64_t>(*stored) + 1 : 1;
  const int64_t start = by_time > by_disk ? by_time : by_disk;
  return start < UINT32_MAX ? static_cast<uint32_t>(start) : UINT32_MAX - 1;
}

}  // namespace aurora::membership
