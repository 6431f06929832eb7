// What replication asks of the store, as values, beside those of its core (controlplane/replication).
// Source: replication.md sections 1 and 2 (rules A6, A9, A10, A11). Thread: values. Bounds: kEpochsKept starts of
// this node, and of each peer, are remembered; a RowNames lists at most kNamed rows. Always: a sequence is a place in
// one node's change feed and means something only together with an epoch of that node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/replication/replicator.h"
#include "controlplane/replication/row.h"

namespace aurora::store {

using replication::FeedEpoch;
using replication::FeedRange;
using replication::Lane;
using replication::RowRef;
using replication::WireRow;

inline constexpr size_t kEpochsKept = replication::kHistoryMax;
inline constexpr size_t kNamed = 16;

// How many, and the first few by name.
struct RowNames {
  size_t count = 0;
  std::vector<RowRef> first;

  void Add(std::string_view kind, std::string_view id) {
    if (++count <= kNamed) {
      first.push_back({std::string(kind), std::string(id)});
    }
  }
};

// A row from another node (or from a backup), decoded.
struct RemoteRow {
  std::string kind;
  std::string id;
  replication::Row row;
};

// How far this node holds a peer's feed.
struct FeedCursor {
  std::string peer_uid;
  uint64_t epoch = 0;
  Lane lane = Lane::kBulk;
  uint64_t seq = 0;
  bool operator==(const FeedCursor&) const = default;
};

struct MergeResult {
  // This node's head right after the rows: a data plane that has applied it enforces them [A11]. Also set when nothing
  // changed.
  uint64_t head = 0;
  size_t changed = 0;  // rows with something new; the others wrote no change entry
  RowNames conflicts;  // changed rows that now have more than one sibling
  RowNames parked;     // changed rows whose newest value is not in force here
  RowNames diverged;   // equal version vectors, different rows: a bug somewhere; merged all the same
  bool parked_moved = false;  // a row was parked or came out of it
  // Then: which are now.
  std::optional<replication::Parked> parked_now;
  // [A10] As stored after this batch; with a range. `moved`: the range began at or before it and ended after it.
  uint64_t cursor = 0;
  bool moved = false;
  // Siblings dated further ahead than the clock follows: taken, but somebody's clock is wrong.
  size_t skewed = 0;
  std::string skewed_node_uid;  // who dated the worst, which is
  uint64_t skewed_by_ms = 0;    // this far ahead of our wall clock
};

}  // namespace aurora::store
