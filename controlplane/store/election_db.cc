#include "controlplane/store/election_db.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "shared/base/status.h"
#include "shared/crypto/seal.h"
#include "shared/schema/election_db.h"

namespace aurora::store {
namespace {

constexpr std::string_view kNodeUid = "node_uid";
constexpr std::string_view kClusterId = "cluster_id";
constexpr std::string_view kIncarnation = "incarnation";
constexpr std::string_view kProposalId = "proposal_cluster_id";
constexpr std::string_view kProposalRound = "proposal_round";
constexpr std::string_view kAuroraPending = "aurora_pending";
constexpr std::string_view kFeedMark = "feed_mark";  // epoch:seq, decimal

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Whatever the umask was when they were made; a journal made from now on takes the file's mode.
absl::Status OwnerOnly(const std::string& path) {
  using std::filesystem::perms;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code error;
    std::filesystem::permissions(path + suffix, perms::owner_read | perms::owner_write, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return Internal(path + suffix + ": its mode cannot be set: " + error.message());
    }
  }
  return absl::OkStatus();
}

// Binds a key to what it is, so that rows cannot be swapped.
std::string SealContext(std::string_view fingerprint) { return "gossip key " + std::string(fingerprint); }

std::string Join(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& item : list) {
    out += (out.empty() ? "" : ",") + item;
  }
  return out;
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ElectionDb>> ElectionDb::Open(Options options) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenElection(options.path, options.vfs));
  AURORA_RETURN_IF_ERROR(OwnerOnly(options.path));
  AURORA_RETURN_IF_ERROR(db.QuickCheck());
  std::unique_ptr<ElectionDb> election(new ElectionDb(std::move(options), std::move(db)));
  AURORA_RETURN_IF_ERROR(election->SealClearKeys());
  return election;
}

// A commit into a file that nobody can find is not durable.
absl::Status ElectionDb::Write(const std::function<absl::Status()>& statements) {
  AURORA_RETURN_IF_ERROR(InPlace());
  {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db_));
    AURORA_RETURN_IF_ERROR(statements());
    AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  }
  return InPlace();
}

absl::Status ElectionDb::InPlace() {
  absl::Status status = db_.CheckInPlace();
  if (!status.ok()) {
    db_.SetCheckpointOnClose(false);  // the newcomer's journal is not ours to touch
  }
  return status;
}

absl::Status ElectionDb::SetMeta(std::string_view key, std::string_view value) {
  AURORA_ASSIGN_OR_RETURN(
      sqlite::Statement s,
      db_.Prepare("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2"));
  return s.BindText(1, key).BindText(2, value).Run();
}

absl::Status ElectionDb::DropMeta(std::string_view key) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_.Prepare("DELETE FROM meta WHERE key = ?1"));
  return s.BindText(1, key).Run();
}

absl::StatusOr<std::string> ElectionDb::Meta(std::string_view key) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_.Prepare("SELECT value FROM meta WHERE key = ?1"));
  s.BindText(1, key);
  AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
  return row ? std::string(s.Text(0)) : std::string();
}

absl::Status ElectionDb::SetIdentity(std::string_view node_uid, std::string_view cluster_id, bool aurora_pending) {
  return Write([&]() -> absl::Status {
    AURORA_RETURN_IF_ERROR(SetMeta(kNodeUid, node_uid));
    AURORA_RETURN_IF_ERROR(cluster_id.empty() ? DropMeta(kClusterId) : SetMeta(kClusterId, cluster_id));
    return aurora_pending ? SetMeta(kAuroraPending, "1") : DropMeta(kAuroraPending);
  });
}

absl::Status ElectionDb::SetAuroraTold() {
  return Write([&] { return DropMeta(kAuroraPending); });
}

absl::StatusOr<bool> ElectionDb::AuroraPending() {
  AURORA_ASSIGN_OR_RETURN(const std::string pending, Meta(kAuroraPending));
  return !pending.empty();
}

