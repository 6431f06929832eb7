// Dial, and what follows when an attempt fails: next credential, next candidate, the same again, or the answer why.
#include <algorithm>

#include "dataplane/exchange/state.h"

namespace aurora::exchange {

const model::Provider& Exchange::State::ProviderOf(uint32_t candidate) const {
  return catalog().providers[candidate];
}

// Points `attempt` at the first target that may be tried: one whose credential is ready, else, since a caller is served
// better by the provider's own answer than by ours, the one whose rest ends soonest. False: every breaker is open.
bool Exchange::State::PickTarget() {
  const uint32_t first = attempt.current;
  for (; attempt.current < attempt.route.count; ++attempt.current, attempt.tried = 0) {
    const model::Provider& provider = ProviderOf(attempt.route.candidates[attempt.current].provider);
    const int index =
        provider.credentials.empty() ? -1 : ctx.health->ChooseCredential(provider, attempt.tried, ctx.now);
    if ((index >= 0 || provider.credentials.empty()) && ctx.health->TryProvider(provider, ctx.now)) {
      attempt.credential_index = static_cast<int8_t>(index);
      attempt.resting = false;
      return true;
    }
  }
  Instant soonest = Instant::Never();
  for (uint32_t i = first; i < attempt.route.count; ++i) {
    const model::Provider& provider = ProviderOf(attempt.route.candidates[i].provider);
    Instant ready;
    const int index = ctx.health->SoonestCredential(provider, ctx.now, ready);
    // A ready one was refused above by its provider's breaker.
    if (index >= 0 && ready > ctx.now && ready < soonest &&
        ctx.health->Breaker(provider.slot, ctx.now) != upstream::BreakerState::kOpen) {
      soonest = ready;
      attempt.current = i;
      attempt.credential_index = static_cast<int8_t>(index);
    }
  }
  attempt.resting = true;
  return soonest != Instant::Never() &&
         ctx.health->TryProvider(ProviderOf(attempt.route.candidates[attempt.current].provider), ctx.now);
}

void Exchange::State::StartAttempt(Outbox& out) {
  if (!PickTarget()) {
    Fail({503, "provider_unavailable", "Every provider of this model has failed lately; it is tried again shortly.",
          ""},
         model::Outcome::kServerError, out, "Retry-After: 1\r\n");
    return;
  }
  const routing::Candidate& candidate = attempt.route.candidates[attempt.current];
  const model::Provider& provider = ProviderOf(candidate.provider);
  attempt.provider = &provider;
  attempt.credential =
      attempt.credential_index < 0 ? nullptr : &provider.credentials[static_cast<size_t>(attempt.credential_index)];
  attempt.active = true;
  attempt.interim = false;
  ++attempt.count;
  if (attempt.count == 1) {
    attempt.dialled = ctx.now;
    total = ctx.now + provider.timeouts.total;
  }
  record.provider = provider.name;
  record.provider_slot = provider.slot;
  if (candidate.model != routing::kNoModel) {
    record.model = catalog().models[candidate.model].id;
    record.model_slot = catalog().models[candidate.model].slot;
  } else if (request.endpoint->handling == Handling::kRelay) {
    record.model = routing::ModelName(catalog(), candidate, request.asked());
  }
  phase = Phase::kDial;
  deadline = ctx.now + provider.timeouts.connect;
  out.dial = &provider;
  out.fresh_connection = attempt.fresh;
  attempt.fresh = false;
}

// Tells the breaker and the credential's cooldown; once per attempt.
void Exchange::State::ReportHealth(AttemptFailure failure) {
  if (attempt.provider == nullptr) {
    return;
  }
  switch (failure) {
    case AttemptFailure::kNone:
    case AttemptFailure::kRateLimited:  // it answers; the credential rests, the provider is well
      ctx.health->ProviderSucceeded(attempt.provider->slot);
      break;
    default:
      ctx.health->ProviderFailed(*attempt.provider, ctx.now);
      break;
  }
}

// Moves `attempt` to what would be tried next; false when there is nothing.
bool Exchange::State::PickNextTarget(AttemptFailure failure) {
  const model::Provider& provider = *attempt.provider;
  if (failure == AttemptFailure::kRateLimited && attempt.credential_index >= 0) {
    attempt.tried |= 1u << (attempt.credential_index & 31);
    if (ctx.health->ChooseCredential(provider, attempt.tried, ctx.now) >= 0) {
      return true;
    }
  }
  for (uint32_t next = attempt.current + 1; next < attempt.route.count; ++next) {
    const model::Provider& other = ProviderOf(attempt.route.candidates[next].provider);
    if (ctx.health->Breaker(other.slot, ctx.now) != upstream::BreakerState::kOpen &&
        (other.credentials.empty() || ctx.health->ChooseCredential(other, 0, ctx.now) >= 0)) {
      attempt.current = next;
      attempt.tried = 0;
      return true;
    }
  }
  // The same again only where a second try can differ within the time the caller waits.
  return failure != AttemptFailure::kRateLimited && failure != AttemptFailure::kFirstByteTimeout &&
         failure != AttemptFailure::kConnectTimeout &&
         ctx.health->Breaker(provider.slot, ctx.now) != upstream::BreakerState::kOpen;
}

// Whether this failure will be retried; if so `attempt` points at the next target.
bool Exchange::State::MayRetry(AttemptFailure failure) {
  if (answer.head_sent || !request.keep.holds_memory() || attempt.provider == nullptr) {
    return false;
  }
  const int allowed = 1 + std::max(attempt.provider->resilience.max_retries, 0);
  if (attempt.count >= allowed || attempt.count >= 100 || ctx.now >= total) {
    return false;
  }
  const uint32_t current = attempt.current;
  const uint32_t tried = attempt.tried;
  if (!PickNextTarget(failure) || !ctx.health->TryRetry(ctx.now)) {
    attempt.current = current;
    attempt.tried = tried;
    return false;
  }
  return true;
}

Duration Exchange::State::Backoff() {
  const int64_t ceiling = int64_t{25'000} << std::min<int>(attempt.count, 4);
  return Duration::Micros(ceiling / 2 + static_cast<int64_t>(ctx.rng.Below(static_cast<uint64_t>(ceiling / 2))));
}

// Another target is tried at once; the same one after a short, jittered wait.
void Exchange::State::ScheduleRetry(Outbox& out) {
  const model::Provider& next = ProviderOf(attempt.route.candidates[attempt.current].provider);
  if (&next != attempt.provider || attempt.last == AttemptFailure::kRateLimited) {
    StartAttempt(out);
    return;
  }
  phase = Phase::kBackoff;
  deadline = ctx.now + Backoff();
}

// An attempt ended without a response worth relaying. The driver has dropped that connection, or is told to.
void Exchange::State::AttemptFailed(AttemptFailure failure, std::string_view detail, Outbox& out) {
  attempt.active = false;
  attempt.last = failure;
  ReportHealth(failure);
  if (MayRetry(failure)) {
    ScheduleRetry(out);
    return;
  }
  AnswerFailure(failure, detail, out);
}

void Exchange::State::AnswerFailure(AttemptFailure failure, std::string_view detail, Outbox& out) {
  const std::string_view name = attempt.provider == nullptr ? std::string_view("?") : attempt.provider->name;
  const std::string_view colon = detail.empty() ? "" : ": ";
  switch (failure) {
    case AttemptFailure::kConnectTimeout:
      Fail({504, "provider_timeout", Join({"Provider '", name, "' did not accept a connection in time."}), ""},
           model::Outcome::kTimeout, out);
      return;
    case AttemptFailure::kFirstByteTimeout:
      Fail({504, "provider_timeout", Join({"Provider '", name, "' did not answer in time."}), ""},
           model::Outcome::kTimeout, out);
      return;
    case AttemptFailure::kConnect:
      Fail({502, "provider_unreachable", Join({"Provider '", name, "' cannot be reached", colon, detail, "."}), ""},
           model::Outcome::kConnectError, out);
      return;
    default:
      Fail({502, "provider_error", Join({"Provider '", name, "' broke off its answer", colon, detail, "."}), ""},
           model::Outcome::kServerError, out);
      return;
  }
}

}  // namespace aurora::exchange
