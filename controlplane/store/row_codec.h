// Row <-> aurora.v1.Row bytes: what `row.row` holds and what the sync streams carry.
// Source: proto/aurora/v1/row.proto. Thread: stateless. Errors: InvalidArgument for bytes that are
// no row, DataLoss is the caller's word when they came from its own disk. Invariant:
// decode(encode(r)) == r, and equal rows encode to equal bytes (entries are sorted).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"
#include "controlplane/store/feed.h"

namespace aurora::v1 {
class Row;
}  // namespace aurora::v1

namespace aurora::store {

std::string EncodeRow(const replication::Row& row);
absl::StatusOr<replication::Row> DecodeRow(std::string_view bytes);
// The same for a message that is parsed already.
absl::StatusOr<replication::Row> RowFrom(const v1::Row& in);
// What aurora.db holds of it (shared/schema/sum.h). DataLoss, with the name: it is not what was written, or no row.
absl::StatusOr<replication::Row> DecodeStored(std::string_view kind, std::string_view id, std::string_view stored);
// All of them; the error names the row.
absl::StatusOr<std::vector<RemoteRow>> DecodeRows(std::span<const WireRow> rows);

}  // namespace aurora::store
