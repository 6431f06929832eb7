#include "tests/sim/election/world.h"

#include <algorithm>

#include "tests/sim/election/meddler.h"

namespace aurora::elecsim {

using election::Envelope;
using election::Message;
using election::Outbox;

void World::At(int64_t t, std::function<void()> run) { queue_.push({std::max(t, t_), seq_++, std::move(run)}); }

int64_t World::Between(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(std::max<int64_t>(high - low, 0)) + 1));
}

void World::RunUntil(int64_t t) {
  while (failure_.empty() && !queue_.empty() && queue_.top().t <= t) {
    // The top is const only to keep the order; it is popped right away.
    Event event = std::move(const_cast<Event&>(queue_.top()));
    queue_.pop();
    t_ = event.t;
    ++tally_.events;
    event.run();
  }
  t_ = std::max(t_, t);
}

Machine* World::ByUid(const Uid& uid) {
  for (auto& m : machines_) {
    if (m->uid == uid) {
      return m.get();
    }
  }
  return nullptr;
}

Machine* World::Leader() {
  for (auto& m : machines_) {
    if (m->Up() && m->Open(t_)) {
      return m.get();
    }
  }
  return nullptr;
}

void World::Call(Machine& m, const std::function<void(Election&, Instant, Outbox&)>& f) {
  if (!m.Up()) {
    return;
  }
  if (m.frozen) {
    m.held.push_back([this, &m, f] { Call(m, f); });
    return;
  }
  const Instant now = m.Local(t_);
  Outbox out;
  m.config_before = m.core->config();
  const election::Promise promise = m.core->promise();
  MeddleBefore(m, now);
  f(*m.core, now, out);
  MeddleAfter(m, now, promise, out);
  CheckStep(m, m.config_before);
  if (!plain_ && !calm_ && rng_.OneIn(500)) {
    // Stopped between the step and what it wants done, or half-way through that.
    if (out.gate && Chance(50)) {
      Outbox first;
      first.gate = out.gate;
      out.gate.reset();
      Carry(m, first);
    }
    Freeze(m, Between(1'000, 2'000'000));
    m.held.push_front([this, &m, out]() mutable { Carry(m, out); });
    return;
  }
  Carry(m, out);
  if (m.Up() && !m.frozen) {
    Need(!m.core->Active(m.Local(t_)) || m.Open(t_), "I9", m.uid + " says active and its word does not admit");
  }
  Wake(m);
}

void World::Wake(Machine& m) {
  if (!m.Up() || m.frozen) {
    return;
  }
  const Instant next = m.core->NextDeadline();
  if (next == Instant::Never()) {
    return;
  }
  int64_t t = std::max(t_, m.TrueOf(next));
  t += plain_ ? Between(0, 200) : rng_.OneIn(50) ? Between(0, 30'000) : Between(0, 2'000);
  if (m.wake_at >= t_ && m.wake_at <= t) {
    return;
  }
  m.wake_at = t;
  const uint64_t token = ++m.wake;
  At(t, [this, &m, token] {
    if (m.wake == token) {
      m.wake_at = -1;
      Call(m, [](Election& e, Instant now, Outbox& out) { e.Tick(now, out); });
    }
  });
}

void World::Carry(Machine& m, Outbox& out) {
  const bool lost = (mutant_ == Mutant::kCloseIgnored && out.close) || mutant_ == Mutant::kWordLost;
  if (out.gate && !lost) {
    const Instant old = m.word;
    const Term term = m.word_term;
    WriteWord(m, out.gate->until, out.gate->term);
    if (mutant_ == Mutant::kReopens && out.close && old != Instant()) {
      At(t_ + 60'000, [this, &m, old, term] { WriteWord(m, old, term); });
    }
  }
  if (out.close) {
    Close(m, *out.close);
  }
  if (out.persist) {
    m.wanted = out.persist;
    StartWrite(m);
  }
  for (Envelope& envelope : out.messages) {
    Post(m, std::move(envelope));
  }
  for (const election::Event& event : out.events) {
    using Kind = election::Event::Kind;
    tally_.elections += event.kind == Kind::kElected ? 1U : 0U;
    tally_.openings += event.kind == Kind::kActive ? 1U : 0U;
    tally_.releases += event.kind == Kind::kReleased ? 1U : 0U;
    tally_.unreleased += event.kind == Kind::kNotReleased ? 1U : 0U;
    Need(event.kind != Kind::kTwoLeaders, "I1", m.uid + " hears two leaders in term " + std::to_string(event.term));
  }
  if (mutant_ == Mutant::kNotDurable && out.persist) {
    const uint64_t version = out.persist->version;
    Call(m, [version](Election& e, Instant now, Outbox& o) { e.OnPersisted(now, version, o); });
  }
}

void World::WriteWord(Machine& m, Instant until, Term term) {
  m.admit_end = m.Open(t_) ? t_ : m.AdmitEnd(t_);
  if (until == Instant()) {
    if (m.word != Instant()) {
      closed_.insert(m.word_term);
    }
  } else {
    Need(!released_.contains(term) && !closed_.contains(term), "I8",
         m.uid + " opens term " + std::to_string(term) + " again");
    CheckLease(m, until, term);
  }
  m.word = until;
  m.word_term = term;
  m.page_boot = m.boot;
  if (m.Open(t_)) {
    CheckOpening(m, until, term);
  }
}

void World::Close(Machine& m, uint64_t close) {
  m.close = close;
  if (mutant_ == Mutant::kUnackedRelease) {
    m.close = 0;
    Call(m, [close](Election& e, Instant now, Outbox& out) { e.OnGateClosed(now, close, out); });
    return;
  }
  AcknowledgeSoon(m);
}

// The loops copy the number between two callbacks; a free lock is polled; who is frozen does neither.
void World::AcknowledgeSoon(Machine& m) {
  if (m.close == 0 || m.dp_frozen) {
    return;
  }
  const int64_t after = plain_ ? Between(100, 500) : m.dp_up ? Between(100, 24'000) : Between(1'000, 20'000);
  At(t_ + after, [this, &m, start = m.start, close = m.close] { Acknowledge(m, start, close); });
}

void World::Acknowledge(Machine& m, uint64_t start, uint64_t close) {
  if (m.start != start || m.close != close || m.dp_frozen) {
    return;
  }
  m.close = 0;
  m.dp_clear_since = t_;
  Call(m, [close](Election& e, Instant now, Outbox& out) { e.OnGateClosed(now, close, out); });
}

void World::StartWrite(Machine& m) {
  if (m.writing || !m.wanted) {
    return;
  }
  m.writing = std::exchange(m.wanted, std::nullopt);
  const int64_t took = how_.fsyncs_us.empty() ? Between(m.fsync_low, m.fsync_high)
                                              : how_.fsyncs_us[rng_.Below(how_.fsyncs_us.size())];
  At(t_ + took, [this, &m, start = m.start] { EndWrite(m, start); });
}

void World::EndWrite(Machine& m, uint64_t start) {
  if (m.start != start || !m.writing) {
    return;
  }
  const election::Persist write = *std::exchange(m.writing, std::nullopt);
  const bool fails = m.write_errors && Chance(50);
  if (!fails || Chance(50)) {
    const Durable before = std::exchange(m.disk, write.state);
    CheckDisk(m, before);
  }
  Call(m, [version = write.version, fails](Election& e, Instant now, Outbox& out) {
    if (fails) {
      e.OnPersistFailed(now, version, out);
    } else {
      e.OnPersisted(now, version, out);
    }
  });
  StartWrite(m);
}

void World::Post(Machine& m, Envelope envelope) {
  CheckMessage(m, envelope);
  const Machine* to = ByUid(envelope.to);
  if (to == nullptr || cut_.contains({m.index, to->index})) {
    return;
  }
  const int copies = rng_.Below(1000) < static_cast<uint64_t>(duplicates_) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (rng_.Below(1000) < static_cast<uint64_t>(loss_)) {
      continue;
    }
    const bool straggler = i > 0 && std::holds_alternative<election::LeaseRelease>(envelope.message.body);
    At(t_ + (straggler ? Between(0, 3'000'000) : Between(delay_low_, delay_high_)),
       [this, from = m.index, uid = m.uid, to_uid = envelope.to, message = envelope.message] {
         Deliver(from, uid, to_uid, message);
       });
  }
}

void World::Deliver(int from, const Uid& from_uid, const Uid& to, Message message) {
  Machine* m = ByUid(to);
  if (m == nullptr || !m->Up() || cut_.contains({from, m->index})) {
    return;
  }
  if (mutant_ == Mutant::kNoPreVote && std::holds_alternative<election::PreVote>(message.body)) {
    return;
  }
  if (const auto* ack = std::get_if<election::RenewAck>(&message.body)) {
    const Duration promised = std::min(m->timers.promise, ack->promise);
    Instant& granted = ledgers_[{to, message.term}].granted[from_uid];
    granted = std::max(granted, ack->sent_at + election::LeaseOf(promised));
  }
  Mutate(*m, message);
  Call(*m, [from_uid, message](Election& e, Instant now, Outbox& out) { e.Receive(now, from_uid, message, out); });
}

// --- mutants ---

void World::Mutate(Machine& m, Message& message) {
  if (auto* ack = std::get_if<election::RenewAck>(&message.body)) {
    if (mutant_ == Mutant::kReceiveTime) {
      ack->sent_at = election::Meddler::LastRenew(*m.core);
    }
    if (mutant_ == Mutant::kOwnLease) {
      ack->promise = m.timers.promise;
    }
  }
  auto* reply = std::get_if<election::VoteReply>(&message.body);
  if (reply != nullptr && mutant_ == Mutant::kNoBarrier) {
    reply->promise_remaining = Duration();
  }
  if (auto* vote = std::get_if<election::Vote>(&message.body); vote != nullptr && mutant_ == Mutant::kOldConfig) {
    vote->config = std::max(vote->config, m.core->config().id);
  }
  if (auto* ask = std::get_if<election::PreVote>(&message.body); ask != nullptr && mutant_ == Mutant::kOldConfig) {
    ask->config = std::max(ask->config, m.core->config().id);
  }
  if (std::holds_alternative<election::LeaseRelease>(message.body) && mutant_ == Mutant::kAnyRelease) {
    election::Meddler::SetPromise(*m.core, {});
  }
}

void World::MeddleBefore(Machine& m, Instant now) {
  if (mutant_ == Mutant::kNoStabilise) {
    election::Meddler::ForgetWhenConfigTaken(*m.core, now);
  }
  if (mutant_ == Mutant::kNoConfigQuorum) {
    election::Meddler::ForgetWhenConfigTaken(*m.core, now);
    election::Meddler::BelieveConfig(*m.core);
  }
}

void World::MeddleAfter(Machine& m, Instant now, const election::Promise& before, Outbox& out) {
  using election::Meddler;
  const election::Promise after = m.core->promise();
  const Duration slack = m.timers.promise - election::LeaseOf(m.timers.promise);
  const bool zeroed = out.gate && out.gate->until == Instant() && m.word != Instant();
  switch (mutant_) {
    case Mutant::kNoBarrier:
      Meddler::NoBarrier(*m.core);
      break;
    case Mutant::kShortPromise:
      if (after.until > before.until) {
        Meddler::SetPromise(*m.core, {now + m.timers.promise / 2, after.term});
      }
      break;
    case Mutant::kNoSelfPromise:
      if (zeroed && after.until == m.word + slack) {
        Meddler::SetPromise(*m.core, before);
      }
      break;
    case Mutant::kBareSelfPromise:
      if (zeroed && after.until == m.word + slack) {
        Meddler::SetPromise(*m.core, {std::max(before.until, m.word), after.term});
      }
      break;
    case Mutant::kWaitReleases:
      Meddler::ReleaseEarly(*m.core, now, out);
      break;
    case Mutant::kSwap:
      Meddler::Swap(*m.core, now, out);
      break;
    case Mutant::kNoStamp:
      Meddler::ChangeUnstamped(*m.core, now);
      break;
    default:
      break;
  }
}

}  // namespace aurora::elecsim
