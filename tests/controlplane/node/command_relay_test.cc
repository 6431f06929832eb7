// An operator's command on its way to another node.
#include "controlplane/node/command_relay.h"

#include <vector>

#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::node {
namespace {

struct RelayRig {
  std::vector<std::pair<std::string, v1::FailoverCommand>> sent;
  bool linked = true;
  std::vector<absl::Status> answers;
  CommandRelay relay{[this](std::string_view uid, const v1::ControlFrame& frame) {
    sent.emplace_back(uid, frame.failover_command());
    return linked;
  }};
  Instant now = Instant::FromMicros(1'000'000);

  void Send(const std::string& uid) {
    v1::FailoverCommand command;
    command.set_action(v1::FailoverCommand::ACTION_TRANSFER);
    relay.Send(now, uid, "node-" + uid, command, [this](absl::Status s) { answers.push_back(std::move(s)); });
  }
  uint64_t Id(size_t k) const { return sent.at(k).second.id(); }
};

TEST_CASE("the answer of the node asked is the command's, with its words") {
  RelayRig rig;
  rig.Send("ua");
  rig.Send("ub");
  REQUIRE(rig.sent.size() == 2);
  CHECK(rig.Id(0) != rig.Id(1));
  rig.relay.OnAnswer("ub", AnswerOf(rig.Id(1), FailedPrecondition("node n9 has no vote")));
  REQUIRE(rig.answers.size() == 1);
  CHECK(rig.answers[0].code() == absl::StatusCode::kFailedPrecondition);
  CHECK(rig.answers[0].message() == "node n9 has no vote");
  rig.relay.OnAnswer("ua", AnswerOf(rig.Id(0), absl::OkStatus()));
  CHECK(rig.answers.at(1).ok());
}

TEST_CASE("only the node asked answers, and once") {
  RelayRig rig;
  rig.Send("ua");
  rig.relay.OnAnswer("ub", AnswerOf(rig.Id(0), absl::OkStatus()));
  rig.relay.OnAnswer("ua", AnswerOf(rig.Id(0) + 7, absl::OkStatus()));
  CHECK(rig.answers.empty());
  rig.relay.OnAnswer("ua", AnswerOf(rig.Id(0), absl::OkStatus()));
  rig.relay.OnAnswer("ua", AnswerOf(rig.Id(0), absl::OkStatus()));
  CHECK(rig.answers.size() == 1);
}

TEST_CASE("a code of another version is an error, never a yes") {
  RelayRig rig;
  rig.Send("ua");
  v1::FailoverAnswer answer = AnswerOf(rig.Id(0), absl::OkStatus());
  answer.set_code(9999);
  rig.relay.OnAnswer("ua", answer);
  CHECK(rig.answers.at(0).code() == absl::StatusCode::kUnknown);
}

TEST_CASE("without a stream, at its end and after the wait the answer is that there is none") {
  RelayRig rig;
  rig.linked = false;
  rig.Send("ua");
  REQUIRE(rig.answers.size() == 1);
  rig.linked = true;
  rig.Send("ua");
  rig.Send("ub");
  rig.relay.OnDown("ua");
  REQUIRE(rig.answers.size() == 2);
  rig.relay.OnSecond(rig.now + kCommandWait - Duration::Millis(1));
  CHECK(rig.answers.size() == 2);
  rig.relay.OnSecond(rig.now + kCommandWait);
  REQUIRE(rig.answers.size() == 3);
  for (const absl::Status& status : rig.answers) {
    CHECK(status.code() == absl::StatusCode::kUnavailable);
  }
}

TEST_CASE("no more than kCommandsMax wait") {
  RelayRig rig;
  for (size_t i = 0; i < kCommandsMax; ++i) {
    rig.Send("ua");
  }
  CHECK(rig.answers.empty());
  rig.Send("ua");
  CHECK(rig.answers.at(0).code() == absl::StatusCode::kResourceExhausted);
  CHECK(rig.sent.size() == kCommandsMax);
}

}  // namespace
}  // namespace aurora::node
