#include "controlplane/roster/founding.h"

#include <algorithm>
#include <utility>

#include "shared/base/check.h"

namespace aurora::roster {
namespace {

constexpr size_t kIdTextMax = 64;

bool IsShort(std::string_view text) { return !text.empty() && text.size() <= kIdTextMax; }

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

const Founder* FindUid(const Proposal& proposal, std::string_view uid) {
  const auto at = std::find_if(proposal.founders.begin(), proposal.founders.end(),
                               [&](const Founder& f) { return f.uid == uid; });
  return at == proposal.founders.end() ? nullptr : &*at;
}

std::set<std::string_view> NodeIds(const Proposal& proposal) {
  std::set<std::string_view> ids;
  for (const Founder& f : proposal.founders) {
    ids.insert(f.node_id);
  }
  return ids;
}

}  // namespace

bool WellFormed(const Proposal& proposal) {
  if (!IsShort(proposal.cluster_id) || proposal.round == 0 || proposal.round > kRoundMax ||
      proposal.founders.empty() || proposal.founders.size() > kFoundersMax) {
    return false;
  }
  std::set<std::string_view> uids;
  for (const Founder& f : proposal.founders) {
    if (!IsShort(f.uid) || f.node_id.empty() || f.node_id.size() > 255 || !uids.insert(f.uid).second) {
      return false;
    }
  }
  return NodeIds(proposal).size() == proposal.founders.size();
}

bool Higher(const Proposal& a, const Proposal& b) {
  if (a.round != b.round) {
    return a.round > b.round;
  }
  const Founder& x = a.founders.front();
  const Founder& y = b.founders.front();
  return x.node_id != y.node_id ? x.node_id < y.node_id : x.uid < y.uid;
}

bool SameNodes(const Proposal& a, const Proposal& b) { return NodeIds(a) == NodeIds(b); }

Founding::Founding(Instant now, FoundingConfig config, FoundingRecord durable, uint64_t seed)
    : config_(std::move(config)),
      rng_(seed),
      durable_(std::move(durable)),
      candidates_since_(now),
      started_(now),
      retry_at_(now) {
  if (durable_.proposal.has_value() && !WellFormed(*durable_.proposal)) {
    durable_.proposal.reset();
  }
  Watch(now);
}

void Founding::OnPeer(Instant now, const FoundingPeer& peer) {
  const auto known = peers_.find(peer.node_id);
  if (peer.uid == config_.uid || peer.node_id == config_.node_id ||
      (known == peers_.end() && peers_.size() >= config_.peers_max)) {
    return;
  }
  FoundingPeer& stored = peers_[peer.node_id] = peer;
  if (stored.proposal.has_value() && !WellFormed(*stored.proposal)) {
    stored.proposal.reset();
  }
  NoteAnnouncement(stored);
  Watch(now);
}

void Founding::OnPeerGone(Instant now, std::string_view uid) {
  std::erase_if(peers_, [&](const auto& entry) { return entry.second.uid == uid; });
  Watch(now);
}

// Kept although the peer may go: that it had the proposal on disk stays true.
void Founding::NoteAnnouncement(const FoundingPeer& peer) {
  if (durable_.proposal.has_value() && peer.proposal.has_value() &&
      peer.proposal->cluster_id == durable_.proposal->cluster_id) {
    announced_.insert(peer.uid);
  }
}

// The coordinator had it on disk before anyone could hear of it.
bool Founding::Complete() const {
  const Proposal& mine = *durable_.proposal;
  return std::all_of(mine.founders.begin(), mine.founders.end(), [&](const Founder& f) {
    return f.uid == config_.uid || f.uid == mine.founders.front().uid || announced_.contains(f.uid);
  });
}

// A founder holds a higher one: it has never held this one and never will, or left it knowing it dead.
bool Founding::Dead(const Proposal& proposal) const {
  return std::any_of(proposal.founders.begin(), proposal.founders.end(), [&](const Founder& f) {
    const auto peer = peers_.find(f.node_id);
    return peer != peers_.end() && peer->second.uid == f.uid && peer->second.proposal.has_value() &&
           Higher(*peer->second.proposal, proposal);
  });
}

const FoundingPeer* Founding::Initialised() const {
  for (const auto& [id, peer] : peers_) {
    if (!peer.cluster_id.empty()) {
      return &peer;
    }
  }
  return nullptr;
}

// The highest proposal that includes us and that we may hold now, from its coordinator's own mouth: what others pass on
// may be older than what its coordinator holds.
const Proposal* Founding::Offered() const {
  const Proposal* best = nullptr;
  for (const auto& [id, peer] : peers_) {
    if (!peer.proposal.has_value()) {
      continue;
    }
    const Proposal& offer = *peer.proposal;
    const Founder* me = FindUid(offer, config_.uid);
    if (offer.founders.front().uid != peer.uid || me == nullptr || me->node_id != config_.node_id) {
      continue;
    }
    const bool free = !durable_.proposal.has_value();
    if (free ? offer.founders.size() != config_.expect
             : !Higher(offer, *durable_.proposal) ||
                   !(SameNodes(offer, *durable_.proposal) || Dead(*durable_.proposal))) {
      continue;
    }
    if (best == nullptr || Higher(offer, *best)) {
      best = &offer;
    }
  }
  return best;
}

// Our own proposal names a life that is over, or a founder still holds one of a former life of ours.
bool Founding::MustRenew() const {
  const Proposal& mine = *durable_.proposal;
  if (mine.founders.front().uid != config_.uid) {
    return false;
  }
  return std::any_of(mine.founders.begin(), mine.founders.end(), [&](const Founder& f) {
    const auto peer = peers_.find(f.node_id);
    if (peer == peers_.end()) {
      return false;
    }
    const std::optional<Proposal>& theirs = peer->second.proposal;
    return peer->second.uid != f.uid ||
           (theirs.has_value() && theirs->founders.front().node_id == config_.node_id &&
            theirs->founders.front().uid != config_.uid && !Higher(mine, *theirs));
  });
}

// The highest proposal that someone holds from an earlier life of this node: it has to be replaced by us.
const Proposal* Founding::FormerLife() const {
  const Proposal* best = nullptr;
  for (const auto& [id, peer] : peers_) {
    if (peer.cluster_id.empty() && peer.proposal.has_value() &&
        peer.proposal->founders.front().node_id == config_.node_id &&
        peer.proposal->founders.front().uid != config_.uid &&
        (best == nullptr || Higher(*peer.proposal, *best))) {
      best = &*peer.proposal;
    }
  }
  return best;
}

// This node and every fresh one with the same expectation and without a proposal, by node id.
std::vector<Founder> Founding::Candidates() const {
  std::vector<Founder> out;
  if (config_.expect == 0 || !fresh()) {
    return out;
  }
  out.push_back({config_.uid, config_.node_id});
  for (const auto& [id, peer] : peers_) {
    if (peer.cluster_id.empty() && peer.expect == config_.expect && !peer.proposal.has_value()) {
      out.push_back({peer.uid, peer.node_id});
    }
  }
  std::sort(out.begin(), out.end(), [](const Founder& a, const Founder& b) { return a.node_id < b.node_id; });
  return out;
}

bool Founding::MutuallyVisible(const std::vector<Founder>& founders) const {
  return std::all_of(founders.begin(), founders.end(), [&](const Founder& viewer) {
    if (viewer.uid == config_.uid) {
      return true;
    }
    const auto peer = peers_.find(viewer.node_id);
    return peer != peers_.end() &&
           std::all_of(founders.begin(), founders.end(), [&](const Founder& f) {
             return f.uid == viewer.uid || Contains(peer->second.sees, f.uid);
           });
  });
}

// The same nodes as they live now, ourselves as coordinator; nothing while one of them is away or initialised.
std::optional<std::vector<Founder>> Founding::Reassembled(const Proposal& former) const {
  std::vector<Founder> out{{config_.uid, config_.node_id}};
  for (const Founder& f : former.founders) {
    if (f.node_id == config_.node_id) {
      continue;
    }
    const auto peer = peers_.find(f.node_id);
    if (peer == peers_.end() || !peer->second.cluster_id.empty()) {
      return std::nullopt;
    }
    out.push_back({peer->second.uid, peer->second.node_id});
  }
  return out;
}

void Founding::Watch(Instant now) {
  std::vector<Founder> candidates = Candidates();
  if (candidates != candidates_) {
    candidates_ = std::move(candidates);
    candidates_since_ = now;
  }
}

std::string Founding::RandomId() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id(32, '0');
  for (char& c : id) {
    c = kDigits[rng_.Below(16)];
  }
  return id;
}

