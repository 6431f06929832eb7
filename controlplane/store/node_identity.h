// NodeIdentity: one uid and one cluster id out of two files, before either is used. Source: failover rules (identity).
// Both files are made at the first start. The rules, by what is there:
//   election.db  aurora.db
//   new          none        a new node: a new uid, of no cluster
//   new          there       a new uid, the cluster id of aurora.db, which is then told the uid; an event
//   there        none        uid and cluster id stay; an event
//   there        there       they agree, or the start is refused; a cluster id that one of them lacks is taken over
// Thread: process start, while the state directory is locked and the Store is not open. Errors: FailedPrecondition =
// refused, one line that says what to do; else election.db's. An aurora.db that cannot be read decides nothing: the
// Store says what is wrong with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/store/election_db.h"

namespace aurora::store {

struct IdentityEvent {
  std::string type;  // snake_case, a warning
  std::string message;
};

struct NodeIdentity {
  std::string node_uid;
  std::string cluster_id;              // empty: fresh
  bool aurora_lacks_cluster_id = false;  // write it once the Store is open
  // Not empty: aurora.db is an older copy of what this node had (or is gone), by election.db's feed mark. Set
  // kMetaRestored to it once the Store is open: the node catches up with every member before it serves.
  std::string rolled_back;
  std::vector<IdentityEvent> events;
};

// `fresh_uid`: 32 random hexadecimal digits, for when one is needed.
absl::StatusOr<NodeIdentity> ResolveIdentity(ElectionDb& election, const std::string& aurora_path,
                                             std::string_view fresh_uid);

}  // namespace aurora::store
