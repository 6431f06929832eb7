#include "controlplane/roster/types.h"

#include <algorithm>

#include "controlplane/roster/outbox.h"

namespace aurora::roster {
namespace {

void CutText(std::string& text) {
  if (text.size() > kTextMax) {
    text.resize(kTextMax);
  }
}

template <class T>
void CutList(std::vector<T>& list, size_t max) {
  if (list.size() > max) {
    list.resize(max);
  }
}

}  // namespace

void Cut(NodeInfo& node) {
  for (std::string* text : {&node.uid, &node.node_id, &node.node_name, &node.region, &node.zone, &node.version,
                            &node.failover_mode, &node.cluster_role, &node.advertise_url, &node.gossip_addr,
                            &node.sync_addr, &node.label, &node.key_fingerprint,
                            &node.previous_key_fingerprint}) {
    CutText(*text);
  }
}

bool KeysDiffer(const NodeInfo& a, const NodeInfo& b) {
  const auto opens = [](const NodeInfo& by, const std::string& sealer) {
    return sealer == by.key_fingerprint || (!sealer.empty() && sealer == by.previous_key_fingerprint);
  };
  return !opens(a, b.key_fingerprint) || !opens(b, a.key_fingerprint);
}

void Cut(PeerHeartbeat& heartbeat) {
  for (std::string* text : {&heartbeat.role, &heartbeat.data_plane, &heartbeat.cluster_id}) {
    CutText(*text);
  }
  CutList(heartbeat.gossip_keys, kKeysMax);
  for (std::string& key : heartbeat.gossip_keys) {
    CutText(key);
  }
  CutList(heartbeat.roster, kTrackedMax);
  for (RosterEntry& entry : heartbeat.roster) {
    for (std::string* text : {&entry.uid, &entry.node_id, &entry.sync_addr, &entry.gossip_addr}) {
      CutText(*text);
    }
  }
  CutList(heartbeat.removed, kRemovedMax);
  for (RemovedNode& removed : heartbeat.removed) {
    CutText(removed.uid);
    CutText(removed.node_id);
  }
  heartbeat.lag_ms = std::max<int64_t>(0, heartbeat.lag_ms);
  if (heartbeat.proposal.has_value() && !WellFormed(*heartbeat.proposal)) {
    heartbeat.proposal.reset();
  }
}

std::string_view Name(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kNodeJoined:
      return "node_joined";
    case Event::Kind::kNodeFailed:
      return "node_failed";
    case Event::Kind::kNodeRecovered:
      return "node_recovered";
    case Event::Kind::kNodeLeft:
      return "node_left";
    case Event::Kind::kNodeForgotten:
      return "node_forgotten";
    case Event::Kind::kNodeRemoved:
      return "node_removed";
    case Event::Kind::kNodeSuperseded:
      return "node_superseded";
    case Event::Kind::kNodeDiskLost:
      return "node_disk_lost";
    case Event::Kind::kClusterFounded:
      return "cluster_founded";
    case Event::Kind::kClusterJoined:
      return "cluster_joined";
    case Event::Kind::kFoundingProposed:
      return "founding_proposed";
    case Event::Kind::kForeignCluster:
      return "foreign_cluster";
    case Event::Kind::kProtocolVersion:
      return "protocol_version";
    case Event::Kind::kDuplicateNodeId:
      return "duplicate_node_id";
    case Event::Kind::kLabelMismatch:
      return "label_mismatch";
    case Event::Kind::kClusterFull:
      return "cluster_full";
    case Event::Kind::kClockSkew:
      return "clock_skew";
    case Event::Kind::kKeyDiffers:
      return "encryption_key_differs";
    case Event::Kind::kRingDiffers:
      return "gossip_keys_differ";
    case Event::Kind::kModeDiffers:
      return "failover_mode_differs";
    case Event::Kind::kPersistFailed:
      return "election_db_failed";
  }
  return "unknown";
}

}  // namespace aurora::roster
