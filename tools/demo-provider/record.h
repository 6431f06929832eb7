// Record: what the demo provider has seen, for tests and drills: arrivals, cancellations and totals.
// Source: docs/operations.md, "The local cluster". Thread: one; a value with no clock of its own.
// Bounds: the last 1 000 000 arrivals and 100 000 cancellations.   Units: t_ns is CLOCK_BOOTTIME.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

namespace aurora::demo {

struct Arrival {
  uint64_t seq = 0;
  int64_t t_ns = 0;
  std::string node;
  int64_t term = 0;
  int64_t admitted_ns = 0;
  std::string request_id;
  std::string model;
};

class Record {
 public:
  // Gives the arrival its number, from 1.
  void Arrived(Arrival arrival);
  void Answered(int64_t input_tokens, int64_t output_tokens);
  // The client left before the answer was complete.
  void Cancelled(int64_t t_ns, const std::string& request_id);

  // Those with seq > since, oldest first.
  std::string ArrivalsJson(uint64_t since) const;
  std::string StatsJson() const;
  std::string CancellationsJson() const;
  uint64_t requests() const { return requests_; }

 private:
  struct Cancellation {
    int64_t t_ns;
    std::string request_id;
  };
  std::deque<Arrival> arrivals_;
  std::deque<Cancellation> cancellations_;
  uint64_t requests_ = 0;
  int64_t input_tokens_ = 0;
  int64_t output_tokens_ = 0;
};

}  // namespace aurora::demo
