#include "controlplane/store/node_identity.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "controlplane/store/reader.h"
#include "shared/base/status.h"
#include "shared/schema/aurora_db.h"

namespace aurora::store {
namespace {

enum class Presence { kMissing, kThere, kUnreadable };

struct AuroraFacts {
  Presence presence = Presence::kMissing;
  std::vector<FeedEpoch> history;
  std::string node_uid;
  std::string cluster_id;
};

absl::StatusOr<std::string> MetaOrEmpty(Reader& reader, std::string_view key) {
  absl::StatusOr<std::string> value = reader.Meta(key);
  return absl::IsNotFound(value.status()) ? std::string() : value;
}

AuroraFacts LookAt(const std::string& path) {
  AuroraFacts facts;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return facts;
  }
  absl::StatusOr<sqlite::Database> db = schema::OpenAuroraForRead(path);
  if (absl::IsUnavailable(db.status())) {
    return facts;  // an unfinished first start
  }
  facts.presence = Presence::kUnreadable;
  if (!db.ok()) {
    return facts;
  }
  Reader reader(&*db);
  absl::StatusOr<std::string> uid = MetaOrEmpty(reader, schema::kMetaNodeUid);
  absl::StatusOr<std::string> cluster = MetaOrEmpty(reader, schema::kMetaClusterId);
  absl::StatusOr<std::vector<FeedEpoch>> history = reader.History();
  if (!uid.ok() || !cluster.ok() || !history.ok()) {
    return facts;
  }
  facts.history = *std::move(history);
  facts.presence = uid->empty() ? Presence::kMissing : Presence::kThere;
  facts.node_uid = *std::move(uid);
  facts.cluster_id = *std::move(cluster);
  return facts;
}

// Whether aurora.db still has what election.db says was on its disk; empty: it has.
std::string WentBack(const AuroraFacts& aurora, const schema::Position& mark) {
  if (aurora.presence == Presence::kMissing) {
    return mark.seq == 0 ? "" : "aurora.db is gone; it had " + std::to_string(mark.seq) + " changes";
  }
  for (const FeedEpoch& epoch : aurora.history) {
    if (epoch.epoch == mark.epoch) {
      return epoch.last_seq >= mark.seq ? ""
                                        : "aurora.db is an older copy: it ends at change " +
                                              std::to_string(epoch.last_seq) + " of a start in which this node had " +
                                              std::to_string(mark.seq);
    }
  }
  return "aurora.db is an older copy: it does not know a start in which this node had change " +
         std::to_string(mark.seq);
}

// The mark stays until the Store is open and has the restored mark: a crash before that finds it again.
absl::Status CheckMark(ElectionDb& election, const AuroraFacts& aurora, NodeIdentity& identity) {
  if (aurora.presence == Presence::kUnreadable) {
    return absl::OkStatus();
  }
  AURORA_ASSIGN_OR_RETURN(const std::optional<schema::Position> mark, election.FeedMark());
  if (!mark.has_value()) {
    return absl::OkStatus();
  }
  identity.rolled_back = WentBack(aurora, *mark);
  if (!identity.rolled_back.empty() && aurora.presence == Presence::kThere) {  // else there is an event already
    identity.events.push_back(
        {"aurora_db_rolled_back", identity.rolled_back + "; it catches up with all members first"});
  }
  return absl::OkStatus();
}

absl::Status TellAurora(const std::string& path, const NodeIdentity& identity) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenAuroraForWrite(path));
  AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db));
  {
    AURORA_ASSIGN_OR_RETURN(
        sqlite::Statement put,
        db.Prepare("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2"));
    AURORA_RETURN_IF_ERROR(put.BindText(1, schema::kMetaNodeUid).BindText(2, identity.node_uid).Run());
    if (!identity.cluster_id.empty()) {
      AURORA_RETURN_IF_ERROR(put.BindText(1, schema::kMetaClusterId).BindText(2, identity.cluster_id).Run());
    }
  }
  return std::move(tx).Commit();
}

absl::Status Refused(const ElectionDb& election, const std::string& aurora_path, std::string_view what,
                     const std::string& a, const std::string& b) {
  return FailedPrecondition(election.path() + " has " + std::string(what) + " " + a + ", " + aurora_path + " has " + b +
                            ": one of them is of another node or time; put back the one that fits, or move election.db "
                            "away to go on with aurora.db under a new uid");
}

