// Health: what one loop knows about its upstreams: circuit breakers, credential cooldowns, the retry budget.
// Source: ours; breaker after Hystrix (closed, open, one probe half-open), retry budget after Finagle (a share of the
// requests plus a small constant rate). Thread: one loop. Time: passed in, monotonic. Bounds: one small struct per
// slot; arrays grow when a slot is first seen. Invariant: a half-open breaker lets one probe through per open period.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dataplane/model/types.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::upstream {

enum class BreakerState : uint8_t { kClosed, kOpen, kHalfOpen };

class Health {
 public:
  explicit Health(Rng rng) : rng_(rng) {}

  // Whether a request may be sent to this provider now. Reserves the probe of a half-open breaker.
  bool TryProvider(const model::Provider& provider, Instant now);
  // The same question without reserving anything; for choosing and for metrics.
  BreakerState Breaker(model::Slot provider, Instant now) const;
  void ProviderSucceeded(model::Slot provider);
  void ProviderFailed(const model::Provider& provider, Instant now);
  // A probe that ended without telling anything (the client left): the next request may probe again.
  void ProviderUnknown(model::Slot provider);

  // A credential that was answered 429 rests until then.
  void CoolCredential(model::Slot credential, Instant until);
  bool CredentialReady(model::Slot credential, Instant now) const;
  // It answered before its rest was over.
  void WakeCredential(model::Slot credential);
  // The credential that is ready first, and when (`now` when one is). -1: the provider has none.
  int SoonestCredential(const model::Provider& provider, Instant now, Instant& ready) const;
  // Weighted choice among the credentials that are ready and not in `tried` (bit i = index i). -1: none.
  int ChooseCredential(const model::Provider& provider, uint32_t tried, Instant now);

  // The retry budget: 20 % of the requests of the last seconds plus 3 per second, capped at 100.
  void RequestStarted(Instant now);
  bool TryRetry(Instant now);

  Rng& rng() { return rng_; }

 private:
  struct ProviderState {
    int failures = 0;
    bool open = false;
    bool probing = false;
    Instant retry_at;      // open: when a probe may go
    Instant probe_until;   // a probe that never reported stops counting then
  };

  ProviderState& At(model::Slot slot);
  void Refill(Instant now);

  Rng rng_;
  std::vector<ProviderState> providers_;
  std::vector<Instant> credential_ready_;  // by slot; 0 = ready
  int64_t retry_milli_tokens_ = 10'000;
  Instant refilled_;
};

// Retry-After: delta seconds or an IMF-fixdate. Returns the wait, bounded to [0, 1 h]; `fallback` when absent or not
// understood.
Duration ParseRetryAfter(std::string_view value, int64_t unix_s, Duration fallback);

}  // namespace aurora::upstream
