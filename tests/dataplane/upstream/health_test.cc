#include "dataplane/upstream/health.h"

#include <array>

#include "tests/support/test.h"

namespace aurora::upstream {
namespace {

Instant At(int64_t ms) { return Instant::FromMicros(1'000'000'000 + ms * 1000); }

model::Provider Make(std::initializer_list<uint32_t> weights) {
  model::Provider provider;
  provider.slot = 3;
  provider.resilience.breaker_failures = 2;
  provider.resilience.breaker_open = Duration::Seconds(10);
  model::Slot slot = 10;
  for (const uint32_t w : weights) {
    model::Credential credential;
    credential.slot = slot++;
    credential.weight = w;
    provider.credentials.push_back(credential);
  }
  return provider;
}

}  // namespace

TEST_CASE("a breaker opens after consecutive failures, lets one probe through, and closes on success") {
  Health health{Rng(1)};
  const model::Provider p = Make({});
  CHECK(health.TryProvider(p, At(0)));
  health.ProviderFailed(p, At(0));
  CHECK(health.TryProvider(p, At(1)));
  health.ProviderSucceeded(p.slot);
  health.ProviderFailed(p, At(2));
  CHECK(health.Breaker(p.slot, At(3)) == BreakerState::kClosed);
  health.ProviderFailed(p, At(3));
  CHECK(health.Breaker(p.slot, At(4)) == BreakerState::kOpen);
  CHECK_FALSE(health.TryProvider(p, At(9000)));
  CHECK(health.Breaker(p.slot, At(10003)) == BreakerState::kHalfOpen);
  CHECK(health.TryProvider(p, At(10003)));
  CHECK_FALSE(health.TryProvider(p, At(10004)));
  health.ProviderFailed(p, At(10005));
  CHECK_FALSE(health.TryProvider(p, At(20000)));
  CHECK(health.TryProvider(p, At(20006)));
  health.ProviderUnknown(p.slot);
  CHECK(health.TryProvider(p, At(20007)));
  health.ProviderSucceeded(p.slot);
  CHECK(health.Breaker(p.slot, At(20008)) == BreakerState::kClosed);
}

TEST_CASE("a breaker with no failure limit never opens") {
  Health health{Rng(1)};
  model::Provider p = Make({});
  p.resilience.breaker_failures = 0;
  for (int i = 0; i < 100; ++i) {
    health.ProviderFailed(p, At(i));
  }
  CHECK(health.TryProvider(p, At(101)));
}

TEST_CASE("credentials are drawn by weight, and a cooling or tried one is never drawn") {
  Health health{Rng(7)};
  const model::Provider p = Make({1, 3, 6});
  std::array<int, 3> drawn{};
  for (int i = 0; i < 10000; ++i) {
    ++drawn[static_cast<size_t>(health.ChooseCredential(p, 0, At(0)))];
  }
  CHECK(drawn[0] > 800);
  CHECK(drawn[0] < 1200);
  CHECK(drawn[2] > 5700);
  CHECK(drawn[2] < 6300);
  health.CoolCredential(p.credentials[2].slot, At(5000));
  for (int i = 0; i < 100; ++i) {
    CHECK(health.ChooseCredential(p, 1, At(100)) == 1);
  }
  health.CoolCredential(p.credentials[1].slot, At(3000));
  CHECK(health.ChooseCredential(p, 1, At(100)) == -1);
  Instant ready;
  CHECK(health.SoonestCredential(p, At(100), ready) >= 0);
  CHECK(ready == At(100));
  health.CoolCredential(p.credentials[0].slot, At(4000));
  const int soonest = health.SoonestCredential(p, At(100), ready);
  REQUIRE(soonest >= 0);
  CHECK(ready == At(3000));
  health.WakeCredential(p.credentials[static_cast<size_t>(soonest)].slot);
  CHECK(health.SoonestCredential(p, At(100), ready) == soonest);
  CHECK(ready == At(100));
  CHECK(health.SoonestCredential(Make({}), At(100), ready) == -1);
  CHECK(health.ChooseCredential(p, 0, At(3000)) == 1);
}

TEST_CASE("retries are bounded by a fifth of the requests plus three a second") {
  Health health{Rng(1)};
  int retried = 0;
  while (health.TryRetry(At(0))) {
    ++retried;
  }
  CHECK(retried <= 100);
  for (int i = 0; i < 50; ++i) {
    health.RequestStarted(At(0));
  }
  int more = 0;
  while (health.TryRetry(At(0))) {
    ++more;
  }
  CHECK(more == 10);
  CHECK_FALSE(health.TryRetry(At(100)));
  int later = 0;
  while (health.TryRetry(At(2000))) {
    ++later;
  }
  CHECK(later == 6);
}

TEST_CASE("Retry-After is read as seconds or as a date, and never exceeds an hour") {
  const Duration fallback = Duration::Seconds(30);
  CHECK(ParseRetryAfter("7", 0, fallback) == Duration::Seconds(7));
  CHECK(ParseRetryAfter("999999999999", 0, fallback) == Duration::Seconds(3600));
  CHECK(ParseRetryAfter("", 0, fallback) == fallback);
  CHECK(ParseRetryAfter("soon", 0, fallback) == fallback);
  CHECK(ParseRetryAfter("-5", 0, fallback) == fallback);
  CHECK(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 20, fallback) == Duration::Seconds(20));
  CHECK(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 20, fallback) == Duration::Seconds(0));
  CHECK(ParseRetryAfter("Sun, 06 Xxx 1994 08:49:37 GMT", 0, fallback) == fallback);
}

}  // namespace aurora::upstream
