// What an Exchange knows of its attempts at upstreams.
// Source: ours. Thread: one loop. Invariant: provider and credential point into the request's snapshot.
#pragma once

#include <cstdint>

#include "dataplane/model/types.h"
#include "dataplane/routing/route.h"
#include "shared/base/time.h"

namespace aurora::exchange {

// Why an attempt did not become the answer.
enum class AttemptFailure : uint8_t {
  kNone, kConnect, kReset, kConnectTimeout, kFirstByteTimeout, kRateLimited, kServerError, kBadResponse,
};

struct AttemptState {
  routing::Route route;
  const model::Provider* provider = nullptr;
  const model::Credential* credential = nullptr;
  Instant dialled;          // the first dial
  uint32_t current = 0;     // index in route.candidates
  uint32_t tried = 0;       // credentials of the current provider that were answered 429
  int8_t credential_index = -1;
  uint8_t count = 0;        // attempts begun
  uint8_t writes = 0;       // requests written to a provider
  AttemptFailure last = AttemptFailure::kNone;
  bool active = false;      // an upstream is dialled or connected for us
  bool reused = false;
  bool fresh = false;       // the next dial must not take a pooled connection
  bool stale_used = false;  // the one free retry of a stale pooled connection is spent
  bool injected = false;    // we asked for usage in the client's name
  bool interim = false;     // the response now being read is a 1xx
  bool resting = false;     // sent although its credential rests: nothing else was left
  bool release = false;     // leaving kDiscard: the connection is clean
};

}  // namespace aurora::exchange
