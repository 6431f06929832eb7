// What an operator asks of the election, what is told of it, and how it looks now.
#include <utility>

#include "controlplane/node/failover.h"
#include "shared/log/log.h"

namespace aurora::node {

using election::Outbox;
using election::Role;
using election::Uid;

namespace {

absl::Status NotBegun() {
  return Unavailable("this node is of no cluster yet; `status` says what it waits for");
}

constexpr Duration kStepDownMax = Duration::Millis(500);

}  // namespace

absl::Status Failover::Transfer(std::string_view node_id) {
  absl::Status status = NotBegun();
  Step([&](auto& core, Instant now, Outbox& out) { status = core.Transfer(now, node_id, out); });
  return status;
}

absl::Status Failover::AddVoters(std::string_view a, std::string_view b) {
  absl::Status status = NotBegun();
  Step([&](auto& core, Instant now, Outbox& out) { status = core.AddVoters(now, a, b, out); });
  return status;
}

absl::Status Failover::RemoveVoters(std::string_view a, std::string_view b) {
  absl::Status status = NotBegun();
  Step([&](auto& core, Instant now, Outbox& out) { status = core.RemoveVoters(now, a, b, out); });
  return status;
}

absl::Status Failover::UnsafeRecover() {
  absl::Status status = NotBegun();
  Step([&](auto& core, Instant now, Outbox& out) { status = core.UnsafeRecover(now, out); });
  return status;
}

absl::Status Failover::Drain() {
  if (core_ == nullptr) {
    return NotBegun();
  }
  if (core_->role() == Role::kLeader) {
    AURORA_RETURN_IF_ERROR(Transfer(""));
  }
  drained_ = true;  // takes effect with the next look at the data plane
  return absl::OkStatus();
}

void Failover::Undrain() { drained_ = false; }

void Failover::StepDown(std::string_view node_id, std::function<void()> done) {
  if (core_ == nullptr || !Transfer(node_id).ok()) {
    done();
    return;
  }
  step_down_end_ = Now() + kStepDownMax;
  stepped_down_ = std::move(done);
}

FailoverView Failover::View() const {
  FailoverView view;
  view.drained = drained_;
  if (core_ == nullptr) {
    return view;
  }
  const Instant now = Now();
  const auto left = [&](Instant until) { return until > now ? until - now : Duration(); };
  view.begun = true;
  view.role = core_->role();
  view.active = core_->Active(now);
  const Heard heard = WhoLeads(now);
  view.leader = heard.leader;
  view.leader_active = heard.active;
  view.term = heard.term;
  view.config = core_->config();
  for (const Uid& uid : view.config.Voters()) {
    if (core_->Able(now, uid)) {
      view.able.push_back(uid);
    }
  }
  view.lease_remaining = left(core_->deadline());
  view.barrier_remaining = left(core_->barrier());
  view.promise_remaining = left(core_->promise().until);
  view.disk_ok = core_->DiskOk(now);
  view.warning = core_->Warning(now);
  view.leaderless = view.leader.empty() && leaderless_since_ != Instant() ? now - leaderless_since_ : Duration();
  return view;
}

std::optional<election::Term> Failover::durable_term() const {
  return core_ == nullptr ? std::nullopt : std::optional(core_->durable_term());
}

std::string Failover::NodeOf(const Uid& uid) const {
  if (uid == deps_.settings.uid) {
    return deps_.settings.node_id;
  }
  const election::Slot* slot = core_->config().Find(uid);
  return slot != nullptr ? slot->node_id : deps_.node_id_of(uid);
}

std::string Failover::Voters() const {
  std::string out;
  for (const election::Slot& slot : core_->config().slots) {
    out += (out.empty() ? "" : ", ") + slot.node_id + (slot.uid.empty() ? " (awaited)" : "") +
           (slot.leaving ? " (leaving)" : "");
  }
  return out;
}

void Failover::OnEvent(const election::Event& event) {
  using Kind = election::Event::Kind;
  const std::string term = "term " + std::to_string(event.term);
  const auto tell = [&](std::string_view severity, std::string_view type, const std::string& text) {
    if (deps_.tells) {
      deps_.tell(severity, type, text);
    } else {
      log::Debug(text, {{"event", type}});
    }
  };
  switch (event.kind) {
    case Kind::kElected:
      ++counters_.won;
      log::Info("elected: waits for what was promised to the one before", {{"term", event.term}});
      break;
    case Kind::kActive:
      if (asked_at_ != Instant()) {
        election_seconds_->Observe((Now() - asked_at_).seconds());
        asked_at_ = Instant();
      }
      tell("info", "failover_active", "this node is active: " + term);
      break;
    case Kind::kLapsed:
      tell("warning", "failover_lapsed", "the lease ran out: " + term + " has no majority that answers in time");
      break;
    case Kind::kStoodDown:
      tell("warning", "failover_stood_down", "this node leads no more (" + term + "): " + event.detail);
      break;
    case Kind::kReleased:
      tell("info", "failover_released",
           "leadership of " + term + " is released" + (event.detail.empty() ? "" : " to " + NodeOf(event.detail)));
      break;
    case Kind::kNotReleased:
      tell("warning", "failover_not_released",
           "the data plane did not say in time that it is closed (" + term + "): what was promised runs out");
      break;
    case Kind::kLeader:
      tell("info", "failover_leader", NodeOf(event.detail) + " leads: " + term);
      break;
    case Kind::kConfig:
      tell("info", "voters_changed", "the voters are " + Voters() + " (config " +
                                         std::to_string(core_->config().id.term) + "." +
                                         std::to_string(core_->config().id.version) + ")");
      break;
    case Kind::kDiskFailed:
      tell("warning", "election_disk",
           "election.db fails or takes too long: this node gives no vote and does not campaign until it is well");
      break;
    case Kind::kRolledBack:
    case Kind::kTwoLeaders: {
      const bool two = event.kind == Kind::kTwoLeaders;
      const std::string text =
          two ? NodeOf(event.detail) + " speaks as the leader of " + term + ", which has another: a disk was copied; " +
                    "stop one of the two"
              : "the disk of " + NodeOf(event.detail) + " (" + event.detail + ") went back: its vote counts no more; " +
                    "wipe its state directory and start it again";
      if (text != std::exchange(complaint_, text)) {
        deps_.tell(two ? "critical" : "warning", two ? "failover_two_leaders" : "election_rolled_back", text);
      }
      break;
    }
  }
}

}  // namespace aurora::node
