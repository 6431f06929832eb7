// failover, voters, nodes drain: who leads, and the commands that change it. Any node takes them and passes them on.
#include <string>

#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

constexpr int64_t kTransferMs = 20'000;

const std::vector<Column> kVoterColumns = {
    {"NODE", "node_id"}, {"LEADER", "leader"},   {"CONNECTED", "connected"}, {"MEMBER", "member"},
    {"ABLE", "able"},    {"LEAVING", "leaving"}, {"NOTE", "note"},           {"UID", "node_uid", true}};
const std::vector<Column> kHistoryColumns = {
    {"AT", "at"}, {"TYPE", "type"}, {"SEVERITY", "severity"}, {"MESSAGE", "message"}, {"SEQ", "seq", true}};

grpc::Status Ask(Session& session, v1::GetFailoverStatusResponse* response) {
  return session.Call(&Stub::GetFailoverStatus, v1::GetFailoverStatusRequest(), response);
}

bool Healthy(const v1::GetFailoverStatusResponse& status) {
  return !status.enabled() || !status.leader_id().empty() || status.failover_mode() == "single_node";
}

int Off(Session& session) {
  return session.Fail(kConflict, "clustering is off on this node: set cluster.enabled = true and restart");
}

bool OfLeadership(const std::string& type) {
  return type.starts_with("failover_") || type.starts_with("voters_") || type.starts_with("election_");
}

template <class Response>
int PrintVoters(Session& session, const grpc::Status& status, const Response& response) {
  if (!status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, body, body["voters"], kVoterColumns);
  return kOk;
}

}  // namespace

// Exit 7 while nobody leads.
int FailoverStatus(Session& session) {
  v1::GetFailoverStatusResponse response;
  if (const grpc::Status status = Ask(session, &response); !status.ok()) {
    return session.Fail(status);
  }
  Json body = protojson::ToJson(response);
  if (!response.enabled()) {
    body = Json{{"enabled", false}};
  } else if (session.format == Format::kTable || session.format == Format::kWide) {
    body.erase("voters");
    body.erase("timers");
    body.erase("explain");
  }
  PrintEntity(session.out, session.format, body);
  return Healthy(response) ? kOk : kUnhealthy;
}

int FailoverExplain(Session& session) {
  v1::GetFailoverStatusResponse response;
  if (const grpc::Status status = Ask(session, &response); !status.ok()) {
    return session.Fail(status);
  }
  if (!response.enabled()) {
    return Off(session);
  }
  if (session.format == Format::kTable || session.format == Format::kWide) {
    for (const std::string& line : response.explain()) {
      session.out << line << "\n";
    }
  } else {
    PrintEntity(session.out, session.format, Json{{"explain", protojson::ToJson(response)["explain"]}});
  }
  return Healthy(response) ? kOk : kUnhealthy;
}

int FailoverTo(Session& session, const std::string& node_id) {
  v1::TransferLeadershipRequest request;
  request.set_node_id(node_id);
  request.set_timeout_ms(kTransferMs);
  session.client->AllowAtLeast(kTransferMs + 5'000);
  v1::TransferLeadershipResponse response;
  if (const grpc::Status status = session.Call(&Stub::TransferLeadership, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, protojson::ToJson(response));
  return kOk;
}

int FailoverHistory(Session& session) {
  constexpr int kPage = 1000;
  Json events = Json::array();
  v1::ListEventsRequest request;
  request.set_page_size(kPage);
  v1::ListEventsResponse page;
  do {
    page.Clear();
    if (const grpc::Status status = session.Call(&Stub::ListEvents, request, &page); !status.ok()) {
      return session.Fail(status);
    }
    for (const v1::Event& event : page.events()) {
      request.set_after_seq(event.seq());
      if (OfLeadership(event.type())) {
        events.push_back(protojson::ToJson(event));
      }
    }
  } while (page.events_size() == kPage);
  Print(session.out, session.format, {{"events", events}}, events, kHistoryColumns);
  return kOk;
}

int VotersList(Session& session) {
  v1::GetFailoverStatusResponse response;
  if (const grpc::Status status = Ask(session, &response); !status.ok()) {
    return session.Fail(status);
  }
  if (!response.enabled()) {
    return Off(session);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, {{"config", body["config"]}, {"voters", body["voters"]}}, body["voters"],
        kVoterColumns);
  return kOk;
}

int VotersAdd(Session& session, const std::vector<std::string>& nodes) {
  v1::AddVotersRequest request;
  request.mutable_node_ids()->Assign(nodes.begin(), nodes.end());
  v1::AddVotersResponse response;
  const grpc::Status status = session.Call(&Stub::AddVoters, request, &response);
  return PrintVoters(session, status, response);
}

int VotersRemove(Session& session, const std::vector<std::string>& nodes) {
  v1::RemoveVotersRequest request;
  request.mutable_node_ids()->Assign(nodes.begin(), nodes.end());
  v1::RemoveVotersResponse response;
  const grpc::Status status = session.Call(&Stub::RemoveVoters, request, &response);
  return PrintVoters(session, status, response);
}

// Says what it does and wants the cluster's id, as an option or typed.
int VotersUnsafeRecover(Session& session, std::string cluster_id) {
  v1::GetFailoverStatusResponse before;
  if (const grpc::Status status = Ask(session, &before); !status.ok()) {
    return session.Fail(status);
  }
  if (!before.enabled()) {
    return Off(session);
  }
  session.err << "node " << before.node_id() << " becomes the only voter. If a majority of the voters of config "
              << before.config() << " still lives somewhere, two nodes will serve at once:\n";
  for (const v1::Voter& voter : before.voters()) {
    session.err << "  " << voter.node_id() << (voter.self() ? " (this node)" : voter.connected() ? " (connected)" : "")
                << "\n";
  }
  if (cluster_id.empty()) {
    session.err << "type the cluster's id to go on: " << std::flush;
    std::getline(session.in, cluster_id);
  }
  v1::UnsafeRecoverRequest request;
  request.set_cluster_id(cluster_id);
  v1::UnsafeRecoverResponse response;
  const grpc::Status status = session.Call(&Stub::UnsafeRecover, request, &response);
  return PrintVoters(session, status, response);
}

int NodesDrain(Session& session, const std::string& node_id, bool drain) {
  grpc::Status status;
  Json body;
  if (drain) {
    v1::DrainNodeRequest request;
    request.set_node_id(node_id);
    v1::DrainNodeResponse response;
    status = session.Call(&Stub::DrainNode, request, &response);
    body = protojson::ToJson(response);
  } else {
    v1::UndrainNodeRequest request;
    request.set_node_id(node_id);
    v1::UndrainNodeResponse response;
    status = session.Call(&Stub::UndrainNode, request, &response);
    body = protojson::ToJson(response);
  }
  if (!status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, body);
  return kOk;
}

}  // namespace aurora::ctl
