// DnsCache: one loop's memory of addresses; questions go to uv::Resolver, off the loop.
// Source: ours. Thread: the loop's. Bounds: positive answers are fresh for 30 s; a stale one is
// served while a new question runs and for as long as questions fail, so a DNS outage does not take
// a known provider down. Errors: a name never resolved answers its waiters with an empty list and
// the reason.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/string_map.h"
#include "shared/base/time.h"
#include "shared/uv/resolver.h"

namespace aurora::server {

class DnsWaiter {
 public:
  virtual ~DnsWaiter() = default;
  // `addresses` (port 0) is valid during the call; empty = failed for `reason`.
  virtual void OnResolved(const std::vector<sockaddr_storage>& addresses,
                          std::string_view reason) = 0;
};

class DnsCache {
 public:
  static constexpr Duration kFresh = Duration::Seconds(30);

  explicit DnsCache(uv::Loop& loop) : resolver_(loop) {}

  // The known addresses (maybe stale), or null: then `waiter` is called later, unless cancelled.
  const std::vector<sockaddr_storage>* Lookup(const std::string& host, Instant now,
                                              DnsWaiter& waiter);
  void Cancel(DnsWaiter& waiter);

 private:
  struct Entry {
    std::vector<sockaddr_storage> addresses;
    Instant fresh_until;
    bool asking = false;
    std::vector<DnsWaiter*> waiters;
  };
  void Ask(const std::string& host, Entry& entry);
  void Answered(const std::string& host, absl::StatusOr<uv::Resolver::Addresses> answer);

  uv::Resolver resolver_;
  StringMap<std::unique_ptr<Entry>> entries_;
};

}  // namespace aurora::server
