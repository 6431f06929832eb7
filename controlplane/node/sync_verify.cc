#include "controlplane/node/sync_verify.h"

#include <algorithm>
#include <memory>

#include "aurora/v1/sync.pb.h"
#include "controlplane/replication/frame.h"
#include "controlplane/store/store.h"
#include "shared/base/status.h"

namespace aurora::node {
namespace {

constexpr size_t kAsksMax = 4;
constexpr size_t kBucketsMax = 32;
constexpr size_t kNamedMax = 32;
constexpr size_t kKindsMax = 64;
constexpr size_t kSumsMax = 8192;  // buckets of all kinds in one frame
constexpr size_t kRowBytesMax = 512U << 10;
constexpr size_t kFoundMax = 4096;
constexpr int kSameRounds = 3;
constexpr int kSameRoundsRepairing = 6;
constexpr Duration kBetweenRounds = Duration::Millis(500);

void PutSums(const store::DigestTree& content, v1::CheckAnswer* out) {
  for (const auto& [kind, buckets] : content.kinds()) {
    for (uint32_t bucket = 0; bucket < store::kBuckets; ++bucket) {
      if (buckets[bucket].count == 0) {
        continue;
      }
      if (static_cast<size_t>(out->sums_size()) == kSumsMax || kind.size() > replication::kKindMax) {
        out->set_error("it has rows of more kinds than can be compared");
        return;
      }
      v1::ContentSum* sum = out->add_sums();
      sum->set_kind(kind);
      sum->set_bucket(bucket);
      sum->set_count(buckets[bucket].count);
      sum->set_hash(store::DigestBytes(buckets[bucket].sum));
    }
  }
}

void PutRows(const std::vector<std::pair<std::string, store::RowDigest>>& rows, v1::CheckAnswer* out) {
  size_t bytes = 0;
  for (const auto& [id, digest] : rows) {
    bytes += id.size() + 32;
    if (bytes > kRowBytesMax) {
      out->set_cut(true);
      return;
    }
    v1::DigestEntry* row = out->add_rows();
    row->set_key(id);
    row->set_count(1);
    row->set_hash(store::DigestBytes(digest));
  }
}

// Each kind costs the sums of all its buckets.
bool WithinBounds(const v1::CheckAnswer& answer) {
  std::set<std::string_view> kinds;
  for (const v1::ContentSum& sum : answer.sums()) {
    kinds.insert(sum.kind());
    if (sum.kind().empty() || sum.kind().size() > replication::kKindMax || sum.bucket() >= store::kBuckets ||
        kinds.size() > kKindsMax) {
      return false;
    }
  }
  return static_cast<size_t>(answer.report().findings_size()) <= store::kFindingsMax;
}

}  // namespace

// ---- Here ----

void SyncVerify::Start(bool repair, Duration timeout, Reply reply) {
  if (run_.has_value()) {
    reply(FailedPrecondition("a verification is under way on this node; wait for it"));
    return;
  }
  run_ = Run();  // not emplace(): clang decides that before the class with its initializers is complete
  run_->repair = repair;
  run_->until = deps_.now() + timeout;
  run_->reply = std::move(reply);
  for (Other& other : deps_.others()) {
    Peer& peer = run_->peers[other.uid];
    peer.node_id = std::move(other.node_id);
    if (!other.up) {
      GiveUp(peer, "no stream leads to it; `sync peers` says why");
    } else if (!Ask(other.uid, peer, ++last_id_, {})) {
      GiveUp(peer, "it does not read what is sent to it");
    }
  }
  const auto checked = [this, later = deps_.later, serial = ++serial_](absl::StatusOr<store::CheckReport> report) {
    auto kept = std::make_shared<absl::StatusOr<store::CheckReport>>(std::move(report));
    later([this, serial, kept] { OnOwn(serial, std::move(*kept)); });
  };
  store::Check(*deps_.store, repair, checked);
}

void SyncVerify::OnOwn(uint64_t serial, absl::StatusOr<store::CheckReport> report) {
  if (!run_.has_value() || serial != serial_) {
    return;
  }
  if (!report.ok()) {
    const Reply reply = std::move(run_->reply);
    run_.reset();
    reply(report.status());
    return;
  }
  run_->own = *std::move(report);
  for (auto& [uid, peer] : run_->peers) {
    FindPlaces(uid, peer);
  }
  Review();
}

bool SyncVerify::Ask(std::string_view uid, Peer& peer, uint64_t id, const Place& place) {
  v1::ReplicateFrame frame;
  v1::CheckRequest* request = frame.mutable_check_request();
  request->set_id(id);
  request->set_repair(run_->repair);
  request->set_kind(place.first);
  request->set_bucket(place.second);
  peer.asked[id] = place;
  return deps_.send(uid, std::move(frame));
}

void SyncVerify::OnAnswer(std::string_view uid, v1::CheckAnswer& answer) {
  if (!run_.has_value()) {
    return;
  }
  const auto at = run_->peers.find(uid);
  if (at == run_->peers.end() || at->second.done || !at->second.asked.contains(answer.id())) {
    return;  // of an earlier run
  }
  Peer& peer = at->second;
  if (!answer.error().empty()) {
    GiveUp(peer, answer.error().substr(0, 300));
    Review();
    return;
  }
  if (!peer.asked[answer.id()].first.empty()) {
    OnRows(at->first, answer.id(), answer);
    return;
  }
  peer.asked.erase(answer.id());
  if (!WithinBounds(answer)) {
    GiveUp(peer, "its answer is out of bounds");
    Review();
    return;
  }
  peer.report = std::move(*answer.mutable_report());
  for (const v1::ContentSum& sum : answer.sums()) {
    peer.content.Join(sum.kind(), sum.bucket(), {sum.count(), store::DigestFrom(sum.hash())});
  }
  FindPlaces(at->first, peer);
  Review();
}

// Once both have looked at all of theirs.
void SyncVerify::FindPlaces(const std::string& uid, Peer& peer) {
  if (peer.done || peer.compared || !peer.report.has_value() || !run_->own.has_value()) {
    return;
  }
  peer.compared = true;
  static constexpr store::DigestTree::Buckets kNone{};
  const auto of = [](const store::DigestTree& tree, const std::string& kind) -> const store::DigestTree::Buckets& {
    const store::DigestTree::Buckets* buckets = tree.Of(kind);
    return buckets == nullptr ? kNone : *buckets;
  };
  for (const store::DigestTree* tree : {&run_->own->content, &peer.content}) {
    for (const auto& [kind, unused] : tree->kinds()) {
      const store::DigestTree::Buckets& ours = of(run_->own->content, kind);
      const store::DigestTree::Buckets& theirs = of(peer.content, kind);
      for (uint32_t bucket = 0; bucket < store::kBuckets; ++bucket) {
        if (ours[bucket] != theirs[bucket]) {
          peer.places.emplace(kind, bucket);
        }
      }
    }
  }
  BeginRound(uid, peer);
}

// ---- Rounds: the rows of the buckets that differ ----

void SyncVerify::BeginRound(const std::string& uid, Peer& peer) {
  peer.next_round = Instant::Never();
  peer.found.clear();
  peer.todo.clear();
  for (const Place& place : peer.places) {
    if (peer.todo.size() == kBucketsMax) {
      break;
    }
    peer.todo.push_back(place);
  }
  AskNext(uid, peer);
}

void SyncVerify::AskNext(const std::string& uid, Peer& peer) {
  while (!peer.done && !peer.todo.empty() && peer.asked.size() < kAsksMax) {
    const Place place = std::move(peer.todo.front());
    peer.todo.pop_front();
    if (!Ask(uid, peer, ++last_id_, place)) {
      GiveUp(peer, "it does not read what is sent to it");
    }
  }
  if (!peer.done && peer.asked.empty()) {
    EndRound(uid, peer);
  }
}

void SyncVerify::OnRows(const std::string& uid, uint64_t id, const v1::CheckAnswer& answer) {
  struct Both {
    v1::CheckAnswer theirs;
    std::vector<std::pair<std::string, store::RowDigest>> ours;
  };
  auto both = std::make_shared<Both>();
  both->theirs = answer;
  const Place place = run_->peers.find(uid)->second.asked[id];
  deps_.store->Read(
      [both, place](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(both->ours, reader.BucketContent(place.first, place.second));
        return absl::OkStatus();
      },
      [this, later = deps_.later, both, place, uid, id, serial = serial_](const absl::Status& status) {
        later([this, both, place, uid, id, serial, status] {
          if (!run_.has_value() || serial != serial_) {
            return;
          }
          Peer& peer = run_->peers.find(uid)->second;
          peer.asked.erase(id);
          if (!peer.done && status.ok()) {
            OnBoth(uid, place, both->theirs, both->ours);
          } else if (!peer.done) {
            GiveUp(peer, "this node's rows cannot be read: " + std::string(Std(status.message())));
          }
          AskNext(uid, peer);
          Review();
        });
      });
}

void SyncVerify::OnBoth(const std::string& uid, const Place& place, const v1::CheckAnswer& theirs,
                        const std::vector<std::pair<std::string, store::RowDigest>>& ours) {
  Peer& peer = run_->peers.find(uid)->second;
  const size_t before = peer.found.size();
  const auto add = [&](const std::string& id, std::string what, store::RowDigest a, store::RowDigest b) {
    if (peer.found.size() < kFoundMax) {
      peer.found.push_back({place.first, id, std::move(what), a, b});
    }
  };
  std::map<std::string, store::RowDigest> there;
  for (const v1::DigestEntry& row : theirs.rows()) {
    there[row.key()] = store::DigestFrom(row.hash());
  }
  const std::string last = theirs.cut() && !there.empty() ? there.rbegin()->first : "";
  for (const auto& [id, digest] : ours) {
    if (!last.empty() && id > last) {
      break;
    }
    const auto at = there.find(id);
    if (at == there.end()) {
      add(id, peer.node_id + " does not have it", digest, {});
      continue;
    }
    if (at->second != digest) {
      add(id, "it is not the same on " + peer.node_id, digest, at->second);
    }
    there.erase(at);
  }
  for (const auto& [id, digest] : there) {
    add(id, "only " + peer.node_id + " has it", {}, digest);
  }
  if (peer.found.size() == before && !theirs.cut()) {
    peer.places.erase(place);
  }
}

void SyncVerify::EndRound(const std::string& uid, Peer& peer) {
  if (peer.places.empty()) {
    peer.before.clear();  // what differed before does not any more
    peer.done = true;
    return;
  }
  peer.same = peer.found == peer.before ? peer.same + 1 : 0;
  peer.before = std::move(peer.found);
  peer.found.clear();
  if (peer.same + 1 >= (run_->repair ? kSameRoundsRepairing : kSameRounds)) {
    peer.done = true;
    return;
  }
  peer.next_round = deps_.now() + kBetweenRounds;
  if (run_->repair) {
    deps_.compare(uid);
  }
}

// ---- For a peer ----

bool SyncVerify::OnFrame(std::string_view uid, v1::ReplicateFrame& frame) {
  if (frame.has_check_request()) {
    OnRequest(uid, frame.check_request());
    return true;
  }
  if (frame.has_check_answer()) {
    OnAnswer(uid, *frame.mutable_check_answer());
    return true;
  }
  return false;
}

void SyncVerify::OnRequest(std::string_view uid, const v1::CheckRequest& request) {
  const std::string peer(uid);
  const uint64_t id = request.id();
  if (request.kind().empty()) {
    if (!serving_.insert(peer).second) {
      v1::CheckAnswer answer;
      answer.set_id(id);
      answer.set_error("it is still busy with an earlier verification of this node's");
      Answer(peer, std::move(answer));
      return;
    }
    store::Check(*deps_.store, request.repair(),
                 [this, later = deps_.later, peer, id](absl::StatusOr<store::CheckReport> report) {
      auto kept = std::make_shared<absl::StatusOr<store::CheckReport>>(std::move(report));
      later([this, peer, id, kept] {
        serving_.erase(peer);
        SendReport(peer, id, *kept);
      });
    });
    return;
  }
  if (reads_[peer] >= 2 * kAsksMax || request.kind().size() > replication::kKindMax) {
    return;
  }
  ++reads_[peer];
  auto answer = std::make_shared<v1::CheckAnswer>();
  answer->set_id(id);
  deps_.store->Read(
      [answer, kind = request.kind(), bucket = request.bucket()](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const auto rows, reader.BucketContent(kind, bucket));
        PutRows(rows, answer.get());
        return absl::OkStatus();
      },
      [this, later = deps_.later, peer, answer](const absl::Status& status) {
        if (!status.ok()) {
          answer->set_error(std::string(Std(status.message())));
        }
        later([this, peer, answer] {
          if (--reads_[peer] == 0) {
            reads_.erase(peer);
          }
          Answer(peer, std::move(*answer));
        });
      });
}

