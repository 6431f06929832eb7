// What the gossip driver counts.
// Source: ours. Thread: values; the driver's thread fills them and publishes copies. Units: as
// named; counters run since the start. Bounds: fixed size. Invariant: counters never fall.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "controlplane/membership/membership.h"
#include "shared/base/time.h"

namespace aurora::peers {

// Round trips of answered pings. Bucket i counts those up to kBounds[i]; the last one counts the
// rest.
struct RttHistogram {
  static constexpr std::array<int64_t, 11> kBoundsMicros = {
      100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 250000, 500000};
  std::array<uint64_t, kBoundsMicros.size() + 1> buckets{};
  uint64_t count = 0;
  Duration sum;

  void Add(Duration rtt);
};

// The lateness of the last kWindow timers.
class LatenessWindow {
 public:
  static constexpr size_t kWindow = 1024;
  void Add(Duration late);
  Duration Percentile(int percent) const;

 private:
  std::array<uint32_t, kWindow> micros_{};
  uint64_t added_ = 0;
};

// Why something that arrived, or a peer, was refused.
enum class Reason : uint8_t {
  kLabel,  // another cluster's label, or none
  kKey,    // no key of ours opens it, or it came in the clear while we have keys
  kCrc,
  kMalformed,
  kTooMuch,   // over a bound of the protocol, or of ours for streams
  kRate,      // more datagrams than max_datagrams_per_second
  kForeign,   // a node of another cluster_id
  kConflict,  // our view has this name at another address that answers
};
inline constexpr size_t kReasons = 8;
std::string_view ReasonName(Reason reason);  // "label", "key", ...

struct GossipStats {
  membership::Stats core;
  int health = 0;      // 0 is well
  size_t queued = 0;   // broadcasts waiting
  size_t pending = 0;  // entries in the core's other lists
  size_t live = 0;     // members that count, ourselves included

  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t bytes_in = 0;  // datagrams and streams
  uint64_t bytes_out = 0;
  uint64_t send_failed = 0;                  // the kernel or the queue did not take it
  std::array<uint64_t, kReasons> refused{};  // by Reason, datagrams and streams
  uint64_t dropped_parts = 0;                // parts of datagrams that were otherwise used
  uint64_t user_messages = 0;

  uint64_t streams_in = 0;
  uint64_t streams_in_refused = 0;  // over max_inbound_streams
  uint64_t streams_out = 0;
  uint64_t streams_failed = 0;  // either direction: timeout, reset, refused content
  size_t streams_open = 0;

  RttHistogram rtt;
  uint64_t suspicions = 0;         // started
  uint64_t suspicions_echoed = 0;  // accusations heard of members suspected already
  uint64_t suspicions_refuted = 0;
  uint64_t failures = 0;  // members declared dead
  uint64_t one_way_udp = 0;
  uint64_t throttled = 0;  // times the cgroup held us back
  Duration lateness_p99;
  uint64_t events_lost = 0;  // the home mailbox stayed full
};

}  // namespace aurora::peers
