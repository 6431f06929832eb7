// Awareness: how well we are served ourselves (Lifeguard's local health multiplier; arXiv 1707.00788 section IV.A).
// 0 is healthy; each probe of ours that fails and each accusation against us adds one, each answered probe takes one
// away. A node in doubt about itself gives others more time. Value, owner's thread. Bound: 0 .. max - 1.
#pragma once

#include <algorithm>

#include "shared/base/time.h"

namespace aurora::membership {

class Awareness {
 public:
  explicit Awareness(int max) : top_(max > 0 ? max - 1 : 0) {}

  void Add(int delta) { score_ = std::clamp(score_ + delta, 0, top_); }
  int score() const { return score_; }
  Duration Scale(Duration d) const { return d * (score_ + 1); }

 private:
  int top_;
  int score_ = 0;
};

}  // namespace aurora::membership
