// The gossip driver's options from the configuration. Source: docs/configuration.md, `cluster.*`.
// Thread: pure.
#pragma once

#include <optional>

#include "controlplane/membership/meta.h"
#include "controlplane/peers/gossip.h"
#include "shared/config/config.h"

namespace aurora::peers {

// `meta.cluster_id` also becomes the cluster whose nodes count; a fresh node (empty) counts all.
GossipOptions GossipOptionsFrom(const config::Cluster& cluster, const membership::NodeMeta& meta,
                                std::optional<uint32_t> stored_incarnation);

}  // namespace aurora::peers
