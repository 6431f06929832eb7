#include "dataplane/metering/traffic_file.h"

#include "shared/base/status.h"
#include "shared/schema/traffic_db.h"

namespace aurora::metering {

absl::StatusOr<std::unique_ptr<TrafficFile>> TrafficFile::Open(const std::string& path,
                                                                std::function<void()> pause) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenTrafficForWrite(path));
  auto file = std::make_unique<TrafficFile>(std::move(db));
  sqlite::Database& d = file->db_;
  AURORA_RETURN_IF_ERROR(
      sqlite::Expose(d, "finished", UsageRows::kColumns, *file->rows_));
  // The key's name is the control plane's to join.
  AURORA_ASSIGN_OR_RETURN(
      file->insert_,
      d.Prepare("INSERT INTO usage (id, " + std::string(schema::kUsageColumns) +
                ") SELECT c0,c1,c2,c3,'',c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,c17,?1,c18,"
                "c19 FROM finished"));
  AURORA_ASSIGN_OR_RETURN(const int64_t last,
                          d.QueryInt64("SELECT coalesce(max(id), 0) FROM usage"));
  file->rows_->StartAfter(last);
  file->rows_->SetPause(std::move(pause));
  AURORA_ASSIGN_OR_RETURN(file->delete_list_,
                          d.Prepare("DELETE FROM discovered_model WHERE provider = ?1"));
  AURORA_ASSIGN_OR_RETURN(
      file->insert_list_,
      d.Prepare("INSERT OR REPLACE INTO discovered_model (provider, model, fetched_at_ms) "
                "VALUES (?1, ?2, ?3)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_before_,
      d.Prepare("DELETE FROM usage WHERE id IN (SELECT id FROM (SELECT id, started_at_us FROM usage "
                "ORDER BY id LIMIT ?2) WHERE started_at_us < ?1)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_audit_,
      d.Prepare("DELETE FROM request_audit WHERE id IN (SELECT id FROM request_audit "
                "WHERE started_at_us < ?1 ORDER BY started_at_us LIMIT ?2)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_oldest_,
      d.Prepare("DELETE FROM usage WHERE id IN (SELECT id FROM usage ORDER BY id LIMIT ?1)"));
  AURORA_ASSIGN_OR_RETURN(
      file->add_counter_,
      d.Prepare("INSERT INTO counter (name, value) VALUES (?1, ?2) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"));
  return file;
}

absl::Status TrafficFile::Insert(const UsageRing& ring, size_t count, std::string_view node_id) {
  sqlite::ResetGuard guard(insert_);
  rows_->Read(ring, count);
  insert_.BindText(1, node_id);
  return insert_.Run();
}

absl::Status TrafficFile::AddToCounter(std::string_view name, uint64_t n) {
  sqlite::ResetGuard guard(add_counter_);
  add_counter_.BindText(1, name).Bind(2, static_cast<int64_t>(n));
  return add_counter_.Run();
}

absl::Status TrafficFile::ReplaceDiscovered(std::string_view provider,
                                            const std::vector<std::string>& models,
                                            int64_t now_ms) {
  delete_list_.BindText(1, provider);
  AURORA_RETURN_IF_ERROR(delete_list_.Run());
  for (const std::string& model : models) {
    insert_list_.BindText(1, provider).BindText(2, model).Bind(3, now_ms);
    AURORA_RETURN_IF_ERROR(insert_list_.Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TrafficFile::DeleteBefore(int64_t started_at_us, int64_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db_));
  delete_before_.Bind(1, started_at_us).Bind(2, limit);
  AURORA_RETURN_IF_ERROR(delete_before_.Run());
  int64_t deleted = db_.Changes();
  delete_audit_.Bind(1, started_at_us).Bind(2, limit);
  AURORA_RETURN_IF_ERROR(delete_audit_.Run());
  deleted += db_.Changes();
  AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  return deleted;
}

absl::StatusOr<int64_t> TrafficFile::DeleteOldest(int64_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db_));
  delete_oldest_.Bind(1, limit);
  AURORA_RETURN_IF_ERROR(delete_oldest_.Run());
  const int64_t deleted = db_.Changes();
  AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  return deleted;
}

absl::StatusOr<uint64_t> TrafficFile::UsedBytes() {
  AURORA_ASSIGN_OR_RETURN(int64_t pages, db_.QueryInt64("PRAGMA page_count"));
  AURORA_ASSIGN_OR_RETURN(int64_t unused, db_.QueryInt64("PRAGMA freelist_count"));
  AURORA_ASSIGN_OR_RETURN(int64_t size, db_.QueryInt64("PRAGMA page_size"));
  return static_cast<uint64_t>((pages - unused) * size);
}

absl::Status TrafficFile::Vacuum(int64_t pages) {
  return db_.Execute("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")");
}

}  // namespace aurora::metering
