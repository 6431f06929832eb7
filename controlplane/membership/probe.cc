// The failure detector: ping, indirect pings and a TCP ping, and the pings we send for others (SWIM section 4.1,
// Lifeguard's nacks; memberlist probeNode).
#include <algorithm>
#include <utility>

#include "controlplane/membership/membership.h"
#include "controlplane/membership/pick.h"

namespace aurora::membership {

using gossipwire::Ack;
using gossipwire::IndirectPing;
using gossipwire::Nack;
using gossipwire::Ping;
using gossipwire::Suspect;

namespace {
constexpr uint8_t kSpeaksStreamPing = 3;  // protocol versions at which a peer learned to
constexpr uint8_t kSpeaksNack = 4;
// Loss alone makes TCP the only answer now and then (one probe in fourteen at 25 % of loss). So many in a row mean that
// UDP is blocked: of one node, or of any, for then it is our own, and in a big cluster nobody waits for three rounds.
constexpr int kTcpOnlyTold = 3;
}  // namespace

void Membership::TickProbe(Instant now, Outbox& out) {
  if (probe_.active) {
    if (!probe_.indirect && now >= probe_.timeout_at) {
      ProbeIndirectly(now, out);
    }
    if (probe_.active && now >= probe_.end_at) {
      const bool answered = probe_.stream_answered;
      if (answered) {
        NoteTcpOnly(out);
      }
      EndProbe(now, answered, out);
    }
  }
  if (!probe_.active && now >= next_probe_) {
    StartProbe(now, out);
  }
}

Record* Membership::NextTarget(Instant now) {
  while (!urgent_.empty()) {
    Record* record = table_.Find(urgent_.front());
    urgent_.erase(urgent_.begin());
    if (record != nullptr && record->state == NodeState::kSuspect) {
      return record;
    }
  }
  for (size_t tries = 0; tries <= table_.listed(); ++tries) {
    Record* record = table_.Next();
    if (record == nullptr) {
      std::vector<std::string> erased;
      table_.Wrap(now, config_.gossip_to_the_dead, Aurora(), config_.dead_memory, config_.left_memory, rng_, erased);
      for (const std::string& name : erased) {
        queue_.Erase(name);
      }
      record = table_.Next();
    }
    if (record != nullptr && record != own_ && !record->dead_or_left()) {
      return record;
    }
  }
  return nullptr;
}

void Membership::StartProbe(Instant now, Outbox& out) {
  const Duration period =
      Aurora() ? awareness_.Scale(config_.probe_period) : std::max(config_.probe_period, config_.probe_window);
  next_probe_ = std::max(next_probe_ + period, now);
  Record* target = NextTarget(now);
  if (target == nullptr) {
    return;
  }
  ++stats_.probes;
  probe_ = Probe{};
  probe_.active = true;
  probe_.target = target->name;
  probe_.sequence = ++sequence_;
  probe_.timeout_at = now + config_.probe_timeout;
  probe_.end_at = now + awareness_.Scale(config_.probe_window);
  Ping ping{probe_.sequence, target->name, self_.address, self_.name};
  if (target->state == NodeState::kSuspect) {
    // It must hear the accusation to answer it.
    out.datagrams.push_back(
        {target->address, {std::move(ping), Suspect{target->incarnation, target->name, self_.name}}});
  } else {
    Send(target->address, std::move(ping), out);
  }
}

void Membership::ProbeIndirectly(Instant now, Outbox& out) {
  (void)now;
  probe_.indirect = true;
  const Record* target = table_.Find(probe_.target);
  if (target == nullptr) {
    return;
  }
  Pick(config_.indirect_checks,
       [&](const Record& r) { return &r != own_ && &r != target && r.state == NodeState::kAlive; });
  for (const Record* helper : picked_) {
    const bool nack = helper->versions.protocol_max >= kSpeaksNack;
    probe_.nacks_expected += nack ? 1 : 0;
    Send(helper->address,
         IndirectPing{probe_.sequence, target->address, target->name, nack, self_.address, self_.name}, out);
  }
  if (config_.stream_ping && target->versions.protocol_max >= kSpeaksStreamPing) {
    probe_.stream_id = ++stream_id_;
    StreamRequest request;
    request.id = probe_.stream_id;
    request.kind = StreamRequest::Kind::kPing;
    request.to = target->address;
    request.ping = Ping{probe_.sequence, target->name, self_.address, self_.name};
    out.streams.push_back(std::move(request));
  }
}

void Membership::NoteTcpOnly(Outbox& out) {
  Record* target = table_.Find(probe_.target);
  if (target == nullptr) {
    return;
  }
  ++tcp_only_;
  ++target->tcp_only;
  if (std::max(tcp_only_, target->tcp_only) >= kTcpOnlyTold) {
    Emit(out, Event::Kind::kOneWayUdp, *target);
  }
}

void Membership::EndProbe(Instant now, bool answered, Outbox& out) {
  probe_.active = false;
  if (answered) {
    awareness_.Add(-1);
    return;
  }
  ++stats_.probes_failed;
  awareness_.Add(probe_.nacks_expected > 0 ? std::max(0, probe_.nacks_expected - probe_.nacks) : 1);
  const Record* target = table_.Find(probe_.target);
  if (target != nullptr && !target->dead_or_left()) {
    OnSuspect(now, self_.address, Suspect{target->incarnation, target->name, self_.name}, out);
  }
}

// --- answers ---------------------------------------------------------------------------------------------------------

void Membership::OnPing(const Address& from, const Ping& ping, Outbox& out) {
  if (!ping.node.empty() && !IsSelf(ping.node)) {
    return;  // meant for whoever had this address before
  }
  const bool has_source = !ping.source.ip.empty() && ping.source.port != 0;
  Send(has_source ? ping.source : from, Ack{ping.sequence, {}}, out);
}

void Membership::OnAck(Instant now, const Ack& ack, Outbox& out) {
  if (probe_.active && ack.sequence == probe_.sequence) {
    tcp_only_ = 0;
    if (Record* target = table_.Find(probe_.target)) {
      target->tcp_only = 0;
    }
    EndProbe(now, true, out);
    return;
  }
  auto relay = std::find_if(relays_.begin(), relays_.end(), [&](const Relay& r) { return r.sequence == ack.sequence; });
  if (relay != relays_.end()) {
    Send(relay->asker, Ack{relay->asked_sequence, {}}, out);
    relays_.erase(relay);
    return;
  }
  OnCheckAck(now, ack.sequence, out);
}

void Membership::OnNack(const Nack& nack) {
  if (probe_.active && probe_.indirect && nack.sequence == probe_.sequence && probe_.nacks < probe_.nacks_expected) {
    ++probe_.nacks;
  }
}

void Membership::OnIndirectPing(Instant now, const Address& from, const IndirectPing& ping, Outbox& out) {
  if (ping.target.empty() || relays_.size() >= config_.max_relays) {
    ++(ping.target.empty() ? stats_.dropped_invalid : stats_.dropped_full);
    return;
  }
  Relay relay;
  relay.sequence = ++sequence_;
  relay.asked_sequence = ping.sequence;
  relay.asker = ping.source.ip.empty() || ping.source.port == 0 ? from : ping.source;
  relay.wants_nack = ping.wants_nack;
  // memberlist waits the whole probe timeout, and its nack then always comes too late for a healthy asker (direct
  // timeout + relay timeout = the whole window). Ours comes a fifth earlier.
  relay.deadline = now + (Aurora() ? config_.probe_timeout * 4 / 5 : config_.probe_timeout);
  relays_.push_back(relay);
  Address target = ping.target;
  if (target.port == 0) {
    target.port = self_.address.port;
  }
  Send(target, Ping{relay.sequence, ping.node, self_.address, self_.name}, out);
}

void Membership::TickRelays(Instant now, Outbox& out) {
  while (!relays_.empty() && relays_.front().deadline <= now) {
    const Relay relay = std::move(relays_.front());
    relays_.erase(relays_.begin());
    if (relay.wants_nack) {
      Send(relay.asker, Nack{relay.asked_sequence}, out);
    }
  }
}

}  // namespace aurora::membership
