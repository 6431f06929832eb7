// LoopState: what the connections of one loop share.
// Source: ours. Thread: the loop's. Invariant: `outbox` is empty between callbacks; a connection
// that calls a verb drains it before it returns to the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <time.h>

#include "dataplane/exchange/arena.h"
#include "dataplane/exchange/buffer_pool.h"
#include "dataplane/exchange/context.h"
#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/outbox.h"
#include "dataplane/exchange/tools.h"
#include "dataplane/server/loop_metrics.h"
#include "dataplane/server/ops.h"
#include "dataplane/server/outbound_proxy.h"
#include "dataplane/server/timer_heap.h"
#include "dataplane/server/wire.h"
#include "dataplane/upstream/health.h"
#include "shared/http/decoder.h"
#include "shared/uv/timer.h"

namespace aurora::server {

class LoopFailover;
class UpstreamPool;

struct ServerOptions {
  exchange::Options exchange;
  Duration head_timeout = Duration::Seconds(10);
  Duration idle_timeout = Duration::Seconds(75);
  Duration flush_timeout =
      Duration::Seconds(30);  // a closing connection whose client does not read
  Duration linger_timeout = Duration::Seconds(2);
  size_t connections_max = 100000;  // per loop
  size_t high_watermark_bytes = 256 * 1024;
  size_t low_watermark_bytes = 64 * 1024;
  Duration upstream_idle_timeout = Duration::Seconds(50);
  size_t upstream_idle_max = 256;  // per provider
  OutboundProxy proxy;
  // Where /admin goes; absent = it is an unknown path like any other.
  std::optional<model::Provider> admin;
};

// Takes the record of a finished exchange; false = it was dropped. Called on the loop. May be
// empty.
using UsageSink = std::function<bool(const model::UsageRecord&)>;

struct LoopState {
  LoopState(uv::Loop& uv_loop, const ServerOptions& server_options, LoopMetrics& loop_metrics,
            Ops& loop_ops, UsageSink usage_sink, uint64_t seed)
      : loop(uv_loop),
        options(server_options),
        metrics(loop_metrics),
        ops(loop_ops),
        usage(std::move(usage_sink)),
        wires{uv_loop,
              server_options.high_watermark_bytes,
              server_options.low_watermark_bytes,
              {},
              {}},
        health(Rng(seed)),
        timer(uv_loop, [this] { RunTimers(); }) {
    context.options = server_options.exchange;
    context.rng = Rng(seed ^ 0x6c6f6f70);
    context.arena = &arena;
    context.buffers = &buffers;
    context.health = &health;
    context.tools = &tools;
    timer.Unref();
    Refresh();
  }

  // At the start of every callback: the time the exchanges see.
  void Refresh() {
    context.now = uv::Loop::Now();
    context.admission = ops.admission();
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    context.unix_us = static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
    clock_gettime(CLOCK_BOOTTIME, &t);
    context.boottime_ns = static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
  }

  void Arm(TimerEntry& entry, Instant at) {
    timers.Arm(entry, at);
    if (timers.Next() < timer_at) {
      timer_at = timers.Next();
      timer.StartAt(timer_at);
    }
  }

  void RunTimers() {
    Refresh();
    timer_at = Instant::Never();
    while (TimerEntry* entry = timers.PopDue(context.now)) {
      entry->OnDeadline();
    }
    if (timers.Next() < timer_at) {
      timer_at = timers.Next();
      timer.StartAt(timer_at);
    }
  }

  std::unique_ptr<exchange::Exchange> TakeExchange() {
    if (exchanges.empty()) {
      return std::make_unique<exchange::Exchange>(context);
    }
    auto result = std::move(exchanges.back());
    exchanges.pop_back();
    return result;
  }
  void GiveExchange(std::unique_ptr<exchange::Exchange> used) {
    used->Reset();
    if (exchanges.size() < kSpareExchanges) {
      exchanges.push_back(std::move(used));
    }
  }

  static constexpr size_t kSpareExchanges = 1024;

  uv::Loop& loop;
  const ServerOptions& options;
  LoopMetrics& metrics;
  Ops& ops;
  const UsageSink usage;
  WireScratch wires;
  http::HeadScratch head;
  http::Limits limits;
  exchange::Arena arena;
  exchange::BufferPool buffers;
  exchange::Tools tools;
  upstream::Health health;
  exchange::Context context;
  exchange::Outbox outbox;
  std::vector<std::unique_ptr<exchange::Exchange>> exchanges;  // spare ones
  TimerHeap timers;
  Instant timer_at = Instant::Never();
  uv::Timer timer;
  UpstreamPool* pool = nullptr;
  LoopFailover* failover = nullptr;  // null unless a lease decides who serves; then context.gate is the same
  bool draining = false;  // answers say Connection: close
};

}  // namespace aurora::server
