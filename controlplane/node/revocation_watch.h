// RevocationWatch: how long a write of the REVOKE lane takes from its commit here to the moment at which each other
// member says that its data plane enforces it. Source: operations contract §3.2. Thread: the control loop's; the
// histogram is read by whoever scrapes. Units: `now` monotonic, positions of this node's feed. Bounds: kPendingMax
// writes a member; the oldest make room uncounted. Errors: none. Always: a write is counted at most once a member.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"
#include "shared/metrics/metrics.h"

namespace aurora::node {

class RevocationWatch {
 public:
  static constexpr size_t kPendingMax = 1024;

  // Committed at `at`; `members`: uids of all others.
  void Written(uint64_t seq, Instant at, const std::vector<std::string>& members);
  // What the member says that it enforces; -1: nothing known.
  void Enforced(std::string_view uid, int64_t seq, Instant now);
  // Who is no member any more.
  void Keep(const std::vector<std::string>& members);
  bool waiting() const;

  const std::shared_ptr<metrics::Histogram>& seconds() const { return seconds_; }

 private:
  struct Pending {
    uint64_t seq = 0;
    Instant at;
  };
  std::map<std::string, std::deque<Pending>, std::less<>> pending_;
  std::shared_ptr<metrics::Histogram> seconds_ = std::make_shared<metrics::Histogram>(metrics::kLagSeconds);
};

}  // namespace aurora::node
