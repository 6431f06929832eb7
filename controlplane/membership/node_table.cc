#include "controlplane/membership/node_table.h"

#include <algorithm>
#include <utility>

namespace aurora::membership {

using gossipwire::NodeState;

Record* NodeTable::Find(std::string_view name) {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second.get();
}

const Record* NodeTable::Find(std::string_view name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second.get();
}

Record* NodeTable::Insert(std::string_view name, Instant now, Rng& rng) {
  if (by_name_.size() >= max_records_ && !EvictOldestGrave()) {
    return nullptr;
  }
  auto record = std::make_unique<Record>();
  Record* raw = record.get();
  raw->name = name;
  raw->changed = now;
  by_name_.emplace(name, std::move(record));
  List(raw, rng);
  return raw;
}

void NodeTable::List(Record* record, Rng& rng) {
  if (record->listed) {
    return;
  }
  graves_.erase(std::remove(graves_.begin(), graves_.end(), record), graves_.end());
  record->listed = true;
  list_.push_back(record);
  std::swap(list_.back(), list_[rng.Below(list_.size())]);
}

Record* NodeTable::Next() { return walk_ < list_.size() ? list_[walk_++] : nullptr; }

void NodeTable::Wrap(Instant now, Duration keep_listed, bool keep_graves, Duration dead_memory, Duration left_memory,
                     Rng& rng, std::vector<std::string>& erased) {
  walk_ = 0;
  auto expired = std::partition(list_.begin(), list_.end(), [&](const Record* r) {
    return !r->dead_or_left() || now - r->changed <= keep_listed;
  });
  for (auto it = expired; it != list_.end(); ++it) {
    (*it)->listed = false;
    graves_.push_back(*it);
  }
  list_.erase(expired, list_.end());
  auto forgotten = std::partition(graves_.begin(), graves_.end(), [&](const Record* r) {
    return keep_graves && now - r->changed <= (r->state == NodeState::kLeft ? left_memory : dead_memory);
  });
  for (auto it = forgotten; it != graves_.end(); ++it) {
    erased.push_back((*it)->name);
    by_name_.erase(by_name_.find((*it)->name));
  }
  graves_.erase(forgotten, graves_.end());
  for (size_t i = list_.size(); i > 1; --i) {
    std::swap(list_[i - 1], list_[rng.Below(i)]);
  }
}

bool NodeTable::EvictOldestGrave() {
  auto oldest = std::min_element(graves_.begin(), graves_.end(),
                                 [](const Record* a, const Record* b) { return a->changed < b->changed; });
  if (oldest == graves_.end()) {
    return false;
  }
  by_name_.erase(by_name_.find((*oldest)->name));
  graves_.erase(oldest);
  return true;
}

}  // namespace aurora::membership
