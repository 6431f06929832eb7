// TimerHeap: every deadline of one loop in one binary heap under one uv timer.
// Source: ours (performance.md: no uv timer per request). Thread: one loop.
// Lazy: moving a deadline later costs nothing: the entry stays where it is and is put back when its
// old time comes. A request that ends well therefore touches the heap about once in a keep-alive
// period. Invariant: an entry is disarmed before it is destroyed (its destructor sees to it).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "shared/base/check.h"
#include "shared/base/time.h"

namespace aurora::server {

class TimerHeap;

class TimerEntry {
 public:
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;
  virtual ~TimerEntry();

  virtual void OnDeadline() = 0;  // may re-arm, may destroy itself

 private:
  friend class TimerHeap;
  static constexpr uint32_t kOut = 0xffffffff;
  TimerHeap* heap_ = nullptr;
  Instant at_ = Instant::Never();
  uint32_t index_ = kOut;
};

class TimerHeap {
 public:
  void Arm(TimerEntry& entry, Instant at) {
    entry.at_ = at;
    if (at == Instant::Never()) {
      return;  // stays in place if it is in; dropped when its old time comes
    }
    if (entry.index_ == TimerEntry::kOut) {
      entry.heap_ = this;
      entry.index_ = static_cast<uint32_t>(heap_.size());
      heap_.push_back({at, &entry});
      Up(entry.index_);
    } else if (at < heap_[entry.index_].at) {
      heap_[entry.index_].at = at;
      Up(entry.index_);
    }
  }

  void Disarm(TimerEntry& entry) {
    entry.at_ = Instant::Never();
    if (entry.index_ != TimerEntry::kOut) {
      Remove(entry.index_);
    }
  }

  // When to look again; may be earlier than the earliest deadline, never later.
  Instant Next() const { return heap_.empty() ? Instant::Never() : heap_.front().at; }

  // Takes out one due entry, or null. Entries whose deadline moved on are put back.
  TimerEntry* PopDue(Instant now) {
    while (!heap_.empty() && heap_.front().at <= now) {
      TimerEntry* entry = heap_.front().entry;
      if (entry->at_ <= now) {
        Remove(0);
        entry->at_ = Instant::Never();
        return entry;
      }
      if (entry->at_ == Instant::Never()) {
        Remove(0);
      } else {
        heap_.front().at = entry->at_;
        Down(0);
      }
    }
    return nullptr;
  }

  size_t size() const { return heap_.size(); }

 private:
  struct Node {
    Instant at;
    TimerEntry* entry;
  };

  void Place(size_t i, Node node) {
    heap_[i] = node;
    node.entry->index_ = static_cast<uint32_t>(i);
  }
  void Up(size_t i) {
    const Node node = heap_[i];
    while (i > 0 && node.at < heap_[(i - 1) / 2].at) {
      Place(i, heap_[(i - 1) / 2]);
      i = (i - 1) / 2;
    }
    Place(i, node);
  }
  void Down(size_t i) {
    const Node node = heap_[i];
    for (;;) {
      size_t child = 2 * i + 1;
      if (child >= heap_.size()) {
        break;
      }
      if (child + 1 < heap_.size() && heap_[child + 1].at < heap_[child].at) {
        ++child;
      }
      if (heap_[child].at >= node.at) {
        break;
      }
      Place(i, heap_[child]);
      i = child;
    }
    Place(i, node);
  }
  void Remove(size_t i) {
    heap_[i].entry->index_ = TimerEntry::kOut;
    const Node last = heap_.back();
    heap_.pop_back();
    if (i < heap_.size()) {
      Place(i, last);
      Up(i);
      Down(last.entry->index_);
    }
  }

  std::vector<Node> heap_;
};

inline TimerEntry::~TimerEntry() {
  if (heap_ != nullptr) {
    heap_->Disarm(*this);
  }
}

}  // namespace aurora::server
