// Backups: made, verified, restored and deleted on the backups' thread, listed on the worker's. What came of each is an
// event; who asked is in the audit table.
#include <string>
#include <utility>

#include "controlplane/admin/cluster_api.h"
#include "controlplane/admin/handlers_impl.h"
#include "controlplane/admin/worker.h"
#include "controlplane/kinds/field.h"
#include "controlplane/store/backup_dir.h"
#include "shared/log/log.h"

namespace aurora::admin {
namespace {

constexpr std::string_view kBackup = "Backup";

void Fill(const std::string& name, const store::BackupInfo& info, v1::Backup* out) {
  out->set_name(name);
  out->set_bytes(static_cast<int64_t>(info.bytes));
  if (info.created_ms > 0) {
    SetMillis(info.created_ms, out->mutable_created_at());
  }
  out->set_rows(info.rows);
  out->set_node_uid(info.node_uid);
  out->set_cluster_id(info.cluster_id);
  out->set_schema(info.schema);
  out->set_sha256(info.sha256);
}

std::string Of(const std::string& cluster_id) {
  return cluster_id.empty() ? "no cluster" : "cluster " + cluster_id;
}

void Tell(store::Store& store, bool warning, std::string type, const std::string& text) {
  warning ? log::Warn(text, {{"event", type}}) : log::Info(text, {{"event", type}});
  store.AppendEvent(warning ? "warning" : "info", std::move(type), text);
}

// What the caller hears of a failure; of one that is not the caller's own mistake there is an event.
absl::Status Failed(store::Store& store, std::string type, const std::string& doing, const std::string& name,
                    const absl::Status& why) {
  if (absl::IsNotFound(why)) {
    return NotFound("no backup \"" + name + "\"");
  }
  if (absl::IsAlreadyExists(why)) {
    return AlreadyExists("there is a backup \"" + name + "\" already; give another name");
  }
  Tell(store, true, std::move(type), doing + " backup " + name + ": " + std::string(Std(why.message())));
  return absl::IsDataLoss(why)
             ? DataLoss("backup \"" + name + "\" is damaged: " + std::string(Std(why.message())))
             : why;
}

store::AuditEntry Audit(const Caller& caller, std::string_view action, const std::string& name, std::string detail) {
  store::AuditEntry entry = AuditOf(caller, action);
  entry.kind = kBackup;
  entry.id = name;
  entry.detail = std::move(detail);
  return entry;
}

std::string Numbers(const store::BackupInfo& info) {
  return std::to_string(info.rows) + " rows, " + std::to_string(info.bytes) + " bytes";
}

}  // namespace

void Handlers::Handle(const Caller& c, const v1::CreateBackupRequest& r, Reply<v1::CreateBackupResponse> reply) {
  const std::string name =
      r.name().empty() ? store::DefaultBackupName(deps_.unix_ms(), deps_.config->cluster.node_id) : r.name();
  if (absl::Status wrong = kinds::CheckSegment("name", name); !wrong.ok()) {
    reply(std::move(wrong));
    return;
  }
  auto shared = std::make_shared<Reply<v1::CreateBackupResponse>>(std::move(reply));
  deps_.backups->Create(store::BackupPath(deps_.backup_dir, name), [shared, c, name, store = deps_.store](
                                                                        const absl::StatusOr<store::BackupInfo>& made) {
    if (!made.ok()) {
      (*shared)(Failed(*store, "backup_failed", "making", name, made.status()));
      return;
    }
    store->AppendAudit(Audit(c, "create", name, Numbers(*made)));
    Tell(*store, false, "backup_created", "backup " + name + " was made: " + Numbers(*made));
    v1::CreateBackupResponse response;
    Fill(name, *made, response.mutable_backup());
    (*shared)(std::move(response));
  });
}

void Handlers::Handle(const Caller&, const v1::ListBackupsRequest&, Reply<v1::ListBackupsResponse> reply) {
  auto shared = std::make_shared<Reply<v1::ListBackupsResponse>>(std::move(reply));
  Worker::Task task = [shared, dir = deps_.backup_dir](bool run) {
    if (!run) {
      (*shared)(Unavailable("this node is stopping"));
      return;
    }
    const auto files = store::ListBackups(dir);
    if (!files.ok()) {
      (*shared)(files.status());
      return;
    }
    v1::ListBackupsResponse response;
    for (const store::BackupFile& file : *files) {
      v1::Backup* out = response.add_backups();
      Fill(file.name, file.info, out);
      out->set_problem(file.problem);
    }
    (*shared)(std::move(response));
  };
  if (!worker_->Post(task)) {
    (*shared)(ResourceExhausted("too many questions wait for their answer; try again"));
  }
}

void Handlers::Handle(const Caller&, const v1::VerifyBackupRequest& r, Reply<v1::VerifyBackupResponse> reply) {
  if (absl::Status wrong = kinds::CheckSegment("name", r.name()); !wrong.ok()) {
    reply(std::move(wrong));
    return;
  }
  auto shared = std::make_shared<Reply<v1::VerifyBackupResponse>>(std::move(reply));
  deps_.backups->Verify(
      store::BackupPath(deps_.backup_dir, r.name()),
      [shared, name = r.name(), store = deps_.store](const absl::StatusOr<store::BackupInfo>& info) {
        if (!info.ok()) {
          (*shared)(Failed(*store, "backup_damaged", "verifying", name, info.status()));
          return;
        }
        v1::VerifyBackupResponse response;
        Fill(name, *info, response.mutable_backup());
        (*shared)(std::move(response));
      });
}

void Handlers::Handle(const Caller& c, const v1::DeleteBackupRequest& r, Reply<v1::DeleteBackupResponse> reply) {
  if (absl::Status wrong = kinds::CheckSegment("name", r.name()); !wrong.ok()) {
    reply(std::move(wrong));
    return;
  }
  auto shared = std::make_shared<Reply<v1::DeleteBackupResponse>>(std::move(reply));
  deps_.backups->Delete(store::BackupPath(deps_.backup_dir, r.name()),
                        [shared, c, name = r.name(), store = deps_.store](const absl::Status& gone) {
                          if (!gone.ok()) {
                            (*shared)(Failed(*store, "backup_delete_failed", "deleting", name, gone));
                            return;
                          }
                          store->AppendAudit(Audit(c, "delete", name, ""));
                          Tell(*store, false, "backup_deleted", "backup " + name + " was deleted by " + c.actor);
                          (*shared)(v1::DeleteBackupResponse());
                        });
}

void Handlers::Handle(const Caller& c, const v1::RestoreBackupRequest& r, Reply<v1::RestoreBackupResponse> reply) {
  if (absl::Status wrong = kinds::CheckSegment("name", r.name()); !wrong.ok()) {
    reply(std::move(wrong));
    return;
  }
  auto shared = std::make_shared<Reply<v1::RestoreBackupResponse>>(std::move(reply));
  store::RestoreRequest request{store::BackupPath(deps_.backup_dir, r.name()), r.new_cluster(),
                                Audit(c, "restore", r.name(), r.new_cluster() ? "for a new cluster" : "")};
  deps_.backups->Restore(std::move(request), [shared, name = r.name(), store = deps_.store, cluster = deps_.cluster,
                                              fresh = r.new_cluster()](
                                                 const absl::StatusOr<store::RestoreResult>& restored) {
    if (!restored.ok()) {
      (*shared)(Failed(*store, "backup_restore_failed", "restoring", name, restored.status()));
      return;
    }
    Tell(*store, false, "backup_restored",
         "backup " + name + " of " + Of(restored->backup.cluster_id) + " was merged" +
             (fresh ? " for a new cluster" : "") + ": " + std::to_string(restored->rows) + " rows, " +
             std::to_string(restored->changed) + " brought something, " + std::to_string(restored->conflicts) +
             " in conflict; what was newer here stays");
    if (cluster != nullptr && !fresh) {
      cluster->Restored();
    }
    v1::RestoreBackupResponse response;
    Fill(name, restored->backup, response.mutable_backup());
    response.set_rows(static_cast<int64_t>(restored->rows));
    response.set_changed(static_cast<int64_t>(restored->changed));
    response.set_conflicts(static_cast<int64_t>(restored->conflicts));
    (*shared)(std::move(response));
  });
}

}  // namespace aurora::admin
