// Failover in the cluster: how the election is set up and told, what other nodes and operators ask of it, and what of
// it is in the cluster's status.
#include <algorithm>
#include <utility>

#include "aurora/v1/sync.pb.h"
#include "controlplane/node/cluster_impl.h"
#include "shared/crypto/random.h"

namespace aurora::node {

using election::Uid;

namespace {

constexpr Duration kTransferWait = Duration::Seconds(10);
constexpr Duration kTransferWaitMax = Duration::Seconds(60);

}  // namespace

bool ClusterImpl::Leads() const { return settings_.failover_mode != config::FailoverMode::kSingleNode; }

bool ClusterImpl::Exclusive() const { return settings_.failover_mode == config::FailoverMode::kActivePassive; }

std::unique_ptr<Failover> ClusterImpl::MakeFailover() {
  const bool lan = settings_.election_profile == config::ElectionProfile::kLan;
  FailoverDeps deps;
  deps.loop = deps_.loop;
  deps.mailbox = deps_.mailbox;
  deps.election = deps_.election;
  deps.page = deps_.page;
  deps.settings.uid = deps_.node_uid;
  deps.settings.node_id = settings_.node_id;
  deps.settings.kind =
      settings_.role == config::ClusterRole::kWitness ? election::Kind::kWitness : election::Kind::kNode;
  deps.settings.priority = settings_.priority;
  deps.settings.timers = lan ? election::LanTimers() : election::AggressiveTimers();
  deps.peer_addr = PeerAddr();
  deps.tells = Leads();
  deps.seed = crypto::RandomU64();
  deps.send = [this](const Uid& uid, const v1::ControlFrame& frame) { links_->Send(uid, frame); };
  deps.node_id_of = [this](const Uid& uid) {
    const peers::PeerState* peer = links_->Find(uid);
    return peer == nullptr ? uid : peer->node_id;
  };
  deps.peer_addr_of = [this](const Uid& uid) {
    const peers::PeerState* peer = links_->Find(uid);
    return peer == nullptr || peer->hello == nullptr ? std::string() : peer->hello->peer_addr();
  };
  deps.tell = [this](std::string_view severity, std::string_view type, const std::string& text) {
    TellAs(severity, type, text);
  };
  deps.changed = [this] {
    links_->Broadcast(ToFrame());
    LookAtSwitches();
  };
  return std::make_unique<Failover>(std::move(deps));
}

std::string ClusterImpl::PeerAddr() const {
  if (settings_.role == config::ClusterRole::kWitness) {
    return "";
  }
  config::HostPort at = settings_.peer_listen;
  if (IsWildcard(at.host)) {
    at.host = advertised_ip_;
  }
  return at.ToString();
}

// The first voters are among the founders; who joined hears of them from who leads.
void ClusterImpl::BeginFailover() {
  if (failover_->begun() || roster_->cluster_id().empty()) {
    return;
  }
  election::Durable durable = deps_.stored.election;
  if (durable.config.slots.empty() && !roster_->founders().empty()) {
    std::vector<election::Founder> founders;
    for (const roster::Founder& founder : roster_->founders()) {
      founders.push_back({founder.node_id, founder.uid});
    }
    durable.config = election::FoundingConfig(std::move(founders));
  }
  failover_->Begin(std::move(durable));
}

// Who left comes back under the same uid, or does not count: its vote, if it has one, is in the config.
void ClusterImpl::TellFailover(const roster::ClusterView& view) {
  BeginFailover();
  std::vector<election::Member> members;
  for (const roster::NodeView& node : view.nodes) {
    if (!node.self && !node.guest && !node.uid.empty() && node.status != roster::Status::kLeft) {
      members.push_back({node.uid, node.node_id});
    }
  }
  if (members != failover_members_) {
    failover_members_ = members;
    failover_->SetMembers(members);
  }
}

std::string ClusterImpl::RoleNow() const {
  const std::string role = roster::RoleOf(roster_->self());
  if (role == "witness" || !Exclusive()) {
    return role;
  }
  return failover_ != nullptr && failover_->View().active ? "active" : "standby";
}

// To the voter that started last: whoever restarts all nodes one after the other then moves leadership twice at most.
void ClusterImpl::StepDown(std::function<void()> done) {
  const peers::PeerState* youngest = nullptr;
  for (const Uid& uid : failover_->View().able) {
    const peers::PeerState* peer = uid == deps_.node_uid ? nullptr : links_->Find(uid);
    if (peer != nullptr && peer->up && (youngest == nullptr || peer->since > youngest->since)) {
      youngest = peer;
    }
  }
  failover_->StepDown(youngest == nullptr ? "" : youngest->node_id, std::move(done));
}

// ---- What another node passes on ----

absl::Status ClusterImpl::Execute(const v1::FailoverCommand& command) {
  switch (command.action()) {
    case v1::FailoverCommand::ACTION_TRANSFER:
      return failover_->Transfer(command.node_id());
    case v1::FailoverCommand::ACTION_ADD_VOTERS:
      return failover_->AddVoters(command.node_id(), command.other_node_id());
    case v1::FailoverCommand::ACTION_REMOVE_VOTERS:
      return failover_->RemoveVoters(command.node_id(), command.other_node_id());
    case v1::FailoverCommand::ACTION_DRAIN:
      AURORA_RETURN_IF_ERROR(failover_->Drain());
      TellLocal();
      return absl::OkStatus();
    case v1::FailoverCommand::ACTION_UNDRAIN:
      failover_->Undrain();
      TellLocal();
      return absl::OkStatus();
    default:
      return absl::UnimplementedError("this node's version does not know the command");
  }
}

void ClusterImpl::Note(const v1::FailoverCommand& command, const absl::Status& status) {
  const std::string what = [&]() -> std::string {
    switch (command.action()) {
      case v1::FailoverCommand::ACTION_TRANSFER:
        return "failover to " + (command.node_id().empty() ? "the best node" : command.node_id());
      case v1::FailoverCommand::ACTION_ADD_VOTERS:
        return "voters add " + command.node_id() + " " + command.other_node_id();
      case v1::FailoverCommand::ACTION_REMOVE_VOTERS:
        return "voters remove " + command.node_id() + " " + command.other_node_id();
      case v1::FailoverCommand::ACTION_DRAIN:
        return "nodes drain";
      default:
        return "nodes undrain";
    }
  }();
  Tell(!status.ok(), "failover_command",
       what + " by " + command.actor() + (status.ok() ? "" : ": " + std::string(status.message())));
}

void ClusterImpl::OnCommand(const peers::PeerState& from, const v1::FailoverCommand& command) {
  const std::string uid = from.uid;
  const absl::Status status = Execute(command);
  Note(command, status);
  v1::ControlFrame frame;
  *frame.mutable_failover_answer() = AnswerOf(command.id(), status);
  links_->Send(uid, frame);
}

// ---- What an operator asks ----

void ClusterImpl::Command(const Uid& to, v1::FailoverCommand command, CommandRelay::Done done) {
  if (to == deps_.node_uid) {
    const absl::Status status = Execute(command);
    Note(command, status);
    done(status);
    return;
  }
  const peers::PeerState* peer = links_->Find(to);
  relay_.Send(uv::Loop::Now(), to, peer == nullptr ? to : peer->node_id, std::move(command), std::move(done));
}

absl::StatusOr<Uid> ClusterImpl::LeaderToAsk() const {
  if (!Leads()) {
    return FailedPrecondition("cluster.failover_mode is single_node: no node leads");
  }
  const FailoverView view = failover_->View();
  if (view.leader.empty()) {
    return Unavailable("nobody leads at the moment; `failover explain` says why");
  }
  return view.leader;
}

absl::StatusOr<Uid> ClusterImpl::UidOf(const std::string& node_id) const {
  if (node_id.empty() || node_id == settings_.node_id) {
    return deps_.node_uid;
  }
  for (const roster::NodeView& node : roster_->View(uv::Loop::Now()).nodes) {
    if (node.node_id == node_id && !node.uid.empty() && !node.guest) {
      return node.uid;
    }
  }
  return NotFound("node \"" + node_id + "\" is not known here; `nodes list` shows who is");
}

void ClusterImpl::Transfer(const std::string& actor, const v1::TransferLeadershipRequest& request,
                           ClusterReply<v1::TransferLeadershipResponse> reply) {
  OnLoopLater(std::move(reply), [this, actor, request](auto shared) {
    const absl::StatusOr<Uid> leader = LeaderToAsk();
    if (!leader.ok()) {
      (*shared)(leader.status());
      return;
    }
    Switch asked;
    asked.from = *leader;
    asked.target = request.node_id();
    asked.began = uv::Loop::Now();
    const Duration wait = request.timeout_ms() <= 0 ? kTransferWait : Duration::Millis(request.timeout_ms());
    asked.until = asked.began + std::min(wait, kTransferWaitMax);
    asked.reply = shared;
    v1::FailoverCommand command;
    command.set_action(v1::FailoverCommand::ACTION_TRANSFER);
    command.set_node_id(request.node_id());
    command.set_actor(actor);
    Command(*leader, std::move(command), [this, asked](const absl::Status& status) {
      if (!status.ok()) {
        (*asked.reply)(status);
      } else {
        switches_.push_back(asked);
        LookAtSwitches();
      }
    });
  });
}

// Begun is not done: someone else must be active.
void ClusterImpl::LookAtSwitches() {
  if (switches_.empty()) {
    return;
  }
  const Instant now = uv::Loop::Now();
  const FailoverView view = failover_->View();
  const std::string leader = NodeIdOf(view.leader);
  std::erase_if(switches_, [&](const Switch& s) {
    const bool there = !view.leader.empty() && view.leader_active && view.leader != s.from;
    if (there && (s.target.empty() || s.target == leader)) {
      v1::TransferLeadershipResponse out;
      out.set_leader_id(leader);
      out.set_term(static_cast<int64_t>(view.term));
      out.set_took_ms((now - s.began).millis());
      (*s.reply)(std::move(out));
      return true;
    }
    if (now >= s.until) {
      (*s.reply)(FailedPrecondition(
          "leadership was released, but " + (s.target.empty() ? std::string("nobody") : s.target) +
          " did not become active in time (leader now: " + (leader.empty() ? "none" : leader) +
          "); `failover explain` says more"));
      return true;
    }
    return false;
  });
}

std::string ClusterImpl::NodeIdOf(const Uid& uid) const {
  if (uid == deps_.node_uid) {
    return settings_.node_id;
  }
  const peers::PeerState* peer = uid.empty() ? nullptr : links_->Find(uid);
  return peer == nullptr ? uid : peer->node_id;
}

template <class Response>
void ClusterImpl::DrainOrNot(bool drain, const std::string& actor, const std::string& node_id,
                             ClusterReply<Response> reply) {
  OnLoopLater(std::move(reply), [this, drain, actor, node_id](auto shared) {
    const absl::StatusOr<Uid> uid = UidOf(node_id);
    if (!uid.ok()) {
      (*shared)(uid.status());
      return;
    }
    v1::FailoverCommand command;
    command.set_action(drain ? v1::FailoverCommand::ACTION_DRAIN : v1::FailoverCommand::ACTION_UNDRAIN);
    command.set_actor(actor);
    Command(*uid, std::move(command), [this, shared, uid = *uid](const absl::Status& status) {
      if (!status.ok()) {
        (*shared)(status);
        return;
      }
      Response out;
      out.set_node_id(NodeIdOf(uid));
      (*shared)(std::move(out));
    });
  });
}

void ClusterImpl::Drain(const std::string& actor, const std::string& node_id,
                        ClusterReply<v1::DrainNodeResponse> reply) {
  DrainOrNot(true, actor, node_id, std::move(reply));
}

void ClusterImpl::Undrain(const std::string& actor, const std::string& node_id,
                          ClusterReply<v1::UndrainNodeResponse> reply) {
  DrainOrNot(false, actor, node_id, std::move(reply));
}

template <class Response>
void ClusterImpl::ChangeVoters(bool add, const std::string& actor, const std::vector<std::string>& pair,
                               ClusterReply<Response> reply) {
  OnLoopLater(std::move(reply), [this, add, actor, pair](auto shared) {
    if (pair.size() != 2 || pair[0].empty() || pair[1].empty() || pair[0] == pair[1]) {
      (*shared)(InvalidArgument("node_ids: must be two different nodes: the number of voters stays odd"));
      return;
    }
    const absl::StatusOr<Uid> leader = LeaderToAsk();
    if (!leader.ok()) {
      (*shared)(leader.status());
      return;
    }
    v1::FailoverCommand command;
    command.set_action(add ? v1::FailoverCommand::ACTION_ADD_VOTERS : v1::FailoverCommand::ACTION_REMOVE_VOTERS);
    command.set_node_id(pair[0]);
    command.set_other_node_id(pair[1]);
    command.set_actor(actor);
    Command(*leader, std::move(command), [this, shared](const absl::Status& status) {
      if (!status.ok()) {
        (*shared)(status);
        return;
      }
      Response out;
      AddVotersTo(failover_->View(), out.mutable_voters());
      (*shared)(std::move(out));
    });
  });
}

void ClusterImpl::AddVoters(const std::string& actor, const v1::AddVotersRequest& request,
                            ClusterReply<v1::AddVotersResponse> reply) {
  ChangeVoters(true, actor, {request.node_ids().begin(), request.node_ids().end()}, std::move(reply));
}

void ClusterImpl::RemoveVoters(const std::string& actor, const v1::RemoveVotersRequest& request,
                               ClusterReply<v1::RemoveVotersResponse> reply) {
  ChangeVoters(false, actor, {request.node_ids().begin(), request.node_ids().end()}, std::move(reply));
}

void ClusterImpl::UnsafeRecover(const std::string& actor, const v1::UnsafeRecoverRequest& request,
                                ClusterReply<v1::UnsafeRecoverResponse> reply) {
  OnLoop(std::move(reply), [this, actor, request]() -> absl::StatusOr<v1::UnsafeRecoverResponse> {
    if (roster_->cluster_id().empty() || request.cluster_id() != roster_->cluster_id()) {
      return InvalidArgument("cluster_id: is not this node's, which is \"" + roster_->cluster_id() +
                             "\"; type it to show that you mean this cluster");
    }
    const absl::Status status = failover_->UnsafeRecover();
    Tell(true, "voters_unsafe_recover",
         "voters unsafe-recover by " + actor + (status.ok() ? ": this node is the only voter now"
                                                            : " refused: " + std::string(status.message())));
    AURORA_RETURN_IF_ERROR(status);
    v1::UnsafeRecoverResponse out;
    AddVotersTo(failover_->View(), out.mutable_voters());
    return out;
  });
}

}  // namespace aurora::node
