// ClientConnection, the half that acts on the Outbox and hears from the provider.
#include <utility>

#include "dataplane/server/client_connection.h"
#include "dataplane/server/upstream_pool.h"
#include "shared/base/check.h"

namespace aurora::server {

using exchange::Outbox;
using exchange::UpstreamFailure;

// Acts on the outbox until no step follows from it.
void ClientConnection::Drain() {
  Outbox& out = loop_.outbox;
  bool dialled_first = false;
  for (bool again = true; again;) {
    if (loop_.context.gate != nullptr) [[unlikely]] {
      LookAtGate();
    }
    const bool hand_over = out.hand_over;
    const model::Provider* dial = out.dial;
    const bool fresh = out.fresh_connection;
    const bool finished = out.finished;
    const bool close = out.close_client;
    const Delivery delivery = Deliver();
    out.Clear();
    loop_.arena.Reset();
    if (finished) {
      FinishExchange(close || delivery.client_lost);
      return;
    }
    again = delivery.client_lost || delivery.upstream_lost || delivery.client_blocked ||
            delivery.upstream_blocked || dial != nullptr;
    if (delivery.client_lost) {
      wire_.Close();
      Step([&](auto& e) { e.ClientClosed(out); });
      continue;
    }
    if (hand_over) [[unlikely]] {
      HandOver();
      again = true;
      continue;
    }
    if (delivery.upstream_lost) {
      loop_.pool->Close(*std::exchange(upstream_, nullptr));
      last_failure_ = static_cast<uint8_t>(UpstreamFailure::kReset);
      if (forward_ != nullptr) [[unlikely]] {
        forward_->WriteFailed(out);
        continue;
      }
      Step([&](auto& e) { e.UpstreamFailed(UpstreamFailure::kReset, "connection reset", out); });
      continue;
    }
    if (delivery.client_blocked) {
      Step([&](auto& e) { e.ClientBlocked(out); });
    }
    if (delivery.upstream_blocked) {
      Step([&](auto& e) { e.UpstreamBlocked(out); });
    }
    if (dial != nullptr) {
      dialled_first = dial_count_ == 0 && exchange_ != nullptr;
      Dial(*dial, fresh);
    }
  }
  if (dialled_first) {
    loop_.metrics.overhead.Observe((uv::Loop::Now() - loop_.context.now).seconds());
  }
  Instant deadline;
  Step([&](auto& e) { deadline = e.NextDeadline(); });
  loop_.Arm(*this, deadline);
}

ClientConnection::Delivery ClientConnection::Deliver() {
  Outbox& out = loop_.outbox;
  Delivery delivery;
  if (upstream_ != nullptr && (out.release_upstream || out.close_upstream)) {
    UpstreamConnection& done = *std::exchange(upstream_, nullptr);
    upstream_blocked_ = false;
    out.close_upstream ? loop_.pool->Close(done) : loop_.pool->Release(done);
  }
  if (!out.upstream.empty() && upstream_ != nullptr) {
    if (out.expect_no_body) {
      upstream_->ExpectNoBody();
    }
    delivery.upstream_lost = !upstream_->Write(out.upstream);
  }
  if (!out.client.empty()) {
    delivery.client_lost = !wire_.Write(out.client);
  }
  if (out.pause_client) {
    wire_.Pause();
  }
  if (out.resume_client && pipelined_.size() < kPipelinedMax) {
    wire_.Resume();
  }
  if (upstream_ != nullptr && out.pause_upstream) {
    upstream_->Pause();
  }
  if (upstream_ != nullptr && out.resume_upstream) {
    upstream_->Resume();
  }
  delivery.client_blocked = wire_.blocked() && !client_blocked_;
  delivery.upstream_blocked = upstream_ != nullptr && upstream_->blocked() && !upstream_blocked_;
  client_blocked_ = client_blocked_ || delivery.client_blocked;
  upstream_blocked_ = upstream_blocked_ || delivery.upstream_blocked;
  return delivery;
}

void ClientConnection::Dial(const model::Provider& provider, bool fresh) {
  AURORA_CHECK(upstream_ == nullptr);
  if (dial_count_ > 0 && exchange_ != nullptr) {
    loop_.pool->CountRetry(provider, last_failure_);
    if (dialled_ != &provider) {
      loop_.metrics.Fallback(*dialled_, provider, last_failure_);
    }
  }
  dialled_ = &provider;
  dial_count_ = dial_count_ < 255 ? static_cast<uint8_t>(dial_count_ + 1) : dial_count_;
  last_failure_ = kFailures;
  upstream_blocked_ = false;
  bool reused = false;
  std::string problem;
  upstream_ = loop_.pool->Take(provider, fresh, *this, &reused, &problem);
  if (upstream_ == nullptr) {
    Step([&](auto& e) { e.UpstreamFailed(UpstreamFailure::kTls, problem, loop_.outbox); });
  } else if (reused) {
    Step([&](auto& e) { e.UpstreamReady(true, loop_.outbox); });
  }
}

void ClientConnection::OnUpstreamReady() {
  Step([&](auto& e) { e.UpstreamReady(false, loop_.outbox); });
  Drain();
  ProcessPipelined();
}

void ClientConnection::OnUpstreamFailed(UpstreamFailure failure, std::string_view detail) {
  upstream_ = nullptr;
  last_failure_ = static_cast<uint8_t>(failure);
  Step([&](auto& e) { e.UpstreamFailed(failure, detail, loop_.outbox); });
  Drain();
  ProcessPipelined();
}

void ClientConnection::OnUpstreamHead(const http::Head& head) {
  Step([&](auto& e) { e.ResponseHead(head, loop_.outbox); });
  DrainIfLong();  // a retry gives the connection up here
}

void ClientConnection::OnUpstreamBody(std::string_view bytes) {
  Step([&](auto& e) { e.ResponseBody(bytes, loop_.outbox); });
  DrainIfLong();
}

void ClientConnection::OnUpstreamEnd(bool reusable) {
  Step([&](auto& e) { e.ResponseEnd(reusable, loop_.outbox); });
}

void ClientConnection::OnUpstreamBatch() {
  Drain();
  ProcessPipelined();
}

void ClientConnection::OnUpstreamDrained() {
  upstream_blocked_ = false;
  Step([&](auto& e) { e.UpstreamDrained(loop_.outbox); });
  Drain();
  ProcessPipelined();
}

}  // namespace aurora::server
