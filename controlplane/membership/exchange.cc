// Whole views exchanged over streams: joining, the periodic push/pull, and finding the dead and the seeds again
// (memberlist pushPullNode, mergeState; the rejoin is ours).
#include <algorithm>
#include <cmath>
#include <utility>

#include "controlplane/membership/membership.h"
#include "controlplane/membership/meta.h"
#include "controlplane/membership/pick.h"

namespace aurora::membership {

using gossipwire::Alive;
using gossipwire::Dead;
using gossipwire::NodeRecord;
using gossipwire::PushPull;
using gossipwire::Suspect;

namespace {
constexpr size_t kMaxStreams = 64;
constexpr Duration kStreamForgotten = Duration::Seconds(60);
}  // namespace

PushPull Membership::LocalState(bool join) const {
  PushPull state;
  state.join = join;
  state.nodes.reserve(table_.listed());
  for (size_t i = 0; i < table_.listed(); ++i) {
    const Record& r = *table_.At(i);
    state.nodes.push_back({r.name, r.address, r.meta, r.incarnation, r.state, r.versions});
  }
  return state;
}

PushPull Membership::ReceiveStream(Instant now, const Address& from, const PushPull& state, Outbox& out) {
  NoticeStall(now);
  heard_ = now;
  if (!Acceptable(now, state, out)) {
    // Ourselves alone: the peer can judge by it, and tell its operator too, but learns nobody else's name.
    PushPull refusal;
    refusal.join = state.join;
    refusal.nodes.push_back({own_->name, own_->address, own_->meta, own_->incarnation, own_->state, own_->versions});
    return refusal;
  }
  PushPull reply = LocalState(state.join);
  Merge(now, from, state, out);
  return reply;
}

// Whether to merge at all. A view that holds a node of another cluster would carry its quarrels over: names repeat.
bool Membership::Acceptable(Instant now, const PushPull& state, Outbox& out) {
  uint8_t protocol_min = 0, protocol_max = 255, delegate_min = 0, delegate_max = 255;
  auto narrow = [&](const gossipwire::Versions& v) {
    protocol_min = std::max(protocol_min, v.protocol_min);
    protocol_max = std::min(protocol_max, v.protocol_max);
    delegate_min = std::max(delegate_min, v.delegate_min);
    delegate_max = std::min(delegate_max, v.delegate_max);
  };
  auto within = [&](const gossipwire::Versions& v) {
    return v.protocol_current >= protocol_min && v.protocol_current <= protocol_max &&
           v.delegate_current >= delegate_min && v.delegate_current <= delegate_max;
  };
  for (const NodeRecord& r : state.nodes) {
    if (r.state != NodeState::kAlive) {
      continue;
    }
    narrow(r.versions);
    if (!config_.cluster_id.empty()) {
      const auto meta = ParseMeta(r.meta);
      if (meta && Foreign(*meta)) {
        Notice(now, {Event::Kind::kForeign, r.name, r.address, r.incarnation, false, meta->cluster_id}, out);
        return false;
      }
    }
  }
  for (size_t i = 0; i < table_.listed(); ++i) {
    if (table_.At(i)->state == NodeState::kAlive) {
      narrow(table_.At(i)->versions);
    }
  }
  bool fits =
      std::all_of(state.nodes.begin(), state.nodes.end(), [&](const NodeRecord& r) { return within(r.versions); });
  for (size_t i = 0; fits && i < table_.listed(); ++i) {
    fits = within(table_.At(i)->versions);
  }
  if (!fits) {
    Notice(now, {Event::Kind::kAlarm, self_.name, {}, own_->incarnation, false, "incompatible versions"}, out);
  }
  return fits;
}

void Membership::Merge(Instant now, const Address& from, const PushPull& state, Outbox& out) {
  for (const NodeRecord& r : state.nodes) {
    switch (r.state) {
      case NodeState::kAlive: {
        const Record* known = table_.Find(r.name);
        if (known != nullptr && known->state == NodeState::kAlive && known->incarnation >= r.incarnation &&
            known != own_ && known->address == r.address) {
          break;  // nearly all of a view is no news: do not build a message for it
        }
        OnAlive(now, from, Alive{r.incarnation, r.name, r.address, r.meta, r.versions}, out);
        break;
      }
      case NodeState::kLeft:
        OnDead(now, from, Dead{r.incarnation, r.name, r.name}, out);
        break;
      case NodeState::kDead:
      case NodeState::kSuspect: {
        Record* known = table_.Find(r.name);
        if (known == nullptr) {
          break;
        }
        if (Aurora() && r.state == NodeState::kDead && known != own_ && known->dead_or_left() &&
            !Jumps(*known, r.incarnation)) {
          known->incarnation = std::max(known->incarnation, r.incarnation);
          break;
        }
        // Softened to our own suspicion, so that its subject may answer.
        OnSuspect(now, from, Suspect{r.incarnation, r.name, self_.name}, out);
        break;
      }
    }
  }
}

// --- streams we begin ------------------------------------------------------------------------------------------------

void Membership::Contact(Instant now, const Address& address, bool join, Outbox& out) {
  if (leaving_ || address.empty() || address == self_.address) {
    return;
  }
  if (!join) {
    for (size_t i = 0; i < table_.listed(); ++i) {
      if (table_.At(i)->address == address && table_.At(i)->state == NodeState::kAlive) {
        return;
      }
    }
  }
  StartPushPull(now, address, join, out);
}

void Membership::StartPushPull(Instant now, const Address& to, bool join, Outbox& out) {
  std::erase_if(streams_, [&](const PendingStream& s) { return s.until <= now; });
  if (streams_.size() >= kMaxStreams) {
    ++stats_.dropped_full;
    return;
  }
  StreamRequest request;
  request.id = ++stream_id_;
  request.kind = StreamRequest::Kind::kPushPull;
  request.to = to;
  request.join = join;
  streams_.push_back({request.id, to, now + kStreamForgotten});
  out.streams.push_back(std::move(request));
}

bool Membership::TakeStream(uint64_t id, Address& to) {
  auto it = std::find_if(streams_.begin(), streams_.end(), [&](const PendingStream& s) { return s.id == id; });
  if (it == streams_.end()) {
    return false;
  }
  to = std::move(it->to);
  streams_.erase(it);
  return true;
}

void Membership::OnStreamState(Instant now, uint64_t id, const PushPull& state, Outbox& out) {
  NoticeStall(now);
  heard_ = now;
  Address to;
  if (TakeStream(id, to) && !leaving_ && Acceptable(now, state, out)) {
    Merge(now, to, state, out);
  }
}

void Membership::OnStreamPong(Instant now, uint64_t id, Outbox& out) {
  (void)out;
  NoticeStall(now);
  heard_ = now;
  if (probe_.active && probe_.stream_id == id) {
    probe_.stream_answered = true;  // the probe goes on to its end: UDP may still answer
  }
}

void Membership::OnStreamFailed(Instant now, uint64_t id, Outbox& out) {
  (void)now;
  (void)out;
  Address to;
  TakeStream(id, to);
}

// --- timers ----------------------------------------------------------------------------------------------------------

Duration Membership::PushPullPeriod() const {
  constexpr double kScaleFrom = 32;
  const auto n = static_cast<double>(table_.listed());
  const int64_t factor = n <= kScaleFrom ? 1 : static_cast<int64_t>(std::ceil(std::log2(n / kScaleFrom))) + 1;
  return config_.push_pull_interval * factor;
}

void Membership::TickExchange(Instant now, Outbox& out) {
  // Ours: after a restart of everyone each member has a message about every other to tell, and packets would take a
  // minute or more where one exchange carries them all.
  if (Aurora() && queue_.size() > config_.flood && next_push_pull_ > now + config_.flood_interval * 3 / 2) {
    next_push_pull_ = now + config_.flood_interval / 2 + Stagger(config_.flood_interval);
  }
  if (now >= next_push_pull_) {
    next_push_pull_ = now + PushPullPeriod();
    Pick(1, [&](const Record& r) { return &r != own_ && r.state == NodeState::kAlive; });
    if (!picked_.empty()) {
      StartPushPull(now, picked_[0]->address, false, out);
    }
  }
  if (now < next_rejoin_) {
    return;
  }
  // Ours: memberlist never looks for the dead again, and a healed partition stays two clusters.
  bool alone = true;
  std::vector<const Record*> dead;
  table_.ForEach([&](const Record& r) {
    alone = alone && (&r == own_ || r.state != NodeState::kAlive);
    if (r.state == NodeState::kDead && !r.guest) {
      dead.push_back(&r);
    }
  });
  const Duration period = alone ? config_.lonely_rejoin_interval : config_.rejoin_interval;
  next_rejoin_ = now + period * 3 / 4 + Stagger(period / 2);
  out.wants_seed = true;
  if (!dead.empty()) {
    StartPushPull(now, dead[rng_.Below(dead.size())]->address, false, out);
  }
}

}  // namespace aurora::membership
