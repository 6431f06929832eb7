#include "dataplane/server/timer_heap.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "shared/base/rng.h"
#include "tests/support/test.h"

namespace aurora::server {
namespace {

struct Entry : TimerEntry {
  void OnDeadline() override {}
  Instant want = Instant::Never();
};

}  // namespace

TEST_CASE("a due entry comes out once and in order of its latest deadline", "[server]") {
  Rng rng(11);
  TimerHeap heap;
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < 200; ++i) {
    entries.push_back(std::make_unique<Entry>());
  }
  for (int round = 0; round < 2000; ++round) {
    Entry& e = *entries[rng.Below(entries.size())];
    if (rng.OneIn(10)) {
      e.want = Instant::Never();
      heap.Disarm(e);
    } else {
      e.want = Instant::FromMicros(static_cast<int64_t>(rng.Below(1000)));
      heap.Arm(e, e.want);
    }
  }
  for (int64_t t = 0; t < 1000; t += 50) {
    const Instant now = Instant::FromMicros(t);
    while (TimerEntry* popped = heap.PopDue(now)) {
      Entry& e = static_cast<Entry&>(*popped);
      CHECK(e.want <= now);
      CHECK(e.want > now - Duration::Micros(50));
      e.want = Instant::Never();
    }
    CHECK(std::none_of(entries.begin(), entries.end(),
                       [&](const auto& e) { return e->want <= now; }));
  }
}

TEST_CASE("a destroyed entry leaves the heap", "[server]") {
  TimerHeap heap;
  auto kept = std::make_unique<Entry>();
  {
    Entry gone;
    heap.Arm(gone, Instant::FromMicros(1));
    heap.Arm(*kept, Instant::FromMicros(2));
  }
  CHECK(heap.size() == 1);
  CHECK(heap.PopDue(Instant::FromMicros(5)) == kept.get());
  CHECK(heap.PopDue(Instant::FromMicros(5)) == nullptr);
}

}  // namespace aurora::server
