// UsageRows: records of a ring as rows of traffic.db's usage table, for one INSERT .. SELECT.
// Source: shared/schema/traffic_db.h (ids). Thread: the writer's. Lifetime: texts point into the
// ring, whose records stay until they are consumed.
// Invariant: ids ascend over all batches and none is below the time its request ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "dataplane/metering/usage_ring.h"
#include "shared/sqlite/row_source.h"

namespace aurora::metering {

class UsageRows final : public sqlite::RowSource {
 public:
  // Column 0 is the id; the others are schema::kUsageColumns without node_id and auth_key_name.
  static constexpr int kColumns = 20;
  static constexpr size_t kRowsPerPause = 32;

  // `id`: the largest in the file.
  void StartAfter(int64_t id) { last_id_ = id; }
  // Called after every kRowsPerPause rows.
  void SetPause(std::function<void()> pause) { pause_ = std::move(pause); }
  void Read(const UsageRing& ring, size_t count) {
    ring_ = &ring;
    count_ = count;
  }

  void Rewind() override { next_ = 0; }
  bool Next() override;
  sqlite::Cell Column(int column) const override;

 private:
  const UsageRing* ring_ = nullptr;
  size_t count_ = 0;
  size_t next_ = 0;
  const model::UsageRecord* record_ = nullptr;
  int64_t last_id_ = 0;
  std::function<void()> pause_;
};

}  // namespace aurora::metering
