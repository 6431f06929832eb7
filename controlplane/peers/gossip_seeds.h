// The seeds: names and addresses at which a cluster may be found, resolved afresh each time.
// Source: ours, over shared/uv/resolver. Thread: the loop's. Bounds: kMaxSeeds seeds, kMaxAddresses
// of one name. Errors: Parse names the seed; a name that does not resolve is logged at most once a
// minute and asked again next time. Invariant: an address of this node is never handed out.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/address.h"
#include "controlplane/peers/gossip_limits.h"
#include "shared/uv/resolver.h"

namespace aurora::peers {

class GossipSeeds {
 public:
  static constexpr size_t kMaxSeeds = 64;
  static constexpr size_t kMaxAddresses = 16;
  // `found` gets the addresses of one seed, at least one.
  using Found = std::function<void(const std::vector<gossipwire::Address>& addresses, bool join)>;

  // `bound` is the socket's address, `advertised` what peers are told.
  GossipSeeds(uv::Loop& loop, gossipwire::Address bound, gossipwire::Address advertised,
              Found found);

  static absl::StatusOr<std::vector<gossipwire::JoinAddress>> Parse(
      const std::vector<std::string>& seeds, uint16_t default_port);
  void Set(std::vector<gossipwire::JoinAddress> seeds) { seeds_ = std::move(seeds); }

  void ResolveAll(bool join);
  void ResolveNext(bool join);  // one, in turn
  bool IsOwn(const gossipwire::Address& address) const;

 private:
  void Resolve(const gossipwire::JoinAddress& seed, bool join);
  void Hand(std::vector<gossipwire::Address> addresses, bool join);

  gossipwire::Address bound_;
  gossipwire::Address advertised_;
  Found found_;
  std::vector<gossipwire::JoinAddress> seeds_;
  size_t next_ = 0;
  Seldom logged_{Duration::Seconds(60)};
  uv::Resolver resolver_;
};

}  // namespace aurora::peers
