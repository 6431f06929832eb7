// What goes home: events, snapshots, counters, log lines.
#include <algorithm>
#include <utility>

#include "controlplane/gossipwire/address.h"
#include "controlplane/peers/gossip_engine.h"
#include "shared/log/log.h"

namespace aurora::peers {

using membership::Event;

namespace {

std::string_view LineOf(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kJoin:
      return "gossip: a node joined";
    case Event::Kind::kRejoin:
      return "gossip: a node is back";
    case Event::Kind::kFailed:
      return "gossip: a node failed";
    case Event::Kind::kLeave:
      return "gossip: a node left";
    case Event::Kind::kSelfAccused:
      return "gossip: this node was accused of being dead, and answered";
    case Event::Kind::kOneWayUdp:
      return "gossip: a node answers over TCP only; is UDP blocked?";
    case Event::Kind::kAlarm:
      return "gossip: something impossible was said and ignored";
    case Event::Kind::kUpdate:
    case Event::Kind::kSuspect:
    case Event::Kind::kRefuted:
    case Event::Kind::kConflict:
    case Event::Kind::kForeign:
    case Event::Kind::kLeft:
      break;
  }
  return {};
}

// What repeats as long as its cause lasts is told once a minute.
bool Repeats(Event::Kind kind) {
  return kind == Event::Kind::kConflict || kind == Event::Kind::kForeign ||
         kind == Event::Kind::kOneWayUdp || kind == Event::Kind::kAlarm;
}

}  // namespace

void GossipEngine::Each(const Event& event) {
  members_changed_ = true;
  switch (event.kind) {
    case Event::Kind::kSuspect:
      ++stats_.suspicions;
      break;
    case Event::Kind::kRefuted:
      ++stats_.suspicions_refuted;
      break;
    case Event::Kind::kFailed:
      ++stats_.failures;
      break;
    case Event::Kind::kOneWayUdp:
      ++stats_.one_way_udp;
      break;
    case Event::Kind::kForeign:
    case Event::Kind::kConflict:
    case Event::Kind::kJoin:
    case Event::Kind::kRejoin:
    case Event::Kind::kUpdate:
    case Event::Kind::kLeave:
    case Event::Kind::kSelfAccused:
    case Event::Kind::kAlarm:
    case Event::Kind::kLeft:
      break;
  }
  const std::string key =
      "event/" + std::to_string(static_cast<int>(event.kind)) + "/" + event.node;
  if (!Repeats(event.kind) || reports_.Allow(uv::Loop::Now(), key)) {
    LogEvent(event);
    Keep(event);
  }
  // After the event itself, so that it comes home no later than what follows from it.
  if (event.kind == Event::Kind::kForeign) {
    Refused(Reason::kForeign, event.address, true, event.node,
            "its cluster_id is \"" + event.detail + "\"");
  } else if (event.kind == Event::Kind::kConflict) {
    Refused(Reason::kConflict, event.address, false, event.node, event.detail);
  } else if (event.kind == Event::Kind::kLeft) {
    FinishLeave();
  }
}

void GossipEngine::Keep(const Event& event) {
  if (batch_->events.size() >= kEventsKept) {
    batch_->events.erase(batch_->events.begin());
    ++stats_.events_lost;
  }
  batch_->events.push_back(event);
}

void GossipEngine::LogEvent(const Event& event) {
  const std::string_view line = LineOf(event.kind);
  if (line.empty()) {
    return;
  }
  const bool good = event.kind == Event::Kind::kJoin || event.kind == Event::Kind::kRejoin ||
                    event.kind == Event::Kind::kLeave;
  log::Write(good ? log::Level::kInfo : log::Level::kWarn, line,
             {{"node", event.node},
              {"address", gossipwire::FormatAddress(event.address)},
              {"incarnation", event.incarnation},
              {"guest", event.guest},
              {"detail", event.detail}});
}

void GossipEngine::Tell() {
  const Duration since = uv::Loop::Now() - told_at_;
  if (since >= kTellWithin) {
    TellNow();
  } else if (!tell_timer_.active()) {
    tell_timer_.Start(kTellWithin - since);
  }
}

void GossipEngine::TellNow() {
  tell_timer_.Stop();
  told_at_ = uv::Loop::Now();
  if (std::exchange(members_changed_, false)) {
    PublishMembers();
  }
  if (batch_->empty()) {
    return;
  }
  if (outlet_->Post(batch_)) {
    batch_ = std::make_shared<GossipBatch>();
  } else {
    tell_timer_.Start(kTellWithin);
  }
}

void GossipEngine::PublishMembers() {
  auto members = std::make_shared<MemberList>();
  members->reserve(core_->table().size());
  core_->table().ForEach([&](const membership::Record& r) {
    members->push_back({r.name, r.address, r.meta, r.state, r.incarnation, r.guest,
                        r.name == core_->self().name, r.changed});
  });
  std::sort(members->begin(), members->end(),
            [](const Member& a, const Member& b) { return a.name < b.name; });
  outlet_->PublishMembers(std::move(members));
}

void GossipEngine::PublishStats() {
  stats_.core = core_->stats();
  stats_.health = core_->health();
  stats_.queued = core_->queued();
  stats_.pending = core_->pending();
  stats_.live = core_->LiveCount();
  stats_.streams_open = streams_->open();
  stats_.lateness_p99 = lateness_.Percentile(99);
  outlet_->PublishStats(stats_);
}

}  // namespace aurora::peers
