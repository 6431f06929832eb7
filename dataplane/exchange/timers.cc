// Time, revocation and clients that leave.
#include <algorithm>

#include "dataplane/exchange/state.h"
#include "dataplane/policy/access.h"

namespace aurora::exchange {

void Exchange::State::Touch() {
  if (!answer.client_blocked) {
    deadline = ctx.now + attempt.provider->timeouts.idle;
  }
}

Instant Exchange::State::Next() const {
  if (phase == Phase::kIdle || phase == Phase::kFinished || phase == Phase::kHandedOver) {
    return Instant::Never();
  }
  return std::min({deadline, total, answer.keepalive_at});
}

void Exchange::State::OnTick(Outbox& out) {
  if (phase == Phase::kRelay && ctx.now >= answer.keepalive_at && ctx.now < deadline) {
    answer.keepalive_at = ctx.now + ctx.options.keepalive_comment;
    if (!answer.client_blocked && !answer.has_length) {
      Emit(": keep-alive\n\n", out);
    }
  }
  if (ctx.now < deadline && ctx.now < total) {
    return;
  }
  switch (phase) {
    case Phase::kIdle:
    case Phase::kHandedOver:
    case Phase::kFinished:
      return;
    case Phase::kReadBody:
      request.close = true;
      request.ended = true;  // what may still come is not waited for
      Fail({408, "request_timeout", "The body did not arrive in time.", ""}, model::Outcome::kClientError, out);
      return;
    case Phase::kDial:
    case Phase::kAwaitHead: {
      const AttemptFailure failure =
          phase == Phase::kDial ? AttemptFailure::kConnectTimeout : AttemptFailure::kFirstByteTimeout;
      out.close_upstream = true;
      AttemptFailed(failure, "", out);
      return;
    }
    case Phase::kDiscard:
      attempt.active = false;
      out.close_upstream = true;
      ScheduleRetry(out);
      return;
    case Phase::kBackoff:
      if (ctx.now >= total) {
        AnswerFailure(AttemptFailure::kFirstByteTimeout, "", out);
      } else {
        StartAttempt(out);
      }
      return;
    case Phase::kRelay: {
      const bool client_stalls = answer.client_blocked && ctx.now < total;
      DropUpstream(out);
      if (!client_stalls) {
        BreakAnswer({504, "provider_timeout", Join({"Provider '", attempt.provider->name, "' fell silent."}), ""},
                    out);
      }
      out.close_client = true;
      Finish(client_stalls ? model::Outcome::kCancelled : model::Outcome::kTimeout, out);
      return;
    }
    case Phase::kSwallow:
      out.close_client = true;
      Finish(record.outcome, out);
      return;
  }
}

void Exchange::State::OnShutDown(Outbox& out) {
  if (phase == Phase::kFinished || phase == Phase::kIdle || phase == Phase::kHandedOver) {
    return;
  }
  const llm::ApiError error{503, "shutting_down", "This node is stopping and waits no longer.", ""};
  request.close = request.ended = true;
  if (phase == Phase::kSwallow) {
    out.close_client = true;
    Finish(record.outcome, out);
  } else if (!answer.head_sent) {
    Fail(error, model::Outcome::kCancelled, out, "Retry-After: 1\r\n");
  } else {
    DropUpstream(out);
    BreakAnswer(error, out);
    Finish(model::Outcome::kCancelled, out);
  }
}

void Exchange::State::OnClientClosed(Outbox& out) {
  if (phase == Phase::kFinished || phase == Phase::kIdle) {
    return;
  }
  DropUpstream(out);
  Finish(phase == Phase::kSwallow ? record.outcome : model::Outcome::kCancelled, out);
}

// The running model under newer rules. The name the caller used is gone once the answer began: when only an alias had
// allowed the model, only a denial ends the stream.
bool Exchange::State::StillAllowed(const model::AuthKey& key, const model::Catalog& latest) const {
  const policy::Target target{attempt.provider->name, record.model.view(), request.asked()};
  if (!policy::ProviderAllowed(key, target.provider) || policy::ModelDenied(key, target)) {
    return false;
  }
  if (target.model.empty()) {
    return true;
  }
  const bool by_alias = !policy::ModelAllowed(*request.secret->key, target);
  return (by_alias || policy::ModelAllowed(key, target)) && policy::OverridesAllow(latest, key.user_path, target);
}

void Exchange::State::OnPolicyChanged(const model::Snapshot& latest, Outbox& out) {
  if (request.secret == nullptr || phase == Phase::kFinished || phase == Phase::kSwallow ||
      !ctx.options.revoke_running_streams) {
    return;
  }
  const uint8_t shard = request.secret->sha256[0];
  if (latest.catalog == request.snapshot->catalog && latest.key_shards[shard] == request.snapshot->key_shards[shard]) {
    return;  // nothing this request is judged by has changed: most changes are to somebody else's key
  }
  const model::KeySecret* secret = latest.FindKey(request.secret->sha256);
  policy::AuthError error = secret == nullptr || secret->key == nullptr
                                ? policy::AuthError::kDeactivated
                                : policy::CheckSecret(*secret, ctx.unix_us / 1000);
  llm::ApiError answer_error{401, policy::CodeOf(error), policy::MessageOf(error), ""};
  if (error == policy::AuthError::kNone) {
    if (attempt.provider == nullptr || latest.catalog == nullptr) {
      return;
    }
    if (StillAllowed(*secret->key, *latest.catalog)) {
      return;
    }
    answer_error = {403, "model_not_allowed", "This API key may no longer use this model.", "model"};
  }
  if (!answer.head_sent) {
    Fail(answer_error, model::Outcome::kCancelled, out);
    return;
  }
  DropUpstream(out);
  BreakAnswer(answer_error, out);
  Finish(model::Outcome::kCancelled, out);
}

}  // namespace aurora::exchange
