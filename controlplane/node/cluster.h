// Cluster: this node as a member: gossip, Control streams and the roster core, driven on the control loop, and what the
// admin API asks of them. Source: architecture (controlplane/node), product contract section 3, docs/protocols/.
// Thread: the control loop's; ClusterApi's methods may be called from any. Bounds: those of the parts. Errors: Open
// names the setting; AlreadyExists when a port is held. Order in which things happen: step, store, send, re-arm.
// Always: nothing of a founding record is announced before it is on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/admin/cluster_api.h"
#include "controlplane/replication/frame.h"
#include "controlplane/roster/roster.h"
#include "controlplane/store/election_db.h"
#include "shared/base/status.h"
#include "shared/config/config.h"
#include "shared/metrics/metrics.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"

namespace aurora::rolepage {
class ControlPage;
}  // namespace aurora::rolepage

namespace aurora::store {
class ElectionThread;
class Store;
}  // namespace aurora::store

namespace aurora::node {

// Everything pointed to outlives the cluster; `election` must have run what waits before `mailbox` goes.
struct ClusterDeps {
  uv::Loop* loop = nullptr;
  uv::Mailbox* mailbox = nullptr;
  const config::Config* config = nullptr;
  store::Store* store = nullptr;              // policy, events, and the cluster id beside it
  rolepage::ControlPage* page = nullptr;      // what the data plane has loaded, and whether it may admit
  bool rolled_back = false;                   // this disk is an older copy; aurora.db may not say so yet
  store::ElectionThread* election = nullptr;  // founding, roster, incarnation, keys
  store::ElectionState stored;                // what election.db held at the start
  std::string node_uid;
  std::string cluster_id;  // empty: fresh
  std::string version;
  uint64_t epoch = 0;
  std::function<roster::LocalState()> local;  // data plane and load; the keys are filled in here
};

class Cluster : public admin::ClusterApi {
 public:
  static absl::StatusOr<std::unique_ptr<Cluster>> Open(ClusterDeps deps);

  // Tells everyone that this node leaves, then runs `done` (2 s at most). Destroy it then.
  virtual void Leave(std::function<void()> done) = 0;
  // Hands leadership over if this node leads and another one can (half a second at most), then runs `done`.
  virtual void StepDown(std::function<void()> done) = 0;
  virtual std::shared_ptr<metrics::Source> metrics() = 0;
  // The store's feed moved; any thread.
  virtual void OnHead(uint64_t head, uint64_t urgent) = 0;
  // PolicySync::Report; any thread.
  virtual void Report(replication::RowRef row, Duration timeout, std::function<void(v1::Propagation)> done) = 0;
};

}  // namespace aurora::node
