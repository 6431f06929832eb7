#include "controlplane/peers/gossip_stats.h"

#include <algorithm>
#include <vector>

namespace aurora::peers {

void RttHistogram::Add(Duration rtt) {
  const auto bound = std::lower_bound(kBoundsMicros.begin(), kBoundsMicros.end(), rtt.micros());
  ++buckets[static_cast<size_t>(bound - kBoundsMicros.begin())];
  ++count;
  sum = sum + rtt;
}

void LatenessWindow::Add(Duration late) {
  const int64_t micros = std::clamp<int64_t>(late.micros(), 0, UINT32_MAX);
  micros_[added_++ % kWindow] = static_cast<uint32_t>(micros);
}

Duration LatenessWindow::Percentile(int percent) const {
  const size_t n = static_cast<size_t>(std::min<uint64_t>(added_, kWindow));
  if (n == 0) {
    return {};
  }
  std::vector<uint32_t> sorted(micros_.begin(), micros_.begin() + static_cast<ptrdiff_t>(n));
  const size_t rank = std::min(n - 1, n * static_cast<size_t>(percent) / 100);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(rank), sorted.end());
  return Duration::Micros(sorted[rank]);
}

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kLabel:
      return "label";
    case Reason::kKey:
      return "key";
    case Reason::kCrc:
      return "crc";
    case Reason::kMalformed:
      return "malformed";
    case Reason::kTooMuch:
      return "too_much";
    case Reason::kRate:
      return "rate";
    case Reason::kForeign:
      return "foreign";
    case Reason::kConflict:
      return "conflict";
  }
  return "unknown";
}

}  // namespace aurora::peers
