#include "controlplane/roster/health.h"

namespace aurora::roster {

std::string_view Name(Status status) {
  switch (status) {
    case Status::kAlive:
      return "alive";
    case Status::kSuspect:
      return "suspect";
    case Status::kFailed:
      return "failed";
    case Status::kLeft:
      return "left";
  }
  return "failed";
}

std::string RoleOf(const NodeInfo& node) {
  if (node.cluster_role == "witness") {
    return "witness";
  }
  return node.failover_mode == "single_node" ? "single" : "peer";
}

namespace {

Status JudgeLinked(Instant now, const Evidence& e) {
  switch (e.gossip) {
    case GossipState::kLeft:
      return Status::kLeft;
    case GossipState::kSuspect:
      return Status::kSuspect;
    case GossipState::kFailed: {
      // A dead machine's stream stands until TCP gives up; one that still carries frames speaks against gossip.
      const Instant heard = e.last_frame > e.gossip_since ? e.last_frame : e.gossip_since;
      return now < heard + e.interval + kFrameSlack ? Status::kSuspect : Status::kFailed;
    }
    case GossipState::kUnknown:
    case GossipState::kAlive:
      return Status::kAlive;
  }
  return Status::kAlive;
}

}  // namespace

Status Judge(Instant now, const Evidence& e) {
  if (e.linked) {
    return JudgeLinked(now, e);
  }
  const bool recent = now < e.link_changed + kStreamGrace;
  switch (e.gossip) {
    case GossipState::kLeft:
      return Status::kLeft;
    case GossipState::kFailed:
      return Status::kFailed;
    case GossipState::kSuspect:
      return Status::kSuspect;
    case GossipState::kAlive:
      return recent && !e.other_uid ? Status::kAlive : Status::kSuspect;
    case GossipState::kUnknown:
      break;
  }
  const Duration patience = e.heard ? e.interval * 3 : kStreamGrace;
  return now < e.link_changed + patience ? Status::kSuspect : Status::kFailed;
}

std::string_view Explain(const Evidence& e, Status status) {
  switch (status) {
    case Status::kAlive:
      return "";
    case Status::kLeft:
      return "left by its own will";
    case Status::kFailed:
      return e.gossip == GossipState::kFailed ? "gossip found it dead" : "nothing is heard from it";
    case Status::kSuspect:
      break;
  }
  if (e.other_uid) {
    return "another disk answers under its node id";
  }
  if (e.gossip == GossipState::kFailed) {
    return "gossip found it dead, its Control stream still stands";
  }
  if (e.gossip == GossipState::kSuspect) {
    return "it does not answer gossip's probes";
  }
  return e.gossip == GossipState::kAlive ? "gossip sees it, but there is no Control stream (port 7947)"
                                         : "no Control stream and no word from gossip";
}

}  // namespace aurora::roster
