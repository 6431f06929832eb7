#include <fstream>
#include <iterator>

#include "shared/base/status.h"
#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

constexpr size_t kKeyFileMax = 4096;

const std::vector<Column> kNodeColumns = {{"NODE", "node_id"},
                                          {"STATUS", "status"},
                                          {"ROLE", "role"},
                                          {"DATA-PLANE", "data_plane"},
                                          {"DRAINED", "drained"},
                                          {"REGION", "region"},
                                          {"ZONE", "zone"},
                                          {"LAST-HEARTBEAT", "last_heartbeat"},
                                          {"VERSION", "version"},
                                          {"NAME", "node_name", true},
                                          {"URL", "advertise_url", true},
                                          {"GOSSIP", "gossip_addr", true},
                                          {"SYNC", "sync_addr", true},
                                          {"LAG-MS", "lag_ms", true}};

const std::vector<Column> kGossipKeyColumns = {
    {"FINGERPRINT", "fingerprint"}, {"PRIMARY", "primary"}, {"SOURCE", "source"}, {"MISSING-ON", "missing_on"}};

const std::vector<Column> kSyncColumns = {{"NODE", "node_id"},
                                          {"STREAMING", "streaming"},
                                          {"CAUGHT-UP", "caught_up"},
                                          {"SERVING", "serving"},
                                          {"LAG-MS", "lag_ms"},
                                          {"LAG", "lag_entries"},
                                          {"BEHIND", "behind_entries"},
                                          {"TROUBLE", "trouble"},
                                          {"HEAD", "head", true},
                                          {"CURSOR", "cursor", true},
                                          {"ACKED", "acked", true},
                                          {"ENFORCED", "enforced", true},
                                          {"UID", "node_uid", true}};

// A line for each value.
const std::vector<Column> kConflictColumns = {{"KIND", "kind"},       {"ID", "id"},
                                              {"NEWEST", "newest"},   {"AT", "at"},
                                              {"DELETED", "deleted"}, {"VALUE", "text"},
                                              {"WRITTEN-BY", "node_uid", true}};

const std::vector<Column> kVerifyColumns = {{"NODE", "node_id"},
                                            {"ROWS", "rows"},
                                            {"WRONG", "wrong"},
                                            {"REPAIRED", "repaired"},
                                            {"DIFFERENT", "different"},
                                            {"TROUBLE", "trouble"}};

template <class Response>
int PrintKey(Session& session, const grpc::Status& status, const Response& response) {
  if (!status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, protojson::ToJson(response.key()));
  return kOk;
}

}  // namespace

// `peers`: the list of them; else all of it. Exit 7 while something is not in step.
int ShowSync(Session& session, bool peers) {
  v1::GetSyncStatusResponse response;
  if (const grpc::Status status = session.Call(&Stub::GetSyncStatus, v1::GetSyncStatusRequest(), &response);
      !status.ok()) {
    return session.Fail(status);
  }
  Json body = protojson::ToJson(response);
  if (peers) {
    Print(session.out, session.format, body, body["peers"], kSyncColumns);
  } else {
    if (!response.enabled()) {
      body = Json{{"enabled", false}};  // as in REST
    } else if (session.format == Format::kTable || session.format == Format::kWide) {
      body.erase("peers");
    }
    PrintEntity(session.out, session.format, body);
  }
  return !response.enabled() || (response.caught_up() && response.converged()) ? kOk : kUnhealthy;
}

int SyncStatus(Session& session) {
  return ShowSync(session, false);
}

int SyncPeers(Session& session) {
  return ShowSync(session, true);
}

namespace {

// What is wrong, one line each.
void PrintFindings(Session& session, const v1::VerifiedNode& node) {
  const auto line = [&](const std::string& what, const v1::CheckFinding& f) {
    session.out << node.node_id() << ": " << f.kind() << (f.id().empty() ? "" : " " + f.id())
                << (f.kind().empty() ? "" : ": ") << f.what() << what << "\n";
  };
  const bool repaired = node.check().repaired() > 0;
  for (const v1::CheckFinding& finding : node.check().findings()) {
    line(repaired && finding.what().find("does not decode") == std::string::npos ? " (put right)" : "", finding);
  }
  for (const v1::CheckFinding& finding : node.differences()) {
    line("", finding);
  }
}

}  // namespace