void SyncVerify::SendReport(const std::string& uid, uint64_t id, const absl::StatusOr<store::CheckReport>& report) {
  v1::CheckAnswer answer;
  answer.set_id(id);
  if (report.ok()) {
    store::ToProto(*report, answer.mutable_report());
    PutSums(report->content, &answer);
  } else {
    answer.set_error(std::string(Std(report.status().message())));
  }
  Answer(uid, std::move(answer));
}

// One that is not taken the peer waits for in vain; it names us then.
void SyncVerify::Answer(std::string_view uid, v1::CheckAnswer answer) {
  v1::ReplicateFrame frame;
  *frame.mutable_check_answer() = std::move(answer);
  deps_.send(uid, std::move(frame));
}

// ---- The end ----

void SyncVerify::GiveUp(Peer& peer, std::string trouble) {
  peer.trouble = std::move(trouble);
  peer.done = true;
  peer.asked.clear();
  peer.todo.clear();
}

void SyncVerify::OnDown(std::string_view uid) {
  // Later: a stream may end inside the call that sends on it.
  deps_.later([this, peer = std::string(uid), serial = serial_] {
    if (!run_.has_value() || serial != serial_) {
      return;
    }
    if (const auto at = run_->peers.find(peer); at != run_->peers.end() && !at->second.done) {
      GiveUp(at->second, "its stream ended meanwhile");
      Review();
    }
  });
}

