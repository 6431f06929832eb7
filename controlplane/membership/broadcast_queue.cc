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
    order_.erase(it->second.get());
  }
  Item& item = *it->second;
  item.rank = {0, MessageSize(message), next_id_++};
  item.message = std::move(message);
  order_.insert(&item);
}

void BroadcastQueue::Erase(std::string_view node) {
  auto it = by_node_.find(node);
  if (it != by_node_.end()) {
    order_.erase(it->second.get());
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
    Item* item = *it;
    const size_t room = budget - used - overhead;
    if (item->rank.size > room) {
      // Nothing in this tier up to this size fits: go on at the first that does.
      it = order_.lower_bound(Rank{item->rank.told, room, UINT64_MAX});
      continue;
    }
    used += item->rank.size + overhead;
    out.push_back(item->message);
    it = order_.erase(it);
    taken_.push_back(item);
  }
  for (Item* item : taken_) {
    if (++item->rank.told >= limit) {
      by_node_.erase(by_node_.find(item->node));
    } else {
      order_.insert(item);
    }
  }
}

}  // namespace aurora::membership
