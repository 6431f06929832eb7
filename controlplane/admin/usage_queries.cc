#include "controlplane/admin/usage_queries.h"

#include <charconv>
#include <map>

#include "controlplane/admin/handlers_impl.h"
#include "shared/schema/traffic_db.h"

namespace aurora::admin {
namespace {

constexpr Duration kAnswerWithin = Duration::Seconds(5);
constexpr int64_t kDayMs = 86'400'000;
constexpr std::string_view kCounts =
    "COUNT(*), COALESCE(SUM(status >= 400 OR outcome <> 'success'),0), "
    "COALESCE(SUM(input_tokens),0), "
    "COALESCE(SUM(output_tokens),0), COALESCE(SUM(cached_input_tokens),0), "
    "COALESCE(SUM(cache_creation_input_tokens),0), COALESCE(SUM(reasoning_tokens),0), ";
constexpr std::string_view kRange = "FROM usage WHERE id >= ?1 AND started_at_us >= ?1 AND started_at_us < ?2";

// A file of version 2 has no costs.
absl::StatusOr<bool> HasCost(sqlite::Database& db) {
  AURORA_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt64("PRAGMA user_version"));
  return version >= 3;
}

// Summed as a floating point number: many large costs do not overflow.
std::string Sums(bool has_cost) {
  return std::string(kCounts) + (has_cost ? "CAST(TOTAL(cost_nano_usd) AS INTEGER) " : "0 ") + std::string(kRange);
}

// nullptr when there is no file yet.
absl::StatusOr<std::unique_ptr<sqlite::Database>> Open(const std::string& path) {
  if (absl::IsNotFound(sqlite::FileIdentity::OfPath(path).status())) {
    return nullptr;
  }
  auto db = schema::OpenTrafficForRead(path);
  if (absl::IsUnavailable(db.status())) {
    return nullptr;
  }
  AURORA_RETURN_IF_ERROR(db.status());
  db->SetTimeLimit(kAnswerWithin);
  return std::make_unique<sqlite::Database>(*std::move(db));
}

int64_t Micros(const google::protobuf::Timestamp& t) {
  return t.seconds() * 1'000'000 + t.nanos() / 1000;
}

void ReadSums(const sqlite::Statement& s, int first, v1::UsageGroup* g) {
  g->set_requests(s.Int64(first));
  g->set_errors(s.Int64(first + 1));
  g->set_input_tokens(s.Int64(first + 2));
  g->set_output_tokens(s.Int64(first + 3));
  g->set_cached_input_tokens(s.Int64(first + 4));
  g->set_cache_creation_input_tokens(s.Int64(first + 5));
  g->set_reasoning_tokens(s.Int64(first + 6));
  g->set_total_tokens(g->input_tokens() + g->output_tokens());
  g->set_cost_usd(static_cast<double>(s.Int64(first + 7)) / 1e9);
}

// "" = no such grouping.
std::string_view GroupColumn(std::string_view group_by) {
  static const std::map<std::string_view, std::string_view> kColumns = {
      {"model", "model"},
      {"provider", "provider"},
      {"auth_key", "auth_key_id"},
      {"user_path", "user_path"},
      {"hour", "strftime('%Y-%m-%dT%H:00:00Z', started_at_us / 1000000, 'unixepoch')"},
      {"day", "strftime('%Y-%m-%d', started_at_us / 1000000, 'unixepoch')"}};
  const auto it = kColumns.find(group_by);
  return it == kColumns.end() ? "" : it->second;
}

}  // namespace

absl::StatusOr<v1::GetUsageSummaryResponse> UsageSummary(const std::string& path,
                                                         const v1::GetUsageSummaryRequest& r,
                                                         int64_t now_ms) {
  v1::GetUsageSummaryResponse out;
  const std::string_view column = GroupColumn(r.group_by());
  if (!r.group_by().empty() && column.empty()) {
    return InvalidArgument("group_by: \"" + r.group_by().substr(0, 60) +
                           "\" is unknown; allowed are model, provider, auth_key, user_path, hour, day");
  }
  SetMillis(now_ms - kDayMs, out.mutable_since());
  SetMillis(now_ms, out.mutable_until());
  if (r.has_since()) {
    *out.mutable_since() = r.since();
  }
  if (r.has_until()) {
    *out.mutable_until() = r.until();
  }
  const int64_t since = Micros(out.since());
  const int64_t until = Micros(out.until());
  if (since > until) {
    return InvalidArgument("since: lies after until");
  }
  out.mutable_total();
  AURORA_ASSIGN_OR_RETURN(auto db, Open(path));
  if (db == nullptr) {
    return out;
  }
  AURORA_ASSIGN_OR_RETURN(const bool has_cost, HasCost(*db));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement total, db->Prepare("SELECT " + Sums(has_cost)));
  total.Bind(1, since).Bind(2, until);
  AURORA_ASSIGN_OR_RETURN(bool row, total.Step());
  if (row) {
    ReadSums(total, 0, out.mutable_total());
  }
  if (column.empty()) {
    return out;
  }
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement groups,
                          db->Prepare("SELECT " + std::string(column) + ", " + Sums(has_cost) +
                                      " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1000"));
  groups.Bind(1, since).Bind(2, until);
  while (true) {
    AURORA_ASSIGN_OR_RETURN(bool more, groups.Step());
    if (!more) {
      return out;
    }
    v1::UsageGroup* g = out.add_groups();
    g->set_group(std::string(groups.Text(0)));
    ReadSums(groups, 1, g);
  }
}

