// Replicate frames <-> aurora.v1.ReplicateFrame. Source: proto/aurora/v1/sync.proto; docs/protocols/replication.md.
// Thread: stateless. Bounds: counts are checked before anything is copied, the rest by replication::Check: what Decode
// returns is safe to hand to Replicator. Errors: InvalidArgument, one line; the stream is to be closed. Always:
// Decode(Encode(f)) == f for every f that passes Check.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "controlplane/replication/frame.h"

namespace aurora::v1 {
class ReplicateFrame;
class ReplicateHello;
}  // namespace aurora::v1

namespace aurora::peers {

void EncodeHello(const replication::Hello& hello, v1::ReplicateHello& out);
absl::StatusOr<replication::Hello> DecodeHello(const v1::ReplicateHello& in);

void EncodeFrame(replication::Frame frame, v1::ReplicateFrame& out);
// `in` may be moved from. Nothing: a kind of frame of a later version.
absl::StatusOr<std::optional<replication::Frame>> DecodeFrame(v1::ReplicateFrame& in);

}  // namespace aurora::peers
