// BroadcastQueue: news waiting to be told, one item a node (memberlist's TransmitLimitedQueue; SWIM section 4.1).
//
// Newer news about a node replaces older. A packet takes the least told first, then the largest that fits, then the
// newest; an item told `limit` times is dropped. Thread: owner's. Bound: one item for each known name. Sizes in bytes
// of payload, framing included by the caller's overhead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/message.h"
#include "shared/base/string_map.h"

namespace aurora::membership {

class BroadcastQueue {
 public:
  void Push(std::string_view node, gossipwire::Message message);
  void Erase(std::string_view node);
  // Appends messages of at most `budget` bytes in total, each costing its size + `overhead`.
  void Take(size_t budget, size_t overhead, int limit, std::vector<gossipwire::Message>& out);

  bool empty() const { return order_.empty(); }
  size_t size() const { return order_.size(); }
  bool Contains(std::string_view node) const { return by_node_.contains(node); }
  void Clear();

 private:
  struct Rank {
    int told = 0;
    size_t size = 0;
    uint64_t id = 0;
  };
  struct Item {
    Rank rank;
    gossipwire::Message message;
    std::string node;
  };
  struct Order {
    bool operator()(const Rank& a, const Rank& b) const {
      if (a.told != b.told) {
        return a.told < b.told;
      }
      return a.size != b.size ? a.size > b.size : a.id > b.id;
    }
  };

  using ByRank = std::map<Rank, Item*, Order>;  // the key is a copy of the item's: a walk touches no item

  StringMap<std::unique_ptr<Item>> by_node_;
  ByRank order_;
  std::vector<ByRank::node_type> taken_;  // scratch of Take
  uint64_t next_id_ = 0;
};

}  // namespace aurora::membership
