// I1 to I9 of docs/protocols/failover.md, each where it could break; I10 is judged in Calm().
#include <algorithm>
#include <functional>

#include "tests/sim/election/meddler.h"
#include "tests/sim/election/world.h"

namespace aurora::elecsim {

using election::Config;
using election::Envelope;
using election::Role;

void World::Need(bool ok, const char* invariant, const std::string& text) {
  if (!ok && failure_.empty()) {
    failure_ = std::string(invariant) + " at " + std::to_string(t_ / 1000) + " ms: " + text;
  }
}

// I3: nobody else admits, and no running loop elsewhere still holds a request it has checked.
void World::CheckOpening(Machine& m, Instant until, Term term) {
  (void)until;
  for (const auto& other : machines_) {
    if (other.get() == &m) {
      continue;
    }
    Need(!other->Open(t_), "I3", m.uid + " opens in term " + std::to_string(term) + " while " + other->uid + " admits");
    Need(!other->MayStillWrite(t_, check_to_write_), "I3",
         m.uid + " opens in term " + std::to_string(term) + " while a loop of " + other->uid + " may still write");
  }
}

// I4: by what was sent and acknowledged, not by what the core remembers.
void World::CheckLease(Machine& m, Instant until, Term term) {
  const Ledger& ledger = ledgers_[{m.uid, term}];
  const auto granted = [&](const Config& config) {
    std::vector<Instant> all;
    for (const Uid& uid : config.Voters()) {
      if (uid == m.uid) {
        all.push_back(election::Meddler::LastRenew(*m.core) + election::LeaseOf(m.timers.promise));
      } else if (const auto it = ledger.granted.find(uid); it != ledger.granted.end()) {
        all.push_back(it->second);
      }
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    return all.size() < config.Quorum() ? Instant() : all[config.Quorum() - 1];
  };
  if (m.Up()) {
    Need(until <= std::max(granted(m.config_before), granted(m.core->config())), "I4",
         m.uid + " opens for longer than a quorum granted");
  }
}

void World::CheckMessage(Machine& m, const Envelope& envelope) {
  const Term term = envelope.message.term;
  Term& announced = announced_[m.uid];
  Need(term >= announced, "I2", m.uid + " announces a lower term than before");
  announced = std::max(announced, term);
  const auto* vote_reply = std::get_if<election::VoteReply>(&envelope.message.body);
  const auto* pre_vote_reply = std::get_if<election::PreVoteReply>(&envelope.message.body);
  const bool vote = vote_reply != nullptr && vote_reply->granted;
  const bool grant = vote || (pre_vote_reply != nullptr && pre_vote_reply->granted) ||
                     std::holds_alternative<election::RenewAck>(envelope.message.body);
  Need(!grant || m.Local(t_) >= m.hold_until, "I6", m.uid + " grants while it holds off");
  if (vote) {
    Need(m.disk.term == term && m.disk.voted_for == envelope.to, "I5", m.uid + " tells a vote that is not on its disk");
    const Uid& first = votes_.try_emplace({m.uid, term}, envelope.to).first->second;
    Need(first == envelope.to, "I5", m.uid + " votes twice in term " + std::to_string(term));
    const auto asked = asked_with_.find({envelope.to, term});
    Need(asked != asked_with_.end() && asked->second >= m.core->config().id, "I7",
         m.uid + " votes for a candidate with an older config");
  }
  if (const auto* ask = std::get_if<election::Vote>(&envelope.message.body)) {
    asked_with_[{m.uid, term}] = ask->config;
    Need(m.disk.term == term && m.disk.voted_for == m.uid, "I5", m.uid + " campaigns before its own vote is on disk");
  }
  if (std::holds_alternative<election::LeaseRelease>(envelope.message.body)) {
    released_.insert(term);
  }
  if (std::holds_alternative<election::Renew>(envelope.message.body)) {
    Need(!released_.contains(term) && !closed_.contains(term), "I8",
         m.uid + " renews term " + std::to_string(term) + " after its close");
  }
}

void World::CheckDisk(Machine& m, const Durable& before) {
  Need(m.disk.term >= before.term && m.disk.config.id >= before.config.id, "I2", m.uid + " writes an older state");
  const auto [it, fresh] = configs_.try_emplace(m.disk.config.id, m.disk.config);
  Need(it->second == m.disk.config, "I7", "two configs have one number");
  held_[m.disk.config.id].insert(m.uid);
  CheckInForce();
}

// Configs that quorums of their own voters hold at one time: any quorum of the one meets any quorum of the other. That
// is what the rules about changes are for; a leader that was replaced and does not know it may still make one.
void World::CheckInForce() {
  std::vector<const Config*> in_force;
  for (const auto& machine : machines_) {
    const Config& config = machine->disk.config;
    size_t holders = 0;
    for (const Uid& uid : config.Voters()) {
      const Machine* voter = ByUid(uid);
      holders += voter != nullptr && voter->disk.config.id == config.id ? 1U : 0U;
    }
    if (!config.slots.empty() && holders >= config.Quorum()) {
      in_force.push_back(&config);
    }
  }
  for (const Config* a : in_force) {
    for (const Config* b : in_force) {
      const auto both = a->Voters();
      const auto shared = static_cast<size_t>(
          std::count_if(both.begin(), both.end(), [&](const Uid& uid) { return b->Votes(uid); }));
      Need(a->Quorum() + b->Quorum() > a->VoterCount() + b->VoterCount() - shared, "I7",
           "two configs are in force whose quorums need not meet");
    }
  }
}

void World::CheckStep(Machine& m, const Config& before) {
  const Role role = m.core->role();
  const Term term = m.core->term();
  if (role == Role::kLeader) {
    const Uid& leader = leaders_.try_emplace(term, m.uid).first->second;
    Need(leader == m.uid, "I1", leader + " and " + m.uid + " lead term " + std::to_string(term));
  }
  if (m.core->config().id == before.id) {
    return;
  }
  if (role == Role::kLeader) {
    CheckChange(m, before);
    taken_[{m.uid, m.core->config().id}] = m.Local(t_);
  }
  Need(m.core->config().id > before.id, "I2", m.uid + " takes an older config");
}

// I7: one member at a time; from a config of its own term, that a quorum has held (its acknowledgements may be old: it
// cannot know of a newer leader), and after the largest promise.
void World::CheckChange(Machine& m, const Config& before) {
  const Config& after = m.core->config();
  const size_t difference = election::VoterDifference(before, after);
  Need(difference <= 1, "I7", m.uid + " changes two voters at once");
  if (difference == 0) {
    return;
  }
  ++tally_.config_changes;
  Need(before.id.term == m.core->term(), "I7", m.uid + " changes a config of another term");
  size_t holders = 0;
  for (const Uid& uid : before.Voters()) {
    holders += held_[before.id].contains(uid) ? 1U : 0U;
  }
  Need(holders >= before.Quorum(), "I7", m.uid + " changes a config that no quorum has held");
  const auto taken = taken_.find({m.uid, before.id});
  Need(mutant_ == Mutant::kNoConfigQuorum ||
           (taken != taken_.end() && m.Local(t_) - taken->second >= election::kLargestPromise),
       "I7",
       m.uid + " changes a config that leases of an older one may outlive");
}

// The page of an earlier boot must not open the gate before the control plane of this boot has cleared it.
void World::CheckReboot(const Machine& m, int64_t from, int64_t to) {
  for (int64_t t = from; t <= to; t += 10'000) {
    if (m.Open(t)) {
      Need(false, "I3", m.uid + " admits by a page of an earlier boot");
      return;
    }
  }
}

// Of the newest config anyone has on disk.
bool World::MajorityExists() const {
  const Machine* newest = machines_[0].get();
  for (const auto& m : machines_) {
    if (m->disk.config.id > newest->disk.config.id) {
      newest = m.get();
    }
  }
  const Config& config = newest->disk.config;
  size_t there = 0;
  for (const auto& m : machines_) {
    there += config.Votes(m->uid) ? 1U : 0U;
  }
  return config.VoterCount() > 0 && there >= config.Quorum();
}

std::string World::Describe() const {
  std::string text;
  for (const auto& m : machines_) {
    text += "  " + m->uid + (m->kind == election::Kind::kWitness ? " witness" : "") +
            (m->Open(t_) ? " open" : " closed") + (m->dp_up ? "" : " data plane down") +
            (m->dp_frozen ? " data plane frozen" : "") + (m->writing ? " writing" : "");
    const Durable& disk = m->disk;
    text += "; disk term " + std::to_string(disk.term) + " vote " + disk.voted_for + " config " +
            std::to_string(disk.config.id.term) + "." + std::to_string(disk.config.id.version);
    for (const election::Slot& slot : disk.config.slots) {
      text += " " + slot.node_id + "=" + (slot.uid.empty() ? "vacant" : slot.uid) + (slot.leaving ? " leaving" : "");
    }
    if (m->Up()) {
      text += "; " + std::string(election::Name(m->core->role())) + " of term " + std::to_string(m->core->term()) +
              " disk " + (m->core->DiskOk(m->Local(t_)) ? "ok" : "bad") + (m->frozen ? " frozen" : "") + " " +
              m->core->Warning(m->Local(t_));
    }
    text += "\n";
  }
  return text;
}

bool World::SomeoneOpen() const {
  return std::any_of(machines_.begin(), machines_.end(), [&](const auto& m) { return m->Open(t_); });
}

}  // namespace aurora::elecsim
