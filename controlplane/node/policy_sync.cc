#include "controlplane/node/policy_sync.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/replicate_codec.h"
#include "shared/log/log.h"
#include "shared/rolepage/boottime.h"
#include "shared/schema/aurora_db.h"

namespace aurora::node {
namespace {

constexpr Duration kLookBusy = Duration::Millis(5);
constexpr Duration kLookIdle = Duration::Millis(100);
constexpr Duration kRetryStore = Duration::Seconds(1);
constexpr Duration kSkewAgain = Duration::Seconds(600);

std::string_view NameOf(replication::Severity severity) {
  switch (severity) {
    case replication::Severity::kInfo:
      return "info";
    case replication::Severity::kWarning:
      return "warning";
    case replication::Severity::kCritical:
      return "critical";
  }
  return "info";
}

peers::ByeReason ReasonOf(replication::CloseReason reason) {
  switch (reason) {
    case replication::CloseReason::kBadFrame:
      return peers::ByeReason::kBadFrame;
    case replication::CloseReason::kForeignCluster:
      return peers::ByeReason::kForeignCluster;
    case replication::CloseReason::kWrongNode:
      return peers::ByeReason::kWrongNode;
    case replication::CloseReason::kIdle:
      return peers::ByeReason::kIdle;
    case replication::CloseReason::kSuperseded:
      return peers::ByeReason::kSupersededStream;
    case replication::CloseReason::kLeaving:
      return peers::ByeReason::kLeaving;
    case replication::CloseReason::kShutdown:
    case replication::CloseReason::kUnspecified:
      break;
  }
  return peers::ByeReason::kShutdown;
}

template <class T>
absl::StatusOr<T> Either(const absl::Status& status, T value) {
  if (!status.ok()) {
    return status;
  }
  return value;
}

// All of it from one state of the file.
absl::StatusOr<replication::StartState> ReadStart(store::Reader& reader) {
  replication::StartState start;
  AURORA_ASSIGN_OR_RETURN(start.history, reader.History());
  AURORA_ASSIGN_OR_RETURN(replication::Parked parked, reader.ParkedNames());
  start.parked = std::move(parked.rows);
  start.parked_overflow = parked.overflow;
  start.restored = reader.Meta(schema::kMetaRestored).ok();
  if (const auto settled = reader.Meta(schema::kMetaSettledEpoch); settled.ok()) {
    std::from_chars(settled->data(), settled->data() + settled->size(), start.settled_epoch);
  }
  return start;
}

}  // namespace

std::string_view NameOf(replication::Admission admission) {
  switch (admission) {
    case replication::Admission::kWaiting:
      return "waiting";
    case replication::Admission::kCaughtUp:
      return "caught_up";
    case replication::Admission::kStale:
      return "stale";
  }
  return "";
}

PolicySync::PolicySync(PolicySyncDeps deps)
    : deps_(std::move(deps)),
      links_(*deps_.loop, deps_.links, Hooks()),
      verify_(ForVerify()),
      tick_(*deps_.loop, [this] { Step([this](Instant now, auto& out) { core_->Tick(now, out); }); }),
      look_(*deps_.loop, [this] { OnLook(); }) {
  AskStore();
  look_.Start(kLookIdle);
}

PolicySync::~PolicySync() {
  const std::lock_guard lock(inbox_->mutex);
  inbox_->closed = true;
  inbox_->tasks.clear();
}

PolicySync::Sender PolicySync::MakeSender() {
  return [self = this, inbox = inbox_, mailbox = deps_.mailbox](std::function<void()> task) {
    {
      const std::lock_guard lock(inbox->mutex);
      if (inbox->closed) {
        return;
      }
      inbox->tasks.push_back(std::move(task));
      if (std::exchange(inbox->posted, true)) {
        return;
      }
    }
    const bool posted = mailbox->Post([self, inbox] {
      {
        const std::lock_guard lock(inbox->mutex);
        inbox->posted = false;
        if (inbox->closed) {
          return;
        }
      }
      self->DrainInbox();
    });
    if (!posted) {  // full: the look comes by
      const std::lock_guard lock(inbox->mutex);
      inbox->posted = false;
    }
  };
}

void PolicySync::DrainInbox() {
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard lock(inbox_->mutex);
    tasks.swap(inbox_->tasks);
  }
  for (const auto& task : tasks) {
    task();
  }
}

