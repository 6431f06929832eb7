// `usage` of traffic.db as a table of rows: those of usage_row, then those packed in usage_batch.
// Source: ours; what it reads is in traffic_db.h. Thread: the database's. Errors: reading a damaged batch
// ends the statement with DataLoss.
#pragma once

#include "absl/status/status.h"
#include "shared/sqlite/database.h"

namespace aurora::schema {

// On this connection, read-only, with the columns id and kUsageColumns.
absl::Status ExposeUsage(sqlite::Database& db);

}  // namespace aurora::schema
