// Questions to traffic.db, which the data plane writes: usage and discovered models.
// Source: product contract, usage. Thread: any; opens its own read-only connection and blocks for
// up to five seconds (then DeadlineExceeded). Bounds: a summary has at most 1000 groups. Errors: a
// file that is not there yet is zeros, not an error.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "aurora/v1/admin.pb.h"

namespace aurora::admin {

absl::StatusOr<v1::GetUsageSummaryResponse> UsageSummary(const std::string& path,
                                                         const v1::GetUsageSummaryRequest& r,
                                                         int64_t now_ms);
// Newest first; the token is the id of the last row of the page before.
absl::StatusOr<v1::ListUsageResponse> UsageLog(const std::string& path, size_t page_size,
                                               const std::string& page_token);
// Adds counts and times of discovered models to the providers named in `out`.
absl::Status FillDiscovered(const std::string& path, v1::GetProviderStatusResponse* out);

}  // namespace aurora::admin
