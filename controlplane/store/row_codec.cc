#include "controlplane/store/row_codec.h"

#include <algorithm>

#include "aurora/v1/row.pb.h"
#include "shared/base/status.h"
#include "shared/schema/sum.h"

namespace aurora::store {
namespace {

constexpr uint64_t kMsLimit = uint64_t{1} << 48;
constexpr uint32_t kCounterLimit = 1U << 16;

void Encode(const replication::Dot& dot, v1::Dot* out) {
  out->mutable_origin()->set_node_uid(dot.origin.node_uid);
  out->mutable_origin()->set_epoch(dot.origin.epoch);
  out->set_counter(dot.counter);
}

void Encode(const replication::VersionVector& vv, v1::VersionVector* out) {
  for (const auto& [origin, counter] : vv.counters) {
    Encode(replication::Dot{origin, counter}, out->add_entries());
  }
}

void Encode(const replication::Hlc& hlc, v1::HybridTime* out) {
  out->set_unix_ms(hlc.unix_ms);
  out->set_counter(hlc.counter);
}

replication::Dot Decode(const v1::Dot& dot) {
  return {{dot.origin().node_uid(), dot.origin().epoch()}, dot.counter()};
}

replication::VersionVector Decode(const v1::VersionVector& vv) {
  replication::VersionVector out;
  for (const v1::Dot& dot : vv.entries()) {
    out.Add(Decode(dot));
  }
  return out;
}

absl::StatusOr<replication::Hlc> Decode(const v1::HybridTime& hlc) {
  if (hlc.unix_ms() >= kMsLimit || hlc.counter() >= kCounterLimit) {
    return InvalidArgument("row: a hybrid time is out of range");
  }
  return replication::Hlc{hlc.unix_ms(), hlc.counter()};
}

absl::StatusOr<replication::Facts> Decode(const v1::Facts& facts) {
  replication::Facts out;
  if (facts.has_ended_at()) {
    AURORA_ASSIGN_OR_RETURN(out.ended_at, Decode(facts.ended_at()));
  }
  out.revoked.insert(facts.revoked_secret_sha256().begin(), facts.revoked_secret_sha256().end());
  out.disables = Decode(facts.disables());
  out.undone = Decode(facts.undone());
  return out;
}

}  // namespace

std::string EncodeRow(const replication::Row& row) {
  v1::Row out;
  for (const replication::Sibling& sibling : row.siblings) {
    v1::Sibling* to = out.add_siblings();
    Encode(sibling.dot, to->mutable_dot());
    to->set_spec(sibling.spec);
    Encode(sibling.hlc, to->mutable_hlc());
    to->set_deleted(sibling.deleted);
  }
  Encode(row.version, out.mutable_version());
  if (!row.facts.empty()) {
    v1::Facts* facts = out.mutable_facts();
    if (row.facts.ended_at.has_value()) {
      Encode(*row.facts.ended_at, facts->mutable_ended_at());
    }
    for (const std::string& hash : row.facts.revoked) {
      facts->add_revoked_secret_sha256(hash);
    }
    Encode(row.facts.disables, facts->mutable_disables());
    Encode(row.facts.undone, facts->mutable_undone());
  }
  return out.SerializeAsString();
}

absl::StatusOr<replication::Row> DecodeRow(std::string_view bytes) {
  v1::Row in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("row: not an aurora.v1.Row");
  }
  return RowFrom(in);
}

absl::StatusOr<replication::Row> DecodeStored(std::string_view kind, std::string_view id, std::string_view stored) {
  AURORA_ASSIGN_OR_RETURN(const std::string_view bytes, schema::WithoutSum(schema::kRowColumn, kind, id, stored));
  absl::StatusOr<replication::Row> row = DecodeRow(bytes);
  if (!row.ok()) {
    return DataLoss(std::string(kind) + " " + std::string(id) + ": " + std::string(Std(row.status().message())));
  }
  return row;
}

absl::StatusOr<replication::Row> RowFrom(const v1::Row& in) {
  replication::Row row;
  row.version = Decode(in.version());
  for (const v1::Sibling& sibling : in.siblings()) {
    AURORA_ASSIGN_OR_RETURN(const replication::Hlc hlc, Decode(sibling.hlc()));
    row.siblings.push_back({Decode(sibling.dot()), sibling.spec(), hlc, sibling.deleted()});
    if (row.siblings.back().dot.counter == 0 || !row.version.Covers(row.siblings.back().dot)) {
      return InvalidArgument("row: the version does not cover a sibling");
    }
  }
  const auto by_dot = [](const auto& a, const auto& b) { return a.dot < b.dot; };
  const auto same_dot = [](const auto& a, const auto& b) { return a.dot == b.dot; };
  std::sort(row.siblings.begin(), row.siblings.end(), by_dot);
  if (std::adjacent_find(row.siblings.begin(), row.siblings.end(), same_dot) !=
      row.siblings.end()) {
    return InvalidArgument("row: two siblings share a dot");
  }
  AURORA_ASSIGN_OR_RETURN(row.facts, Decode(in.facts()));
  return row;
}

absl::StatusOr<std::vector<RemoteRow>> DecodeRows(std::span<const WireRow> rows) {
  std::vector<RemoteRow> out;
  out.reserve(rows.size());
  for (const WireRow& wire : rows) {
    absl::StatusOr<replication::Row> row = DecodeRow(wire.row);
    if (!row.ok()) {
      return WithContext(wire.kind + " " + wire.id, row.status());
    }
    out.push_back({wire.kind, wire.id, *std::move(row)});
  }
  return out;
}

}  // namespace aurora::store
