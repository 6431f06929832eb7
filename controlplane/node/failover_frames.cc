#include "controlplane/node/failover_frames.h"

#include <algorithm>
#include <utility>

namespace aurora::node {
namespace {

using election::ConfigId;

constexpr size_t kTextMax = 128;
constexpr int kOrderMax = 64;
// No promise is longer than kLargestPromise; what a peer says is never negative.
constexpr int64_t kPromiseMaxUs = 60'000'000;

v1::ElectionConfigId ToProto(const ConfigId& id) {
  v1::ElectionConfigId out;
  out.set_term(id.term);
  out.set_version(id.version);
  return out;
}

v1::ElectionRank ToProto(const election::Rank& rank) {
  v1::ElectionRank out;
  out.set_priority(rank.priority);
  out.set_penalty(rank.penalty);
  out.set_preferred_zone(rank.preferred_zone);
  out.set_uid(rank.uid);
  return out;
}

// Fills in the frame's body.
struct Encode {
  v1::ElectionFrame& out;

  void operator()(const election::Renew& m) const {
    v1::Renew* to = out.mutable_renew();
    to->set_sent_at_us(m.sent_at.micros());
    to->set_active(m.active);
    to->mutable_order()->Assign(m.order.begin(), m.order.end());
  }
  void operator()(const election::RenewAck& m) const {
    v1::RenewAck* to = out.mutable_renew_ack();
    to->set_sent_at_us(m.sent_at.micros());
    to->set_promise_us(m.promise.micros());
    *to->mutable_config() = ToProto(m.config);
    to->set_can_lead(m.can_lead);
    *to->mutable_rank() = ToProto(m.rank);
  }
  void operator()(const election::PreVote& m) const {
    v1::PreVote* to = out.mutable_pre_vote();
    to->set_next_term(m.next_term);
    *to->mutable_config() = ToProto(m.config);
    *to->mutable_rank() = ToProto(m.rank);
  }
  void operator()(const election::PreVoteReply& m) const {
    v1::PreVoteReply* to = out.mutable_pre_vote_reply();
    to->set_next_term(m.next_term);
    to->set_granted(m.granted);
    to->set_reason(static_cast<v1::Deny>(m.reason));
  }
  void operator()(const election::Vote& m) const {
    v1::Vote* to = out.mutable_vote();
    *to->mutable_config() = ToProto(m.config);
    to->set_released(m.released);
  }
  void operator()(const election::VoteReply& m) const {
    v1::VoteReply* to = out.mutable_vote_reply();
    to->set_asked(m.asked);
    to->set_granted(m.granted);
    to->set_reason(static_cast<v1::Deny>(m.reason));
    to->set_promise_remaining_us(m.promise_remaining.micros());
  }
  void operator()(const election::LeaseRelease& m) const { out.mutable_lease_release()->set_target(m.target); }
  void operator()(const election::TransferNow& m) const { out.mutable_transfer_now()->set_released(m.released); }
  void operator()(const election::ConfigPush& m) const {
    v1::ElectionConfig* to = out.mutable_config_push()->mutable_config();
    *to->mutable_id() = ToProto(m.config.id);
    for (const election::Slot& slot : m.config.slots) {
      v1::ElectionSlot* s = to->add_slots();
      s->set_node_id(slot.node_id);
      s->set_uid(slot.uid);
      s->set_leaving(slot.leaving);
    }
  }
  void operator()(const election::ConfigAck& m) const {
    *out.mutable_config_ack()->mutable_config() = ToProto(m.config);
  }
  void operator()(const election::TermNotice&) const { out.mutable_term_notice(); }
};

bool InBounds(uint64_t number) { return number <= kElectionNumberMax; }
bool InBounds(const v1::ElectionConfigId& id) { return InBounds(id.term()) && InBounds(id.version()); }
bool InBounds(const std::string& text) { return text.size() <= kTextMax; }

ConfigId From(const v1::ElectionConfigId& id) { return {.term = id.term(), .version = id.version()}; }

election::Rank From(const v1::ElectionRank& rank) {
  return {.priority = rank.priority(),
          .penalty = rank.penalty(),
          .preferred_zone = rank.preferred_zone(),
          .uid = rank.uid()};
}

election::Deny From(v1::Deny deny) {
  return deny >= v1::DENY_UNSPECIFIED && deny <= v1::DENY_NOT_VOTER ? static_cast<election::Deny>(deny)
                                                                    : election::Deny::kNone;
}

// What a peer owes or promises. More than anyone may is cut: for a promise the shorter of two counts, and of what is
// owed no honest node says more.
Duration FromUs(int64_t us) { return Duration::Micros(std::clamp<int64_t>(us, 0, kPromiseMaxUs)); }

using Body = decltype(election::Message::body);

std::optional<Body> Decode(const v1::Renew& m) {
  if (m.order_size() > kOrderMax || !std::all_of(m.order().begin(), m.order().end(),
                                                 [](const std::string& uid) { return InBounds(uid); })) {
    return std::nullopt;
  }
  return election::Renew{.sent_at = Instant::FromMicros(m.sent_at_us()),
                         .active = m.active(),
                         .order = {m.order().begin(), m.order().end()}};
}

std::optional<Body> Decode(const v1::RenewAck& m) {
  if (!InBounds(m.config()) || !InBounds(m.rank().uid())) {
    return std::nullopt;
  }
  return election::RenewAck{.sent_at = Instant::FromMicros(m.sent_at_us()),
                            .promise = FromUs(m.promise_us()),
                            .config = From(m.config()),
                            .can_lead = m.can_lead(),
                            .rank = From(m.rank())};
}

std::optional<Body> Decode(const v1::PreVote& m) {
  if (!InBounds(m.next_term()) || !InBounds(m.config()) || !InBounds(m.rank().uid())) {
    return std::nullopt;
  }
  return election::PreVote{.next_term = m.next_term(), .config = From(m.config()), .rank = From(m.rank())};
}

std::optional<Body> Decode(const v1::PreVoteReply& m) {
  return election::PreVoteReply{.next_term = m.next_term(), .granted = m.granted(), .reason = From(m.reason())};
}

std::optional<Body> Decode(const v1::Vote& m) {
  return InBounds(m.config()) && InBounds(m.released())
             ? std::optional<Body>(election::Vote{.config = From(m.config()), .released = m.released()})
             : std::nullopt;
}

std::optional<Body> Decode(const v1::VoteReply& m) {
  return election::VoteReply{.asked = m.asked(),
                             .granted = m.granted(),
                             .reason = From(m.reason()),
                             .promise_remaining = FromUs(m.promise_remaining_us())};
}

std::optional<Body> Decode(const v1::ConfigPush& m) {
  const v1::ElectionConfig& from = m.config();
  if (!InBounds(from.id()) || from.slots_size() > static_cast<int>(election::kSlotsMax) || from.slots_size() == 0) {
    return std::nullopt;
  }
  election::Config config;
  config.id = From(from.id());
  for (const v1::ElectionSlot& slot : from.slots()) {
    const bool twice = config.FindNode(slot.node_id()) != nullptr || config.Votes(slot.uid());
    if (slot.node_id().empty() || !InBounds(slot.node_id()) || !InBounds(slot.uid()) || twice) {
      return std::nullopt;
    }
    config.slots.push_back({.node_id = slot.node_id(), .uid = slot.uid(), .leaving = slot.leaving()});
  }
  return config.VoterCount() == 0 ? std::nullopt : std::optional<Body>(election::ConfigPush{std::move(config)});
}

std::optional<Body> DecodeBody(const v1::ElectionFrame& frame) {
  switch (frame.body_case()) {
    case v1::ElectionFrame::kRenew:
      return Decode(frame.renew());
    case v1::ElectionFrame::kRenewAck:
      return Decode(frame.renew_ack());
    case v1::ElectionFrame::kPreVote:
      return Decode(frame.pre_vote());
    case v1::ElectionFrame::kPreVoteReply:
      return Decode(frame.pre_vote_reply());
    case v1::ElectionFrame::kVote:
      return Decode(frame.vote());
    case v1::ElectionFrame::kVoteReply:
      return Decode(frame.vote_reply());
    case v1::ElectionFrame::kLeaseRelease:
      return InBounds(frame.lease_release().target())
                 ? std::optional<Body>(election::LeaseRelease{frame.lease_release().target()})
                 : std::nullopt;
    case v1::ElectionFrame::kTransferNow:
      return election::TransferNow{frame.transfer_now().released()};
    case v1::ElectionFrame::kConfigPush:
      return Decode(frame.config_push());
    case v1::ElectionFrame::kConfigAck:
      return InBounds(frame.config_ack().config())
                 ? std::optional<Body>(election::ConfigAck{From(frame.config_ack().config())})
                 : std::nullopt;
    case v1::ElectionFrame::kTermNotice:
      return election::TermNotice{};
    case v1::ElectionFrame::BODY_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace

v1::ElectionFrame ToProto(const election::Message& message) {
  v1::ElectionFrame out;
  out.set_term(message.term);
  std::visit(Encode{out}, message.body);
  return out;
}

std::optional<election::Message> FromProto(const v1::ElectionFrame& frame) {
  if (!InBounds(frame.term())) {
    return std::nullopt;
  }
  std::optional<Body> body = DecodeBody(frame);
  if (!body.has_value()) {
    return std::nullopt;
  }
  return election::Message{frame.term(), *std::move(body)};
}

}  // namespace aurora::node
