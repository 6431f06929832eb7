#include "dataplane/upstream/health.h"

#include <algorithm>

namespace aurora::upstream {
namespace {

constexpr size_t kCredentialsMax = 32;          // as `tried` has bits
constexpr int64_t kTokensMax = 100'000;       // milli-retries
constexpr int64_t kTokensPerRequest = 200;    // 20 %
constexpr int64_t kTokensPerSecond = 3'000;

}  // namespace

Health::ProviderState& Health::At(model::Slot slot) {
  if (slot >= providers_.size()) {
    providers_.resize(size_t{slot} + 1);
  }
  return providers_[slot];
}

BreakerState Health::Breaker(model::Slot slot, Instant now) const {
  if (slot >= providers_.size() || !providers_[slot].open) {
    return BreakerState::kClosed;
  }
  return now >= providers_[slot].retry_at ? BreakerState::kHalfOpen : BreakerState::kOpen;
}

bool Health::TryProvider(const model::Provider& provider, Instant now) {
  if (provider.slot == model::kNoSlot) {
    return true;
  }
  ProviderState& state = At(provider.slot);
  if (!state.open) {
    return true;
  }
  if (now < state.retry_at || (state.probing && now < state.probe_until)) {
    return false;
  }
  state.probing = true;
  state.probe_until = now + provider.timeouts.first_byte;
  return true;
}

void Health::ProviderSucceeded(model::Slot slot) {
  if (slot < providers_.size()) {
    providers_[slot] = ProviderState{};
  }
}

void Health::ProviderFailed(const model::Provider& provider, Instant now) {
  if (provider.slot == model::kNoSlot || provider.resilience.breaker_failures <= 0) {
    return;
  }
  ProviderState& state = At(provider.slot);
  state.probing = false;
  ++state.failures;
  if (state.failures >= provider.resilience.breaker_failures) {
    state.open = true;
    state.retry_at = now + provider.resilience.breaker_open;
  }
}

void Health::ProviderUnknown(model::Slot slot) {
  if (slot < providers_.size()) {
    providers_[slot].probing = false;
  }
}

void Health::CoolCredential(model::Slot credential, Instant until) {
  if (credential == model::kNoSlot) {
    return;
  }
  if (credential >= credential_ready_.size()) {
    credential_ready_.resize(size_t{credential} + 1);
  }
  credential_ready_[credential] = std::max(credential_ready_[credential], until);
}

bool Health::CredentialReady(model::Slot credential, Instant now) const {
  return credential >= credential_ready_.size() || credential_ready_[credential] <= now;
}

void Health::WakeCredential(model::Slot credential) {
  if (credential < credential_ready_.size()) {
    credential_ready_[credential] = Instant();
  }
}

int Health::SoonestCredential(const model::Provider& provider, Instant now, Instant& ready) const {
  int soonest = -1;
  const size_t n = std::min<size_t>(provider.credentials.size(), kCredentialsMax);
  for (size_t i = 0; i < n; ++i) {
    const model::Slot slot = provider.credentials[i].slot;
    const Instant at = CredentialReady(slot, now) ? now : credential_ready_[slot];
    if (soonest < 0 || at < ready) {
      soonest = static_cast<int>(i);
      ready = at;
    }
  }
  return soonest;
}

int Health::ChooseCredential(const model::Provider& provider, uint32_t tried, Instant now) {
  const size_t n = std::min<size_t>(provider.credentials.size(), kCredentialsMax);
  uint64_t total = 0;
  for (size_t i = 0; i < n; ++i) {
    if ((tried >> i & 1u) == 0 && CredentialReady(provider.credentials[i].slot, now)) {
      total += std::max<uint32_t>(provider.credentials[i].weight, 1);
    }
  }
  if (total == 0) {
    return -1;
  }
  uint64_t pick = n == 1 ? 0 : rng_.Below(total);
  for (size_t i = 0; i < n; ++i) {
    if ((tried >> i & 1u) == 0 && CredentialReady(provider.credentials[i].slot, now)) {
      const uint64_t weight = std::max<uint32_t>(provider.credentials[i].weight, 1);
      if (pick < weight) {
        return static_cast<int>(i);
      }
      pick -= weight;
    }
  }
  return -1;
}

void Health::Refill(Instant now) {
  if (now <= refilled_) {
    return;
  }
  // One second is enough to fill a burst; a longer gap must not overflow the product.
  const int64_t us = std::min<int64_t>((now - refilled_).micros(), 60'000'000);
  const int64_t gained = us * kTokensPerSecond / 1'000'000;
  if (gained > 0) {
    retry_milli_tokens_ = std::min(kTokensMax, retry_milli_tokens_ + gained);
    refilled_ = now;
  }
}

void Health::RequestStarted(Instant now) {
  Refill(now);
  retry_milli_tokens_ = std::min(kTokensMax, retry_milli_tokens_ + kTokensPerRequest);
}

bool Health::TryRetry(Instant now) {
  Refill(now);
  if (retry_milli_tokens_ < 1000) {
    return false;
  }
  retry_milli_tokens_ -= 1000;
  return true;
}

}  // namespace aurora::upstream
