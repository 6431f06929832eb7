// traffic.db: what was served. Written by the data plane only, read by both processes.
// Source: aurora.v1.UsageEntry (admin.proto). Thread: none of its own. Units are in the column
// names. Tables (all DDL in traffic_db.cc):
//   usage_batch(last_id, first_id, newest_start_us, row_count, data)   data: usage_batch.h
//   usage_row(id, request_id, started_at_us, auth_key_id, ...)    of version 2, none is added
//   discovered_model(provider, model, fetched_at_ms)   counter(name, value)
//   request_audit(id, started_at_us, request_id, event, detail)
// On the connections made here, and on no other, usage(id, request_id, started_at_us, auth_key_id, ...)
// is all of both as rows (usage_table.h).
// A usage id is the Unix time in microseconds at which the request ended, moved on by one or so
// where that is taken: ids ascend in the order of writing, and no id is below its started_at_us.
// So the primary key is the index for questions about time ("id >= since"), and there is no other.
// Losing the last commits to a power cut is accepted (synchronous=NORMAL); a torn file is not.
// Errors: as in aurora_db.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "shared/sqlite/database.h"

namespace aurora::schema {

inline constexpr int64_t kTrafficVersion = 3;

// The columns of `usage` in the order of the table, without `id`: for SELECT lists. Those of usage_row:
inline constexpr std::string_view kUsageRowColumns =
    "request_id, started_at_us, auth_key_id, auth_key_name, user_path, endpoint, provider, model, "
    "status, outcome, "
    "stream, input_tokens, output_tokens, cached_input_tokens, cache_creation_input_tokens, "
    "reasoning_tokens, "
    "latency_us, time_to_first_token_us, node_id, term, attempts";
inline constexpr std::string_view kUsageColumns =
    "request_id, started_at_us, auth_key_id, auth_key_name, user_path, endpoint, provider, model, "
    "status, outcome, "
    "stream, input_tokens, output_tokens, cached_input_tokens, cache_creation_input_tokens, "
    "reasoning_tokens, "
    "latency_us, time_to_first_token_us, node_id, term, attempts, cost_nano_usd";
absl::StatusOr<sqlite::Database> OpenTrafficForWrite(std::string_view path,
                                                     std::string_view vfs = "");
// Never writes and never checkpoints; accepts kTrafficVersion and the one before.
absl::StatusOr<sqlite::Database> OpenTrafficForRead(std::string_view path,
                                                    std::string_view vfs = "");

}  // namespace aurora::schema
