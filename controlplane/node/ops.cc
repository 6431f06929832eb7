#include "controlplane/node/ops.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "controlplane/store/store_metrics.h"

namespace aurora::node {
namespace {

double FileBytes(const std::string& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  return missing ? 0.0 : static_cast<double>(size);
}

httpd::Response Health(const std::vector<std::string>& reasons) {
  nlohmann::ordered_json body;
  body["status"] = reasons.empty() ? "ok" : "unavailable";
  body["reasons"] = reasons;
  httpd::Response response;
  response.status = reasons.empty() ? 200 : 503;
  response.content_type = "application/json";
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

}  // namespace

void NodeMetrics::CollectInto(metrics::Families& families) const {
  const bool writable = store_.state().state == store::State::kOpen;
  families.Gauge("aurora_db_size_bytes", "Size of aurora.db.", {}, FileBytes(db_path_));
  families.Gauge("aurora_db_wal_size_bytes", "Size of aurora.db's write-ahead log.", {},
                 FileBytes(db_path_ + "-wal"));
  const store::StoreMetrics& m = store_.metrics();
  families.Histogram("aurora_db_query_duration_seconds",
                     "A batch of writes with its fsync, or a read, of aurora.db.", {{"op", "write"}},
                     m.write);
  families.Histogram("aurora_db_query_duration_seconds",
                     "A batch of writes with its fsync, or a read, of aurora.db.", {{"op", "read"}},
                     m.read);
  families.Histogram("aurora_db_checkpoint_duration_seconds", "Copying aurora.db's write-ahead log into it.", {},
                     m.checkpoint);
  for (const auto& [op, count] : {std::pair("write", &m.write_errors), {"read", &m.read_errors},
                                  {"open", &m.open_errors}}) {
    families.Counter("aurora_db_errors_total", "Failed uses of aurora.db.", {{"op", op}},
                     static_cast<double>(count->value()));
  }
  families.Counter("aurora_db_busy_total", "Writes that waited too long for the file's lock.", {},
                   static_cast<double>(m.busy.value()));
  families.Gauge("aurora_store_rows", "Rows of policy, tombstones too.", {}, static_cast<double>(m.rows.value()));
  families.Gauge("aurora_store_tombstones", "Rows of which only the deletion is left.", {},
                 static_cast<double>(m.tombstones.value()));
  families.Gauge("aurora_store_parked", "Rows whose newest value is not in force here.", {},
                 static_cast<double>(m.parked.value()));
  families.Gauge("aurora_sync_conflicts", "Rows with concurrent values.", {},
                 static_cast<double>(m.conflicts.value()));
  families.Gauge("aurora_store_writable", "1 while the store takes writes.", {}, writable ? 1 : 0);
  families.Counter("aurora_audit_events_total", "Entries ever written to the audit table.", {},
                   static_cast<double>(audit_events_.load(std::memory_order_relaxed)));
  const store::BackupStats backups = backups_.stats();
  families.Gauge("aurora_backup_last_success_timestamp_seconds", "When the newest backup was made; 0 = there is none.",
                 {}, static_cast<double>(backups.last_unix_ms) / 1000);
  families.Gauge("aurora_backup_last_duration_seconds", "What the last backup of this start took.", {},
                 backups.last_seconds);
  families.Gauge("aurora_backup_last_size_bytes", "Size of the last backup of this start.", {},
                 static_cast<double>(backups.last_bytes));
  families.Counter("aurora_backup_failures_total", "Backups that could not be made.", {},
                   static_cast<double>(backups.failures));
  families.Counter("aurora_rolepage_rewrites_total",
                   "Role page headers found not to match and rewritten.", {},
                   page_.rewritten().empty() ? 0 : 1);
  families.Gauge("aurora_data_plane_up", "1 while a data plane holds its lock on the role page.",
                 {}, page_.DataPlaneAlive() ? 1 : 0);
}

absl::StatusOr<std::unique_ptr<OpsServer>> OpsServer::Open(uv::Loop& loop, uv::Mailbox& mailbox,
                                                           const config::HostPort& listen,
                                                           Deps deps) {
  std::unique_ptr<OpsServer> ops(new OpsServer(mailbox, std::move(deps)));
  httpd::Server::Options options;
  options.host = listen.host;
  options.port = listen.port;
  auto server = httpd::Server::Open(
      loop, options,
      [self = ops.get()](const httpd::Request& request, const httpd::Responder& responder) {
        self->Handle(request, responder);
      });
  if (!server.ok()) {
    return WithContext("metrics.controlplane_listen " + listen.ToString(), server.status());
  }
  ops->server_ = *std::move(server);
  return ops;
}

void OpsServer::Handle(const httpd::Request& request, const httpd::Responder& responder) {
  if (request.method != http::Method::kGet && request.method != http::Method::kHead) {
    responder.Send(405, "only GET and HEAD are allowed here\n");
  } else if (request.path == "/livez") {
    responder.Send(Health({}));
  } else if (request.path == "/readyz") {
    responder.Send(Health(deps_.reasons()));
  } else if (request.path == "/metrics") {
    Scrape(responder);
  } else {
    responder.Send(404, "here are /livez, /readyz and /metrics\n");
  }
}

// The audit table is the store thread's to read; a store that cannot be read leaves the last
// number.
void OpsServer::Scrape(const httpd::Responder& responder) {
  deps_.store->Read(
      [metrics = deps_.metrics](store::Reader& reader) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(const std::vector<store::AuditEntry> newest, reader.Audit(0, 1));
        metrics->SetAuditEvents(newest.empty() ? 0 : newest.front().seq);
        return absl::OkStatus();
      },
      [&box = mailbox_, registry = deps_.registry, responder](const absl::Status&) {
        (void)box.Post([registry, responder] {
          httpd::Response response;
          response.content_type = std::string(metrics::Registry::kContentType);
          response.body = registry->Render();
          responder.Send(std::move(response));
        });
      });
}

}  // namespace aurora::node
