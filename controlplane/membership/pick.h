// Membership::Pick, the random choice of peers (memberlist kRandomNodes). Included by the core's own files only; see
// membership.h. Small lists are shuffled so that no choice is missed; large ones are sampled.
#pragma once

#include <algorithm>
#include <utility>

#include "controlplane/membership/membership.h"

namespace aurora::membership {

template <class F>
void Membership::Pick(size_t count, F&& wanted) {
  constexpr size_t kShuffleUpTo = 32;
  picked_.clear();
  const size_t n = table_.listed();
  if (n <= kShuffleUpTo) {
    for (size_t i = 0; i < n; ++i) {
      if (wanted(*table_.At(i))) {
        picked_.push_back(table_.At(i));
      }
    }
    for (size_t i = 0; i < picked_.size() && i < count; ++i) {
      std::swap(picked_[i], picked_[i + rng_.Below(picked_.size() - i)]);
    }
    picked_.resize(std::min(picked_.size(), count));
    return;
  }
  for (size_t tries = 0; tries < 3 * n && picked_.size() < count; ++tries) {
    Record* record = table_.At(rng_.Below(n));
    if (wanted(*record) && std::find(picked_.begin(), picked_.end(), record) == picked_.end()) {
      picked_.push_back(record);
    }
  }
}

}  // namespace aurora::membership
