#include "dataplane/server/ops.h"

#include <array>

#include "dataplane/server/sync_gate.h"

namespace aurora::server {
namespace {

// A loop that has not ticked for so long is stuck, not busy.
constexpr Duration kStuck = Duration::Seconds(10);

void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string Json(std::string_view status, std::string_view list,
                 const std::vector<std::string>& reasons) {
  std::string body =
      R"({"status":")" + std::string(status) + R"(",")" + std::string(list) + R"(":[)";
  for (size_t i = 0; i < reasons.size(); ++i) {
    if (i > 0) {
      body += ',';
    }
    AppendQuoted(body, reasons[i]);
  }
  return body + "]}";
}

std::string Unready(std::string_view status, const std::vector<std::string>& reasons) {
  return Json(status, "reasons", reasons);
}

std::string LeaderJson(const Role& role) {
  if (!role.clustered) {
    return R"({"enabled":false,"role":"single","leader_id":"","term":0,"active":true})";
  }
  std::string json = R"({"enabled":true,"leader_id":)";
  AppendQuoted(json, role.leader_id);
  json += R"(,"term":)" + std::to_string(role.term);
  if (!role.leader_address.empty()) {
    json += R"(,"address":)";
    AppendQuoted(json, role.leader_address);
  }
  json += R"(,"active":)";
  json += !role.gated || role.open ? "true}" : "false}";
  return json;
}

}  // namespace

Ops::Ops(size_t loop_count)
    : loop_count_(loop_count), ticks_(new std::atomic<int64_t>[loop_count]) {
  for (size_t i = 0; i < loop_count; ++i) {
    ticks_[i] = 0;  // not started: counts as ticking
  }
}

bool Ops::IsOpsPath(std::string_view path) {
  static constexpr std::array<std::string_view, 6> kPaths = {"/livez",  "/readyz",  "/health",
                                                             "/active", "/passive", "/leader"};
  for (const std::string_view p : kPaths) {
    if (path == p) {
      return true;
    }
  }
  return false;
}

void Ops::SetPolicyProblem(std::string_view problem) {
  std::lock_guard lock(mutex_);
  policy_problem_ = problem;
}

void Ops::SetPolicyWarning(std::string_view warning) {
  std::lock_guard lock(mutex_);
  policy_warning_ = warning;
}

std::vector<std::string> Ops::Reasons() const {
  std::vector<std::string> reasons;
  if (draining_) {
    reasons.emplace_back("draining: the process was told to stop");
  }
  {
    std::lock_guard lock(mutex_);
    if (!policy_problem_.empty()) {
      reasons.push_back(policy_problem_);
    }
  }
  if (const std::string_view why = WhyNot(admission()); !why.empty()) {
    reasons.emplace_back(why);
  }
  if (discovering_) {
    reasons.emplace_back("starting: asking the providers for their models");
  }
  return reasons;
}

OpsAnswer Ops::Answer(std::string_view path, Instant now) const {
  if (path == "/livez") {
    for (size_t i = 0; i < loop_count_; ++i) {
      const int64_t tick = ticks_[i].load(std::memory_order_relaxed);
      if (tick != 0 && now - Instant::FromMicros(tick) > kStuck) {
        return {503, Unready("stuck", {"loop " + std::to_string(i) + " does not tick"})};
      }
    }
    return {200, R"({"status":"ok"})"};
  }
  if (path == "/leader") {
    return {200, LeaderJson(RoleNow())};
  }
  if (path == "/health") {
    return draining_ ? OpsAnswer{503, R"({"status":"draining"})"}
                     : OpsAnswer{200, R"({"status":"ok"})"};
  }
  std::vector<std::string> reasons = Reasons();
  if (path == "/active" || path == "/passive") {
    const Role role = RoleNow();
    const bool active = !role.gated || role.open;
    if (path == "/active" && !active) {
      reasons.emplace_back("passive: this node holds no lease");
    } else if (path == "/passive" && active) {
      reasons.emplace_back("active: this node may serve");
    }
  }
  if (!reasons.empty()) {
    return {503, Unready("unavailable", reasons)};
  }
  std::vector<std::string> warnings;
  if (stale_) {
    warnings.emplace_back("stale: no member was heard for cluster.max_staleness; policy may be old");
  }
  std::lock_guard lock(mutex_);
  if (!policy_warning_.empty()) {
    warnings.push_back(policy_warning_);
  }
  return {200, warnings.empty() ? R"({"status":"ok"})" : Json("ok", "warnings", warnings)};
}

}  // namespace aurora::server
