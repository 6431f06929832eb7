// Check: does what this node keeps beside its rows follow from the rows: digests, counts, feed places, values in force.
// Source: replication.md section 2 (`sync verify --repair`). Thread: any; `done` runs once, on the store's. Bounds: a
// slice of kCheckSlice at a time, behind all other work of the store; kFindingsMax findings are named, all counted.
// Errors: of the store. Always: without `repair` nothing is written but an event; a repair changes no row, only what is
// derived of it, each through the change feed, so that data plane and peers see it; a row that does not decode is
// told, and left as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/replication/frame.h"
#include "controlplane/store/digest.h"
#include "shared/base/time.h"

namespace aurora::v1 {
class CheckReport;
}  // namespace aurora::v1

namespace aurora::store {

class Store;

inline constexpr Duration kCheckSlice = Duration::Millis(4);
inline constexpr size_t kFindingsMax = 64;

// The rows of a kind that are stored under one bucket.
struct RowSet {
  std::string kind;
  int64_t bucket = 0;  // as stored
};

struct CheckFinding {
  replication::RowRef row;  // id empty: what is kept of many rows
  std::string what;
};

struct CheckReport {
  uint64_t rows = 0;
  uint64_t wrong = 0;       // findings, named or not
  uint64_t repaired = 0;    // of them
  uint64_t unreadable = 0;  // of them: rows that do not decode, which nothing here can repair
  std::vector<CheckFinding> findings;
  // Of the rows' content. Each set as it was when its turn came.
  DigestTree content;

  void Add(std::string_view kind, std::string_view id, std::string what);
};

void Check(Store& store, bool repair, std::function<void(absl::StatusOr<CheckReport>)> done);

void ToProto(const CheckReport& report, v1::CheckReport* out);

}  // namespace aurora::store
