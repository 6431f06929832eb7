#include "dataplane/server/dns_cache.h"

#include <algorithm>
#include <utility>

#include "shared/uv/address.h"

namespace aurora::server {

const std::vector<sockaddr_storage>* DnsCache::Lookup(const std::string& host, Instant now,
                                                      DnsWaiter& waiter) {
  std::unique_ptr<Entry>& slot = entries_[host];
  if (slot == nullptr) {
    slot = std::make_unique<Entry>();
    if (auto literal = uv::ParseIp(host, 0); literal.ok() && host != "localhost") {
      slot->addresses.push_back(*literal);
      slot->fresh_until = Instant::Never();
    }
  }
  if (now >= slot->fresh_until && !slot->asking) {
    Ask(host, *slot);
  }
  if (!slot->addresses.empty()) {
    return &slot->addresses;
  }
  slot->waiters.push_back(&waiter);
  return nullptr;
}

void DnsCache::Cancel(DnsWaiter& waiter) {
  for (auto& [host, entry] : entries_) {
    std::replace(entry->waiters.begin(), entry->waiters.end(), &waiter,
                 static_cast<DnsWaiter*>(nullptr));
  }
}

void DnsCache::Ask(const std::string& host, Entry& entry) {
  entry.asking = true;
  resolver_.Resolve(host, 0, [this, host](absl::StatusOr<uv::Resolver::Addresses> answer) {
    Answered(host, std::move(answer));
  });
}

void DnsCache::Answered(const std::string& host, absl::StatusOr<uv::Resolver::Addresses> answer) {
  Entry& entry = *entries_.find(host)->second;
  entry.asking = false;
  std::string reason;
  if (answer.ok() && !answer->empty()) {
    entry.addresses = *std::move(answer);
    entry.fresh_until = uv::Loop::Now() + kFresh;
  } else {
    reason = answer.ok() ? "no address" : std::string(Std(answer.status().message()));
    entry.fresh_until =
        uv::Loop::Now() + Duration::Seconds(1);  // ask again soon, but not for every request
  }
  // By index: a waiter may cancel others (which turns them null), and new ones belong to the next
  // answer.
  const std::vector<sockaddr_storage> addresses = entry.addresses;
  const std::vector<DnsWaiter*>::size_type count = entry.waiters.size();
  for (size_t i = 0; i < count; ++i) {
    if (DnsWaiter* waiter = std::exchange(entry.waiters[i], nullptr); waiter != nullptr) {
      waiter->OnResolved(addresses, reason);
    }
  }
  entry.waiters.erase(entry.waiters.begin(),
                      entry.waiters.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace aurora::server
