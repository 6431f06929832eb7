#include "dataplane/metering/traffic_file.h"

#include <algorithm>
#include <cstdint>

#include "dataplane/metering/names.h"
#include "shared/base/status.h"
#include "shared/schema/traffic_db.h"

namespace aurora::metering {

absl::StatusOr<std::unique_ptr<TrafficFile>> TrafficFile::Open(const std::string& path,
                                                                std::function<void()> pause) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, schema::OpenTrafficForWrite(path));
  auto file = std::make_unique<TrafficFile>(std::move(db));
  sqlite::Database& d = file->db_;
  file->pause_ = std::move(pause);
  AURORA_ASSIGN_OR_RETURN(
      file->insert_, d.Prepare("INSERT INTO usage_batch (last_id, first_id, newest_start_us, row_count, data) "
                               "VALUES (?1, ?2, ?3, ?4, ?5)"));
  AURORA_ASSIGN_OR_RETURN(file->last_id_,
                          d.QueryInt64("SELECT max((SELECT coalesce(max(last_id), 0) FROM usage_batch), "
                                       "(SELECT coalesce(max(id), 0) FROM usage_row))"));
  AURORA_ASSIGN_OR_RETURN(file->delete_list_,
                          d.Prepare("DELETE FROM discovered_model WHERE provider = ?1"));
  AURORA_ASSIGN_OR_RETURN(
      file->insert_list_,
      d.Prepare("INSERT OR REPLACE INTO discovered_model (provider, model, fetched_at_ms) "
                "VALUES (?1, ?2, ?3)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_before_,
      d.Prepare("DELETE FROM usage_row WHERE id IN (SELECT id FROM (SELECT id, started_at_us FROM usage_row "
                "ORDER BY id LIMIT ?2) WHERE started_at_us < ?1)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_audit_,
      d.Prepare("DELETE FROM request_audit WHERE id IN (SELECT id FROM request_audit "
                "WHERE started_at_us < ?1 ORDER BY started_at_us LIMIT ?2)"));
  AURORA_ASSIGN_OR_RETURN(
      file->delete_oldest_,
      d.Prepare("DELETE FROM usage_row WHERE id IN (SELECT id FROM usage_row ORDER BY id LIMIT ?1)"));
  AURORA_ASSIGN_OR_RETURN(file->oldest_batches_,
                          d.Prepare("SELECT last_id, newest_start_us, row_count FROM usage_batch "
                                    "ORDER BY last_id LIMIT ?1"));
  AURORA_ASSIGN_OR_RETURN(file->delete_batch_, d.Prepare("DELETE FROM usage_batch WHERE last_id = ?1"));
  AURORA_ASSIGN_OR_RETURN(
      file->add_counter_,
      d.Prepare("INSERT INTO counter (name, value) VALUES (?1, ?2) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"));
  return file;
}

absl::Status TrafficFile::Add(const UsageRing& ring, size_t count, std::string_view node_id) {
  for (size_t i = 0; i < count; ++i) {
    const model::UsageRecord& r = ring.At(i);
    if ((i + 1) % kRowsPerPause == 0 && pause_) {
      pause_();
    }
    if (!r.metered) {
      continue;
    }
    last_id_ = std::max(last_id_ + 1, r.started_unix_us + r.latency_us);
    if (batch_.count() >= kBatchRows ||
        (batch_.count() > 0 && last_id_ - batch_.first_id() > kBatchSpan.micros())) {
      AURORA_RETURN_IF_ERROR(Flush());
    }
    schema::UsageRow row;
    row.id = last_id_;
    row.started_at_us = r.started_unix_us;
    row.latency_us = r.latency_us;
    row.request_id = r.request_id.view();
    row.auth_key_id = r.auth_key_id.view();
    row.user_path = r.user_path.view();
    row.endpoint = Name(r.endpoint);
    row.provider = r.provider.view();
    row.model = r.model.view();
    row.outcome = Name(r.outcome);
    row.node_id = node_id;
    row.status = r.status;
    row.stream = r.stream ? 1 : 0;
    row.input_tokens = r.tokens.input;
    row.output_tokens = r.tokens.output;
    row.cached_input_tokens = r.tokens.cached_input;
    row.cache_creation_input_tokens = r.tokens.cache_creation_input;
    row.reasoning_tokens = r.tokens.reasoning;
    row.time_to_first_token_us = r.time_to_first_token_us;
    row.term = static_cast<int64_t>(r.term);
    row.attempts = r.attempts;
    row.cost_nano_usd = r.cost_nano_usd;
    batch_.Add(row);
  }
  return absl::OkStatus();
}

absl::Status TrafficFile::Flush() {
  if (batch_.count() == 0) {
    return absl::OkStatus();
  }
  const sqlite::ResetGuard guard(insert_);
  insert_.Bind(1, batch_.last_id()).Bind(2, batch_.first_id()).Bind(3, batch_.newest_start_us());
  insert_.Bind(4, static_cast<int64_t>(batch_.count())).BindBlob(5, batch_.Finish());
  const absl::Status status = insert_.Run();
  batch_.Clear();
  return status;
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
  AURORA_ASSIGN_OR_RETURN(const int64_t packed, DeleteBatches(started_at_us, limit));
  AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  return deleted + packed;
}

absl::StatusOr<int64_t> TrafficFile::DeleteOldest(int64_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db_));
  delete_oldest_.Bind(1, limit);
  AURORA_RETURN_IF_ERROR(delete_oldest_.Run());
  int64_t deleted = db_.Changes();
  if (deleted == 0) {
    AURORA_ASSIGN_OR_RETURN(deleted, DeleteBatches(INT64_MAX, limit));
  }
  AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  return deleted;
}

// Of the `limit` oldest batches those that began before, until they are `limit` rows; how many rows.
absl::StatusOr<int64_t> TrafficFile::DeleteBatches(int64_t started_at_us, int64_t limit) {
  std::vector<int64_t> gone;
  int64_t rows = 0;
  {
    const sqlite::ResetGuard guard(oldest_batches_);
    oldest_batches_.Bind(1, limit);
    while (rows < limit) {
      AURORA_ASSIGN_OR_RETURN(const bool more, oldest_batches_.Step());
      if (!more) {
        break;
      }
      if (oldest_batches_.Int64(1) < started_at_us) {
        gone.push_back(oldest_batches_.Int64(0));
        rows += oldest_batches_.Int64(2);
      }
    }
  }
  for (const int64_t last_id : gone) {
    delete_batch_.Bind(1, last_id);
    AURORA_RETURN_IF_ERROR(delete_batch_.Run());
  }
  return rows;
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
