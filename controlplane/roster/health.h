// Health: what one node's evidence means, and what an operator is told of the cluster: the bodies of cluster/status and
// cluster/nodes. Source: product contract, section 3; the status rule: docs/protocols/founding.md. Pure values.
// Guests speak gossip and are no nodes of ours: listed, never counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/roster/types.h"

namespace aurora::roster {

// A Control stream that is missing this long, though gossip sees the node, makes it suspect.
inline constexpr Duration kStreamGrace = Duration::Seconds(10);
// What a frame may take beyond the sender's interval.
inline constexpr Duration kFrameSlack = Duration::Seconds(5);

enum class Status : uint8_t { kAlive, kSuspect, kFailed, kLeft };
std::string_view Name(Status status);

struct Evidence {
  bool linked = false;
  Instant link_changed;  // up or down; known at all, if there was no stream yet
  bool heard = false;    // there was a stream in this life of ours
  Instant last_frame;
  Duration interval = Duration::Seconds(30);
  GossipState gossip = GossipState::kUnknown;
  Instant gossip_since;
  bool other_uid = false;  // gossip sees another uid under this node id
};

// gossip \ stream |  up                                      |  down
// alive           |  alive                                   |  alive for kStreamGrace, then suspect
// suspect         |  suspect                                 |  suspect
// failed          |  suspect while frames still come (one    |  failed
//                 |  within interval + slack of it), or failed |
// left            |  left                                    |  left
// unknown         |  alive                                   |  suspect for 3 intervals (never heard: kStreamGrace),
//                 |                                          |  then failed
Status Judge(Instant now, const Evidence& evidence);
// Why it is not alive, in a few words.
std::string_view Explain(const Evidence& evidence, Status status);

// One row of cluster/nodes.
struct NodeView {
  std::string node_id;
  std::string node_name;
  std::string region;
  std::string zone;
  Status status = Status::kAlive;
  std::string role;  // single | peer | witness | guest
  std::string data_plane;
  bool drained = false;
  std::string advertise_url;
  std::string gossip_addr;
  std::string sync_addr;
  int64_t last_heartbeat_ms = 0;  // 0: none yet
  int64_t lag_ms = 0;
  std::string version;
  // Not in the API's body:
  std::string uid;
  bool self = false;
  bool guest = false;
  uint64_t load = 0;
  std::vector<std::string> gossip_keys;  // of its last heartbeat
};

// cluster/status without what the configuration already says.
struct ClusterView {
  std::string cluster_id;  // empty: fresh
  std::string role;
  int node_count = 0;
  int healthy_count = 0;
  std::string state;  // healthy | degraded
  std::vector<std::string> reasons;
  bool converged = true;
  int64_t max_lag_ms = 0;
  std::vector<NodeView> nodes;  // by node id
};

// The role a node takes on by its settings while there is no election.
std::string RoleOf(const NodeInfo& node);

}  // namespace aurora::roster
