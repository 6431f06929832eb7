#include "controlplane/node/cluster_frames.h"

#include <algorithm>

namespace aurora::node {

void ToProto(const roster::NodeInfo& node, const std::string& cluster_id, v1::Hello* out) {
  out->set_protocol_min(node.protocol_min);
  out->set_protocol_max(node.protocol_max);
  out->set_cluster_id(cluster_id);
  out->set_node_uid(node.uid);
  out->set_node_id(node.node_id);
  out->set_node_name(node.node_name);
  out->set_region(node.region);
  out->set_zone(node.zone);
  out->set_version(node.version);
  out->set_schema_min(node.schema_min);
  out->set_schema_max(node.schema_max);
  out->set_failover_mode(node.failover_mode);
  out->set_cluster_role(node.cluster_role);
  out->set_encryption_key_fingerprint(node.key_fingerprint);
  out->set_encryption_key_previous_fingerprint(node.previous_key_fingerprint);
  out->set_advertise_url(node.advertise_url);
  out->set_gossip_addr(node.gossip_addr);
  out->set_sync_addr(node.sync_addr);
  out->set_label(node.label);
  out->set_epoch(node.epoch);
}

roster::PeerHello FromProto(const v1::Hello& hello) {
  roster::PeerHello out;
  roster::NodeInfo& node = out.node;
  node.uid = hello.node_uid();
  node.node_id = hello.node_id();
  node.node_name = hello.node_name();
  node.region = hello.region();
  node.zone = hello.zone();
  node.version = hello.version();
  node.failover_mode = hello.failover_mode();
  node.cluster_role = hello.cluster_role();
  node.advertise_url = hello.advertise_url();
  node.gossip_addr = hello.gossip_addr();
  node.sync_addr = hello.sync_addr();
  node.label = hello.label();
  node.key_fingerprint = hello.encryption_key_fingerprint();
  node.previous_key_fingerprint = hello.encryption_key_previous_fingerprint();
  node.protocol_min = hello.protocol_min();
  node.protocol_max = hello.protocol_max();
  node.schema_min = hello.schema_min();
  node.schema_max = hello.schema_max();
  node.epoch = hello.epoch();
  out.cluster_id = hello.cluster_id();
  out.dialled_node_id = hello.dialled_node_id();
  out.wall_ms = hello.wall_unix_ms();
  // What a peer says of its pace is believed within reason: silence is judged by it.
  constexpr uint32_t kMinMs = 100;
  constexpr uint32_t kMaxMs = 3'600'000;
  out.heartbeat_interval = Duration::Millis(std::clamp(hello.heartbeat_interval_ms(), kMinMs, kMaxMs));
  return out;
}

v1::Heartbeat ToProto(const roster::PeerHeartbeat& heartbeat, const std::string& role) {
  v1::Heartbeat out;
  out.set_role(role);
  out.set_data_plane(heartbeat.data_plane);
  out.set_drained(heartbeat.drained);
  out.set_load(heartbeat.load);
  out.set_lag_ms(heartbeat.lag_ms);
  out.set_cluster_id(heartbeat.cluster_id);
  out.mutable_founding()->set_bootstrap_expect(heartbeat.expect);
  if (heartbeat.proposal) {
    v1::FoundingProposal* proposal = out.mutable_founding()->mutable_proposal();
    proposal->set_cluster_id(heartbeat.proposal->cluster_id);
    proposal->set_round(heartbeat.proposal->round);
    for (const roster::Founder& founder : heartbeat.proposal->founders) {
      v1::Founder* to = proposal->add_founders();
      to->set_node_uid(founder.uid);
      to->set_node_id(founder.node_id);
    }
  }
  for (const std::string& key : heartbeat.gossip_keys) {
    out.add_gossip_key_fingerprints(key);
  }
  for (const roster::RosterEntry& entry : heartbeat.roster) {
    v1::RosterEntry* to = out.add_roster();
    to->set_node_uid(entry.uid);
    to->set_node_id(entry.node_id);
    to->set_sync_addr(entry.sync_addr);
    to->set_gossip_addr(entry.gossip_addr);
  }
  for (const roster::RemovedNode& removed : heartbeat.removed) {
    v1::RemovedNode* to = out.add_removed();
    to->set_node_uid(removed.uid);
    to->set_node_id(removed.node_id);
    to->set_unix_ms(removed.at_ms);
  }
  return out;
}

roster::PeerHeartbeat FromProto(const v1::Heartbeat& heartbeat) {
  roster::PeerHeartbeat out;
  out.wall_ms = heartbeat.wall_unix_ms();
  out.role = heartbeat.role();
  out.data_plane = heartbeat.data_plane();
  out.drained = heartbeat.drained();
  out.load = heartbeat.load();
  out.lag_ms = heartbeat.lag_ms();
  out.cluster_id = heartbeat.cluster_id();
  out.expect = heartbeat.founding().bootstrap_expect();
  if (heartbeat.founding().has_proposal()) {
    const v1::FoundingProposal& from = heartbeat.founding().proposal();
    roster::Proposal proposal;
    proposal.cluster_id = from.cluster_id();
    proposal.round = from.round();
    for (const v1::Founder& founder : from.founders()) {
      proposal.founders.push_back({founder.node_uid(), founder.node_id()});
    }
    out.proposal = std::move(proposal);
  }
  out.gossip_keys.assign(heartbeat.gossip_key_fingerprints().begin(), heartbeat.gossip_key_fingerprints().end());
  for (const v1::RosterEntry& entry : heartbeat.roster()) {
    out.roster.push_back({entry.node_uid(), entry.node_id(), entry.sync_addr(), entry.gossip_addr()});
  }
  for (const v1::RemovedNode& removed : heartbeat.removed()) {
    out.removed.push_back({removed.node_uid(), removed.node_id(), removed.unix_ms()});
  }
  return out;
}

}  // namespace aurora::node
