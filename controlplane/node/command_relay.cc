#include "controlplane/node/command_relay.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "shared/base/status.h"

namespace aurora::node {
namespace {

constexpr size_t kMessageMax = 1024;
constexpr int kCodeMax = static_cast<int>(absl::StatusCode::kUnauthenticated);

absl::Status StatusOf(const v1::FailoverAnswer& answer) {
  if (answer.code() == 0) {
    return absl::OkStatus();
  }
  const bool known = answer.code() > 0 && answer.code() <= kCodeMax;
  return absl::Status(known ? static_cast<absl::StatusCode>(answer.code()) : absl::StatusCode::kUnknown,
                      answer.message().substr(0, kMessageMax));
}

}  // namespace

v1::FailoverAnswer AnswerOf(uint64_t id, const absl::Status& status) {
  v1::FailoverAnswer answer;
  answer.set_id(id);
  answer.set_code(static_cast<int>(status.code()));
  answer.set_message(std::string(status.message()));
  return answer;
}

void CommandRelay::Send(Instant now, const std::string& uid, const std::string& node_id, v1::FailoverCommand command,
                        Done done) {
  if (pending_.size() >= kCommandsMax) {
    done(ResourceExhausted("too many commands are under way; try again"));
    return;
  }
  const uint64_t id = next_id_++;
  command.set_id(id);
  v1::ControlFrame frame;
  *frame.mutable_failover_command() = std::move(command);
  pending_[id] = {uid, node_id, now + kCommandWait, std::move(done)};
  if (!send_(uid, frame)) {
    // It may be gone already: a stream that takes no more is closed on the spot.
    if (const auto at = pending_.find(id); at != pending_.end()) {
      End(at, Unavailable("this node has no stream to node " + node_id + "; ask another node"));
    }
  }
}

void CommandRelay::End(std::map<uint64_t, Pending>::iterator at, absl::Status status) {
  const Done done = std::move(at->second.done);
  pending_.erase(at);
  done(std::move(status));
}

void CommandRelay::OnAnswer(std::string_view from, const v1::FailoverAnswer& answer) {
  const auto at = pending_.find(answer.id());
  if (at != pending_.end() && at->second.uid == from) {
    End(at, StatusOf(answer));
  }
}

void CommandRelay::OnDown(std::string_view uid) {
  std::vector<uint64_t> ids;
  for (const auto& [id, pending] : pending_) {
    if (pending.uid == uid) {
      ids.push_back(id);
    }
  }
  for (const uint64_t id : ids) {
    if (const auto at = pending_.find(id); at != pending_.end()) {
      End(at, Unavailable("the stream to node " + at->second.node_id + " ended before it answered"));
    }
  }
}

void CommandRelay::OnSecond(Instant now) {
  const auto late = [&] {
    return std::find_if(pending_.begin(), pending_.end(), [&](const auto& entry) { return now >= entry.second.until; });
  };
  for (auto at = late(); at != pending_.end(); at = late()) {
    End(at, Unavailable("node " + at->second.node_id + " did not answer in time"));
  }
}

}  // namespace aurora::node