void PolicySync::AskStore() {
  asking_ = true;
  retry_at_ = uv::Loop::Now() + kRetryStore;
  auto start = std::make_shared<replication::StartState>();
  deps_.store->Read(
      [start](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(*start, ReadStart(reader));
        return absl::OkStatus();
      },
      [this, start, later = later_](absl::Status status) {
        later([this, start, status = std::move(status)] {
          asking_ = false;
          if (status.ok() && core_ == nullptr && !stopped_) {
            Begin(std::move(*start));
          }
        });
      });
}

void PolicySync::Begin(replication::StartState start) {
  start.restored = start.restored || deps_.rolled_back;
  start.uid = deps_.links.node_uid;
  start.node_id = deps_.links.node_id;
  start.cluster_id = deps_.cluster_id();
  const std::optional<rolepage::DataState> data = deps_.page->Data();
  start.caught_up = data.has_value() && deps_.page->synced() == data->start_nonce;
  if (start.restored) {
    log::Warn("this node's policy is an older copy: it catches up with every member before it serves");
  }
  core_ = std::make_unique<replication::Replicator>(uv::Loop::Now(), deps_.core, std::move(start), deps_.seed);
  Step([this](Instant now, auto& out) {
    if (members_.has_value()) {
      core_->SetMembers(now, *members_, removed_, out);
    }
    if (founded_) {
      core_->Founded(now, out);
    }
  });
  LookAtPage();
  links_.DialNow();
}

peers::ReplicateCallbacks PolicySync::Hooks() {
  peers::ReplicateCallbacks hooks;
  hooks.hello = [this](v1::ReplicateHello& hello) {
    if (core_ != nullptr) {
      peers::EncodeHello(core_->MakeHello(), hello);
    } else {
      hello.clear_cluster_id();  // no stream comes up yet
    }
  };
  hooks.up = [this](std::string_view uid, const v1::ReplicateHello& proto) {
    absl::StatusOr<replication::Hello> hello = peers::DecodeHello(proto);
    if (!hello.ok()) {
      links_.Close(std::string(uid), peers::ByeReason::kBadFrame, std::string(hello.status().message()));
      return;
    }
    Step([&](Instant now, auto& out) { core_->PeerUp(now, *std::move(hello), out); });
  };
  hooks.frame = [this](std::string_view uid, v1::ReplicateFrame& proto) {
    if (verify_.OnFrame(uid, proto)) {
      return;
    }
    absl::StatusOr<std::optional<replication::Frame>> frame = peers::DecodeFrame(proto);
    if (!frame.ok()) {
      const std::string peer(uid);
      links_.Close(peer, peers::ByeReason::kBadFrame, std::string(frame.status().message()));
      return;
    }
    if (frame->has_value()) {  // else a kind of a later version
      Step([&](Instant now, auto& out) { core_->Receive(now, uid, **std::move(frame), out); });
    }
  };
  hooks.down = [this](std::string_view uid, peers::ByeReason, std::string_view) {
    verify_.OnDown(uid);
    Step([&](Instant now, auto& out) { core_->PeerDown(now, uid, out); });
  };
  hooks.writable = [this](std::string_view uid) {
    Step([&](Instant now, auto& out) { core_->Writable(now, uid, out); });
  };
  return hooks;
}

void PolicySync::ControlUp(const peers::ReplicatePeer& peer) {
  links_.PeerUp(peer);
}

void PolicySync::ControlDown(std::string_view uid) {
  links_.PeerDown(uid);
}

void PolicySync::SetMembers(std::vector<replication::Member> members, std::vector<std::string> removed) {
  if (members_ == members && removed_ == removed) {
    return;
  }
  members_ = std::move(members);
  removed_ = std::move(removed);
  Step([this](Instant now, auto& out) { core_->SetMembers(now, *members_, removed_, out); });
}

void PolicySync::ClusterIdChanged(bool founded) {
  if (core_ != nullptr) {
    core_->SetClusterId(deps_.cluster_id());
  }
  if (founded) {
    founded_ = true;
    Step([this](Instant now, auto& out) { core_->Founded(now, out); });
  }
  links_.DialNow();
}

void PolicySync::Restored() {
  Later([this] { Step([this](Instant now, auto& out) { core_->Restored(now, out); }); });
}

void PolicySync::OnHead(uint64_t head, uint64_t urgent) {
  Later([this, head, urgent, at = uv::Loop::Now()] {
    if (urgent != 0) {
      WatchRevocation(urgent, at);
    }
    Step([&](Instant now, auto& out) { core_->OnHead(now, head, out); });
  });
}

