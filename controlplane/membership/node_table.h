// NodeTable: one record a node, and the shuffled list the failure detector walks (SWIM 4.3; memberlist state.go).
//
// A record is *listed* while it is alive, suspected, or died lately; listed records make up "n" in every formula and
// are what gossip and probes choose from. Dead and left ones that are no longer listed are graves: kept so that an old
// message cannot raise them and so that they can be asked again. Thread: owner's. Bound: max_members records in all.
// Always: the stored incarnation of a record never falls; pointers stay valid until the record is erased.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/message.h"
#include "controlplane/membership/suspicion.h"
#include "shared/base/rng.h"
#include "shared/base/string_map.h"
#include "shared/base/time.h"

namespace aurora::membership {

struct Record {
  std::string name;
  gossipwire::Address address;
  std::string meta;
  gossipwire::Versions versions;
  uint32_t incarnation = 0;
  gossipwire::NodeState state = gossipwire::NodeState::kDead;
  bool guest = false;        // speaks the protocol but is no node of ours
  bool address_free = false; // the address it had was asked and did not answer: another one may take the name
  bool listed = false;
  int tcp_only = 0;          // probes in a row that TCP alone answered
  Instant changed;           // of `state`
  Instant reaccuse_after;    // no stronger accusation is told again before this
  std::unique_ptr<Suspicion> suspicion;

  bool dead_or_left() const {
    return state == gossipwire::NodeState::kDead || state == gossipwire::NodeState::kLeft;
  }
};

class NodeTable {
 public:
  explicit NodeTable(size_t max_records) : max_records_(max_records) {}

  Record* Find(std::string_view name);
  const Record* Find(std::string_view name) const;
  // Null when the table is full and no grave can make room.
  Record* Insert(std::string_view name, Instant now, Rng& rng);
  // Puts a record (back) into the list at a random place.
  void List(Record* record, Rng& rng);

  // The next record of the walk, null at the end of the list.
  Record* Next();
  // Begins a new walk: drops DEAD and LEFT older than `keep_listed` from the list and shuffles the rest. Graves older
  // than their memory are erased; with `keep_graves` false they are erased at once. Appends the erased names.
  void Wrap(Instant now, Duration keep_listed, bool keep_graves, Duration dead_memory, Duration left_memory, Rng& rng,
            std::vector<std::string>& erased);

  size_t listed() const { return list_.size(); }
  Record* At(size_t i) { return list_[i]; }
  const Record* At(size_t i) const { return list_[i]; }
  size_t size() const { return by_name_.size(); }

  // Listed ones, then graves: an order that depends on nothing but what happened (a hash map's would).
  template <class F>
  void ForEach(F&& f) const {
    for (const std::vector<Record*>* records : {&list_, &graves_}) {
      for (const Record* record : *records) {
        f(*record);
      }
    }
  }

 private:
  bool EvictOldestGrave();

  size_t max_records_;
  StringMap<std::unique_ptr<Record>> by_name_;
  std::vector<Record*> list_;
  std::vector<Record*> graves_;
  size_t walk_ = 0;
};

}  // namespace aurora::membership
