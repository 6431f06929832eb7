// CallCounts: grpc_server_handled_total by service, method and code.
// Source: the names go-grpc-prometheus made common. Thread: any (a lock; admin calls are rare).
// Bounds: methods x codes.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "shared/metrics/metrics.h"

namespace aurora::admin {

class CallCounts : public metrics::Source {
 public:
  void Count(std::string_view method, absl::StatusCode code);

 private:
  void CollectInto(metrics::Families& families) const override;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, uint64_t> counts_;  // guarded by mutex_
};

}  // namespace aurora::admin
