// What a received frame may hold.
#include <algorithm>
#include <string>

#include "aurora/v1/sync.pb.h"
#include "controlplane/peers/control_link.h"

namespace aurora::peers {
namespace {

constexpr size_t kIdMax = 128;
constexpr size_t kTextMax = 512;
constexpr size_t kUidSize = 32;
constexpr int kRosterMax = 256;
constexpr int kFoundersMax = 64;
constexpr int kKeysMax = 64;
constexpr size_t kSealedMax = 256;
constexpr size_t kAnswerMax = 4096;

bool Uid(const std::string& text) {
  return text.size() == kUidSize && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string CheckHello(const v1::Hello& hello) {
  if (hello.node_id().empty() || hello.node_id().size() > kIdMax) {
    return "Hello.node_id is empty or longer than 128 bytes";
  }
  if (!Uid(hello.node_uid())) {
    return "Hello.node_uid is not 32 hexadecimal digits";
  }
  for (const std::string* text :
       {&hello.cluster_id(), &hello.node_name(), &hello.region(), &hello.zone(), &hello.version(),
        &hello.failover_mode(), &hello.cluster_role(), &hello.encryption_key_fingerprint(),
        &hello.encryption_key_previous_fingerprint(), &hello.advertise_url(),
        &hello.gossip_addr(), &hello.sync_addr(), &hello.label(), &hello.dialled_node_id(), &hello.peer_addr()}) {
    if (text->size() > kTextMax) {
      return "a field of Hello is longer than 512 bytes";
    }
  }
  return "";
}

std::string CheckHello(const v1::ReplicateHello& hello) {
  if (hello.node_id().empty() || hello.node_id().size() > kIdMax || !Uid(hello.node_uid())) {
    return "ReplicateHello names no node";
  }
  if (hello.cluster_id().size() > kTextMax || hello.dialled_node_uid().size() > kTextMax) {
    return "a field of ReplicateHello is longer than 512 bytes";
  }
  if (hello.history_size() == 0 || hello.members_size() > kRosterMax) {
    return "ReplicateHello lists no epoch or more than 256 members";
  }
  for (const v1::Member& member : hello.members()) {
    if (!Uid(member.node_uid()) || member.node_id().size() > kIdMax) {
      return "ReplicateHello.members holds an entry that names no node";
    }
  }
  return "";
}

std::string CheckHeartbeat(const v1::Heartbeat& heartbeat) {
  if (heartbeat.roster_size() > kRosterMax || heartbeat.founding().proposal().founders_size() > kFoundersMax ||
      heartbeat.gossip_key_fingerprints_size() > kKeysMax || heartbeat.removed_size() > kRosterMax) {
    return "Heartbeat lists more than 256 members or removals, 64 founders or 64 keys";
  }
  for (const v1::RosterEntry& entry : heartbeat.roster()) {
    if (!Uid(entry.node_uid()) || entry.node_id().empty() || entry.node_id().size() > kIdMax ||
        entry.sync_addr().size() > kTextMax || entry.gossip_addr().size() > kTextMax) {
      return "Heartbeat.roster holds an entry that names no node";
    }
  }
  return "";
}

std::string CheckKeyChange(const v1::GossipKeyChange& change) {
  if (change.sealed_key().size() > kSealedMax || change.fingerprint().size() > kIdMax ||
      change.sealed_with().size() > kIdMax || !Uid(change.node_uid())) {
    return "GossipKeyChange with a field out of bounds";
  }
  return "";
}

std::string CheckCommand(const v1::FailoverCommand& command) {
  for (const std::string* text : {&command.node_id(), &command.other_node_id(), &command.actor()}) {
    if (text->size() > kIdMax) {
      return "a field of FailoverCommand is longer than 128 bytes";
    }
  }
  return "";
}

}  // namespace

std::string CheckFrame(const v1::ControlFrame& frame, bool first) {
  switch (frame.frame_case()) {
    case v1::ControlFrame::kBye:
      return "";
    case v1::ControlFrame::kHello:
      return first ? CheckHello(frame.hello()) : "a second Hello";
    case v1::ControlFrame::kHeartbeat:
      return first ? "the first frame is not a Hello" : CheckHeartbeat(frame.heartbeat());
    case v1::ControlFrame::kGossipKeyChange:
      return first ? "the first frame is not a Hello" : CheckKeyChange(frame.gossip_key_change());
    case v1::ControlFrame::kElection:  // the election's driver checks what it holds, or loses it
      return first ? "the first frame is not a Hello" : "";
    case v1::ControlFrame::kFailoverCommand:
      return first ? "the first frame is not a Hello" : CheckCommand(frame.failover_command());
    case v1::ControlFrame::kFailoverAnswer:
      if (frame.failover_answer().message().size() > kAnswerMax) {
        return "FailoverAnswer.message is longer than 4096 bytes";
      }
      return first ? "the first frame is not a Hello" : "";
    case v1::ControlFrame::FRAME_NOT_SET:
      break;  // a kind of a later version: for those who know it
  }
  return first ? "the first frame is not a Hello" : "";
}

// Of the other frames the replication core checks what they hold.
std::string CheckFrame(const v1::ReplicateFrame& frame, bool first) {
  if (frame.has_hello()) {
    return first ? CheckHello(frame.hello()) : "a second Hello";
  }
  return first && !frame.has_bye() ? "the first frame is not a Hello" : "";
}

}  // namespace aurora::peers
