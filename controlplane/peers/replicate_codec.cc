#include "controlplane/peers/replicate_codec.h"

#include <utility>

#include "aurora/v1/sync.pb.h"
#include "shared/base/status.h"

namespace aurora::peers {
namespace {

using replication::Lane;

constexpr size_t kHashSize = 16;

std::string HashBytes(const replication::DigestHash& hash) {
  std::string out;
  for (const uint64_t word : hash) {
    for (int shift = 0; shift < 64; shift += 8) {
      out.push_back(static_cast<char>((word >> shift) & 0xff));
    }
  }
  return out;
}

replication::DigestHash HashFrom(const std::string& bytes) {
  replication::DigestHash hash{};
  for (size_t i = 0; i < kHashSize; ++i) {
    hash[i / 8] |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * (i % 8));
  }
  return hash;
}

template <class Out>
void EncodeMembers(const std::vector<replication::Member>& members, Out& out) {
  for (const replication::Member& member : members) {
    v1::Member* to = out.add_members();
    to->set_node_uid(member.uid);
    to->set_node_id(member.node_id);
  }
}

template <class In>
absl::StatusOr<std::vector<replication::Member>> DecodeMembers(const In& in) {
  if (static_cast<size_t>(in.members_size()) > replication::kMembersMax) {
    return InvalidArgument("more than 256 members");
  }
  std::vector<replication::Member> out;
  for (const v1::Member& member : in.members()) {
    out.push_back({member.node_uid(), member.node_id()});
  }
  return out;
}

template <class In>
std::vector<replication::RowRef> DecodeRefs(const In& in) {
  std::vector<replication::RowRef> out;
  for (const v1::RowRef& ref : in) {
    out.push_back({ref.kind(), ref.id()});
  }
  return out;
}

void EncodeRefs(const std::vector<replication::RowRef>& refs, google::protobuf::RepeatedPtrField<v1::RowRef>* out) {
  for (const replication::RowRef& ref : refs) {
    v1::RowRef* to = out->Add();
    to->set_kind(ref.kind);
    to->set_id(ref.id);
  }
}

// ---- Encode ----

struct Encoder {
  v1::ReplicateFrame& out;

  void operator()(replication::Hello& f) const { EncodeHello(f, *out.mutable_hello()); }

  void operator()(replication::Cursor& f) const {
    v1::Cursor* to = out.mutable_cursor();
    to->set_epoch(f.epoch);
    to->set_revoke_seq(f.seq[Lane::kRevoke]);
    to->set_bulk_seq(f.seq[Lane::kBulk]);
    to->set_rolled_back_epoch(f.rolled_back_epoch);
  }

  void operator()(replication::Rows& f) const {
    v1::Rows* to = out.mutable_rows();
    to->set_epoch(f.epoch);
    if (f.lane.has_value()) {
      to->set_lane(*f.lane == Lane::kRevoke ? v1::LANE_REVOKE : v1::LANE_BULK);
    }
    to->set_from_seq(f.from_seq);
    to->set_to_seq(f.to_seq);
    for (replication::WireRow& row : f.rows) {
      v1::ReplicatedRow* one = to->add_rows();
      one->set_kind(std::move(row.kind));
      one->set_id(std::move(row.id));
      one->set_row(std::move(row.row));
    }
  }

  void operator()(replication::Ack& f) const {
    v1::Ack* to = out.mutable_ack();
    to->set_epoch(f.epoch);
    for (const Lane lane : replication::kAllLanes) {
      v1::LaneAck* one = lane == Lane::kRevoke ? to->mutable_revoke() : to->mutable_bulk();
      one->set_durable(f.lanes[lane].durable);
      one->set_enforced(f.lanes[lane].enforced);
    }
    to->set_serving(f.serving);
    to->set_caught_up(f.caught_up);
    EncodeMembers(f.members, *to);
    EncodeRefs(f.parked, to->mutable_parked());
    to->set_parked_overflow(f.parked_overflow);
    to->set_head(f.head);
    to->set_resend(f.resend);
  }

  void operator()(replication::Digest& f) const {
    v1::Digest* to = out.mutable_digest();
    to->set_level(static_cast<v1::Digest::Level>(f.level));
    to->set_kind(std::move(f.kind));
    to->set_bucket(f.bucket);
    to->set_round(f.round);
    for (replication::DigestEntry& entry : f.entries) {
      v1::DigestEntry* one = to->add_entries();
      one->set_key(std::move(entry.key));
      one->set_count(entry.count);
      one->set_hash(HashBytes(entry.hash));
    }
  }

  void operator()(replication::RowRequest& f) const { EncodeRefs(f.rows, out.mutable_row_request()->mutable_rows()); }