void PolicySync::Stop(peers::ByeReason reason, std::string_view message) {
  stopped_ = true;
  verify_.Stop();
  links_.Shutdown(reason, message);
  LookAtAll();
}

void PolicySync::Enqueue(replication::Outbox out) {
  outboxes_.push_back(std::move(out));
  if (carrying_) {
    return;
  }
  carrying_ = true;
  bool look = false;
  while (!outboxes_.empty()) {
    replication::Outbox next = std::move(outboxes_.front());
    outboxes_.pop_front();
    look |= next.enforced_changed;
    Carry(next);
  }
  carrying_ = false;
  if (look) {
    LookAtRevocations();
    LookAtAll();
  }
  PublishGate(deps_.page->Data());
  Arm();
}

void PolicySync::Carry(replication::Outbox& out) {
  for (const replication::Event& event : out.events) {
    event.severity == replication::Severity::kInfo ? log::Info(event.text, {{"event", event.type}})
                                                   : log::Warn(event.text, {{"event", event.type}});
    deps_.store->AppendEvent(std::string(NameOf(event.severity)), event.type, event.text);
  }
  for (replication::OpenFeed& open : out.feed_opens) {
    deps_.store->OpenFeed(open.uid, std::move(open.history),
                          [this, later = later_, token = open.token](absl::StatusOr<replication::FeedOpened> opened) {
                            later([this, token, opened = std::move(opened)] {
                              Step([&](Instant now, auto& o) { core_->OnFeedOpened(now, token, opened, o); });
                            });
                          });
  }
  for (replication::Commit& commit : out.commits) {
    deps_.store->Merge(
        std::move(commit.rows), commit.uid, commit.range,
        [this, later = later_, seconds = merge_seconds_, token = commit.token,
         began = uv::Loop::Now()](absl::StatusOr<store::MergeResult> merged) {
          replication::CommitResult result;
          result.status = merged.status();
          seconds->Observe((uv::Loop::Now() - began).seconds());
          if (merged.ok() && merged->skewed > 0) {
            later([this, merged = *merged] { TellSkew(merged); });
          }
          if (merged.ok()) {
            result.head = merged->head;
            result.cursor = merged->cursor;
            result.changed = merged->changed;
            result.conflicts = merged->conflicts.count;
            result.diverged = std::move(merged->diverged.first);
            result.parked = std::move(merged->parked_now);
          }
          later([this, token, result = std::move(result)] {
            Step([&](Instant now, auto& o) { core_->Committed(now, token, result, o); });
          });
        });
  }
  for (replication::Send& send : out.sends) {
    SendFrame(send);
  }
  CarryReads(out);
  for (const replication::Close& close : out.closes) {
    links_.Close(close.uid, ReasonOf(close.reason), close.message);
  }
  if (out.settled) {
    deps_.store->Settle();
  }
}

// [A8] Rows of a clock that is far ahead are taken, and the clock is not followed.
void PolicySync::TellSkew(const store::MergeResult& merged) {
  const Instant now = uv::Loop::Now();
  if (now < next_skew_) {
    return;
  }
  next_skew_ = now + kSkewAgain;
  const std::string text = "policy is dated " + std::to_string(merged.skewed_by_ms / 1000) +
                           " s ahead of this node's clock by node uid " + merged.skewed_node_uid +
                           ": set the clock of one of the two (NTP)";
  log::Warn(text, {{"event", "policy_clock_skew"}});
  deps_.store->AppendEvent("warning", "policy_clock_skew", text);
}

