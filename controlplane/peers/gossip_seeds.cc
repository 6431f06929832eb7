#include "controlplane/peers/gossip_seeds.h"

#include <algorithm>
#include <utility>

#include "controlplane/peers/gossip_address.h"
#include "shared/base/status.h"
#include "shared/log/log.h"

namespace aurora::peers {

using gossipwire::Address;
using gossipwire::JoinAddress;

GossipSeeds::GossipSeeds(uv::Loop& loop, Address bound, Address advertised, Found found)
    : bound_(std::move(bound)),
      advertised_(std::move(advertised)),
      found_(std::move(found)),
      resolver_(loop) {}

absl::StatusOr<std::vector<JoinAddress>> GossipSeeds::Parse(const std::vector<std::string>& seeds,
                                                            uint16_t default_port) {
  if (seeds.size() > kMaxSeeds) {
    return InvalidArgument(std::to_string(seeds.size()) + " seeds; the most is " +
                           std::to_string(kMaxSeeds));
  }
  std::vector<JoinAddress> parsed;
  for (const std::string& text : seeds) {
    auto seed = gossipwire::ParseJoinAddress(text, default_port);
    if (!seed.ok()) {
      return WithContext("seed \"" + text + "\"", seed.status());
    }
    parsed.push_back(*std::move(seed));
  }
  return parsed;
}

void GossipSeeds::ResolveAll(bool join) {
  for (const JoinAddress& seed : seeds_) {
    Resolve(seed, join);
  }
}

void GossipSeeds::ResolveNext(bool join) {
  if (!seeds_.empty()) {
    next_ = (next_ + 1) % seeds_.size();
    Resolve(seeds_[next_], join);
  }
}

void GossipSeeds::Resolve(const JoinAddress& seed, bool join) {
  if (!seed.ip.empty()) {
    Hand({{seed.ip, seed.port}}, join);
    return;
  }
  resolver_.Resolve(seed.host, seed.port, [this, host = seed.host, join](auto resolved) {
    if (!resolved.ok()) {
      if (logged_.Allow(uv::Loop::Now(), host)) {
        log::Warn("gossip: a seed does not resolve",
                  {{"seed", host}, {"error", resolved.status()}});
      }
      return;
    }
    std::vector<Address> addresses;
    for (const sockaddr_storage& address : *resolved) {
      addresses.push_back(FromSockaddr(address));
    }
    Hand(std::move(addresses), join);
  });
}

void GossipSeeds::Hand(std::vector<Address> addresses, bool join) {
  std::erase_if(addresses,
                [&](const Address& address) { return address.empty() || IsOwn(address); });
  if (addresses.size() > kMaxAddresses) {
    addresses.resize(kMaxAddresses);
  }
  if (!addresses.empty()) {
    found_(addresses, join);
  }
}

bool GossipSeeds::IsOwn(const Address& address) const {
  if (address == advertised_ || address == bound_) {
    return true;
  }
  if (address.port != bound_.port || !IsWildcard(bound_.ip)) {
    return false;
  }
  const std::vector<std::string> local = LocalIps();
  return IsLoopback(address.ip) || IsWildcard(address.ip) ||
         std::find(local.begin(), local.end(), address.ip) != local.end();
}

}  // namespace aurora::peers
