// A known name speaks from a new address: a restarted pod, or two nodes of one name. Ours (memberlist calls both a
// conflict until the old record has died and been forgotten). The old address is asked for that name; only its owner
// answers. Silence frees the name; an answer is a conflict, and the question rests a while.
#include <algorithm>
#include <utility>

#include "controlplane/membership/membership.h"

namespace aurora::membership {

namespace {
constexpr int64_t kPings = 3;
constexpr Duration kRefusedFor = Duration::Seconds(30);
}  // namespace

void Membership::StartCheck(Instant now, const Record& record, const gossipwire::Alive& claim, Outbox& out) {
  auto same = std::find_if(checks_.begin(), checks_.end(), [&](const AddressCheck& c) {
    return c.claim.node == claim.node && c.claim.address == claim.address;
  });
  if (same != checks_.end()) {
    if (!same->refused && claim.incarnation > same->claim.incarnation) {
      same->claim = claim;
    }
    return;
  }
  if (checks_.size() >= config_.max_checks) {
    ++stats_.dropped_full;
    return;
  }
  AddressCheck check;
  check.claim = claim;
  check.old_address = record.address;
  check.sequence = ++sequence_;
  check.next_ping = now;
  check.deadline = now + config_.address_check;
  checks_.push_back(std::move(check));
  check_due_ = now;
  // Others ask for themselves: pass the claim on now rather than one check later at every hop. An older claim may be no
  // more than an echo of the address before.
  if (claim.incarnation > record.incarnation) {
    Broadcast(now, claim.node, claim);
  }
  TickChecks(now, out);
}

bool Membership::OnCheckAck(Instant now, uint32_t sequence, Outbox& out) {
  auto check = std::find_if(checks_.begin(), checks_.end(),
                            [&](const AddressCheck& c) { return !c.refused && c.sequence == sequence; });
  if (check == checks_.end()) {
    return false;
  }
  check->refused = true;
  check->deadline = now + kRefusedFor;
  const Record* record = table_.Find(check->claim.node);
  if (record == nullptr || record->incarnation >= check->claim.incarnation) {
    return true;
  }
  out.events.push_back({Event::Kind::kConflict, check->claim.node, check->claim.address, check->claim.incarnation,
                        false, "the old address answers"});
  if (record->state == NodeState::kAlive) {
    Broadcast(now, record->name, AliveOf(*record));  // in place of the claim passed on
  }
  return true;
}

void Membership::TickChecks(Instant now, Outbox& out) {
  if (now < check_due_) {
    return;
  }
  std::vector<AddressCheck> done;
  check_due_ = Instant::Never();
  for (auto it = checks_.begin(); it != checks_.end();) {
    if (it->deadline <= now) {
      done.push_back(std::move(*it));
      it = checks_.erase(it);
      continue;
    }
    if (!it->refused && it->next_ping <= now) {
      Send(it->old_address, gossipwire::Ping{it->sequence, it->claim.node, self_.address, self_.name}, out);
      it->next_ping = now + config_.address_check / kPings;
    }
    check_due_ = std::min(check_due_, it->refused ? it->deadline : std::min(it->deadline, it->next_ping));
    ++it;
  }
  for (const AddressCheck& check : done) {
    Record* record = table_.Find(check.claim.node);
    if (check.refused || record == nullptr || record->address != check.old_address) {
      continue;
    }
    record->address_free = true;
    OnAlive(now, check.claim.address, check.claim, out);
  }
}

}  // namespace aurora::membership
