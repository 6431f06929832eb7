// What the roster is told and what it tells: plain values, no protobuf. Source: ours; the Control stream's messages
// (proto/aurora/v1/sync.proto) are translated to these by the driver. Units: *_ms are Unix milliseconds of a wall
// clock, Instant is monotonic. Bounds: Cut() brings what a peer sent to them; nothing longer is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/roster/founding.h"
#include "shared/base/time.h"

namespace aurora::roster {

inline constexpr size_t kNodesMax = 16;      // members, this node included
inline constexpr size_t kTrackedMax = 64;    // entries, guests and strangers included
inline constexpr size_t kTextMax = 255;      // bytes of any text of a peer
inline constexpr size_t kKeysMax = 16;       // gossip key fingerprints of one node
inline constexpr size_t kRemovedMax = 64;    // remembered removals
inline constexpr int64_t kRemovedKeptMs = 24LL * 3600 * 1000;
inline constexpr size_t kFormerMax = 4;      // earlier uids of one node

// Why a peer is not let in; Bye.Reason on the wire, same numbers.
enum class Refuse : uint8_t {
  kNone = 0,
  kForeignCluster = 2,
  kProtocolVersion = 3,
  kDuplicateNodeId = 4,
  kLabel = 5,
  kFull = 6,
  kLeaving = 8,
  kBadFrame = 9,
  kWrongNode = 10,
};

// What a node is, as its Hello says. Ours is the same.
struct NodeInfo {
  std::string uid;
  std::string node_id;
  std::string node_name;
  std::string region;
  std::string zone;
  std::string version;
  std::string failover_mode = "single_node";  // single_node | active_passive | active_active
  std::string cluster_role = "member";        // member | witness
  std::string advertise_url;
  std::string gossip_addr;
  std::string sync_addr;
  std::string label;
  std::string key_fingerprint;  // of the key that seals credentials; empty: none
  std::string previous_key_fingerprint;  // of the one that opens them besides; empty: none
  uint32_t protocol_min = 1;
  uint32_t protocol_max = 1;
  uint32_t schema_min = 1;
  uint32_t schema_max = 1;
  uint64_t epoch = 0;
  bool operator==(const NodeInfo&) const = default;
};

// Whether one of the two seals what the other cannot open.
bool KeysDiffer(const NodeInfo& a, const NodeInfo& b);

struct PeerHello {
  NodeInfo node;
  std::string cluster_id;
  std::string dialled_node_id;
  int64_t wall_ms = 0;
  Duration heartbeat_interval = Duration::Seconds(30);
};

struct RosterEntry {
  std::string uid;
  std::string node_id;
  std::string sync_addr;
  std::string gossip_addr;
  bool operator==(const RosterEntry&) const = default;
};

// An operator took the node out: whoever has not heard of it since forgets it.
struct RemovedNode {
  std::string uid;
  std::string node_id;
  int64_t at_ms = 0;
  bool operator==(const RemovedNode&) const = default;
};

struct PeerHeartbeat {
  int64_t wall_ms = 0;
  std::string role;                // single | peer | witness
  std::string data_plane = "down"; // up | down | draining
  bool drained = false;            // does not lead until an operator says so or it starts again
  uint64_t load = 0;
  int64_t lag_ms = 0;
  std::string cluster_id;
  uint32_t expect = 0;
  std::optional<Proposal> proposal;
  std::vector<std::string> gossip_keys;  // fingerprints, primary first
  std::vector<RosterEntry> roster;       // whom the sender has a stream to
  std::vector<RemovedNode> removed;
  bool operator==(const PeerHeartbeat&) const = default;
};

enum class GossipState : uint8_t { kUnknown, kAlive, kSuspect, kFailed, kLeft };

// A change of what gossip believes. uid, cluster_id and addresses from its meta; empty for a guest.
struct GossipNews {
  std::string node_id;
  GossipState state = GossipState::kUnknown;  // kUnknown: gossip has forgotten it
  bool guest = false;
  std::string uid;
  std::string cluster_id;
  std::string gossip_addr;
  std::string sync_addr;
};

// What election.db keeps of a member.
struct KnownPeer {
  NodeInfo node;
  int64_t last_seen_ms = 0;
  bool left = false;
  std::vector<std::string> former_uids;
};

struct RosterRecord {
  std::vector<KnownPeer> peers;
  std::vector<RemovedNode> removed;
};

struct Admission {
  Refuse reason = Refuse::kNone;
  std::string message;
  std::string warning;  // let in, but something is wrong
  bool ok() const { return reason == Refuse::kNone; }
};

struct DialTarget {
  std::string node_id;
  std::string uid;  // may be empty
  std::string address;
  bool operator==(const DialTarget&) const = default;
};

void Cut(NodeInfo& node);
void Cut(PeerHeartbeat& heartbeat);

}  // namespace aurora::roster
