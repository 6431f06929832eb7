// What the store's tests share: a kind whose value is a counter, and calls that wait for their
// answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/store/row_codec.h"
#include "controlplane/store/store.h"
#include "shared/base/status.h"
#include "shared/schema/kinds.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::store::testing {

using aurora::testing::TempDir;

inline constexpr std::string_view kUid = "00112233445566778899aabbccddeeff";

// In force: the newest spec, marked; "bad" does not validate.
inline absl::StatusOr<std::optional<std::string>> Newest(std::string_view, std::string_view,
                                                         const replication::Row& row) {
  const replication::Sibling* newest = row.Newest();
  if (newest == nullptr || newest->deleted) {
    return std::optional<std::string>();
  }
  if (newest->spec == "bad") {
    return InvalidArgument("bad spec");
  }
  return std::optional<std::string>("v:" + newest->spec);
}

inline StoreOptions Options(const TempDir& dir, uint64_t epoch, const std::string& vfs = "") {
  StoreOptions options;
  options.path = dir.Path("aurora.db");
  options.vfs = vfs;
  options.fresh_node_uid = kUid;
  options.epoch = epoch;
  options.resolve[std::string(schema::kAlias)] = Newest;
  options.watch_every = Duration::Millis(20);
  return options;
}

inline WriteRequest Put(std::string id, std::string spec) {
  WriteRequest request;
  request.kind = schema::kAlias;
  request.id = std::move(id);
  request.edit = [spec = std::move(spec)](const EditContext&) {
    return std::optional(replication::Write{spec, false, {}});
  };
  return request;
}

// Reads the number, writes the next one, and says so in the audit log: three tables and the feed
// must agree.
inline WriteRequest Increment(std::string id) {
  WriteRequest request;
  request.kind = schema::kAlias;
  request.id = std::move(id);
  request.edit =
      [](const EditContext& context) -> absl::StatusOr<std::optional<replication::Write>> {
    const replication::Sibling* newest = context.current.row.Newest();
    const int value = newest == nullptr ? 0 : std::stoi(newest->spec);
    return std::optional(replication::Write{std::to_string(value + 1), false, {}});
  };
  request.audit = AuditEntry{0, 0, "test", "increment", "", "", ""};
  return request;
}

inline absl::StatusOr<WriteResult> Submit(Store& store, WriteRequest request) {
  std::promise<absl::StatusOr<WriteResult>> answer;
  store.Submit(std::move(request),
               [&](absl::StatusOr<WriteResult> r) { answer.set_value(std::move(r)); });
  return answer.get_future().get();
}

inline WireRow Wire(std::string kind, std::string id, const replication::Row& row) {
  return {std::move(kind), std::move(id), EncodeRow(row)};
}

inline absl::StatusOr<MergeResult> Merge(Store& store, std::vector<WireRow> rows,
                                         std::optional<FeedRange> range = std::nullopt) {
  std::promise<absl::StatusOr<MergeResult>> answer;
  store.Merge(std::move(rows), "peer", range,
              [&](absl::StatusOr<MergeResult> r) { answer.set_value(std::move(r)); });
  return answer.get_future().get();
}

template <class F>
absl::Status Wait(const F& call) {
  std::promise<absl::Status> answer;
  call([&](absl::Status s) { answer.set_value(std::move(s)); });
  return answer.get_future().get();
}

// True as soon as `condition` holds; false after five seconds.
template <class F>
bool Eventually(const F& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

// The invariants of the file, whoever wrote it: one change entry per row and no other, the value in
// force as resolve says, one audit entry per increment. Returns the number of rows.
inline int64_t CheckConsistent(const std::string& path) {
  auto db = schema::OpenAuroraForRead(path);
  REQUIRE(db.ok());
  REQUIRE(db->QuickCheck().ok());
  const auto view = sqlite::Transaction::BeginRead(*db);
  REQUIRE(view.ok());
  const auto count = [&](const char* sql) { return *db->QueryInt64(sql); };
  const int64_t rows = count("SELECT COUNT(*) FROM row");
  REQUIRE(count("SELECT COUNT(*) FROM change") == rows);
  REQUIRE(count("SELECT COUNT(*) FROM row r JOIN change c ON c.seq = r.seq AND c.kind = r.kind AND "
                "c.id = r.id") == rows);
  REQUIRE(
      count("SELECT COUNT(*) FROM resolved v LEFT JOIN row r ON r.kind = v.kind AND r.id = v.id "
            "WHERE r.id IS NULL") == 0);
  Reader reader(&*db);
  const auto entries = reader.List(schema::kAlias, "", kListMax, false);
  REQUIRE(entries.ok());
  for (const Entry& entry : *entries) {
    REQUIRE(entry.resolved == *Newest(entry.kind, entry.id, entry.row));
  }
  return rows;
}

}  // namespace aurora::store::testing
