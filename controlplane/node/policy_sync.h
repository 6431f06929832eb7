// PolicySync: drives the replication core on the control loop: between the store, the Replicate streams and the role
// page. Source: replication.md sections 2 and 3, failover.md section 3; docs/protocols/replication.md.
// Thread: the control loop's, but OnHead and Report: any. Order: step, store, send, re-arm; answers of the store come
// back in the order of its commits. Units: BOOTTIME ns towards the role page. Bounds: those of the core and the links;
// waiting reports by the admin API. Errors: while the store is not open nothing streams, and it is asked again every
// second. Always: each Report is answered exactly once, also at Stop; what the data plane is told (synced,
// sync_ok_until) follows the core's admission alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aurora/v1/admin.pb.h"
#include "controlplane/node/revocation_watch.h"
#include "controlplane/node/sync_verify.h"
#include "controlplane/peers/replicate_links.h"
#include "controlplane/replication/replicator.h"
#include "controlplane/store/store.h"
#include "shared/base/time.h"
#include "shared/rolepage/control_page.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"
#include "shared/uv/timer.h"

namespace aurora::node {

struct PolicySyncDeps {
  uv::Loop* loop = nullptr;
  uv::Mailbox* mailbox = nullptr;
  store::Store* store = nullptr;
  rolepage::ControlPage* page = nullptr;
  replication::Config core;
  Duration max_staleness;
  peers::ReplicateOptions links;  // node id and uid too
  uint64_t seed = 0;
  std::function<bool()> may_serve = [] { return true; };  // besides policy; false: `synced` waits
  bool rolled_back = false;  // aurora.db may not say so yet
  // "" until this node has founded or joined a cluster.
  std::function<std::string()> cluster_id;
};

// Where the store, which is there first, tells of commits.
class HeadSignal {
 public:
  using Sink = std::function<void(uint64_t head, uint64_t urgent)>;

  void Set(Sink sink) {
    const std::lock_guard lock(mutex_);
    sink_ = std::move(sink);
  }
  void Tell(uint64_t head, uint64_t urgent) {
    const std::lock_guard lock(mutex_);
    if (sink_) {
      sink_(head, urgent);
    }
  }

 private:
  std::mutex mutex_;
  Sink sink_;  // guarded by mutex_
};

// waiting | caught_up | stale
std::string_view NameOf(replication::Admission admission);

class PolicySync {
 public:
  explicit PolicySync(PolicySyncDeps deps);
  ~PolicySync();
  PolicySync(const PolicySync&) = delete;
  PolicySync& operator=(const PolicySync&) = delete;

  peers::ReplicateAcceptor& acceptor() { return links_.acceptor(); }

  // From the Control streams and the roster.
  void ControlUp(const peers::ReplicatePeer& peer);
  void ControlDown(std::string_view uid);
  void SetMembers(std::vector<replication::Member> members, std::vector<std::string> removed);
  void ClusterIdChanged(bool founded);
  // Rows of a backup were merged, the store says so; any thread.
  void Restored();
  // Bye to everyone; waiting reports are answered. The loop goes on.
  void Stop(peers::ByeReason reason, std::string_view message);

  // After a commit, on the store's thread; `urgent`: StoreOptions::on_head.
  void OnHead(uint64_t head, uint64_t urgent);
  // Which members enforce the row as it is now: as soon as all do, or after `timeout`. `done` runs on the loop.
  void Report(replication::RowRef row, Duration timeout, std::function<void(v1::Propagation)> done);

  // `sync verify`; on the loop.
  void Verify(bool repair, Duration timeout, SyncVerify::Reply done) {
    verify_.Start(repair, timeout, std::move(done));
  }

  // What the status, the metrics and heartbeats say; null until the store was open once.
  const replication::Replicator* core() const { return core_.get(); }
  const peers::ReplicateLinks& links() const { return links_; }
  // Histograms, written on the loop.
  const std::shared_ptr<metrics::Histogram>& revocation_seconds() const { return revocations_.seconds(); }
  const std::shared_ptr<metrics::Histogram>& merge_seconds() const { return merge_seconds_; }
  // The data plane's place in this node's feed.
  uint64_t applied_seq() const { return applied_.up ? applied_.seq : 0; }
  // Of the member that is furthest behind what this node has, or whom this node is behind.
  Duration Lag() const;
  bool Converged() const;

 private:
  // Answers of the store, from its thread; outlives this object.
  struct Inbox {
    std::mutex mutex;
    std::deque<std::function<void()>> tasks;  // guarded by mutex
    bool posted = false;                      // guarded by mutex
    bool closed = false;                      // guarded by mutex
  };
  struct RowNow {
    uint64_t seq = 0;
    bool urgent = false;
    bool parked = false;
  };
  struct Wait {
    replication::RowRef row;
    Instant until;
    std::function<void(v1::Propagation)> done;
    replication::Waiter latched;
    bool reading = false;
    uint64_t serial = 0;
  };

  // Runs tasks on the loop, in the order of the calls; drops them once this object is gone, which it may outlive: the
  // store answers late.
  using Sender = std::function<void(std::function<void()>)>;
  Sender MakeSender();
  void Later(std::function<void()> task) { later_(std::move(task)); }
  void DrainInbox();
  // Whatever may raise what is claimed to be enforced looks at the data plane's lock first: one that started since the
  // last look enforces only what it has loaded.
  template <class F>
  void Step(F&& call) {
    if (core_ != nullptr) {
      replication::Outbox out;
      TellApplied(out);
      std::forward<F>(call)(uv::Loop::Now(), out);
      Enqueue(std::move(out));
    }
  }
  void Enqueue(replication::Outbox out);
  void Carry(replication::Outbox& out);
  void CarryReads(replication::Outbox& out);
  void SendFrame(replication::Send& send);
  void TellSkew(const store::MergeResult& merged);
  void WatchRevocation(uint64_t seq, Instant at);
  void LookAtRevocations();
  SyncVerify::Deps ForVerify();
  peers::ReplicateCallbacks Hooks();

  void AskStore();
  void Begin(replication::StartState start);
  bool TellApplied(replication::Outbox& out);
  void LookAtPage();
  void PublishGate(const std::optional<rolepage::DataState>& data);
  void OnLook();
  void Arm();

  void Look(Wait& wait);
  void LookAtAll();
  void LookAtLate();
  void ReadRow(Wait& wait);
  void RowRead(uint64_t serial, std::optional<RowNow> row);
  void Answer(Wait& wait, const replication::WaitReport& report);
  v1::Propagation Unknown() const;
  void DropAnswered();

  PolicySyncDeps deps_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  const Sender later_ = MakeSender();
  std::unique_ptr<replication::Replicator> core_;
  peers::ReplicateLinks links_;
  SyncVerify verify_;
  RevocationWatch revocations_;
  std::shared_ptr<metrics::Histogram> merge_seconds_ = std::make_shared<metrics::Histogram>(metrics::kLagSeconds);
  uv::Timer tick_;
  uv::Timer look_;
  bool asking_ = false;
  bool stopped_ = false;
  bool founded_ = false;
  std::optional<std::vector<replication::Member>> members_;
  std::vector<std::string> removed_;
  replication::Applied applied_;
  uint64_t synced_nonce_ = 0;
  Instant retry_at_;
  Instant next_skew_;  // when a skewed clock is told of again
  std::deque<replication::Outbox> outboxes_;
  bool carrying_ = false;
  std::deque<Wait> waits_;
  uint64_t last_serial_ = 0;
};

}  // namespace aurora::node
