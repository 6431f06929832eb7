#include "controlplane/membership/membership.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "controlplane/membership/message_size.h"
#include "controlplane/membership/pick.h"
#include "shared/base/check.h"

namespace aurora::membership {

using gossipwire::Alive;
using gossipwire::Dead;
using gossipwire::Suspect;

namespace {
constexpr size_t kCompoundHeader = 2;
constexpr size_t kCompoundPart = 2;
constexpr Duration kContestedFor = Duration::Seconds(60);
}  // namespace

Membership::Membership(Config config, Identity self, uint64_t seed)
    : config_(std::move(config)),
      self_(std::move(self)),
      rng_(seed),
      table_(config_.max_members),
      awareness_(config_.awareness_max),
      sequence_(static_cast<uint32_t>(rng_.Next())) {
  AURORA_CHECK(!self_.name.empty() && !self_.address.empty() && self_.start_incarnation > 0);
}

void Membership::Start(Instant now, Outbox& out) {
  started_ = heard_ = now;
  own_ = table_.Insert(self_.name, now, rng_);
  own_->address = self_.address;
  own_->meta = self_.meta;
  own_->versions = self_.versions;
  own_->incarnation = self_.start_incarnation;
  own_->state = NodeState::kAlive;
  out.persist_incarnation = own_->incarnation;
  gossip_phase_ = now + Stagger(config_.gossip_interval);
  next_probe_ = now + Stagger(config_.probe_period);
  next_push_pull_ = now + Stagger(PushPullPeriod());
  if (Aurora()) {
    next_rejoin_ = now + Stagger(config_.lonely_rejoin_interval);
  }
  Broadcast(now, self_.name, AliveOf(*own_));
}

void Membership::Receive(Instant now, const Address& from, const Message& message, Outbox& out) {
  NoticeStall(now);
  heard_ = now;
  if (const auto* ping = std::get_if<gossipwire::Ping>(&message)) {
    OnPing(from, *ping, out);
  } else if (const auto* ack = std::get_if<gossipwire::Ack>(&message)) {
    OnAck(now, *ack, out);
  } else if (const auto* alive = std::get_if<Alive>(&message)) {
    OnAlive(now, from, *alive, out);
  } else if (const auto* suspect = std::get_if<Suspect>(&message)) {
    OnSuspect(now, from, *suspect, out);
  } else if (const auto* dead = std::get_if<Dead>(&message)) {
    OnDead(now, from, *dead, out);
  } else if (const auto* indirect = std::get_if<gossipwire::IndirectPing>(&message)) {
    OnIndirectPing(now, from, *indirect, out);
  } else if (const auto* nack = std::get_if<gossipwire::Nack>(&message)) {
    OnNack(*nack);
  } else {
    ++stats_.dropped_invalid;
  }
}

void Membership::Tick(Instant now, Outbox& out) {
  NoticeStall(now);
  TickProbe(now, out);
  TickRelays(now, out);
  TickChecks(now, out);
  TickSuspicions(now, out);
  TickExchange(now, out);
  TickGossip(now, out);
}

Instant Membership::NextDeadline() const {
  Instant due = std::min({next_gossip_, next_push_pull_, next_rejoin_, suspicion_due_, check_due_});
  if (probe_.active) {
    due = std::min(due, probe_.indirect ? probe_.end_at : probe_.timeout_at);
  } else {
    due = std::min(due, next_probe_);
  }
  if (!relays_.empty()) {
    due = std::min(due, relays_.front().deadline);
  }
  return due;
}

void Membership::NoticeStall(Instant now) {
  if (!config_.stall_guard || !Aurora()) {
    return;
  }
  const Instant due = NextDeadline();
  if (due < now && now - due > config_.stall_threshold) {
    NoteLateness(now, now - due);
  }
}

void Membership::NoteLateness(Instant now, Duration lateness) {
  (void)now;
  // What we missed may lie unread in the socket: leave time to read it too.
  const Duration by = lateness + config_.stall_threshold;
  ++stats_.stalls;
  awareness_.Add(1);
  probe_.timeout_at = probe_.timeout_at + by;
  probe_.end_at = probe_.end_at + by;
  for (Relay& relay : relays_) {
    relay.deadline = relay.deadline + by;
  }
  for (AddressCheck& check : checks_) {
    check.deadline = check.deadline + by;
  }
  for (Record* record : suspects_) {
    record->suspicion->Postpone(by);
  }
  suspicion_due_ = suspicion_due_ + by;
}

// --- dissemination ---------------------------------------------------------------------------------------------------

void Membership::TickGossip(Instant now, Outbox& out) {
  if (now < next_gossip_) {
    return;
  }
  Pick(config_.gossip_nodes, [&](const Record& r) {
    return &r != own_ && (!r.dead_or_left() ||
                          (r.state == NodeState::kDead && now - r.changed <= config_.gossip_to_the_dead));
  });
  for (const Record* record : picked_) {
    Datagram datagram;
    datagram.to = record->address;
    queue_.Take(config_.datagram_bytes - kCompoundHeader, kCompoundPart, TransmitLimit(), datagram.messages);
    if (datagram.messages.empty()) {
      break;
    }
    out.datagrams.push_back(std::move(datagram));
  }
  next_gossip_ = queue_.empty() ? Instant::Never() : std::max(next_gossip_ + config_.gossip_interval, now);
  if (leaving_ && !left_told_ && (picked_.empty() || !queue_.Contains(self_.name))) {
    left_told_ = true;
    Emit(out, Event::Kind::kLeft, *own_);
  }
}

void Membership::Broadcast(Instant now, std::string_view node, Message message) {
  queue_.Push(node, std::move(message));
  if (next_gossip_ == Instant::Never()) {
    const int64_t interval = config_.gossip_interval.micros();
    const int64_t into = (now - gossip_phase_).micros() % interval;
    next_gossip_ = now + Duration::Micros(into < 0 ? -into : interval - into);
  }
}

void Membership::Send(const Address& to, Message message, Outbox& out) {
  Datagram datagram;
  datagram.to = to;
  const size_t used = kCompoundHeader + kCompoundPart + MessageSize(message);
  datagram.messages.push_back(std::move(message));
  if (used < config_.datagram_bytes && !queue_.empty()) {
    queue_.Take(config_.datagram_bytes - used, kCompoundPart, TransmitLimit(), datagram.messages);
  }
  out.datagrams.push_back(std::move(datagram));
}

int Membership::TransmitLimit() const {
  const double n = static_cast<double>(table_.listed());
  const int limit = config_.retransmit_mult * static_cast<int>(std::ceil(std::log10(n + 1)));
  return Aurora() ? std::max(config_.min_transmits, limit) : limit;
}

// --- small helpers ---------------------------------------------------------------------------------------------------

Alive Membership::AliveOf(const Record& r) const { return {r.incarnation, r.name, r.address, r.meta, r.versions}; }

Message Membership::AccusationOf(const Record& r) const {
  switch (r.state) {
    case NodeState::kSuspect:
      return Suspect{r.incarnation, r.name, self_.name};
    case NodeState::kLeft:
      return Dead{r.incarnation, r.name, r.name};
    case NodeState::kAlive:
    case NodeState::kDead:
      break;
  }
  return Dead{r.incarnation, r.name, self_.name};
}

void Membership::Emit(Outbox& out, Event::Kind kind, const Record& r, std::string detail) const {
  out.events.push_back({kind, r.name, r.address, r.incarnation, r.guest, std::move(detail)});
}

void Membership::Notice(Instant now, Event event, Outbox& out) {
  Instant& after = notice_after_[static_cast<size_t>(event.kind)];
  if (now >= after) {
    after = now + Duration::Seconds(1);
    out.events.push_back(std::move(event));
  }
}

Duration Membership::Stagger(Duration interval) {
  return Duration::Micros(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(interval.micros()))));
}

