// Context: what the exchanges of one loop share: the current Snapshot, time, memory, health of upstreams.
// Source: ours. Thread: one loop. The driver updates `now*` and `snapshot` between callbacks only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dataplane/model/snapshot.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::upstream {
class Health;  // breakers and credential cooldowns of one loop (dataplane/upstream/health.h)
}

namespace aurora::exchange {

class Arena;       // scratch of one step (dataplane/exchange/arena.h)
class Gate;        // the lease of this node (dataplane/exchange/gate.h)
class BufferPool;  // pooled body buffers with simdjson padding (dataplane/exchange/buffer_pool.h)
struct Tools;      // per-loop parsers and digests, built once (dataplane/exchange/tools.h)

// Whether new requests are taken, by what the control plane knows of the cluster (replication.md section 3).
enum class Admission : uint8_t { kOpen, kUnsynced, kStale };

struct Options {
  uint64_t body_bytes_max = 32u << 20;
  uint64_t retry_body_bytes_max = 1u << 20;
  Duration head_timeout = Duration::Seconds(10);
  Duration body_timeout = Duration::Seconds(60);
  Duration keepalive_comment = Duration::Seconds(15);  // SSE comment while no token came yet
  bool revoke_running_streams = true;
  std::string node_id = "local";
};

struct Context {
  Options options;
  std::shared_ptr<const model::Snapshot> snapshot;
  Instant now;                 // monotonic
  int64_t unix_us = 0;
  int64_t boottime_ns = 0;
  Admission admission = Admission::kOpen;
  uint64_t term = 0;  // the role page's leader term
  const Gate* gate = nullptr;   // null: no lease is needed to serve (every mode but active_passive)
  uint64_t admitted_ns = 0;     // BOOTTIME of the latest Look() that let a request through to a provider
  Rng rng{1};
  Arena* arena = nullptr;
  BufferPool* buffers = nullptr;
  upstream::Health* health = nullptr;
  Tools* tools = nullptr;
};

}  // namespace aurora::exchange