// election.db is new.
absl::StatusOr<NodeIdentity> NewUid(ElectionDb& election, const AuroraFacts& aurora, std::string_view fresh_uid) {
  NodeIdentity identity;
  identity.node_uid = fresh_uid;
  identity.cluster_id = aurora.cluster_id;
  if (aurora.presence != Presence::kMissing) {
    std::string text = "election.db was missing: this node has the new uid " + identity.node_uid;
    text += aurora.node_uid.empty() ? "" : ", before " + aurora.node_uid;
    text += aurora.cluster_id.empty() ? "" : ", and stays in cluster " + aurora.cluster_id;
    identity.events.push_back({"election_db_missing", std::move(text)});
  }
  // In one transaction with the debt to aurora.db: a crash in between must not look like two nodes.
  AURORA_RETURN_IF_ERROR(election.SetIdentity(identity.node_uid, identity.cluster_id,
                                              aurora.presence != Presence::kMissing));
  return identity;
}

absl::StatusOr<NodeIdentity> Known(ElectionDb& election, const std::string& aurora_path, const AuroraFacts& aurora,
                                   const ElectionState& state, bool pending) {
  NodeIdentity identity;
  identity.node_uid = state.node_uid;
  identity.cluster_id = state.founding.cluster_id;
  if (aurora.presence == Presence::kMissing) {
    identity.aurora_lacks_cluster_id = !identity.cluster_id.empty();
    std::string text = "aurora.db was missing: uid " + identity.node_uid;
    text += identity.cluster_id.empty() ? " stays" : " and cluster " + identity.cluster_id + " stay";
    identity.events.push_back({"aurora_db_missing", text + ", the policy starts empty"});
    return identity;
  }
  if (aurora.presence == Presence::kUnreadable || pending) {
    return identity;
  }
  if (aurora.node_uid != identity.node_uid) {
    return Refused(election, aurora_path, "node uid", identity.node_uid, aurora.node_uid);
  }
  if (identity.cluster_id.empty() && !aurora.cluster_id.empty()) {
    identity.cluster_id = aurora.cluster_id;
    AURORA_RETURN_IF_ERROR(election.SetIdentity(identity.node_uid, identity.cluster_id, false));
    AURORA_RETURN_IF_ERROR(election.SetFounding({identity.cluster_id, std::nullopt, {}}));
    identity.events.push_back({"election_db_older", "election.db knew no cluster, aurora.db does: takes over " +
                                                        identity.cluster_id});
  } else if (aurora.cluster_id.empty()) {
    identity.aurora_lacks_cluster_id = !identity.cluster_id.empty();
  } else if (aurora.cluster_id != identity.cluster_id) {
    return Refused(election, aurora_path, "cluster id", identity.cluster_id, aurora.cluster_id);
  }
  return identity;
}

}  // namespace

absl::StatusOr<NodeIdentity> ResolveIdentity(ElectionDb& election, const std::string& aurora_path,
                                             std::string_view fresh_uid) {
  AURORA_ASSIGN_OR_RETURN(const ElectionState state, election.Load());
  AURORA_ASSIGN_OR_RETURN(bool pending, election.AuroraPending());
  const AuroraFacts aurora = LookAt(aurora_path);
  const bool is_new = state.node_uid.empty();
  AURORA_ASSIGN_OR_RETURN(NodeIdentity identity, is_new ? NewUid(election, aurora, fresh_uid)
                                                        : Known(election, aurora_path, aurora, state, pending));
  AURORA_RETURN_IF_ERROR(CheckMark(election, aurora, identity));
  pending = pending || (is_new && aurora.presence != Presence::kMissing);
  // Not now (unreadable, disk full): the debt stays and is paid at another start.
  if (pending && aurora.presence == Presence::kThere && TellAurora(aurora_path, identity).ok()) {
    AURORA_RETURN_IF_ERROR(election.SetAuroraTold());
  } else if (pending && aurora.presence == Presence::kMissing) {
    AURORA_RETURN_IF_ERROR(election.SetAuroraTold());  // the Store makes it with our uid
  }
  return identity;
}

}  // namespace aurora::store