void PolicySync::CarryReads(replication::Outbox& out) {
  for (const replication::ReadFeed& read : out.feed_reads) {
    auto batch = std::make_shared<replication::FeedBatch>();
    deps_.store->Read(
        [read, batch](store::Reader& reader) -> absl::Status {
          AURORA_ASSIGN_OR_RETURN(*batch, reader.FeedBatch(read.lane, read.after_seq, read.max_rows, read.max_bytes));
          return absl::OkStatus();
        },
        [this, later = later_, token = read.token, batch](absl::Status status) {
          later([this, token, batch, status = std::move(status)] {
            Step([&](Instant now, auto& o) { core_->OnFeed(now, token, Either(status, std::move(*batch)), o); });
          });
        });
  }
  for (replication::ReadDigest& read : out.digest_reads) {
    deps_.store->Digest(read.level, std::move(read.kind), read.bucket,
                        [this, later = later_,
                         token = read.token](absl::StatusOr<std::vector<replication::DigestEntry>> entries) {
                          later([this, token, entries = std::move(entries)] {
                            Step([&](Instant now, auto& o) { core_->OnDigest(now, token, entries, o); });
                          });
                        });
  }
  for (replication::ReadRows& read : out.row_reads) {
    auto rows = std::make_shared<std::vector<replication::WireRow>>();
    deps_.store->Read(
        [refs = std::move(read.rows), rows](store::Reader& reader) -> absl::Status {
          AURORA_ASSIGN_OR_RETURN(*rows, reader.Rows(refs));
          return absl::OkStatus();
        },
        [this, later = later_, token = read.token, rows](absl::Status status) {
          later([this, token, rows, status = std::move(status)] {
            Step([&](Instant now, auto& o) { core_->OnRows(now, token, Either(status, std::move(*rows)), o); });
          });
        });
  }
}

void PolicySync::SendFrame(replication::Send& send) {
  v1::ReplicateFrame frame;
  peers::EncodeFrame(std::move(send.frame), frame);
  if (links_.Send(send.uid, std::move(frame)) == peers::Sent::kFull) {
    Step([&](Instant now, auto& out) { core_->Undelivered(now, send.uid, out); });
  }
}

// The data plane says what it has loaded in the page only. True: news.
bool PolicySync::TellApplied(replication::Outbox& out) {
  const std::optional<rolepage::DataState> data = deps_.page->Data();
  replication::Applied applied;
  if (data.has_value()) {
    applied = {data->applied.epoch, data->applied.seq, true};
  }
  if (applied == applied_) {
    return false;
  }
  applied_ = applied;
  core_->OnApplied(uv::Loop::Now(), applied, out);
  return true;
}

void PolicySync::LookAtPage() {
  bool news = false;
  if (core_ != nullptr) {
    replication::Outbox out;
    news = TellApplied(out);
    Enqueue(std::move(out));
  }
  if (news) {
    LookAtAll();
  }
}

void PolicySync::PublishGate(const std::optional<rolepage::DataState>& data) {
  if (core_ == nullptr) {
    return;
  }
  const Instant now = uv::Loop::Now();
  if (const std::optional<Instant> last = core_->last_synced(now); last.has_value()) {
    const int64_t left_us = (deps_.max_staleness - (now - *last)).micros();
    deps_.page->SetSyncOkUntil(static_cast<uint64_t>(static_cast<int64_t>(rolepage::BoottimeNs()) + left_us * 1000));
  }
  if (data.has_value() && core_->may_admit() && deps_.may_serve() && data->start_nonce != synced_nonce_) {
    synced_nonce_ = data->start_nonce;
    deps_.page->SetSynced(synced_nonce_);
    log::Info("the data plane may admit requests",
              {{"caught_up", core_->admission() == replication::Admission::kCaughtUp}});
  }
}

void PolicySync::OnLook() {
  DrainInbox();
  if (core_ == nullptr && !asking_ && !stopped_ && uv::Loop::Now() >= retry_at_) {
    AskStore();
  }
  LookAtPage();
  LookAtLate();
  verify_.Tick(uv::Loop::Now());
  const bool busy = !waits_.empty() || (core_ != nullptr && applied_.up && applied_.seq < core_->head());
  look_.Start(busy ? kLookBusy : kLookIdle);
}

void PolicySync::Arm() {
  if (core_ == nullptr) {
    return;
  }
  const Instant next = core_->NextDeadline();
  next == Instant::Never() ? tick_.Stop() : tick_.StartAt(next);
  if (applied_.up && applied_.seq < core_->head()) {
    look_.Start(kLookBusy);
  }
}

Duration PolicySync::Lag() const {
  Duration worst;
  if (core_ != nullptr) {
    for (const replication::PeerStatus& peer : core_->Peers(uv::Loop::Now())) {
      worst = std::max(worst, peer.lag);
    }
  }
  return worst;
}

bool PolicySync::Converged() const {
  if (core_ == nullptr) {
    return false;
  }
  for (const replication::PeerStatus& peer : core_->Peers(uv::Loop::Now())) {
    if (peer.streaming && (peer.lag_entries > 0 || peer.behind_entries > 0)) {
      return false;
    }
  }
  return true;
}

}  // namespace aurora::node
