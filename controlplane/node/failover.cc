#include "controlplane/node/failover.h"

#include <algorithm>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/node/failover_frames.h"
#include "controlplane/store/election_thread.h"
#include "shared/log/log.h"
#include "shared/rolepage/boottime.h"
#include "shared/rolepage/control_page.h"

namespace aurora::node {

using election::DataPlane;
using election::Outbox;
using election::Role;
using election::Uid;

namespace {

constexpr Duration kPollEvery = Duration::Millis(25);
constexpr Duration kCloseLookEvery = Duration::Millis(2);
// A data plane whose tick (every 50 ms) is this old stands still; seen twice, so that a pause of ours is none of its.
constexpr uint64_t kFrozenNs = 150'000'000;
constexpr int kFrozenLooks = 2;
constexpr size_t kStartsKept = 8;

uint64_t ToNs(Instant at) { return at <= Instant() ? 0 : static_cast<uint64_t>(at.micros()) * 1000; }

}  // namespace

Failover::Failover(FailoverDeps deps)
    : deps_(std::move(deps)),
      tick_(*deps_.loop, [this] { Step([](auto& core, Instant now, Outbox& out) { core.Tick(now, out); }); }),
      poll_(*deps_.loop, [this] { OnPoll(); }),
      closing_(*deps_.loop, [this] { LookAtClose(); }) {}

Failover::~Failover() { stored_->gone = true; }

Instant Failover::Now() { return Instant::FromMicros(static_cast<int64_t>(rolepage::BoottimeNs() / 1000)); }

void Failover::Begin(election::Durable durable) {
  core_ = std::make_unique<election::Election>(deps_.settings, std::move(durable), deps_.seed);
  leaderless_since_ = Now();
  Step([](auto& core, Instant now, Outbox& out) { core.Start(now, out); });
  SetMembers(members_);
  poll_.StartRepeating(kPollEvery);
}

void Failover::Carry(Outbox& out) {
  if (out.gate.has_value()) {
    if (out.gate->until != Instant()) {
      TellPage(Now(), WhoLeads(Now()));  // first the term that requests are stamped with, then the gate
    }
    deps_.page->SetActiveUntil(ToNs(out.gate->until));
  }
  if (out.close.has_value()) {
    core_close_ = *out.close;
    page_close_ = deps_.page->Close();
    closing_.StartRepeating(kCloseLookEvery);
  }
  if (out.persist.has_value()) {
    Persist(*out.persist);
  }
  std::move(out.messages.begin(), out.messages.end(), std::back_inserter(messages_));
  for (const election::Event& event : out.events) {
    OnEvent(event);
  }
  Flush();
}

// A stream that takes no more is closed on the spot, which brings news of the members: they wait their turn.
void Failover::Flush() {
  if (std::exchange(flushing_, true)) {
    return;
  }
  while (!messages_.empty()) {
    const election::Envelope next = std::move(messages_.front());
    messages_.pop_front();
    v1::ControlFrame frame;
    *frame.mutable_election() = ToProto(next.message);
    deps_.send(next.to, frame);
  }
  flushing_ = false;
}

void Failover::Persist(const election::Persist& persist) {
  deps_.election->Submit(
      [state = persist.state](store::ElectionDb& db) { return db.SetElection(state); },
      [this, mailbox = deps_.mailbox, stored = stored_, version = persist.version](const absl::Status& status) {
        const bool ok = status.ok();
        if (!ok) {
          log::Error("a vote could not be stored", {{"error", status}});
        }
        const bool posted = mailbox->Post([this, stored, version, ok] {
          if (!stored->gone) {
            OnStored(version, ok);
          }
        });
        if (!posted) {
          stored->ok = ok;
          stored->version = version;  // the loop looks
        }
      });
}

void Failover::OnStored(uint64_t version, bool ok) {
  Step([&](auto& core, Instant now, Outbox& out) {
    ok ? core.OnPersisted(now, version, out) : core.OnPersistFailed(now, version, out);
  });
}

void Failover::SetMembers(const std::vector<election::Member>& members) {
  members_ = members;
  std::erase_if(starts_, [&](const auto& entry) {
    return std::none_of(members.begin(), members.end(), [&](const auto& m) { return m.uid == entry.first; });
  });
  Step([&](auto& core, Instant now, Outbox& out) { core.SetMembers(now, members, out); });
}

void Failover::OnPeerTerm(const Uid& uid, uint64_t epoch, election::Term term) {
  std::deque<uint64_t>& starts = starts_[uid];
  // Noted before there is a core, too: else a later Hello of this start would pass for its first.
  if (term > kElectionNumberMax ||
      std::find(starts.begin(), starts.end(), epoch) != starts.end()) {
    return;
  }
  starts.push_back(epoch);
  if (starts.size() > kStartsKept) {
    starts.pop_front();
  }
  Step([&](auto& core, Instant now, Outbox& out) { core.OnPeerTerm(now, uid, term, out); });
}

void Failover::OnFrame(const Uid& from, const v1::ElectionFrame& frame) {
  if (core_ == nullptr) {
    return;  // as if it had been lost
  }
  ++counters_.frames_in;
  const std::optional<election::Message> message = FromProto(frame);
  if (!message.has_value()) {
    ++counters_.frames_bad;
    return;
  }
  if (const auto* renew = std::get_if<election::Renew>(&message->body);
      renew != nullptr && message->term >= renewed_term_) {
    renewed_by_ = from;
    renewed_term_ = message->term;
    renewed_at_ = Now();
    renewed_active_ = renew->active;
  }
  if (std::holds_alternative<election::LeaseRelease>(message->body)) {
    released_term_ = std::max(released_term_, message->term);
  }
  Step([&](auto& core, Instant now, Outbox& out) { core.Receive(now, from, *message, out); });
}

Failover::Heard Failover::WhoLeads(Instant now) const {
  Heard heard{core_->Leader(now), core_->term(), false};
  const bool fresh = renewed_at_ != Instant() && now - renewed_at_ < deps_.settings.timers.suspect;
  if (core_->role() == Role::kHoldoff && fresh) {
    heard = {renewed_by_, renewed_term_, renewed_active_};
  } else if (heard.leader == deps_.settings.uid) {
    heard.active = core_->Active(now);
  } else if (!heard.leader.empty() && heard.leader == renewed_by_) {
    heard.active = renewed_active_;
  }
  return heard;
}

void Failover::SetPenalty(uint32_t penalty) {
  if (core_ != nullptr) {
    core_->SetPenalty(penalty);
  }
}

void Failover::OnSecond() {
  if (const uint64_t version = stored_->version.exchange(0); version != 0) {
    OnStored(version, stored_->ok);
  }
}

DataPlane Failover::LookAtDataPlane() {
  const std::optional<rolepage::DataState> data = deps_.page->Data();
  if (!data.has_value()) {
    still_ = 0;
    return DataPlane::kGone;
  }
  const uint64_t now = rolepage::BoottimeNs();
  const bool old = data->tick_ns + kFrozenNs < now && data->tick_ns == std::exchange(tick_seen_, data->tick_ns);
  still_ = old ? still_ + 1 : 0;
  if (still_ >= kFrozenLooks) {
    return DataPlane::kFrozen;
  }
  const bool leads = role_ == Role::kLeader || role_ == Role::kDraining;
  return data->ready && !data->draining && (!drained_ || leads) ? DataPlane::kReady : DataPlane::kNotReady;
}

void Failover::OnPoll() {
  if (const DataPlane seen = LookAtDataPlane(); seen != data_plane_) {
    data_plane_ = seen;
    Step([&](auto& core, Instant now, Outbox& out) { core.SetDataPlane(now, seen, out); });
  }
  NoteLeader();
  const bool over = role_ != Role::kLeader && role_ != Role::kDraining;
  if (stepped_down_ && (over || Now() >= step_down_end_)) {
    std::exchange(stepped_down_, {})();
  }
}

// Every loop has said so, or there is none that could admit: its lock was seen free after the word was cleared.
void Failover::LookAtClose() {
  if (role_ != Role::kDraining) {
    closing_.Stop();
  } else if (deps_.page->CloseAcknowledged(page_close_) || !deps_.page->DataPlaneAlive()) {
    closing_.Stop();
    Step([&](auto& core, Instant now, Outbox& out) { core.OnGateClosed(now, core_close_, out); });
  }
}

// What the page and others are to know of who leads; time alone may change it.
void Failover::NoteLeader() {
  const Instant now = Now();
  auto [leader, term, leader_active] = WhoLeads(now);
  const bool active = core_->Active(now);
  const bool news = leader != leader_ || term != leader_term_ || core_->role() != role_ || active != active_ ||
                    leader_active != leader_active_;
  if (leader != leader_) {
    leaderless_since_ = leader.empty() ? now : Instant();
  }
  if (!leader.empty() && leader != last_leader_) {
    counters_.switches += last_leader_.empty() ? 0U : 1U;
    last_leader_ = leader;
  }
  role_ = core_->role();
  active_ = active;
  leader_ = std::move(leader);
  leader_active_ = leader_active;
  leader_term_ = term;
  if (role_ == Role::kPreCandidate && asked_at_ == Instant()) {
    asked_at_ = now;
  } else if (role_ == Role::kFollower && !leader_.empty()) {
    counters_.lost += asked_at_ == Instant() ? 0U : 1U;
    asked_at_ = Instant();
  }
  TellPage(now, {leader_, leader_term_, leader_active_});
  if (news) {
    deps_.changed();
  }
}

// Where our data plane sends what it may not serve. Advice: a wrong address costs a try. So a leader that is silent is
// named until another one is known, for its data plane may serve to the end of the lease without it; one that released
// is not.
void Failover::TellPage(Instant now, const Heard& heard) {
  const bool ours = role_ == Role::kLeader || role_ == Role::kDraining;
  if (heard.leader.empty() && role_ == Role::kHoldoff) {
    return;  // the page still says who led before this start
  }
  const bool silent = heard.leader.empty() && !ours && page_leader_ == renewed_by_ && page_leader_ != Uid() &&
                      renewed_term_ > released_term_ && renewed_term_ == page_term_ &&
                      now - renewed_at_ < deps_.settings.timers.promise * 2;
  const Uid leader = silent ? page_leader_ : heard.leader;
  const election::Term term = silent ? page_term_ : heard.term;
  std::string address = leader.empty()                  ? std::string()
                        : leader == deps_.settings.uid ? deps_.peer_addr
                                                       : deps_.peer_addr_of(leader);
  address = address.empty() && leader == page_leader_ ? page_address_ : address;
  if (leader != page_leader_ || term != page_term_ || address != page_address_) {
    page_leader_ = leader;
    page_term_ = term;
    page_address_ = address;
    deps_.page->SetLeader({term, leader.empty() ? std::string() : NodeOf(leader), address});
  }
}

void Failover::Arm() {
  const Instant next = core_->NextDeadline();
  if (next == Instant::Never()) {
    tick_.Stop();
  } else {
    tick_.Start(std::max(Duration(), next - Now()));
  }
}

}  // namespace aurora::node