FoundingRecord Founding::Propose(std::vector<Founder> founders) {
  uint64_t round = durable_.proposal.has_value() ? durable_.proposal->round : 0;
  for (const auto& [id, peer] : peers_) {
    if (peer.proposal.has_value()) {
      round = std::max(round, peer.proposal->round);
    }
  }
  FoundingRecord record;
  record.proposal = Proposal{RandomId(), std::min(round + 1, kRoundMax), std::move(founders)};
  pending_outcome_ = Outcome::kProposed;
  return record;
}

std::optional<FoundingRecord> Founding::Decide(Instant now) {
  if (const FoundingPeer* peer = Initialised()) {
    joining_ = peer->node_id;
    pending_outcome_ = Outcome::kJoined;
    // Another founder was first to see that all hold it.
    const bool founder = durable_.proposal.has_value() && durable_.proposal->cluster_id == peer->cluster_id;
    return FoundingRecord{peer->cluster_id, std::nullopt,
                          founder ? durable_.proposal->founders : std::vector<Founder>()};
  }
  if (durable_.proposal.has_value() && Complete()) {
    pending_outcome_ = Outcome::kFounded;
    return FoundingRecord{durable_.proposal->cluster_id, std::nullopt, durable_.proposal->founders};
  }
  if (const Proposal* offer = Offered()) {
    pending_outcome_ = Outcome::kAccepted;
    return FoundingRecord{"", *offer, {}};
  }
  if (durable_.proposal.has_value()) {
    if (!MustRenew()) {
      return std::nullopt;
    }
    auto founders = Reassembled(*durable_.proposal);
    return founders.has_value() ? std::optional(Propose(*std::move(founders))) : std::nullopt;
  }
  return config_.expect > 0 ? DecideProposal(now) : DecideAlone(now);
}

