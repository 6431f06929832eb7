// UsageBatch: many usage rows as one blob, the `data` of a row of traffic.db's usage_batch.
// Source: ours. Thread: one at a time. Layout: a version byte (1); per row its length in two bytes
// (little endian, not counting themselves), the id less the id before it, and the fields of ForEachField;
// at the end eight bytes of checksum over all before. Numbers are varints, zigzagged; a Text is its length
// and its bytes; a Name is its number among the names of its field so far, and where that is new, the Text.
// To add a field: a member of UsageRow, a line at the end of ForEachField, a line in usage_table.cc. Readers
// skip what is longer than they know and read 0 or "" where a row is shorter, so no version changes.
// Bounds: texts are cut to 4096 bytes. Errors: DataLoss for a blob that is not what an encoder wrote.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace aurora::schema {

// A request as `usage` shows it; the fields are aurora.v1.UsageEntry's.
struct UsageRow {
  int64_t id = 0;
  int64_t started_at_us = 0;
  int64_t latency_us = 0;
  std::string_view request_id, auth_key_id, user_path, endpoint, provider, model, outcome, node_id;
  int64_t status = 0;
  int64_t stream = 0;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t cached_input_tokens = 0;
  int64_t cache_creation_input_tokens = 0;
  int64_t reasoning_tokens = 0;
  int64_t time_to_first_token_us = 0;
  int64_t term = 0;
  int64_t attempts = 0;
  int64_t cost_nano_usd = 0;
};

inline constexpr size_t kUsageNames = 7;

// Append only.
template <class Row, class Visitor>
constexpr void ForEachField(Row& row, Visitor& visit) {
  visit.Text(row.request_id);
  visit.Name(0, row.auth_key_id);
  visit.Name(1, row.user_path);
  visit.Name(2, row.endpoint);
  visit.Name(3, row.provider);
  visit.Name(4, row.model);
  visit.Name(5, row.outcome);
  visit.Name(6, row.node_id);
  visit.Number(row.latency_us);
  visit.End(row);  // started_at_us as what is between the id and the end of the request
  visit.Number(row.status);
  visit.Number(row.stream);
  visit.Number(row.input_tokens);
  visit.Number(row.output_tokens);
  visit.Number(row.cached_input_tokens);
  visit.Number(row.cache_creation_input_tokens);
  visit.Number(row.reasoning_tokens);
  visit.Number(row.time_to_first_token_us);
  visit.Number(row.term);
  visit.Number(row.attempts);
  visit.Number(row.cost_nano_usd);
}

class UsageBatchEncoder {
 public:
  UsageBatchEncoder() { Clear(); }

  void Clear();
  // Ids ascend. The row's names (not its request_id) stay where they are until Finish.
  void Add(const UsageRow& row);
  // The blob, valid until the next Clear; what Add would add to it is lost.
  std::string_view Finish();

  size_t count() const { return count_; }
  int64_t first_id() const { return first_id_; }
  int64_t last_id() const { return last_id_; }
  int64_t newest_start_us() const { return newest_start_us_; }

 private:
  struct Writer;
  // Where names were seen last. A name that another one has put out of its slot is written again.
  struct Slot {
    std::string_view name;
    uint32_t number;
  };
  struct Names {
    std::array<Slot, 32> slots;
    uint32_t next = 0;
  };

  std::string data_;
  size_t size_ = 0;
  std::array<Names, kUsageNames> names_;
  size_t count_ = 0;
  int64_t first_id_ = 0;
  int64_t last_id_ = 0;
  int64_t newest_start_us_ = 0;
};

// Replaces `rows` by those of `blob`, into which their texts point.
absl::Status DecodeUsageBatch(std::string_view blob, std::vector<UsageRow>* rows);

uint64_t UsageBatchChecksum(std::string_view bytes);

}  // namespace aurora::schema
