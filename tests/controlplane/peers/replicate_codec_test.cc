#include "controlplane/peers/replicate_codec.h"

#include "aurora/v1/sync.pb.h"
#include "tests/support/test.h"

namespace aurora::peers {
namespace {

using replication::Frame;
using replication::Lane;

constexpr char kUid[] = "00112233445566778899aabbccddeeff";

std::vector<Frame> Examples() {
  replication::Hello hello{"c", kUid, "n", kUid, {{7, 3}, {9, 3}}, true, {{kUid, "n"}}, 1, 2};
  replication::Cursor cursor;
  cursor.epoch = 9;
  cursor.seq.values = {3, 2};
  cursor.rolled_back_epoch = 7;
  replication::Ack ack;
  ack.epoch = 9;
  ack.lanes[Lane::kRevoke] = {5, -1};
  ack.lanes[Lane::kBulk] = {4, 4};
  ack.serving = ack.resend = ack.parked_overflow = true;
  ack.members = {{kUid, "n"}};
  ack.parked = {{"Alias", "x"}};
  ack.head = 77;
  replication::Digest digest{replication::DigestLevel::kRows, "Alias", 255, {{"a", 1, {1, ~uint64_t{0}}}}, 6};
  return {hello,
          cursor,
          replication::Rows{9, Lane::kRevoke, 1, 4, {{"Alias", "x", std::string("\0\xff", 2)}}},
          replication::Rows{9, std::nullopt, 0, 0, {{"Alias", "x", "y"}}},
          ack,
          digest,
          replication::RowRequest{{{"Alias", "x"}}},
          replication::Bye{replication::CloseReason::kIdle, "why"}};
}

TEST_CASE("every Replicate frame survives the wire") {
  for (const Frame& frame : Examples()) {
    v1::ReplicateFrame out;
    EncodeFrame(frame, out);
    v1::ReplicateFrame in;
    REQUIRE(in.ParseFromString(out.SerializeAsString()));
    const auto back = DecodeFrame(in);
    REQUIRE(back.ok());
    REQUIRE(back->has_value());
    REQUIRE(**back == frame);
  }
}

TEST_CASE("a frame of a later version is nothing, and one out of bounds an error") {
  v1::ReplicateFrame later;
  REQUIRE_FALSE(DecodeFrame(later)->has_value());
  v1::ReplicateFrame members;
  members.mutable_ack()->set_epoch(1);
  for (int i = 0; i < 257; ++i) {
    members.mutable_ack()->add_members()->set_node_uid(kUid);
  }
  CHECK_FALSE(DecodeFrame(members).ok());
  v1::ReplicateFrame lane;
  lane.mutable_rows()->set_lane(static_cast<v1::Lane>(9));
  CHECK_FALSE(DecodeFrame(lane).ok());
  v1::ReplicateFrame hash;
  hash.mutable_digest()->set_level(v1::Digest::LEVEL_KINDS);
  hash.mutable_digest()->add_entries()->set_hash("short");
  CHECK_FALSE(DecodeFrame(hash).ok());
  v1::ReplicateFrame history;
  history.mutable_hello()->set_node_uid(kUid);
  CHECK_FALSE(DecodeFrame(history).ok());
}

}  // namespace
}  // namespace aurora::peers
