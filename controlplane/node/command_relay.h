// CommandRelay: an operator's command that another node has to carry out, sent over its Control stream, and the answer
// to it. Source: ours (product contract: failover, voters and nodes commands may go to any node). Thread: the control
// loop's. Units: `now` monotonic. Bounds: kCommandsMax under way, kCommandWait each. Errors: to `done`: Unavailable =
// the node is not there or did not answer; it may have carried it out. Always: `done` runs exactly once, or not at all
// when the relay goes first.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "aurora/v1/sync.pb.h"
#include "shared/base/time.h"

namespace aurora::node {

inline constexpr size_t kCommandsMax = 64;
inline constexpr Duration kCommandWait = Duration::Seconds(5);

class CommandRelay {
 public:
  using Done = std::function<void(absl::Status)>;
  // False: no stream to that node.
  using SendFrame = std::function<bool(std::string_view uid, const v1::ControlFrame&)>;

  explicit CommandRelay(SendFrame send) : send_(std::move(send)) {}

  void Send(Instant now, const std::string& uid, const std::string& node_id, v1::FailoverCommand command, Done done);
  void OnAnswer(std::string_view from, const v1::FailoverAnswer& answer);
  void OnDown(std::string_view uid);
  void OnSecond(Instant now);

 private:
  struct Pending {
    std::string uid;
    std::string node_id;
    Instant until;
    Done done;
  };
  void End(std::map<uint64_t, Pending>::iterator at, absl::Status status);

  SendFrame send_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 1;
};

// A status as an answer, and back.
v1::FailoverAnswer AnswerOf(uint64_t id, const absl::Status& status);

}  // namespace aurora::node
