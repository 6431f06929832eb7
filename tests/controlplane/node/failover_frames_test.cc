// Election messages on the wire.
#include "controlplane/node/failover_frames.h"

#include "tests/support/test.h"

namespace aurora::node {
namespace {

using election::Message;

// Equal when they encode alike: the wire holds every field.
std::string Wire(const Message& message) { return ToProto(message).SerializeAsString(); }

void RoundTrip(const Message& message) {
  const std::optional<Message> back = FromProto(ToProto(message));
  REQUIRE(back.has_value());
  CHECK(back->term == message.term);
  CHECK(back->body.index() == message.body.index());
  CHECK(Wire(*back) == Wire(message));
}

election::Config SomeConfig() {
  election::Config config;
  config.id = {7, 3};
  config.slots = {{.node_id = "n1", .uid = "ua", .leaving = false},
                  {.node_id = "n2", .uid = "", .leaving = false},
                  {.node_id = "n3", .uid = "uc", .leaving = true}};
  return config;
}

TEST_CASE("every election message comes back as it was sent") {
  const election::Rank rank{.priority = -4, .penalty = 9, .preferred_zone = true, .uid = "ub"};
  const Instant at = Instant::FromMicros(1234567);
  RoundTrip({7, election::Renew{.sent_at = at, .active = true, .order = {"ub", "uc"}}});
  RoundTrip({7, election::RenewAck{.sent_at = at,
                                   .promise = Duration::Millis(1500),
                                   .config = {6, 2},
                                   .can_lead = true,
                                   .rank = rank}});
  RoundTrip({7, election::PreVote{.next_term = 8, .config = {7, 1}, .rank = rank}});
  RoundTrip({7, election::PreVoteReply{.next_term = 8, .granted = true, .reason = election::Deny::kNone}});
  RoundTrip({7, election::PreVoteReply{.next_term = 8, .granted = false, .reason = election::Deny::kNotVoter}});
  RoundTrip({8, election::Vote{.config = {7, 1}, .released = 7}});
  RoundTrip({8, election::VoteReply{.asked = 8,
                                    .granted = false,
                                    .reason = election::Deny::kDisk,
                                    .promise_remaining = Duration::Millis(9)}});
  RoundTrip({8, election::LeaseRelease{.target = "uc"}});
  RoundTrip({8, election::TransferNow{.released = true}});
  RoundTrip({8, election::ConfigPush{SomeConfig()}});
  RoundTrip({8, election::ConfigAck{.config = {7, 3}}});
  RoundTrip({8, election::TermNotice{}});
}

TEST_CASE("a config comes back with its vacant and leaving places") {
  const std::optional<Message> back = FromProto(ToProto({8, election::ConfigPush{SomeConfig()}}));
  REQUIRE(back.has_value());
  CHECK(std::get<election::ConfigPush>(back->body).config == SomeConfig());
}

TEST_CASE("what is out of bounds is no message") {
  v1::ElectionFrame frame = ToProto({7, election::TermNotice{}});
  CHECK(FromProto(frame).has_value());
  frame.set_term(kElectionNumberMax + 1);
  CHECK_FALSE(FromProto(frame).has_value());
  CHECK_FALSE(FromProto(v1::ElectionFrame()).has_value());

  frame = ToProto({7, election::ConfigPush{SomeConfig()}});
  SECTION("a node twice") { frame.mutable_config_push()->mutable_config()->mutable_slots(1)->set_node_id("n1"); }
  SECTION("a uid twice") { frame.mutable_config_push()->mutable_config()->mutable_slots(2)->set_uid("ua"); }
  SECTION("no node id") { frame.mutable_config_push()->mutable_config()->mutable_slots(0)->clear_node_id(); }
  SECTION("nobody votes") {
    for (v1::ElectionSlot& slot : *frame.mutable_config_push()->mutable_config()->mutable_slots()) {
      slot.clear_uid();
    }
  }
  SECTION("no places") { frame.mutable_config_push()->mutable_config()->clear_slots(); }
  SECTION("too many places") {
    for (int i = 0; i < 8; ++i) {
      frame.mutable_config_push()->mutable_config()->add_slots()->set_node_id("m" + std::to_string(i));
    }
  }
  SECTION("a version beyond all") {
    frame.mutable_config_push()->mutable_config()->mutable_id()->set_version(kElectionNumberMax + 1);
  }
  SECTION("a long name") {
    frame.mutable_config_push()->mutable_config()->mutable_slots(0)->set_node_id(std::string(200, 'x'));
  }
  CHECK_FALSE(FromProto(frame).has_value());
}

TEST_CASE("no promise is negative or without end, whatever a peer says") {
  v1::ElectionFrame frame = ToProto({7, election::RenewAck{}});
  frame.mutable_renew_ack()->set_promise_us(-5);
  CHECK(std::get<election::RenewAck>(FromProto(frame)->body).promise == Duration());
  frame.mutable_renew_ack()->set_promise_us(INT64_MAX);
  CHECK(std::get<election::RenewAck>(FromProto(frame)->body).promise == Duration::Seconds(60));
  frame = ToProto({7, election::VoteReply{}});
  frame.mutable_vote_reply()->set_reason(static_cast<v1::Deny>(99));
  CHECK(std::get<election::VoteReply>(FromProto(frame)->body).reason == election::Deny::kNone);
}

}  // namespace
}  // namespace aurora::node
