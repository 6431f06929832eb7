// Suspicion: how long an accused node has to answer (Lifeguard's dynamic suspicion timeout; memberlist suspicion.go).
//
// It begins at the longest time and shrinks with each confirmation by another accuser, on a logarithm, to the shortest
// after k of them. Value, owner's thread. Bounds: at most k names are kept. Always: min <= timeout <= max.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/membership/config.h"
#include "shared/base/time.h"

namespace aurora::membership {

struct SuspicionTerms {
  Duration min;
  Duration max;
  int confirmations = 0;  // k; 0: the timeout is `min` from the start
};

// n: the members we know, the recently dead included.
SuspicionTerms TermsFor(const Config& config, size_t n);

class Suspicion {
 public:
  Suspicion(Instant start, SuspicionTerms terms, std::string_view accuser);

  // True when `accuser` is news and the timeout shrank: worth passing on.
  bool Confirm(std::string_view accuser);
  Instant deadline() const { return start_ + timeout_; }
  // Time in which we stood still does not count.
  void Postpone(Duration d) { start_ = start_ + d; }

 private:
  Instant start_;
  SuspicionTerms terms_;
  Duration timeout_;
  std::vector<std::string> accusers_;  // the first, then the confirmers
};

}  // namespace aurora::membership
