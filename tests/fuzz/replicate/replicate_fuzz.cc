// Bytes of a ReplicateFrame to the codec and on to a Replicator: nothing a peer sends breaks either, and what was
// decoded encodes to the same frame.
#include <cstdint>
#include <string_view>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/replicate_codec.h"
#include "controlplane/replication/replicator.h"
#include "shared/base/check.h"

namespace {

constexpr char kUs[] = "00000000000000000000000000000001";
constexpr char kThem[] = "00000000000000000000000000000002";

aurora::replication::StartState Start() {
  aurora::replication::StartState start;
  start.cluster_id = "c";
  start.uid = kUs;
  start.node_id = "us";
  start.history = {{1, 100}};
  return start;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora;  // NOLINT
  aurora::v1::ReplicateFrame in;
  if (!in.ParseFromArray(data, static_cast<int>(size))) {
    return 0;
  }
  const auto frame = peers::DecodeFrame(in);
  if (!frame.ok() || !frame->has_value()) {
    return 0;
  }
  v1::ReplicateFrame again;
  peers::EncodeFrame(**frame, again);
  const auto back = peers::DecodeFrame(again);
  AURORA_CHECK(back.ok() && *back == *frame);

  const Instant now = Instant::FromMicros(1);
  replication::Replicator core(now, {}, Start(), 1);
  replication::Outbox out;
  core.PeerUp(now, {"c", kThem, "them", "", {{2, 50}}, true, {}, 1, 1}, out);
  const uint64_t token = out.feed_opens.at(0).token;
  core.OnFeedOpened(now, token, replication::FeedOpened{}, out);
  replication::Cursor cursor;
  cursor.epoch = 1;
  core.Receive(now, kThem, cursor, out);
  core.Receive(now, kThem, **frame, out);
  for (const replication::ReadDigest& read : out.digest_reads) {
    replication::Outbox more;
    core.OnDigest(now, read.token, std::vector<replication::DigestEntry>{{"Alias", 1, {1, 2}}}, more);
  }
  core.Tick(core.NextDeadline(), out);
  return 0;
}
