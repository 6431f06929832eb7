// What the roster says goes over the Control stream and comes back the same.
#include "controlplane/node/cluster_frames.h"

#include "tests/support/test.h"

namespace aurora::node {
namespace {

TEST_CASE("a Hello comes back as the node it describes") {
  roster::NodeInfo node;
  node.uid = "00112233445566778899aabbccddeeff";
  node.node_id = "n1";
  node.node_name = "first";
  node.region = "eu";
  node.zone = "a";
  node.version = "1.2.3";
  node.failover_mode = "active_active";
  node.cluster_role = "member";
  node.advertise_url = "https://n1";
  node.gossip_addr = "127.0.0.1:7946";
  node.sync_addr = "127.0.0.1:7947";
  node.label = "prod";
  node.key_fingerprint = "0a0b0c0d";
  node.previous_key_fingerprint = "0e0f0a0b";
  node.protocol_max = 3;
  node.schema_max = 2;
  node.epoch = 77;
  v1::Hello hello;
  ToProto(node, "c1", &hello);
  hello.set_wall_unix_ms(5);
  hello.set_dialled_node_id("n1");
  hello.set_heartbeat_interval_ms(2000);
  const roster::PeerHello back = FromProto(hello);
  CHECK(back.node == node);
  CHECK(back.cluster_id == "c1");
  CHECK(back.wall_ms == 5);
  CHECK(back.dialled_node_id == "n1");
  CHECK(back.heartbeat_interval == Duration::Seconds(2));
}

TEST_CASE("a pace that no node keeps is not believed") {
  v1::Hello hello;
  hello.set_heartbeat_interval_ms(0);
  CHECK(FromProto(hello).heartbeat_interval == Duration::Millis(100));
  hello.set_heartbeat_interval_ms(UINT32_MAX);
  CHECK(FromProto(hello).heartbeat_interval == Duration::Seconds(3600));
}

TEST_CASE("a Heartbeat comes back with founding, keys, roster and removals") {
  roster::PeerHeartbeat heartbeat;
  heartbeat.role = "peer";
  heartbeat.data_plane = "draining";
  heartbeat.drained = true;
  heartbeat.load = 9;
  heartbeat.lag_ms = 4;
  heartbeat.cluster_id = "c1";
  heartbeat.expect = 3;
  heartbeat.proposal = roster::Proposal{"c1", 2, {{"u1", "n1"}, {"u2", "n2"}}};
  heartbeat.gossip_keys = {"aaaaaaaa", "bbbbbbbb"};
  heartbeat.roster = {{"u2", "n2", "127.0.0.2:7947", "127.0.0.2:7946"}};
  heartbeat.removed = {{"u9", "n9", 123}};
  v1::Heartbeat proto = ToProto(heartbeat, heartbeat.role);
  proto.set_wall_unix_ms(88);
  heartbeat.wall_ms = 88;
  CHECK(FromProto(proto) == heartbeat);
}

}  // namespace
}  // namespace aurora::node
