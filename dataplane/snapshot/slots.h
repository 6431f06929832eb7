// Slots: small numbers that name providers, credentials and models for the life of the process
// (docs/adr/0009). Source: ours. Thread: the reader thread; the numbers themselves go anywhere.
// Bounds: grows with the number of distinct names ever seen. Invariant: a name keeps its slot;
// slots are dense from 0.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/model/types.h"
#include "shared/base/string_map.h"

namespace aurora::snapshot {

class SlotTable {
 public:
  model::Slot Of(std::string_view name) {
    const auto it = slots_.find(name);
    if (it != slots_.end()) {
      return it->second;
    }
    const auto slot = static_cast<model::Slot>(slots_.size());
    slots_.emplace(std::string(name), slot);
    return slot;
  }

 private:
  StringMap<model::Slot> slots_;
};

struct Slots {
  SlotTable providers;
  SlotTable credentials;  // "provider/credential id"
  SlotTable models;       // "provider/model id"
};

}  // namespace aurora::snapshot