// Exit 9 while something is wrong or differs, else 8 while a member was not looked at.
int SyncVerify(Session& session, bool repair) {
  constexpr int kVerifyMs = 60'000;
  v1::VerifySyncRequest request;
  request.set_repair(repair);
  request.set_timeout_ms(kVerifyMs);
  session.client->AllowAtLeast(kVerifyMs + 5'000);
  v1::VerifySyncResponse response;
  if (const grpc::Status status = session.Call(&Stub::VerifySync, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Json rows = Json::array();
  for (const v1::VerifiedNode& node : response.nodes()) {
    rows.push_back({{"node_id", node.node_id()},
                    {"rows", node.has_check() ? Json(node.check().rows()) : Json("")},
                    {"wrong", node.check().wrong()},
                    {"repaired", node.check().repaired()},
                    {"different", node.compared() ? Json(node.different()) : Json("not compared")},
                    {"trouble", node.trouble()}});
  }
  const bool text = session.format == Format::kTable || session.format == Format::kWide;
  Print(session.out, session.format, body, rows, kVerifyColumns);
  if (text) {
    for (const v1::VerifiedNode& node : response.nodes()) {
      PrintFindings(session, node);
    }
  }
  if (!response.good()) {
    return session.Fail(kDiff, repair ? "some of it could not be put right; see `events tail`"
                                      : "the members or their digests differ; `sync verify --repair` puts it right");
  }
  return response.complete() ? kOk : session.Fail(kPartial, "what was compared is equal, but not every member was");
}

int SyncConflicts(Session& session) {
  auto conflicts = Json::array();
  auto lines = Json::array();
  v1::ListSyncConflictsRequest request;
  request.set_page_size(1000);
  v1::ListSyncConflictsResponse page;
  do {
    page.Clear();
    if (const grpc::Status status = session.Call(&Stub::ListSyncConflicts, request, &page); !status.ok()) {
      return session.Fail(status);
    }
    for (const v1::SyncConflict& conflict : page.conflicts()) {
      Json& row = conflicts.emplace_back(protojson::ToJson(conflict));
      for (Json& value : row["values"]) {
        const Json text = value["value"];
        value["value"] = Json::parse(text.get<std::string>(), nullptr, false);
        if (value["value"].is_discarded()) {
          value["value"] = nullptr;
        }
        Json& line = lines.emplace_back(value);
        line["kind"] = conflict.kind();
        line["id"] = conflict.id();
        line["text"] = text;
      }
    }
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  Print(session.out, session.format, {{"conflicts", conflicts}}, lines, kConflictColumns);
  return kOk;
}

int NodesList(Session& session) {
  v1::ListNodesResponse response;
  if (const grpc::Status status = session.Call(&Stub::ListNodes, v1::ListNodesRequest(), &response); !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, body, body["nodes"], kNodeColumns);
  return kOk;
}

int NodesGet(Session& session, const std::string& node_id) {
  v1::ListNodesResponse response;
  if (const grpc::Status status = session.Call(&Stub::ListNodes, v1::ListNodesRequest(), &response); !status.ok()) {
    return session.Fail(status);
  }
  std::string known;
  for (const v1::ClusterNode& node : response.nodes()) {
    if (node.node_id() == node_id) {
      PrintEntity(session.out, session.format, protojson::ToJson(node));
      return kOk;
    }
    known += (known.empty() ? "" : ", ") + node.node_id();
  }
  return session.Fail(
      kNotFound, "node " + node_id + " is not known here; known are: " + (known.empty() ? "none" : known));
}

int NodesRemove(Session& session, const std::string& node_id) {
  v1::RemoveNodeRequest request;
  request.set_node_id(node_id);
  v1::RemoveNodeResponse response;
  if (const grpc::Status status = session.Call(&Stub::RemoveNode, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  return kOk;
}

int KeyringList(Session& session) {
  v1::ListGossipKeysResponse response;
  if (const grpc::Status status = session.Call(&Stub::ListGossipKeys, v1::ListGossipKeysRequest(), &response);
      !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, body, body["keys"], kGossipKeyColumns);
  return kOk;
}

// The key comes from a file or stdin, never from an argument: those are seen by every user of the machine.
int KeyringInstall(Session& session, const std::string& path) {
  std::string key;
  if (path == "-") {
    key.assign(std::istreambuf_iterator<char>(session.in), {});
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file.is_open()) {
      return session.Fail(kError, path + ": cannot be read");
    }
    key.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (key.size() > kKeyFileMax) {
    return session.Fail(kUsage, path + ": is longer than a key; it holds base64 of 16, 24 or 32 bytes");
  }
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r' || key.back() == ' ')) {
    key.pop_back();
  }
  v1::InstallGossipKeyRequest request;
  request.set_key(key);
  v1::InstallGossipKeyResponse response;
  const grpc::Status status = session.Call(&Stub::InstallGossipKey, request, &response);
  return PrintKey(session, status, response);
}

int KeyringUse(Session& session, const std::string& fingerprint) {
  v1::UseGossipKeyRequest request;
  request.set_fingerprint(fingerprint);
  v1::UseGossipKeyResponse response;
  const grpc::Status status = session.Call(&Stub::UseGossipKey, request, &response);
  return PrintKey(session, status, response);
}

int KeyringRemove(Session& session, const std::string& fingerprint) {
  v1::RemoveGossipKeyRequest request;
  request.set_fingerprint(fingerprint);
  v1::RemoveGossipKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::RemoveGossipKey, request, &response); !status.ok()) {
    return session.Fail(status);
  }
  return kOk;
}

}  // namespace aurora::ctl