void SyncVerify::Tick(Instant now) {
  if (!run_.has_value()) {
    return;
  }
  for (auto& [uid, peer] : run_->peers) {
    if (!peer.done && now >= run_->until) {
      GiveUp(peer, peer.report.has_value() ? "there was not time enough to compare all" : "it did not answer in time");
    } else if (!peer.done && peer.compared && peer.asked.empty() && now >= peer.next_round) {
      BeginRound(uid, peer);
    }
  }
  Review();
}

void SyncVerify::Stop() {
  if (run_.has_value()) {
    const Reply reply = std::move(run_->reply);
    run_.reset();
    reply(Unavailable("this node is stopping"));
  }
}

void SyncVerify::Review() {
  if (run_.has_value() && run_->own.has_value() &&
      std::all_of(run_->peers.begin(), run_->peers.end(), [](const auto& entry) { return entry.second.done; })) {
    Finish();
  }
}

void SyncVerify::Finish() {
  const Run run = *std::exchange(run_, std::nullopt);
  v1::VerifySyncResponse out;
  v1::VerifiedNode* self = out.add_nodes();
  self->set_node_id(deps_.node_id);
  self->set_self(true);
  self->set_compared(true);
  store::ToProto(*run.own, self->mutable_check());
  bool good = run.own->wrong == run.own->repaired;
  bool complete = true;
  for (const auto& [uid, peer] : run.peers) {
    v1::VerifiedNode* node = out.add_nodes();
    node->set_node_id(peer.node_id);
    node->set_trouble(peer.trouble);
    node->set_compared(peer.compared && peer.trouble.empty());
    complete = complete && peer.trouble.empty();
    if (peer.report.has_value()) {
      *node->mutable_check() = *peer.report;
      good = good && peer.report->wrong() == peer.report->repaired();
    }
    // A bucket that was not looked into is a row at least.
    const size_t buckets = peer.places.size() - std::min(peer.places.size(), kBucketsMax);
    node->set_different(static_cast<int64_t>(peer.before.size() + buckets));
    good = good && (node->different() == 0 || !peer.trouble.empty());
    for (size_t i = 0; i < peer.before.size() && i < kNamedMax; ++i) {
      v1::CheckFinding* row = node->add_differences();
      row->set_kind(peer.before[i].kind);
      row->set_id(peer.before[i].id);
      row->set_what(peer.before[i].what);
    }
  }
  std::sort(out.mutable_nodes()->begin() + 1, out.mutable_nodes()->end(),
            [](const v1::VerifiedNode& a, const v1::VerifiedNode& b) { return a.node_id() < b.node_id(); });
  out.set_good(good);
  out.set_complete(complete);
  run.reply(std::move(out));
}

}  // namespace aurora::node
