#include "controlplane/peers/gossip_config.h"

namespace aurora::peers {

GossipOptions GossipOptionsFrom(const config::Cluster& cluster, const membership::NodeMeta& meta,
                                std::optional<uint32_t> stored_incarnation) {
  GossipOptions options;
  options.node_name = cluster.node_id;
  options.bind_addr = cluster.bind_addr;
  options.bind_port = cluster.bind_port;
  options.advertise_addr = cluster.advertise_addr;
  options.label = cluster.label;
  options.keys = cluster.gossip_keys;
  options.meta = membership::EncodeMeta(meta);
  for (const config::HostPort& seed : cluster.seed_nodes) {
    options.seeds.push_back(seed.ToString());
  }
  options.stored_incarnation = stored_incarnation;
  options.core.cluster_id = meta.cluster_id;
  options.core.node_meta = true;
  return options;
}

}  // namespace aurora::peers
