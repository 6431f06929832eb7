// SyncVerify: `sync verify`: every member that can be reached checks its own rows (store/check.h), this node compares
// the content of its rows with each one's, bucket by bucket where they differ, and says which rows.
// Source: replication.md section 2; docs/protocols/replication.md. Frames CheckRequest and CheckAnswer on the Replicate
// streams, beside the replication core. Thread: the control loop's. Bounds: one verification at a time here, and one
// for each peer; kAsksMax questions a peer under way; kBucketsMax buckets a round; kNamedMax rows a member are named.
// Errors: a second Start is refused; a member that does not answer is named. Always: `reply` runs exactly once. What is
// being written meanwhile is no difference: one counts only when it is the same in kSameRounds looks, or time is up.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "aurora/v1/admin.pb.h"
#include "controlplane/store/check.h"
#include "shared/base/time.h"

namespace aurora::v1 {
class CheckAnswer;
class CheckRequest;
class ReplicateFrame;
}  // namespace aurora::v1

namespace aurora::node {

class SyncVerify {
 public:
  struct Other {
    std::string uid;
    std::string node_id;
    bool up = false;  // there is a Replicate stream
  };
  struct Deps {
    store::Store* store = nullptr;
    std::string node_id;
    std::function<Instant()> now;
    // Runs on the loop, unless the owner has gone; outlives it: the store answers late.
    std::function<void(std::function<void()>)> later;
    std::function<bool(std::string_view uid, v1::ReplicateFrame&& frame)> send;  // false: not taken
    std::function<void(std::string_view uid)> compare;                           // anti-entropy now
    std::function<std::vector<Other>()> others;                                  // every other member
  };
  using Reply = std::function<void(absl::StatusOr<v1::VerifySyncResponse>)>;

  explicit SyncVerify(Deps deps) : deps_(std::move(deps)) {}

  void Start(bool repair, Duration timeout, Reply reply);
  // True: the frame was for this. It may be moved from.
  bool OnFrame(std::string_view uid, v1::ReplicateFrame& frame);
  void OnDown(std::string_view uid);
  void Tick(Instant now);
  void Stop();

 private:
  using Place = std::pair<std::string, uint32_t>;  // kind and bucket
  struct Difference {
    std::string kind;
    std::string id;
    std::string what;
    store::RowDigest ours{};
    store::RowDigest theirs{};
    bool operator==(const Difference&) const = default;
  };
  struct Peer {
    std::string node_id;
    std::string trouble;
    std::optional<v1::CheckReport> report;
    store::DigestTree content;
    std::set<Place> places;         // that differ, as far as is known
    std::deque<Place> todo;         // of this round
    std::map<uint64_t, Place> asked;
    std::vector<Difference> found;  // in this round
    std::vector<Difference> before;
    int same = 0;
    bool compared = false;          // once `places` was made
    bool done = false;
    Instant next_round;
  };
  struct Run {
    bool repair = false;
    Instant until;
    Reply reply;
    std::optional<store::CheckReport> own;
    std::map<std::string, Peer, std::less<>> peers;
  };

  void OnOwn(uint64_t serial, absl::StatusOr<store::CheckReport> report);
  void OnRequest(std::string_view uid, const v1::CheckRequest& request);
  void OnAnswer(std::string_view uid, v1::CheckAnswer& answer);
  void SendReport(const std::string& uid, uint64_t id, const absl::StatusOr<store::CheckReport>& report);
  void Answer(std::string_view uid, v1::CheckAnswer answer);
  bool Ask(std::string_view uid, Peer& peer, uint64_t id, const Place& place);
  void FindPlaces(const std::string& uid, Peer& peer);
  void BeginRound(const std::string& uid, Peer& peer);
  void AskNext(const std::string& uid, Peer& peer);
  void OnRows(const std::string& uid, uint64_t id, const v1::CheckAnswer& answer);
  void OnBoth(const std::string& uid, const Place& place, const v1::CheckAnswer& theirs,
              const std::vector<std::pair<std::string, store::RowDigest>>& ours);
  void EndRound(const std::string& uid, Peer& peer);
  void GiveUp(Peer& peer, std::string trouble);
  void Review();
  void Finish();

  const Deps deps_;
  std::optional<Run> run_;
  uint64_t serial_ = 0;
  uint64_t last_id_ = 0;
  std::set<std::string, std::less<>> serving_;        // uids whose check of us runs
  std::map<std::string, size_t, std::less<>> reads_;  // by uid: buckets that are being read for it
};

}  // namespace aurora::node
