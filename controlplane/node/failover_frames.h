// Election messages as frames of the Control stream and back. Source: proto/aurora/v1/sync.proto,
// controlplane/election/messages.h. Thread: pure. Bounds: what comes from a peer is checked here: a frame that breaks
// them is no message. Always: FromProto(ToProto(m)) == m.
#pragma once

#include <optional>

#include "aurora/v1/sync.pb.h"
#include "controlplane/election/messages.h"

namespace aurora::node {

// Terms and versions rise by one; a number beyond this is none of ours, and one more could not be told from it.
inline constexpr uint64_t kElectionNumberMax = uint64_t{1} << 62;

v1::ElectionFrame ToProto(const election::Message& message);
// Nothing: a kind of a later version, or out of bounds.
std::optional<election::Message> FromProto(const v1::ElectionFrame& frame);

}  // namespace aurora::node
