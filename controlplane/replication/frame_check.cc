// What a received frame may hold.
#include <algorithm>
#include <string_view>

#include "controlplane/replication/frame.h"

namespace aurora::replication {
namespace {

bool Uid(std::string_view text) {
  return text.size() == kUidSize && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool Good(const RowRef& ref) {
  return !ref.kind.empty() && ref.kind.size() <= kKindMax && !ref.id.empty() && ref.id.size() <= kRowIdMax;
}

std::string CheckMembers(const std::vector<Member>& members) {
  if (members.size() > kMembersMax) {
    return "more than 256 members";
  }
  const bool good = std::all_of(members.begin(), members.end(), [](const Member& m) {
    return Uid(m.uid) && !m.node_id.empty() && m.node_id.size() <= kNodeIdMax;
  });
  return good ? "" : "a member without a uid or node id";
}

struct Checker {
  std::string operator()(const Hello& f) const {
    if (!Uid(f.node_uid) || f.node_id.empty() || f.node_id.size() > kNodeIdMax) {
      return "Hello names no node";
    }
    if (f.cluster_id.empty() || f.cluster_id.size() > kClusterIdMax) {
      return "Hello.cluster_id is empty or longer than 128 bytes";
    }
    if (!f.dialled_node_uid.empty() && !Uid(f.dialled_node_uid)) {
      return "Hello.dialled_node_uid is no uid";
    }
    if (f.history.empty() || f.history.size() > kHistoryMax) {
      return "Hello.history has no entry or more than 64";
    }
    uint64_t last = 0;
    for (size_t i = 0; i < f.history.size(); ++i) {
      const FeedEpoch& e = f.history[i];
      const bool twice = std::any_of(f.history.begin(), f.history.begin() + static_cast<std::ptrdiff_t>(i),
                                     [&](const FeedEpoch& other) { return other.epoch == e.epoch; });
      if (e.epoch == 0 || twice || e.last_seq < last || e.last_seq > kSeqMax) {
        return "Hello.history is not a history";
      }
      last = e.last_seq;
    }
    return CheckMembers(f.members);
  }

  std::string operator()(const Cursor& f) const {
    const bool good = f.epoch != 0 && f.seq[Lane::kRevoke] <= kSeqMax && f.seq[Lane::kBulk] <= kSeqMax;
    return good ? "" : "Cursor out of range";
  }

  std::string operator()(const Rows& f) const {
    if (f.rows.size() > kFrameRowsMax) {
      return "Rows with more than 4096 rows";
    }
    if (f.epoch == 0 || f.to_seq > kSeqMax || (f.lane.has_value() ? f.from_seq >= f.to_seq : f.to_seq != 0)) {
      return "Rows of no range of a feed";
    }
    for (const WireRow& row : f.rows) {
      if (row.kind.empty() || row.kind.size() > kKindMax || row.id.empty() || row.id.size() > kRowIdMax ||
          row.row.empty() || row.row.size() > kRowBytesMax) {
        return "Rows with a row out of bounds";
      }
    }
    return "";
  }

  std::string operator()(const Ack& f) const {
    if (f.epoch == 0 || f.head > kSeqMax) {
      return "Ack out of range";
    }
    for (const LaneAck& lane : f.lanes.values) {
      if (lane.durable > kSeqMax || lane.enforced < -1 || lane.enforced > static_cast<int64_t>(lane.durable)) {
        return "Ack with more enforced than durable";
      }
    }
    if (f.parked.size() > kParkedMax || !std::all_of(f.parked.begin(), f.parked.end(), Good)) {
      return "Ack with more than 64 parked rows, or one out of bounds";
    }
    return CheckMembers(f.members);
  }

  std::string operator()(const Digest& f) const {
    const bool kinds = f.level == DigestLevel::kKinds;
    if (f.entries.size() > kDigestEntriesMax || f.kind.size() > kKindMax || f.kind.empty() != kinds ||
        f.bucket >= kDigestBuckets) {
      return "Digest out of bounds";
    }
    const bool sorted = std::is_sorted(f.entries.begin(), f.entries.end(), [](const auto& a, const auto& b) {
      return a.key < b.key;
    });
    const bool good = std::all_of(f.entries.begin(), f.entries.end(), [](const DigestEntry& e) {
      return !e.key.empty() && e.key.size() <= kRowIdMax;
    });
    return sorted && good ? "" : "Digest with entries out of order or bounds";
  }

  std::string operator()(const RowRequest& f) const {
    return f.rows.size() <= kRequestRowsMax && std::all_of(f.rows.begin(), f.rows.end(), Good)
               ? ""
               : "RowRequest for more than 1024 rows, or one out of bounds";
  }

  std::string operator()(const Bye&) const { return ""; }
};

}  // namespace

size_t Rows::bytes() const {
  size_t total = 0;
  for (const WireRow& row : rows) {
    total += row.bytes();
  }
  return total;
}

std::string Check(const Frame& frame) {
  return std::visit(Checker{}, frame);
}

}  // namespace aurora::replication
