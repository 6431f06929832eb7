// Opens election.db and says who this node is, before the Store takes a uid. Source: ours
// (controlplane/store/node_identity.h has the rules). Thread: process start, the state directory locked. Errors: what
// refuses the start, one line. With clustering off an election.db that cannot be opened is logged and not used: such a
// node promises nothing to anyone.
#pragma once

#include <memory>

#include "controlplane/store/election_thread.h"
#include "controlplane/store/node_identity.h"
#include "shared/base/status.h"
#include "shared/config/config.h"

namespace aurora::node {

struct OpenedIdentity {
  store::NodeIdentity identity;
  store::ElectionState stored;  // as of this start
  std::unique_ptr<store::ElectionThread> election;  // null: clustering is off and the file is of no use
};

absl::StatusOr<OpenedIdentity> OpenIdentity(const config::Config& config);

}  // namespace aurora::node
