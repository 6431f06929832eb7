// The roster's values as Control frames and back. Source: proto/aurora/v1/sync.proto, controlplane/roster/types.h.
// Thread: pure. Bounds: what comes from a peer has passed CheckFrame (controlplane/peers); the roster cuts the rest.
#pragma once

#include <cstdint>

#include "aurora/v1/sync.pb.h"
#include "controlplane/roster/types.h"

namespace aurora::node {

// Without wall time, heartbeat interval and dialled node: Links fills those in.
void ToProto(const roster::NodeInfo& node, const std::string& cluster_id, v1::Hello* out);
roster::PeerHello FromProto(const v1::Hello& hello);
// Without sequence and wall time: Links fills those in.
v1::Heartbeat ToProto(const roster::PeerHeartbeat& heartbeat, const std::string& role);
roster::PeerHeartbeat FromProto(const v1::Heartbeat& heartbeat);

}  // namespace aurora::node