absl::Status ElectionDb::SetFounding(const roster::FoundingRecord& record) {
  return Write([&]() -> absl::Status {
    AURORA_RETURN_IF_ERROR(record.cluster_id.empty() ? DropMeta(kClusterId) : SetMeta(kClusterId, record.cluster_id));
    AURORA_RETURN_IF_ERROR(WriteProposal(record.proposal));
    return record.proposal.has_value() ? absl::OkStatus() : WriteFounders(record.founders);
  });
}

absl::Status ElectionDb::WriteProposal(const std::optional<roster::Proposal>& proposal) {
  AURORA_RETURN_IF_ERROR(db_.Execute("DELETE FROM founder"));
  if (!proposal.has_value()) {
    AURORA_RETURN_IF_ERROR(DropMeta(kProposalId));
    return DropMeta(kProposalRound);
  }
  AURORA_RETURN_IF_ERROR(SetMeta(kProposalId, proposal->cluster_id));
  AURORA_RETURN_IF_ERROR(SetMeta(kProposalRound, std::to_string(proposal->round)));
  return WriteFounders(proposal->founders);
}

absl::Status ElectionDb::WriteFounders(const std::vector<roster::Founder>& founders) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db_.Prepare("INSERT INTO founder (position, node_uid, node_id) VALUES (?1, ?2, ?3)"));
  for (size_t i = 0; i < founders.size(); ++i) {
    s.Bind(1, static_cast<int64_t>(i)).BindText(2, founders[i].uid);
    AURORA_RETURN_IF_ERROR(s.BindText(3, founders[i].node_id).Run());
  }
  return absl::OkStatus();
}

