#include "controlplane/membership/broadcast_queue.h"

#include <algorithm>
#include <utility>

#include "controlplane/membership/message_size.h"

namespace aurora::membership {

using gossipwire::Message;

void BroadcastQueue::Push(std::string_view node, Message message) {
  auto it = by_node_.find(node);
  if (it == by_node_.end()) {
    it = by_node_.emplace(node, std::make_unique<Item>()).first;
    it->second->node = node;
  } else {
    order_.erase(it->second->rank);
  }
  Item& item = *it->second;
  item.rank = {0, MessageSize(message), next_id_++};
  item.message = std::move(message);
  order_.emplace(item.rank, &item);
}

void BroadcastQueue::Erase(std::string_view node) {
  auto it = by_node_.find(node);
  if (it != by_node_.end()) {
    order_.erase(it->second->rank);
    by_node_.erase(it);
  }
}

void BroadcastQueue::Clear() {
  order_.clear();
  by_node_.clear();
}

void BroadcastQueue::Take(size_t budget, size_t overhead, int limit, std::vector<Message>& out) {
  constexpr size_t kSmallest = 29;  // no accusation is shorter: stop looking for something that fits
  taken_.clear();
  size_t used = 0;
  out.reserve(out.size() + std::min<size_t>(order_.size(), 12));
  auto it = order_.begin();
  while (it != order_.end() && used + kSmallest + overhead <= budget && taken_.size() < 255) {
    const size_t room = budget - used - overhead;
    if (it->first.size > room) {
      // Nothing in this tier up to this size fits: go on at the first that does.
      it = order_.lower_bound(Rank{it->first.told, room, UINT64_MAX});
      continue;
    }
    used += it->first.size + overhead;
    out.push_back(it->second->message);
    taken_.push_back(order_.extract(it++));
  }
  for (ByRank::node_type& taken : taken_) {
    Item* item = taken.mapped();
    if (++item->rank.told >= limit) {
      by_node_.erase(by_node_.find(item->node));
    } else {
      taken.key() = item->rank;
      order_.insert(std::move(taken));
    }
  }
  taken_.clear();
}

}  // namespace aurora::membership
