// alive, suspect, dead, refute: the state machine of one record (memberlist state.go; ours marked as such).
#include <algorithm>
#include <utility>

#include "controlplane/membership/membership.h"
#include "controlplane/membership/meta.h"

namespace aurora::membership {

using gossipwire::Alive;
using gossipwire::Dead;
using gossipwire::Suspect;

namespace {

// Further above the incarnation we know than this is a fault or an attack, not a memory of an earlier life.
constexpr uint32_t kLargestJump = uint32_t{1} << 31;

constexpr Duration kYouth = Duration::Seconds(10);

bool Speakable(const gossipwire::Versions& v) {
  return v.protocol_min != 0 && v.protocol_max != 0 && v.protocol_min <= v.protocol_max;
}

}  // namespace

// --- alive -----------------------------------------------------------------------------------------------------------

void Membership::OnAlive(Instant now, const Address& from, const Alive& alive, Outbox& out) {
  if (alive.node.empty() || alive.address.empty() || !Speakable(alive.versions)) {
    ++stats_.dropped_invalid;
    return;
  }
  if (alive.address.port == 0) {
    Alive filled = alive;
    filled.address.port = self_.address.port;
    if (filled.address.port != 0) {
      OnAlive(now, from, filled, out);
    }
    return;
  }
  if (IsSelf(alive.node)) {
    OnAliveSelf(now, from, alive, out);
    return;
  }
  Record* record = table_.Find(alive.node);
  const bool known = record != nullptr;
  if (known && record->address == alive.address && alive.incarnation <= record->incarnation) {
    if (record->state != NodeState::kAlive) {
      ++stats_.stale_alive;
      Reaccuse(now, *record, alive.address, out);
    }
    return;  // by far the commonest: an echo
  }
  if (known && Jumps(*record, alive.incarnation)) {
    ++stats_.dropped_invalid;
    return;
  }
  bool guest = false;
  if (config_.node_meta || !config_.cluster_id.empty()) {
    const auto meta = ParseMeta(alive.meta);
    guest = !meta;
    if (meta && Foreign(*meta)) {
      Notice(now, {Event::Kind::kForeign, alive.node, alive.address, alive.incarnation, false, meta->cluster_id}, out);
      return;
    }
  }
  if (!known) {
    if (alive.incarnation == 0 || (record = table_.Insert(alive.node, now, rng_)) == nullptr) {
      ++(alive.incarnation == 0 ? stats_.dropped_invalid : stats_.dropped_full);
      return;
    }
    record->address = alive.address;
  }
  if (record->address != alive.address) {
    if (!AddressAllowed(now, *record, alive, out)) {
      return;
    }
    if (alive.incarnation <= record->incarnation && Aurora()) {
      // The name may move, but an incarnation never falls: tell the newcomer what to top.
      ++stats_.stale_alive;
      record->reaccuse_after = now;
      Reaccuse(now, *record, alive.address, out);
      return;
    }
  }
  record->guest = guest;
  StoreAlive(now, *record, alive, out);
  if (!known) {
    Emit(out, Event::Kind::kJoin, *record);
  }
}

void Membership::StoreAlive(Instant now, Record& record, const Alive& alive, Outbox& out) {
  EndSuspicion(record);
  const bool moved = record.address != alive.address;
  const bool changed = record.meta != alive.meta || record.versions != alive.versions;
  const NodeState before = record.state;
  const bool fresh = record.incarnation == 0;
  record.incarnation = alive.incarnation;
  record.address = alive.address;
  record.address_free = false;
  record.meta = alive.meta;
  record.versions = alive.versions;
  table_.List(&record, rng_);
  if (before != NodeState::kAlive) {
    record.state = NodeState::kAlive;
    record.changed = now;
  }
  Broadcast(now, record.name, alive);
  if (fresh) {
    return;
  }
  if (moved || before == NodeState::kDead || before == NodeState::kLeft) {
    Emit(out, Event::Kind::kRejoin, record);
  } else if (before == NodeState::kSuspect) {
    Emit(out, Event::Kind::kRefuted, record);
  }
  if (changed) {
    Emit(out, Event::Kind::kUpdate, record);
  }
}

void Membership::OnAliveSelf(Instant now, const Address& from, const Alive& alive, Outbox& out) {
  if (alive.address != self_.address) {
    contested_ = now;
  }
  if (leaving_ || alive.incarnation < own_->incarnation) {
    return;
  }
  if (alive.address != self_.address) {
    // Just started, it is most likely our own earlier life, known above what our clock and disk made us begin at: top
    // it. Others ask the old address before they believe either of us.
    if (Aurora() && now - started_ < kYouth && alive.incarnation > own_->incarnation) {
      Refute(now, from, alive.incarnation, {}, out);
      return;
    }
    Notice(now, {Event::Kind::kConflict, self_.name, alive.address, alive.incarnation, false, "our name"}, out);
    return;
  }
  if (alive.incarnation == own_->incarnation && alive.meta == self_.meta && alive.versions == self_.versions) {
    return;
  }
  Refute(now, from, alive.incarnation, {}, out);
}

// Whether `alive` may take over the record's name at another address now.
bool Membership::AddressAllowed(Instant now, Record& record, const Alive& alive, Outbox& out) {
  if (record.state == NodeState::kLeft || record.address_free) {
    return true;
  }
  if (!Aurora()) {
    Emit(out, Event::Kind::kConflict, record);  // DeadNodeReclaimTime is 0 by default: never
    return false;
  }
  if (record.state == NodeState::kDead && now - record.changed > config_.reclaim_after) {
    return true;
  }
  StartCheck(now, record, alive, out);
  return false;
}

// --- suspect ---------------------------------------------------------------------------------------------------------

void Membership::OnSuspect(Instant now, const Address& from, const Suspect& suspect, Outbox& out) {
  Record* record = table_.Find(suspect.node);
  if (record == nullptr) {
    PassOnStranger(now, suspect.node, suspect.incarnation, suspect);
    return;
  }
  if (suspect.incarnation < record->incarnation) {
    return;
  }
  if (record != own_ && Jumps(*record, suspect.incarnation)) {
    ++stats_.dropped_invalid;
    return;
  }
  if (record->suspicion) {
    if (Aurora()) {
      record->incarnation = suspect.incarnation;
    }
    if (record->suspicion->Confirm(suspect.from)) {
      suspicion_due_ = std::min(suspicion_due_, record->suspicion->deadline());
      Broadcast(now, record->name, Suspect{record->incarnation, suspect.node, suspect.from});
    }
    return;
  }
  if (record->state != NodeState::kAlive) {
    return;
  }
  if (record == own_) {
    Refute(now, from, suspect.incarnation, suspect.from, out);
    return;
  }
  Broadcast(now, record->name, suspect);
  record->state = NodeState::kSuspect;
  record->changed = now;
  record->incarnation = suspect.incarnation;
  record->suspicion = std::make_unique<Suspicion>(now, TermsFor(config_, table_.listed()), suspect.from);
  suspects_.push_back(record);
  suspicion_due_ = std::min(suspicion_due_, record->suspicion->deadline());
  Emit(out, Event::Kind::kSuspect, *record, suspect.from);
  // Ours: look for ourselves soon, so that the accusation is confirmed or answered rather than waited for.
  constexpr size_t kUrgentAtMost = 8;
  if (Aurora() && !IsSelf(suspect.from) && urgent_.size() < kUrgentAtMost && config_.second_opinions > 0 &&
      rng_.Below(std::max<size_t>(1, table_.listed() - 2)) < config_.second_opinions) {
    urgent_.push_back(record->name);
  }
}

void Membership::TickSuspicions(Instant now, Outbox& out) {
  if (now < suspicion_due_) {
    return;
  }
  suspicion_due_ = Instant::Never();
  for (size_t i = 0; i < suspects_.size();) {
    Record* record = suspects_[i];
    if (record->suspicion->deadline() <= now && Deaf(now)) {
      record->suspicion->Postpone(now - record->suspicion->deadline() + config_.probe_window);
    }
    if (record->suspicion->deadline() <= now) {
      const uint32_t incarnation = record->incarnation;
      OnDead(now, self_.address, Dead{incarnation, record->name, self_.name}, out);  // takes it out of suspects_
      continue;
    }
    suspicion_due_ = std::min(suspicion_due_, record->suspicion->deadline());
    ++i;
  }
}

void Membership::EndSuspicion(Record& record) {
  if (record.suspicion) {
    record.suspicion.reset();
    suspects_.erase(std::find(suspects_.begin(), suspects_.end(), &record));
  }
}

// --- dead ------------------------------------------------------------------------------------------------------------

void Membership::OnDead(Instant now, const Address& from, const Dead& dead, Outbox& out) {
  Record* record = table_.Find(dead.node);
  if (record == nullptr) {
    if (dead.node != dead.from) {
      PassOnStranger(now, dead.node, dead.incarnation, dead);
    }
    return;
  }
  if (dead.incarnation < record->incarnation) {
    Vindicate(now, *record, from, dead.from, out);
    return;
  }
  if (record != own_ && Jumps(*record, dead.incarnation)) {
    ++stats_.dropped_invalid;
    return;
  }
  if (record->dead_or_left()) {
    // Ours: memberlist forgets the higher incarnation here, and an older alive message then raises the dead.
    if (Aurora() && record != own_) {
      record->incarnation = dead.incarnation;
    }
    return;
  }
  if (record == own_) {
    Refute(now, from, dead.incarnation, dead.from, out);
    return;
  }
  EndSuspicion(*record);
  Broadcast(now, record->name, dead);
  record->incarnation = dead.incarnation;
  record->state = dead.node == dead.from ? NodeState::kLeft : NodeState::kDead;
  record->changed = now;
  Emit(out, record->state == NodeState::kLeft ? Event::Kind::kLeave : Event::Kind::kFailed, *record, dead.from);
}

bool Membership::Jumps(const Record& record, uint32_t incarnation) const {
  return Aurora() && incarnation > record.incarnation && incarnation - record.incarnation > kLargestJump;
}

// --- answers ---------------------------------------------------------------------------------------------------------

void Membership::Refute(Instant now, const Address& from, uint32_t accused, std::string_view accuser, Outbox& out) {
  if (accused == UINT32_MAX || Jumps(*own_, accused)) {
    Notice(now, {Event::Kind::kAlarm, self_.name, from, accused, false, "incarnation jump"}, out);
    return;
  }
  own_->incarnation = std::max(own_->incarnation, accused) + 1;
  out.persist_incarnation = own_->incarnation;
  awareness_.Add(1);
  ++stats_.refutations;
  Emit(out, Event::Kind::kSelfAccused, *own_, std::string(accuser));
  Broadcast(now, self_.name, AliveOf(*own_));
  if (!Aurora()) {
    return;
  }
  // Ours: whoever accused us hears it first, even if it would not choose us, nor we it, for gossip.
  if (from != self_.address) {
    Send(from, AliveOf(*own_), out);
  }
  const Record* record = table_.Find(accuser);
  if (record != nullptr && record != own_ && record->address != from) {
    Send(record->address, AliveOf(*own_), out);
  }
}

// Ours (memberlist#311): somebody lives, or lived, below the incarnation at which we hold an accusation. It cannot know
// what to top unless it is told.
void Membership::Reaccuse(Instant now, Record& record, const Address& subject, Outbox& out) {
  if (!Aurora() || now < record.reaccuse_after) {
    return;
  }
  record.reaccuse_after = now + config_.reaccuse_interval;
  if (record.dead_or_left()) {
    Broadcast(now, record.name, AccusationOf(record));
  }
  Send(subject, AccusationOf(record), out);
}

// Ours: somebody holds a node dead that has since spoken with a higher incarnation. Tell who said so.
void Membership::Vindicate(Instant now, Record& record, const Address& from, std::string_view accuser, Outbox& out) {
  if (!Aurora() || record.state != NodeState::kAlive || now < record.reaccuse_after || leaving_) {
    return;
  }
  record.reaccuse_after = now + config_.gossip_interval;
  Send(from, AliveOf(record), out);
  const Record* other = table_.Find(accuser);
  if (other != nullptr && other != own_ && other->address != from) {
    Send(other->address, AliveOf(record), out);
  }
}

// Ours: an accusation of a node we never heard of is passed on once, for its subject may be ours to meet.
void Membership::PassOnStranger(Instant now, std::string_view name, uint32_t incarnation, Message message) {
  if (!Aurora() || name.empty()) {
    return;
  }
  std::erase_if(strangers_, [&](const Stranger& s) { return s.until <= now; });
  auto known = std::find_if(strangers_.begin(), strangers_.end(), [&](const Stranger& s) { return s.name == name; });
  if (known != strangers_.end() ? known->incarnation >= incarnation : strangers_.size() >= config_.max_strangers) {
    return;
  }
  if (known == strangers_.end()) {
    known = strangers_.insert(strangers_.end(), Stranger{std::string(name), 0, now});
  }
  known->incarnation = incarnation;
  known->until = now + config_.gossip_to_the_dead;
  Broadcast(now, name, std::move(message));
}

}  // namespace aurora::membership