absl::Status ElectionDb::SetRoster(const roster::RosterRecord& record) {
  return Write([&]() -> absl::Status {
    AURORA_RETURN_IF_ERROR(db_.Execute("DELETE FROM peer; DELETE FROM removed_node"));
    AURORA_ASSIGN_OR_RETURN(
        sqlite::Statement peer,
        db_.Prepare("INSERT OR REPLACE INTO peer (node_uid, node_id, node_name, region, zone, version, failover_mode, "
                    "cluster_role, advertise_url, gossip_addr, sync_addr, last_seen_ms, has_left, former_uids) VALUES "
                    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"));
    for (const roster::KnownPeer& known : record.peers) {
      const roster::NodeInfo& n = known.node;
      int column = 0;
      for (const std::string* text : {&n.uid, &n.node_id, &n.node_name, &n.region, &n.zone, &n.version,
                                      &n.failover_mode, &n.cluster_role, &n.advertise_url, &n.gossip_addr,
                                      &n.sync_addr}) {
        peer.BindText(++column, *text);
      }
      peer.Bind(12, known.last_seen_ms).Bind(13, known.left ? 1 : 0);
      AURORA_RETURN_IF_ERROR(peer.BindText(14, Join(known.former_uids)).Run());
    }
    AURORA_ASSIGN_OR_RETURN(
        sqlite::Statement removed,
        db_.Prepare("INSERT OR REPLACE INTO removed_node (node_uid, node_id, at_ms) VALUES (?1, ?2, ?3)"));
    for (const roster::RemovedNode& r : record.removed) {
      AURORA_RETURN_IF_ERROR(removed.BindText(1, r.uid).BindText(2, r.node_id).Bind(3, r.at_ms).Run());
    }
    return absl::OkStatus();
  });
}

absl::Status ElectionDb::SetIncarnation(uint32_t incarnation) {
  AURORA_ASSIGN_OR_RETURN(const std::string stored, Meta(kIncarnation));
  if (ParseNumber<uint32_t>(stored).value_or(0) >= incarnation) {
    return absl::OkStatus();
  }
  return Write([&] { return SetMeta(kIncarnation, std::to_string(incarnation)); });
}

absl::Status ElectionDb::SetFeedMark(const schema::Position& mark) {
  return Write([&] { return SetMeta(kFeedMark, std::to_string(mark.epoch) + ":" + std::to_string(mark.seq)); });
}

absl::StatusOr<std::optional<schema::Position>> ElectionDb::FeedMark() {
  AURORA_ASSIGN_OR_RETURN(const std::string text, Meta(kFeedMark));
  const std::string_view all = text;
  const size_t colon = all.find(':');
  if (colon == std::string_view::npos) {
    return std::optional<schema::Position>();
  }
  const std::optional<uint64_t> epoch = ParseNumber<uint64_t>(all.substr(0, colon));
  const std::optional<uint64_t> seq = ParseNumber<uint64_t>(all.substr(colon + 1));
  if (!epoch.has_value() || !seq.has_value()) {
    return DataLoss(options_.path + ": the mark of the change feed in it is unreadable");
  }
  return std::optional(schema::Position{*epoch, *seq});
}

absl::Status ElectionDb::InsertKey(int64_t position, const GossipKeyRecord& key) {
  const std::string_view secret = options_.encryption_key.current.Reveal();
  const bool seal = !secret.empty() && !key.key.empty();
  std::string bytes(key.key.Reveal());
  if (seal) {
    AURORA_ASSIGN_OR_RETURN(std::string sealed, crypto::Seal(secret, bytes, SealContext(key.fingerprint)));
    crypto::Wipe(bytes);
    bytes = std::move(sealed);
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db_.Prepare("INSERT INTO gossip_key (position, action, fingerprint, key, sealed, unix_ms, "
                                      "node_uid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  s.Bind(1, position).Bind(2, key.action).BindText(3, key.fingerprint).BindBlob(4, bytes).Bind(5, seal ? 1 : 0);
  const absl::Status status = s.Bind(6, key.unix_ms).BindText(7, key.node_uid).Run();
  if (!seal) {
    crypto::Wipe(bytes);
  }
  return status;
}

absl::Status ElectionDb::SetGossipKeys(const std::vector<GossipKeyRecord>& keys) {
  ElectionState now;
  AURORA_RETURN_IF_ERROR(LoadKeys(now));
  return Write([&]() -> absl::Status {
    // What is sealed with another key stays, unless something newer is said about it.
    AURORA_ASSIGN_OR_RETURN(sqlite::Statement drop, db_.Prepare("DELETE FROM gossip_key WHERE fingerprint = ?1"));
    for (const GossipKeyRecord& old : now.gossip_keys) {
      AURORA_RETURN_IF_ERROR(drop.BindText(1, old.fingerprint).Run());
    }
    for (const GossipKeyRecord& key : keys) {
      AURORA_RETURN_IF_ERROR(drop.BindText(1, key.fingerprint).Run());
    }
    AURORA_ASSIGN_OR_RETURN(int64_t position, db_.QueryInt64("SELECT COALESCE(MAX(position), 0) FROM gossip_key"));
    for (const GossipKeyRecord& key : keys) {
      AURORA_RETURN_IF_ERROR(InsertKey(++position, key));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> ElectionDb::HasKeysToSeal() {
  const std::string_view previous = options_.encryption_key.previous.Reveal();
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db_.Prepare("SELECT key, sealed FROM gossip_key WHERE LENGTH(key) > 0"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      return false;
    }
    if (s.Int64(1) == 0 || (!previous.empty() && !crypto::SealedWithOther(previous, s.Blob(0)))) {
      return true;
    }
  }
}

// Rewrites what was stored before there was a key, or this key. The old bytes may remain in free pages until they are
// reused: secure_delete overwrites them.
absl::Status ElectionDb::SealClearKeys() {
  if (options_.encryption_key.current.empty()) {
    return absl::OkStatus();
  }
  AURORA_ASSIGN_OR_RETURN(const bool any, HasKeysToSeal());
  if (!any) {
    return absl::OkStatus();
  }
  AURORA_RETURN_IF_ERROR(db_.Execute("PRAGMA secure_delete=ON"));
  ElectionState state;
  AURORA_RETURN_IF_ERROR(LoadKeys(state));
  return SetGossipKeys(state.gossip_keys);
}

absl::StatusOr<ElectionState> ElectionDb::Load() {
  ElectionState state;
  AURORA_ASSIGN_OR_RETURN(state.node_uid, Meta(kNodeUid));
  AURORA_ASSIGN_OR_RETURN(state.founding.cluster_id, Meta(kClusterId));
  AURORA_ASSIGN_OR_RETURN(const std::string incarnation, Meta(kIncarnation));
  state.incarnation = ParseNumber<uint32_t>(incarnation);
  AURORA_RETURN_IF_ERROR(LoadProposal(state.founding));
  AURORA_RETURN_IF_ERROR(LoadElection(state.election));
  AURORA_RETURN_IF_ERROR(LoadRoster(state.roster));
  AURORA_RETURN_IF_ERROR(LoadKeys(state));
  return state;
}

absl::Status ElectionDb::LoadProposal(roster::FoundingRecord& out) {
  AURORA_ASSIGN_OR_RETURN(const std::string id, Meta(kProposalId));
  AURORA_ASSIGN_OR_RETURN(const std::string round, Meta(kProposalRound));
  roster::Proposal proposal{id, ParseNumber<uint64_t>(round).value_or(0), {}};
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db_.Prepare("SELECT node_uid, node_id FROM founder ORDER BY position"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      break;
    }
    proposal.founders.push_back({std::string(s.Text(0)), std::string(s.Text(1))});
  }
  if (id.empty()) {
    out.founders = std::move(proposal.founders);  // none: this node joined a cluster, or is fresh
    return absl::OkStatus();
  }
  if (!roster::WellFormed(proposal)) {
    return DataLoss(options_.path + ": the founding proposal in it is unreadable");
  }
  out.proposal = std::move(proposal);
  return absl::OkStatus();
}

absl::Status ElectionDb::LoadRoster(roster::RosterRecord& out) {
  AURORA_ASSIGN_OR_RETURN(
      sqlite::Statement s,
      db_.Prepare("SELECT node_uid, node_id, node_name, region, zone, version, failover_mode, cluster_role, "
                  "advertise_url, gossip_addr, sync_addr, last_seen_ms, has_left, former_uids FROM peer "
                  "ORDER BY node_id"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      break;
    }
    roster::KnownPeer known;
    roster::NodeInfo& n = known.node;
    int column = 0;
    for (std::string* text : {&n.uid, &n.node_id, &n.node_name, &n.region, &n.zone, &n.version, &n.failover_mode,
                              &n.cluster_role, &n.advertise_url, &n.gossip_addr, &n.sync_addr}) {
      *text = s.Text(column++);
    }
    known.last_seen_ms = s.Int64(11);
    known.left = s.Int64(12) != 0;
    known.former_uids = Split(s.Text(13));
    out.peers.push_back(std::move(known));
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement r,
                          db_.Prepare("SELECT node_uid, node_id, at_ms FROM removed_node ORDER BY at_ms, node_uid"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, r.Step());
    if (!row) {
      return absl::OkStatus();
    }
    out.removed.push_back({std::string(r.Text(0)), std::string(r.Text(1)), r.Int64(2)});
  }
}

absl::Status ElectionDb::LoadKeys(ElectionState& out) {
  AURORA_ASSIGN_OR_RETURN(
      sqlite::Statement s,
      db_.Prepare("SELECT action, fingerprint, key, sealed, unix_ms, node_uid FROM gossip_key ORDER BY position"));
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool row, s.Step());
    if (!row) {
      return absl::OkStatus();
    }
    GossipKeyRecord record;
    record.action = static_cast<uint8_t>(s.Int64(0));
    record.fingerprint = s.Text(1);
    record.unix_ms = s.Int64(4);
    record.node_uid = s.Text(5);
    if (s.Int64(3) == 0) {
      record.key = crypto::Secret(s.Blob(2));
    } else {
      absl::StatusOr<crypto::Secret> key =
          crypto::Open(options_.encryption_key, s.Blob(2), SealContext(record.fingerprint));
      if (!key.ok()) {
        out.sealed_keys.push_back(record.fingerprint);
        continue;
      }
      record.key = *std::move(key);
    }
    out.gossip_keys.push_back(std::move(record));
  }
}

}  // namespace aurora::store
