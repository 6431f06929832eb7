// Who enforces a write: the waiting half of PolicySync. A report is made of the row as it is now [A11], so the row is
// read again whenever the feed has moved; the answer of the store comes in the order of its commits, and what the core
// knows at that moment is of the same state.
#include <algorithm>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/node/policy_sync.h"

namespace aurora::node {
namespace {

void Add(const std::vector<replication::Member>& from, google::protobuf::RepeatedPtrField<std::string>* to) {
  for (const replication::Member& member : from) {
    to->Add(std::string(member.node_id));
  }
}

}  // namespace

void PolicySync::Report(replication::RowRef row, Duration timeout, std::function<void(v1::Propagation)> done) {
  Later([this, row = std::move(row), timeout, done = std::move(done)] {
    Wait wait;
    wait.row = row;
    wait.until = uv::Loop::Now() + timeout;
    wait.done = done;
    wait.serial = ++last_serial_;
    waits_.push_back(std::move(wait));
    Look(waits_.back());
    DropAnswered();
    look_.Start(Duration::Millis(1));
  });
}

void PolicySync::WatchRevocation(uint64_t seq, Instant at) {
  if (core_ == nullptr) {
    return;
  }
  std::vector<std::string> others;
  for (const replication::Member& member : core_->Members()) {
    if (member.uid != deps_.links.node_uid) {
      others.push_back(member.uid);
    }
  }
  revocations_.Written(seq, at, others);
}

void PolicySync::LookAtRevocations() {
  if (!revocations_.waiting()) {
    return;
  }
  const Instant now = uv::Loop::Now();
  for (const replication::PeerStatus& peer : core_->Peers(now)) {
    const int64_t revoke = peer.enforced[replication::Lane::kRevoke];
    revocations_.Enforced(peer.member.uid, std::max(revoke, peer.enforced[replication::Lane::kBulk]), now);
  }
}

SyncVerify::Deps PolicySync::ForVerify() {
  SyncVerify::Deps deps;
  deps.store = deps_.store;
  deps.node_id = deps_.links.node_id;
  deps.now = [] { return uv::Loop::Now(); };
  deps.later = later_;
  deps.send = [this](std::string_view uid, v1::ReplicateFrame&& frame) {
    return links_.Send(uid, std::move(frame)) == peers::Sent::kQueued;
  };
  deps.compare = [this](std::string_view uid) {
    Step([&](Instant now, auto& out) { core_->Compare(now, uid, out); });
  };
  deps.others = [this] {
    std::vector<SyncVerify::Other> out;
    if (core_ != nullptr) {
      for (replication::Member& member : core_->Members()) {
        if (member.uid != deps_.links.node_uid) {
          const bool up = links_.up(member.uid);
          out.push_back({std::move(member.uid), std::move(member.node_id), up});
        }
      }
    }
    return out;
  };
  return deps;
}

void PolicySync::LookAtAll() {
  for (Wait& wait : waits_) {
    Look(wait);
  }
  DropAnswered();
}

void PolicySync::LookAtLate() {
  const Instant now = uv::Loop::Now();
  for (Wait& wait : waits_) {
    if (now >= wait.until) {
      Look(wait);
    }
  }
  DropAnswered();
}

void PolicySync::Look(Wait& wait) {
  if (wait.done == nullptr) {
    return;
  }
  if (core_ == nullptr || stopped_) {
    std::exchange(wait.done, nullptr)(Unknown());
    return;
  }
  if (!wait.reading) {
    ReadRow(wait);
  }
}

void PolicySync::ReadRow(Wait& wait) {
  wait.reading = true;
  auto row = std::make_shared<std::optional<RowNow>>();
  deps_.store->Read(
      [row, ref = wait.row](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const store::Entry entry, reader.Get(ref.kind, ref.id));
        *row = RowNow{entry.seq, entry.row.Urgent(), entry.parked.has_value()};
        return absl::OkStatus();
      },
      [this, later = later_, row, serial = wait.serial](const absl::Status&) {
        later([this, row, serial] { RowRead(serial, *row); });
      });
}

void PolicySync::RowRead(uint64_t serial, std::optional<RowNow> row) {
  LookAtPage();  // a data plane that has just started enforces what it has loaded, no more
  const auto at = std::find_if(waits_.begin(), waits_.end(), [&](const Wait& w) { return w.serial == serial; });
  if (at == waits_.end() || at->done == nullptr) {
    return;
  }
  at->reading = false;
  const bool late = uv::Loop::Now() >= at->until;
  if (row.has_value()) {
    const replication::WaitReport report = core_->Report(at->row, row->seq, row->urgent, row->parked, at->latched);
    if (late || report.complete()) {
      Answer(*at, report);
    }
  } else if (late) {
    std::exchange(at->done, nullptr)(Unknown());
  }
  DropAnswered();
}

void PolicySync::Answer(Wait& wait, const replication::WaitReport& report) {
  v1::Propagation out;
  out.set_members(static_cast<int32_t>(report.members.size()));
  out.set_enforced(static_cast<int32_t>(report.enforced.size()));
  Add(report.pending, out.mutable_pending());
  Add(report.unreachable, out.mutable_unreachable());
  Add(report.not_serving, out.mutable_not_serving());
  std::exchange(wait.done, nullptr)(std::move(out));
}

// Nothing can be said of anybody but that they are members.
v1::Propagation PolicySync::Unknown() const {
  v1::Propagation out;
  const size_t others = members_.has_value() ? members_->size() : 1;
  out.set_members(static_cast<int32_t>(std::max<size_t>(others, 1)));
  if (members_.has_value()) {
    Add(*members_, out.mutable_pending());
  } else {
    out.add_pending(deps_.links.node_id);
  }
  return out;
}

void PolicySync::DropAnswered() {
  while (!waits_.empty() && waits_.front().done == nullptr) {
    waits_.pop_front();
  }
}

}  // namespace aurora::node