std::optional<FoundingRecord> Founding::DecideProposal(Instant now) {
  if (const Proposal* former = FormerLife()) {
    auto founders = Reassembled(*former);
    return founders.has_value() ? std::optional(Propose(*std::move(founders))) : std::nullopt;
  }
  if (candidates_.size() < config_.expect || config_.expect > kFoundersMax ||
      candidates_.front().uid != config_.uid || now < SettledAt()) {
    return std::nullopt;
  }
  std::vector<Founder> founders(candidates_.begin(), candidates_.begin() + config_.expect);
  return MutuallyVisible(founders) ? std::optional(Propose(std::move(founders))) : std::nullopt;
}

void Founding::OnInitialisedSeen(Instant now, std::string why) {
  seen_at_ = now;
  seen_why_ = std::move(why);
}

Instant Founding::SettledAt() const {
  Instant at = std::max(candidates_since_ + config_.settle, seen_at_ + config_.alone_after);
  // One founder is a majority of itself: what else there is must have had the time to show.
  return config_.expect == 1 && !seed_.entry.empty() ? std::max(at, AloneAt()) : at;
}

bool Founding::AloneBlocked() const {
  return std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) {
    return entry.second.expect > 0 || entry.second.proposal.has_value();
  });
}

std::optional<FoundingRecord> Founding::DecideAlone(Instant now) {
  if (seed_.addresses != 1 || !seed_.mine || AloneBlocked() || now < AloneAt()) {
    return std::nullopt;
  }
  pending_outcome_ = Outcome::kFounded;
  return FoundingRecord{RandomId(), std::nullopt, {Founder{config_.uid, config_.node_id}}};
}

std::optional<FoundingRecord> Founding::Step(Instant now) {
  if (pending_.has_value() || !fresh() || now < retry_at_) {
    return std::nullopt;
  }
  pending_ = Decide(now);
  if (!pending_.has_value()) {
    persist_failed_ = false;
  }
  return pending_;
}

Founding::Outcome Founding::OnPersisted(Instant now, bool ok) {
  AURORA_CHECK(pending_.has_value());
  FoundingRecord record = *std::move(pending_);
  pending_.reset();
  persist_failed_ = !ok;
  if (!ok) {
    retry_at_ = now + config_.persist_retry;
    return Outcome::kNone;
  }
  durable_ = std::move(record);
  announced_.clear();
  for (const auto& [id, peer] : peers_) {
    NoteAnnouncement(peer);
  }
  if (pending_outcome_ == Outcome::kJoined) {
    joined_through_ = joining_;
  }
  Watch(now);
  return pending_outcome_;
}

Instant Founding::NextDeadline() const {
  if (!fresh() || pending_.has_value()) {
    return Instant::Never();
  }
  if (persist_failed_) {
    return retry_at_;
  }
  if (durable_.proposal.has_value()) {
    return Instant::Never();
  }
  if (config_.expect == 0) {
    return seed_.mine && seed_.addresses == 1 && !AloneBlocked() ? AloneAt() : Instant::Never();
  }
  if (candidates_.size() < config_.expect || config_.expect > kFoundersMax ||
      candidates_.front().uid != config_.uid || FormerLife() != nullptr ||
      !MutuallyVisible({candidates_.begin(), candidates_.begin() + config_.expect})) {
    return Instant::Never();  // what changes this comes through OnPeer
  }
  return SettledAt();
}

}  // namespace aurora::roster
