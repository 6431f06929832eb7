#include "shared/schema/usage_table.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/schema/traffic_db.h"
#include "shared/schema/usage_batch.h"
#include "shared/sqlite/row_source.h"

namespace aurora::schema {
namespace {

using sqlite::Cell;
using sqlite::Statement;

// In the order of kUsageColumns, after the id.
Cell Field(const UsageRow& r, int column) {
  switch (column) {
    case 0: return r.id;
    case 1: return r.request_id;
    case 2: return r.started_at_us;
    case 3: return r.auth_key_id;
    case 4: return std::string_view();  // auth_key_name: the control plane's to join
    case 5: return r.user_path;
    case 6: return r.endpoint;
    case 7: return r.provider;
    case 8: return r.model;
    case 9: return r.status;
    case 10: return r.outcome;
    case 11: return r.stream;
    case 12: return r.input_tokens;
    case 13: return r.output_tokens;
    case 14: return r.cached_input_tokens;
    case 15: return r.cache_creation_input_tokens;
    case 16: return r.reasoning_tokens;
    case 17: return r.latency_us;
    case 18: return r.time_to_first_token_us;
    case 19: return r.node_id;
    case 20: return r.term;
    case 21: return r.attempts;
    case 22: return r.cost_nano_usd;
    default: break;
  }
  AURORA_CHECK(false);
  return int64_t{0};
}

bool IsText(int column) {
  return Field(UsageRow{}, column).is_text;
}

class Cursor final : public sqlite::RowCursor {
 public:
  Cursor(Statement old, Statement batches, const sqlite::IdRange& range)
      : old_(std::move(old)), batches_(std::move(batches)), range_(range) {}

  // Every id of usage_row is smaller than every id of a batch.
  absl::StatusOr<bool> Next() override {
    if (!range_.descending && !old_ended_) {
      AURORA_ASSIGN_OR_RETURN(const bool more, NextOld());
      if (more) {
        return true;
      }
    }
    AURORA_ASSIGN_OR_RETURN(const bool packed, NextPacked());
    return packed || !range_.descending ? packed : NextOld();
  }

  Cell Column(int column) const override {
    if (!in_old_) {
      return Field(*row_, column);
    }
    return IsText(column) ? Cell(old_.Text(column)) : Cell(old_.Int64(column));
  }

 private:
  absl::StatusOr<bool> NextOld() {
    if (old_ended_) {
      return false;
    }
    AURORA_ASSIGN_OR_RETURN(in_old_, old_.Step());
    old_ended_ = !in_old_;
    return in_old_;
  }

  absl::StatusOr<bool> NextPacked() {
    while (true) {
      while (next_ < rows_.size()) {
        row_ = &rows_[next_++];
        if (row_->id >= range_.first && row_->id <= range_.last) {
          return true;
        }
      }
      if (batches_ended_) {
        return false;
      }
      AURORA_ASSIGN_OR_RETURN(const bool more, batches_.Step());
      if (!more) {
        batches_ended_ = true;
        rows_.clear();
        return false;
      }
      next_ = 0;
      absl::Status decoded = DecodeUsageBatch(batches_.Blob(1), &rows_);
      if (decoded.ok() && (rows_.empty() || rows_.back().id != batches_.Int64(0))) {
        decoded = DataLoss("a usage batch is not the one its id names");
      }
      AURORA_RETURN_IF_ERROR(WithContext("usage up to " + std::to_string(batches_.Int64(0)), decoded));
      if (range_.descending) {
        std::reverse(rows_.begin(), rows_.end());
      }
    }
  }

  Statement old_, batches_;
  const sqlite::IdRange range_;
  bool in_old_ = false;
  bool old_ended_ = false;
  bool batches_ended_ = false;
  std::vector<UsageRow> rows_;  // point into the blob, which stays until the next step
  size_t next_ = 0;
  const UsageRow* row_ = nullptr;
};

class Source final : public sqlite::RowSource {
 public:
  absl::StatusOr<std::unique_ptr<sqlite::RowCursor>> Scan(const sqlite::Connection& db,
                                                          const sqlite::IdRange& range) const override {
    const std::string order = range.descending ? " DESC" : "";
    AURORA_ASSIGN_OR_RETURN(Statement old,
                            db.Prepare("SELECT id, " + std::string(kUsageRowColumns) +
                                       ", 0 FROM usage_row WHERE id >= ?1 AND id <= ?2 ORDER BY id" + order));
    AURORA_ASSIGN_OR_RETURN(Statement batches,
                            db.Prepare("SELECT last_id, data FROM usage_batch WHERE last_id >= ?1 AND "
                                       "first_id <= ?2 ORDER BY last_id" + order));
    old.Bind(1, range.first).Bind(2, range.last);
    batches.Bind(1, range.first).Bind(2, range.last);
    return std::make_unique<Cursor>(std::move(old), std::move(batches), range);
  }
};

}  // namespace

absl::Status ExposeUsage(sqlite::Database& db) {
  return sqlite::Expose(db, "usage", "id, " + std::string(kUsageColumns), std::make_unique<Source>());
}

}  // namespace aurora::schema
