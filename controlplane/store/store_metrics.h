// StoreMetrics: what the store thread counts of its own work. Source: operations contract §3.2. Thread: written by the
// store thread alone, read by whoever scrapes. Units: seconds. Errors: none. Invariant: a batch of writes is one
// `write`, with its fsync; a read is one `read`.
#pragma once

#include "shared/metrics/metrics.h"

namespace aurora::store {

struct StoreMetrics {
  StoreMetrics() : write(metrics::kLagSeconds), read(metrics::kLagSeconds), checkpoint(metrics::kLagSeconds) {}

  metrics::Histogram write;
  metrics::Histogram read;
  metrics::Histogram checkpoint;  // part of the write that set it off
  // Of the whole file, as last committed.
  metrics::Gauge rows;
  metrics::Gauge tombstones;
  metrics::Gauge parked;
  metrics::Gauge conflicts;
  metrics::Counter write_errors;  // batches that were rolled back
  metrics::Counter read_errors;
  metrics::Counter open_errors;
  metrics::Counter busy;  // somebody else held the file's lock for too long
};

}  // namespace aurora::store