absl::StatusOr<v1::ListUsageResponse> UsageLog(const std::string& path, size_t page_size,
                                               const std::string& page_token) {
  v1::ListUsageResponse out;
  int64_t before = INT64_MAX;
  if (!page_token.empty()) {
    const auto parsed =
        std::from_chars(page_token.data(), page_token.data() + page_token.size(), before);
    if (parsed.ec != std::errc() || parsed.ptr != page_token.data() + page_token.size()) {
      return InvalidArgument("page_token: is not one that this list gave out");
    }
  }
  AURORA_ASSIGN_OR_RETURN(auto db, Open(path));
  if (db == nullptr) {
    return out;
  }
  AURORA_ASSIGN_OR_RETURN(const bool has_cost, HasCost(*db));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s,
                          db->Prepare("SELECT " +
                                      (has_cost ? std::string(schema::kUsageColumns)
                                                : std::string(schema::kUsageRowColumns) + ", 0") +
                                      ", id FROM usage WHERE id < ?1 ORDER BY id DESC LIMIT ?2"));
  s.Bind(1, before).Bind(2, static_cast<int64_t>(page_size));
  int64_t last = 0;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(bool more, s.Step());
    if (!more) {
      break;
    }
    v1::UsageEntry* e = out.add_entries();
    int c = 0;
    e->set_request_id(std::string(s.Text(c++)));
    const int64_t started = s.Int64(c++);
    e->mutable_started_at()->set_seconds(started / 1'000'000);
    e->mutable_started_at()->set_nanos(static_cast<int32_t>(started % 1'000'000) * 1000);
    e->set_auth_key_id(std::string(s.Text(c++)));
    ++c;  // auth_key_name: the caller's, as it is now
    e->set_user_path(std::string(s.Text(c++)));
    e->set_endpoint(std::string(s.Text(c++)));
    e->set_provider(std::string(s.Text(c++)));
    e->set_model(std::string(s.Text(c++)));
    e->set_status(static_cast<int32_t>(s.Int64(c++)));
    e->set_outcome(std::string(s.Text(c++)));
    e->set_stream(s.Int64(c++) != 0);
    e->set_input_tokens(s.Int64(c++));
    e->set_output_tokens(s.Int64(c++));
    e->set_cached_input_tokens(s.Int64(c++));
    e->set_cache_creation_input_tokens(s.Int64(c++));
    e->set_reasoning_tokens(s.Int64(c++));
    e->set_latency_us(s.Int64(c++));
    e->set_time_to_first_token_us(s.Int64(c++));
    e->set_node_id(std::string(s.Text(c++)));
    e->set_term(s.Int64(c++));
    e->set_attempts(static_cast<int32_t>(s.Int64(c++)));
    e->set_cost_nano_usd(s.Int64(c++));
    last = s.Int64(c);
  }
  if (static_cast<size_t>(out.entries_size()) == page_size && last > 1) {
    out.set_next_page_token(std::to_string(last));
  }
  return out;
}

absl::Status FillDiscovered(const std::string& path, v1::GetProviderStatusResponse* out) {
  AURORA_ASSIGN_OR_RETURN(auto db, Open(path));
  if (db == nullptr) {
    return absl::OkStatus();
  }
  AURORA_ASSIGN_OR_RETURN(
      sqlite::Statement s,
      db->Prepare("SELECT COUNT(*), MAX(fetched_at_ms) FROM discovered_model WHERE provider = ?1"));
  for (v1::ProviderStatus& provider : *out->mutable_providers()) {
    sqlite::ResetGuard guard(s);
    s.BindText(1, provider.name());
    AURORA_ASSIGN_OR_RETURN(bool row, s.Step());
    if (row && s.Int64(0) > 0) {
      provider.set_discovered_models(static_cast<int32_t>(s.Int64(0)));
      SetMillis(s.Int64(1), provider.mutable_discovered_at());
    }
  }
  return absl::OkStatus();
}

}  // namespace aurora::admin
