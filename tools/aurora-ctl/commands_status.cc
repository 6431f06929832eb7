#include <chrono>
#include <thread>

#include "shared/base/status.h"
#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;
using Json = nlohmann::ordered_json;

int StatusOnce(Session& session) {
  v1::GetNodeStatusResponse response;
  if (const grpc::Status status =
          session.Call(&Stub::GetNodeStatus, v1::GetNodeStatusRequest(), &response);
      !status.ok()) {
    return session.Fail(status);
  }
  Json body = protojson::ToJson(response);
  std::string reasons;
  const auto add = [&reasons](const auto& more) {
    for (const std::string& reason : more) {
      reasons += (reasons.empty() ? "" : "; ") + reason;
    }
  };
  add(response.reasons());
  if (response.cluster_enabled()) {
    v1::GetClusterStatusResponse cluster;
    if (const grpc::Status status =
            session.Call(&Stub::GetClusterStatus, v1::GetClusterStatusRequest(), &cluster);
        !status.ok()) {
      return session.Fail(status);
    }
    add(cluster.reasons());
    const Json view = protojson::ToJson(cluster);
    if (session.format == Format::kJson || session.format == Format::kYaml) {
      body["cluster"] = view;
    } else {
      for (const auto& [key, value] : view.items()) {
        if (key != "enabled" && key != "node_id" && key != "node_name") {
          body[key.starts_with("cluster_") ? key : "cluster_" + key] = value;
        }
      }
    }
  }
  PrintEntity(session.out, session.format, body);
  session.out.flush();
  if (reasons.empty()) {
    return kOk;
  }
  return session.Fail(kUnhealthy, "not healthy: " + reasons);
}

const std::vector<Column> kEventColumns = {{"SEQ", "seq"},
                                           {"AT", "at"},
                                           {"SEVERITY", "severity"},
                                           {"TYPE", "type"},
                                           {"MESSAGE", "message"}};
const std::vector<Column> kAuditColumns = {{"SEQ", "seq"},   {"AT", "at"}, {"ACTOR", "actor"},  {"ACTION", "action"},
                                           {"KIND", "kind"}, {"ID", "id"}, {"DETAIL", "detail"}};

}  // namespace

int StatusCommand(Session& session, const Watch& watch) {
  return Repeat(session, watch, [&] { return StatusOnce(session); });
}

int ConfigView(Session& session) {
  v1::GetEffectiveConfigResponse response;
  if (const grpc::Status status =
          session.Call(&Stub::GetEffectiveConfig, v1::GetEffectiveConfigRequest(), &response);
      !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Print(session.out, session.format, body, body["values"],
        {{"KEY", "key"}, {"VALUE", "value"}, {"SOURCE", "source"}});
  return kOk;
}

int UsageSummary(Session& session, const std::string& since, const std::string& until,
                 const std::string& group_by) {
  v1::GetUsageSummaryRequest request;
  request.set_group_by(group_by);
  absl::Status bad =
      since.empty() ? absl::OkStatus() : SetTime(since, false, request.mutable_since());
  if (bad.ok() && !until.empty()) {
    bad = SetTime(until, false, request.mutable_until());
  }
  if (!bad.ok()) {
    return session.Fail(kUsage, Std(bad.message()));
  }
  v1::GetUsageSummaryResponse response;
  if (const grpc::Status status = session.Call(&Stub::GetUsageSummary, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  const Json body = protojson::ToJson(response);
  Json rows = body["groups"];
  if (body["total"].is_object()) {
    Json total = body["total"];
    total["group"] = "TOTAL";
    rows.push_back(std::move(total));
  }
  Print(session.out, session.format, body, rows,
        {{"GROUP", "group"},
         {"NAME", "name", true},
         {"REQUESTS", "requests"},
         {"ERRORS", "errors"},
         {"INPUT", "input_tokens"},
         {"OUTPUT", "output_tokens"},
         {"TOTAL", "total_tokens"},
         {"COST-USD", "cost_usd"},
         {"CACHED", "cached_input_tokens", true},
         {"CACHE-WRITE", "cache_creation_input_tokens", true},
         {"REASONING", "reasoning_tokens", true}});
  return kOk;
}

int UsageLog(Session& session, int limit) {
  auto rows = Json::array();
  v1::ListUsageRequest request;
  v1::ListUsageResponse page;
  do {
    request.set_page_size(std::min(1000, limit - static_cast<int>(rows.size())));
    page.Clear();
    if (const grpc::Status status = session.Call(&Stub::ListUsage, request, &page); !status.ok()) {
      return session.Fail(status);
    }
    for (const v1::UsageEntry& entry : page.entries()) {
      if (static_cast<int>(rows.size()) < limit) {
        rows.push_back(protojson::ToJson(entry));
      }
    }
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty() && static_cast<int>(rows.size()) < limit);
  Json body;
  body["entries"] = rows;
  Print(session.out, session.format, body, rows,
        {{"STARTED", "started_at"},
         {"STATUS", "status"},
         {"PROVIDER", "provider"},
         {"MODEL", "model"},
         {"INPUT", "input_tokens"},
         {"OUTPUT", "output_tokens"},
         {"LATENCY-US", "latency_us"},
         {"KEY", "auth_key_name"},
         {"KEY-ID", "auth_key_id", true},
         {"OUTCOME", "outcome", true},
         {"ENDPOINT", "endpoint", true},
         {"REQUEST", "request_id", true}});
  return kOk;
}

int EventsTail(Session& session, int64_t after, const Watch& follow) {
  bool first = true;
  while (true) {
    v1::ListEventsRequest request;
    request.set_after_seq(after);
    v1::ListEventsResponse response;
    if (const grpc::Status status = session.Call(&Stub::ListEvents, request, &response);
        !status.ok()) {
      return session.Fail(status);
    }
    for (const v1::Event& event : response.events()) {
      after = std::max(after, event.seq());
    }
    const Json body = protojson::ToJson(response);
    if (first || !response.events().empty()) {
      Print(session.out, session.format, body, body["events"], kEventColumns);
      session.out.flush();
    }
    first = false;
    if (!follow.on || !session.out.good()) {
      return kOk;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(follow.interval.micros()));
  }
}

int AuditTail(Session& session, int32_t limit, const Watch& follow) {
  int64_t last = 0;
  while (true) {
    v1::ListAuditRequest request;
    request.set_page_size(limit);
    v1::ListAuditResponse page;
    if (const grpc::Status status = session.Call(&Stub::ListAudit, request, &page); !status.ok()) {
      return session.Fail(status);
    }
    v1::ListAuditResponse news;  // oldest first, as a tail reads
    for (auto entry = page.entries().rbegin(); entry != page.entries().rend(); ++entry) {
      if (entry->seq() > last) {
        *news.add_entries() = *entry;
      }
    }
    if (last == 0 || !news.entries().empty()) {
      const Json body = protojson::ToJson(news);
      Print(session.out, session.format, body, body["entries"], kAuditColumns);
      session.out.flush();
    }
    if (!news.entries().empty()) {
      last = news.entries().rbegin()->seq();
    }
    if (!follow.on || !session.out.good()) {
      return kOk;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(follow.interval.micros()));
  }
}

}  // namespace aurora::ctl