size_t Membership::LiveCount() const {
  size_t count = 0;
  for (size_t i = 0; i < table_.listed(); ++i) {
    count += !table_.At(i)->dead_or_left() && !table_.At(i)->guest ? size_t{1} : size_t{0};
  }
  return count;
}

void Membership::UpdateMeta(Instant now, std::string meta, Outbox& out) {
  AURORA_CHECK(meta.size() <= 512);
  if (const auto parsed = ParseMeta(meta); config_.node_meta && parsed) {
    config_.cluster_id = parsed->cluster_id;
  }
  self_.meta = meta;
  own_->meta = std::move(meta);
  if (leaving_ || own_->incarnation == UINT32_MAX) {
    return;
  }
  out.persist_incarnation = ++own_->incarnation;
  Broadcast(now, self_.name, AliveOf(*own_));
}

void Membership::Leave(Instant now, Outbox& out) {
  if (leaving_) {
    return;
  }
  leaving_ = true;
  own_->state = NodeState::kLeft;
  own_->changed = now;
  probe_.active = false;
  next_probe_ = next_push_pull_ = next_rejoin_ = Instant::Never();
  // Whose name is contested says nothing: the others would take it for a word of the rightful one.
  if (Aurora() && contested_ && now - *contested_ < kContestedFor) {
    left_told_ = true;
    Emit(out, Event::Kind::kLeft, *own_);
    return;
  }
  Broadcast(now, self_.name, Dead{own_->incarnation, self_.name, self_.name});
  next_gossip_ = now;
  TickGossip(now, out);
}

}  // namespace aurora::membership
