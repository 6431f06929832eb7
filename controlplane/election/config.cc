#include <algorithm>

#include "controlplane/election/types.h"

namespace aurora::election {

const Slot* Config::Find(std::string_view uid) const {
  if (uid.empty()) {
    return nullptr;
  }
  const auto it = std::find_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.uid == uid; });
  return it == slots.end() ? nullptr : &*it;
}

const Slot* Config::FindNode(std::string_view node_id) const {
  const auto it = std::find_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.node_id == node_id; });
  return it == slots.end() ? nullptr : &*it;
}

std::vector<Uid> Config::Voters() const {
  std::vector<Uid> voters;
  for (const Slot& slot : slots) {
    if (!slot.uid.empty()) {
      voters.push_back(slot.uid);
    }
  }
  return voters;
}

size_t Config::VoterCount() const {
  return static_cast<size_t>(std::count_if(slots.begin(), slots.end(), [](const Slot& s) { return !s.uid.empty(); }));
}

Config FoundingConfig(std::vector<Founder> founders) {
  std::sort(founders.begin(), founders.end(), [](const Founder& a, const Founder& b) { return a.node_id < b.node_id; });
  const size_t wanted = founders.size() >= 3 ? 3 : 1;
  founders.resize(std::min(founders.size(), wanted));
  Config config;
  config.id.version = 1;
  for (Founder& founder : founders) {
    config.slots.push_back({.node_id = std::move(founder.node_id), .uid = std::move(founder.uid), .leaving = false});
  }
  return config;
}

size_t VoterDifference(const Config& a, const Config& b) {
  size_t difference = 0;
  for (const Slot& slot : a.slots) {
    difference += !slot.uid.empty() && !b.Votes(slot.uid) ? 1U : 0U;
  }
  for (const Slot& slot : b.slots) {
    difference += !slot.uid.empty() && !a.Votes(slot.uid) ? 1U : 0U;
  }
  return difference;
}

bool Better(const Rank& a, const Rank& b) {
  if (a.priority != b.priority) {
    return a.priority > b.priority;
  }
  if (a.penalty != b.penalty) {
    return a.penalty < b.penalty;
  }
  if (a.preferred_zone != b.preferred_zone) {
    return a.preferred_zone;
  }
  return a.uid < b.uid;
}

std::string_view Name(Role role) {
  switch (role) {
    case Role::kHoldoff:
      return "holdoff";
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
    case Role::kDraining:
      return "draining";
  }
  return "";
}

}  // namespace aurora::election