  void operator()(replication::Bye& f) const {
    v1::Bye* to = out.mutable_bye();
    to->set_message(std::move(f.message));
    switch (f.reason) {
      case replication::CloseReason::kUnspecified: return to->set_reason(v1::Bye::REASON_UNSPECIFIED);
      case replication::CloseReason::kBadFrame: return to->set_reason(v1::Bye::REASON_BAD_FRAME);
      case replication::CloseReason::kForeignCluster: return to->set_reason(v1::Bye::REASON_FOREIGN_CLUSTER);
      case replication::CloseReason::kWrongNode: return to->set_reason(v1::Bye::REASON_WRONG_NODE);
      case replication::CloseReason::kIdle: return to->set_reason(v1::Bye::REASON_IDLE);
      case replication::CloseReason::kShutdown: return to->set_reason(v1::Bye::REASON_SHUTDOWN);
      case replication::CloseReason::kSuperseded: return to->set_reason(v1::Bye::REASON_SUPERSEDED_STREAM);
      case replication::CloseReason::kLeaving: return to->set_reason(v1::Bye::REASON_LEAVING);
    }
  }
};

// ---- Decode ----

replication::CloseReason ReasonFrom(v1::Bye::Reason reason) {
  switch (reason) {
    case v1::Bye::REASON_BAD_FRAME: return replication::CloseReason::kBadFrame;
    case v1::Bye::REASON_FOREIGN_CLUSTER: return replication::CloseReason::kForeignCluster;
    case v1::Bye::REASON_WRONG_NODE: return replication::CloseReason::kWrongNode;
    case v1::Bye::REASON_IDLE: return replication::CloseReason::kIdle;
    case v1::Bye::REASON_SHUTDOWN: return replication::CloseReason::kShutdown;
    case v1::Bye::REASON_SUPERSEDED_STREAM: return replication::CloseReason::kSuperseded;
    case v1::Bye::REASON_LEAVING: return replication::CloseReason::kLeaving;
    default: return replication::CloseReason::kUnspecified;
  }
}

absl::StatusOr<replication::Frame> Rows(v1::Rows& in) {
  if (static_cast<size_t>(in.rows_size()) > replication::kFrameRowsMax) {
    return InvalidArgument("Rows with more than 4096 rows");
  }
  replication::Rows out;
  out.epoch = in.epoch();
  if (in.lane() == v1::LANE_REVOKE || in.lane() == v1::LANE_BULK) {
    out.lane = in.lane() == v1::LANE_REVOKE ? Lane::kRevoke : Lane::kBulk;
  } else if (in.lane() != v1::LANE_UNSPECIFIED) {
    return InvalidArgument("Rows of an unknown lane");
  }
  out.from_seq = in.from_seq();
  out.to_seq = in.to_seq();
  for (v1::ReplicatedRow& row : *in.mutable_rows()) {
    out.rows.push_back({std::move(*row.mutable_kind()), std::move(*row.mutable_id()), std::move(*row.mutable_row())});
  }
  return out;
}

absl::StatusOr<replication::Frame> Ack(const v1::Ack& in) {
  if (static_cast<size_t>(in.parked_size()) > replication::kParkedMax) {
    return InvalidArgument("Ack with more than 64 parked rows");
  }
  replication::Ack out;
  out.epoch = in.epoch();
  out.lanes[Lane::kRevoke] = {in.revoke().durable(), in.revoke().enforced()};
  out.lanes[Lane::kBulk] = {in.bulk().durable(), in.bulk().enforced()};
  out.serving = in.serving();
  out.caught_up = in.caught_up();
  AURORA_ASSIGN_OR_RETURN(out.members, DecodeMembers(in));
  out.parked = DecodeRefs(in.parked());
  out.parked_overflow = in.parked_overflow();
  out.head = in.head();
  out.resend = in.resend();
  return out;
}

absl::StatusOr<replication::Frame> Digest(v1::Digest& in) {
  if (static_cast<size_t>(in.entries_size()) > replication::kDigestEntriesMax ||
      in.level() < v1::Digest::LEVEL_KINDS || in.level() > v1::Digest::LEVEL_ROWS) {
    return InvalidArgument("Digest of no level, or with more than 8192 entries");
  }
  replication::Digest out;
  out.level = static_cast<replication::DigestLevel>(in.level());
  out.kind = in.kind();
  out.bucket = in.bucket();
  out.round = in.round();
  for (v1::DigestEntry& entry : *in.mutable_entries()) {
    if (entry.hash().size() != kHashSize) {
      return InvalidArgument("Digest with a hash that is not 16 bytes");
    }
    out.entries.push_back({std::move(*entry.mutable_key()), entry.count(), HashFrom(entry.hash())});
  }
  return out;
}

absl::StatusOr<replication::Frame> Request(const v1::RowRequest& in) {
  if (static_cast<size_t>(in.rows_size()) > replication::kRequestRowsMax) {
    return InvalidArgument("RowRequest for more than 1024 rows");
  }
  return replication::RowRequest{DecodeRefs(in.rows())};
}

replication::Frame Position(const v1::Cursor& in) {
  replication::Cursor out;
  out.epoch = in.epoch();
  out.seq[Lane::kRevoke] = in.revoke_seq();
  out.seq[Lane::kBulk] = in.bulk_seq();
  out.rolled_back_epoch = in.rolled_back_epoch();
  return out;
}

absl::StatusOr<std::optional<replication::Frame>> Unchecked(v1::ReplicateFrame& in) {
  switch (in.frame_case()) {
    case v1::ReplicateFrame::kHello: {
      AURORA_ASSIGN_OR_RETURN(replication::Frame frame, DecodeHello(in.hello()));
      return std::optional(std::move(frame));
    }
    case v1::ReplicateFrame::kCursor:
      return std::optional(Position(in.cursor()));
    case v1::ReplicateFrame::kRows: {
      AURORA_ASSIGN_OR_RETURN(replication::Frame frame, Rows(*in.mutable_rows()));
      return std::optional(std::move(frame));
    }
    case v1::ReplicateFrame::kAck: {
      AURORA_ASSIGN_OR_RETURN(replication::Frame frame, Ack(in.ack()));
      return std::optional(std::move(frame));
    }
    case v1::ReplicateFrame::kDigest: {
      AURORA_ASSIGN_OR_RETURN(replication::Frame frame, Digest(*in.mutable_digest()));
      return std::optional(std::move(frame));
    }
    case v1::ReplicateFrame::kRowRequest: {
      AURORA_ASSIGN_OR_RETURN(replication::Frame frame, Request(in.row_request()));
      return std::optional(std::move(frame));
    }
    case v1::ReplicateFrame::kBye:
      return std::optional<replication::Frame>(replication::Bye{ReasonFrom(in.bye().reason()), in.bye().message()});
    case v1::ReplicateFrame::kCheckRequest:  // not the core's: the owner of the stream answers
    case v1::ReplicateFrame::kCheckAnswer:
    case v1::ReplicateFrame::FRAME_NOT_SET:
      break;
  }
  return std::optional<replication::Frame>();
}

}  // namespace

