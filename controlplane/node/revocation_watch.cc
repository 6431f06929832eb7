#include "controlplane/node/revocation_watch.h"

#include <algorithm>

namespace aurora::node {

void RevocationWatch::Written(uint64_t seq, Instant at, const std::vector<std::string>& members) {
  Keep(members);
  for (const std::string& uid : members) {
    std::deque<Pending>& pending = pending_[uid];
    pending.push_back({seq, at});
    if (pending.size() > kPendingMax) {
      pending.pop_front();
    }
  }
}

void RevocationWatch::Enforced(std::string_view uid, int64_t seq, Instant now) {
  const auto at = pending_.find(uid);
  if (at == pending_.end()) {
    return;
  }
  std::deque<Pending>& pending = at->second;
  while (!pending.empty() && static_cast<int64_t>(pending.front().seq) <= seq) {
    seconds_->Observe((now - pending.front().at).seconds());
    pending.pop_front();
  }
}

void RevocationWatch::Keep(const std::vector<std::string>& members) {
  std::erase_if(pending_, [&](const auto& entry) {
    return std::find(members.begin(), members.end(), entry.first) == members.end();
  });
}

bool RevocationWatch::waiting() const {
  return std::any_of(pending_.begin(), pending_.end(), [](const auto& entry) { return !entry.second.empty(); });
}

}  // namespace aurora::node
