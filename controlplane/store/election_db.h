// ElectionDb: election.db as values: who this node is, its cluster, what it holds of a founding, its vote and term and
// who votes, whom it knows, and the gossip keys installed at run time. Source: failover rules (identity, founding,
// election); docs/protocols/founding.md, failover.md.
// Thread: one at a time; calls block for an fsync. ElectionThread gives it a thread. Writes are small and rare: a
// handful a day. Bounds: the caller's (roster/types.h).
// Errors: FailedPrecondition = newer schema, or the file was deleted or replaced; DataLoss = corrupt;
// ResourceExhausted = disk full. Always: each Set is one transaction, durable (synchronous=FULL) when it answers OK;
// after an error the file holds either. Mode 0600, its journal too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/election/types.h"
#include "controlplane/roster/types.h"
#include "shared/crypto/seal.h"
#include "shared/schema/aurora_db.h"
#include "shared/sqlite/database.h"

namespace aurora::store {

// A change of the keyring as peers are told (aurora.v1.GossipKeyChange), with the key in clear.
struct GossipKeyRecord {
  uint8_t action = 0;  // GossipKeyChange.Action
  std::string fingerprint;
  crypto::Secret key;  // ACTION_INSTALL
  int64_t unix_ms = 0;
  std::string node_uid;
};

struct ElectionState {
  std::string node_uid;  // empty: a new file
  roster::FoundingRecord founding;
  election::Durable election;  // without a config: none was ever stored
  roster::RosterRecord roster;
  std::optional<uint32_t> incarnation;  // of gossip, the highest stored
  std::vector<GossipKeyRecord> gossip_keys;
  // Sealed with a key that this process does not have: kept in the file, of no use now.
  std::vector<std::string> sealed_keys;
};

class ElectionDb {
 public:
  struct Options {
    std::string path;
    crypto::SealKeys encryption_key;  // seals gossip keys; empty: they are stored as they are
    std::string vfs;                  // tests
  };
  // Creates the file. Gossip keys in clear, or sealed with the previous key, are sealed with the key of now when there
  // is one.
  static absl::StatusOr<std::unique_ptr<ElectionDb>> Open(Options options);

  absl::StatusOr<ElectionState> Load();

  // `aurora_pending`: aurora.db still has to be told (node_identity.h).
  absl::Status SetIdentity(std::string_view node_uid, std::string_view cluster_id, bool aurora_pending);
  absl::Status SetAuroraTold();
  absl::StatusOr<bool> AuroraPending();
  absl::Status SetFounding(const roster::FoundingRecord& record);
  // Refused when the term or the config would go back: the disk is the last to notice.
  absl::Status SetElection(const election::Durable& durable);
  absl::Status SetRoster(const roster::RosterRecord& record);
  // A lower one than the stored is ignored.
  absl::Status SetIncarnation(uint32_t incarnation);
  // The newest place in our feed that is known to be on disk in aurora.db; where to look for a disk that went back.
  absl::Status SetFeedMark(const schema::Position& mark);
  // Nothing: never set.
  absl::StatusOr<std::optional<schema::Position>> FeedMark();
  absl::Status SetGossipKeys(const std::vector<GossipKeyRecord>& keys);

  const std::string& path() const { return options_.path; }

 private:
  ElectionDb(Options options, sqlite::Database db) : options_(std::move(options)), db_(std::move(db)) {}
  absl::Status Write(const std::function<absl::Status()>& statements);
  absl::Status InPlace();
  absl::Status SetMeta(std::string_view key, std::string_view value);
  absl::Status DropMeta(std::string_view key);
  absl::StatusOr<std::string> Meta(std::string_view key);
  absl::Status WriteProposal(const std::optional<roster::Proposal>& proposal);
  absl::Status LoadProposal(roster::FoundingRecord& out);
  absl::Status WriteFounders(const std::vector<roster::Founder>& founders);
  absl::StatusOr<uint64_t> Number(std::string_view key);
  absl::Status LoadElection(election::Durable& out);
  absl::Status LoadRoster(roster::RosterRecord& out);
  absl::Status LoadKeys(ElectionState& out);
  absl::Status InsertKey(int64_t position, const GossipKeyRecord& key);
  absl::StatusOr<bool> HasKeysToSeal();
  absl::Status SealClearKeys();

  const Options options_;
  sqlite::Database db_;
};

}  // namespace aurora::store