void EncodeHello(const replication::Hello& hello, v1::ReplicateHello& out) {
  out.set_cluster_id(hello.cluster_id);
  out.set_node_uid(hello.node_uid);
  out.set_node_id(hello.node_id);
  out.set_dialled_node_uid(hello.dialled_node_uid);
  for (const replication::FeedEpoch& epoch : hello.history) {
    v1::FeedEpoch* to = out.add_history();
    to->set_epoch(epoch.epoch);
    to->set_last_seq(epoch.last_seq);
  }
  out.set_caught_up(hello.caught_up);
  EncodeMembers(hello.members, out);
  out.set_schema_min(hello.schema_min);
  out.set_schema_max(hello.schema_max);
}

absl::StatusOr<replication::Hello> DecodeHello(const v1::ReplicateHello& in) {
  if (static_cast<size_t>(in.history_size()) > replication::kHistoryMax) {
    return InvalidArgument("Hello.history has more than 64 entries");
  }
  replication::Hello out;
  out.cluster_id = in.cluster_id();
  out.node_uid = in.node_uid();
  out.node_id = in.node_id();
  out.dialled_node_uid = in.dialled_node_uid();
  for (const v1::FeedEpoch& epoch : in.history()) {
    out.history.push_back({epoch.epoch(), epoch.last_seq()});
  }
  out.caught_up = in.caught_up();
  AURORA_ASSIGN_OR_RETURN(out.members, DecodeMembers(in));
  out.schema_min = in.schema_min();
  out.schema_max = in.schema_max();
  if (const std::string wrong = replication::Check(out); !wrong.empty()) {
    return InvalidArgument(wrong);
  }
  return out;
}

void EncodeFrame(replication::Frame frame, v1::ReplicateFrame& out) {
  std::visit(Encoder{out}, frame);
}

absl::StatusOr<std::optional<replication::Frame>> DecodeFrame(v1::ReplicateFrame& in) {
  AURORA_ASSIGN_OR_RETURN(std::optional<replication::Frame> frame, Unchecked(in));
  if (frame.has_value()) {
    if (const std::string wrong = replication::Check(*frame); !wrong.empty()) {
      return InvalidArgument(wrong);
    }
  }
  return frame;
}

}  // namespace aurora::peers
