// One end of a stream over a call that is only written down.
#include "controlplane/peers/control_stream.h"

#include <optional>

#include "shared/uv/loop.h"
#include "tests/controlplane/peers/control_nodes.h"
#include "tests/support/test.h"

namespace aurora::peers {
namespace {

class PaperWire final : public Wire {
 public:
  explicit PaperWire(bool drains) : drains_(drains) {}
  void Read() override {
    CHECK(reads == reads_done);
    CHECK((ends == 0 || drains_));
    ++reads;
  }
  void Write(v1::ControlFrame frame) override {
    CHECK(writes.size() == writes_done);
    CHECK(ends == 0);
    writes.push_back(std::move(frame));
  }
  bool Drains() const override { return drains_; }
  void End(bool /*writing*/) override { ++ends; }
  void Cancel() override { ++cancels; }

  size_t reads = 0;
  size_t reads_done = 0;
  std::vector<v1::ControlFrame> writes;
  size_t writes_done = 0;
  int ends = 0;
  int cancels = 0;

 private:
  const bool drains_;
};

struct End final : LinkListener {
  explicit End(bool client = false) : wire(client) {
    stream->SetListener(this);
    stream->Start(&wire);
  }
  ~End() override {
    mailbox.Close();
    loop.RunOnce(false);
  }
  void OnHello(const v1::Hello& /*hello*/) override { ++hellos; }
  void OnFrame(v1::ControlFrame& /*frame*/) override { ++frames; }
  void OnWritable() override { ++writable; }
  void OnClosed(const Closure& how) override {
    CHECK(!closure.has_value());
    closure = how;
  }

  void Receive(v1::ControlFrame frame) {
    REQUIRE(wire.reads == wire.reads_done + 1);
    ++wire.reads_done;
    stream->OnRead(true, std::move(frame));
  }
  void Written() {
    REQUIRE(wire.writes.size() == wire.writes_done + 1);
    ++wire.writes_done;
    stream->OnWritten(true);
  }
  void Turn() { loop.RunOnce(false); }
  void Greet() {
    v1::ControlFrame frame;
    *frame.mutable_hello() = testing::HelloOf("b");
    Receive(frame);
    Turn();
    REQUIRE(hellos == 1);
  }
  bool ByeWritten(v1::Bye::Reason reason) const {
    return !wire.writes.empty() && wire.writes.back().has_bye() && wire.writes.back().bye().reason() == reason;
  }

  uv::Loop loop;
  uv::Mailbox mailbox{loop, 16};
  PaperWire wire;
  std::shared_ptr<Stream> stream = std::make_shared<Stream>(mailbox, "paper", nullptr);
  int hellos = 0;
  int frames = 0;
  int writable = 0;
  std::optional<Closure> closure;
};

v1::ControlFrame Beat(uint64_t load) {
  v1::ControlFrame frame;
  frame.mutable_heartbeat()->set_load(load);
  return frame;
}

v1::ControlFrame KeyChange(size_t bytes) {
  v1::ControlFrame frame;
  frame.mutable_gossip_key_change()->set_sealed_key(std::string(bytes, 'k'));
  return frame;
}

TEST_CASE("no second frame is read before the loop has taken the first") {
  End end;
  end.Greet();
  CHECK(end.wire.reads == 2);
  end.Receive(Beat(1));
  CHECK(end.wire.reads == 2);
  end.Turn();
  CHECK(end.frames == 1);
  CHECK(end.wire.reads == 3);
}

TEST_CASE("a heartbeat replaces the one that waits and keeps its place") {
  End end;
  CHECK(end.stream->Send(Beat(1)) == Sent::kQueued);  // under way at once
  CHECK(end.stream->Send(Beat(2)) == Sent::kQueued);
  CHECK(end.stream->Send(KeyChange(8)) == Sent::kQueued);
  CHECK(end.stream->Send(Beat(3)) == Sent::kQueued);
  end.Written();
  end.Written();
  end.Written();
  REQUIRE(end.wire.writes.size() == 3);
  CHECK(end.wire.writes[0].heartbeat().load() == 1);
  CHECK(end.wire.writes[1].heartbeat().load() == 3);
  CHECK(end.wire.writes[2].has_gossip_key_change());
}

TEST_CASE("what waits to be sent is bounded by bytes and by frames") {
  End end;
  CHECK(end.stream->Send(KeyChange(kFrameBytesMax)) == Sent::kTooLarge);
  size_t sent = 0;
  while (end.stream->Send(KeyChange(900 << 10)) == Sent::kQueued) {
    ++sent;
  }
  CHECK(sent == 5);  // one under way, four wait
  End other;
  sent = 0;
  Sent last = Sent::kQueued;
  while ((last = other.stream->Send(KeyChange(1))) == Sent::kQueued) {
    ++sent;
  }
  CHECK(last == Sent::kFull);
  CHECK(sent == kQueueFramesMax + 1);
}

TEST_CASE("who had no room for a largest frame is told once when three quarters are free again") {
  End end;
  end.Greet();
  CHECK(end.stream->Room() == kQueueBytesMax);
  for (int i = 0; i < 5; ++i) {
    CHECK(end.stream->Send(KeyChange(900 << 10)) == Sent::kQueued);
  }
  CHECK(end.stream->Room() < kFrameBytesMax);
  CHECK(end.stream->Stuck() >= Duration());
  for (int i = 0; i < 3; ++i) {
    end.Turn();
    CHECK(end.writable == 0);
    end.Written();
  }
  end.Turn();
  CHECK(end.writable == 1);
  CHECK(end.stream->Stuck() == Duration());
  end.Written();
  end.Written();
  end.Turn();
  CHECK(end.writable == 1);
  CHECK(end.stream->traffic().frames_out == 5);
  CHECK(end.stream->traffic().bytes_out > 5 * (900 << 10));
}

TEST_CASE("while held no frame is called back and one at most is read") {
  End end;
  end.Greet();
  end.stream->Hold(true);
  end.Receive(Beat(1));  // its read was under way
  end.Turn();
  CHECK(end.frames == 0);
  CHECK(end.wire.reads == end.wire.reads_done);
  end.stream->Hold(false);
  end.Turn();
  CHECK(end.frames == 1);
  CHECK(end.wire.reads == end.wire.reads_done + 1);
  end.stream->Hold(true);
  end.stream->Hold(false);
  CHECK(end.wire.reads == end.wire.reads_done + 1);
}

TEST_CASE("a held stream that is over is told as over") {
  End end;
  end.Greet();
  end.stream->Hold(true);
  end.Receive(Beat(1));
  end.stream->OnCancelled();
  end.stream->OnDone(ByeReason::kNone, "over");
  end.Turn();
  CHECK(end.frames == 0);
  CHECK(end.closure.has_value());
}

TEST_CASE("a Bye goes before all that waits, and the call ends when it is out") {
  End end;
  CHECK(end.stream->Send(Beat(1)) == Sent::kQueued);
  CHECK(end.stream->Send(KeyChange(1)) == Sent::kQueued);
  end.stream->Close(ByeReason::kShutdown, "going");
  CHECK(end.stream->Send(Beat(2)) == Sent::kGone);
  CHECK(end.wire.writes.size() == 1);
  end.Written();
  CHECK(end.ByeWritten(v1::Bye::REASON_SHUTDOWN));
  CHECK(end.wire.ends == 0);
  end.Written();
  CHECK(end.wire.ends == 1);
  end.stream->OnRead(false, {});
  end.stream->OnDone(ByeReason::kNone, "over");
  end.Turn();
  REQUIRE(end.closure.has_value());
  CHECK(end.closure->reason == ByeReason::kShutdown);
  CHECK(!end.closure->by_peer);
  CHECK(end.closure->message == "going");
  CHECK(end.wire.ends == 1);
}

TEST_CASE("the first frame is a Hello and no other is") {
  End early;
  early.Receive(Beat(1));
  CHECK(early.ByeWritten(v1::Bye::REASON_BAD_FRAME));
  early.Turn();
  CHECK(early.frames == 0);
  End twice;
  twice.Greet();
  v1::ControlFrame again;
  *again.mutable_hello() = testing::HelloOf("b");
  twice.Receive(again);
  CHECK(twice.ByeWritten(v1::Bye::REASON_BAD_FRAME));
}

TEST_CASE("a Hello out of bounds is refused as a bad frame") {
  v1::ControlFrame frame;
  v1::Hello& hello = *frame.mutable_hello();
  hello = testing::HelloOf("b");
  REQUIRE(CheckFrame(frame, true).empty());
  SECTION("a uid that is no uid") { hello.set_node_uid("b"); }
  SECTION("a uid in capitals") { hello.set_node_uid(std::string(32, 'A')); }
  SECTION("no node id") { hello.clear_node_id(); }
  SECTION("an endless node id") { hello.set_node_id(std::string(129, 'x')); }
  SECTION("an endless label") { hello.set_label(std::string(513, 'x')); }
  CHECK(!CheckFrame(frame, true).empty());
}

TEST_CASE("a frame of a kind this version does not know is handed on and hurts nobody") {
  End end;
  end.Greet();
  end.Receive(v1::ControlFrame());
  end.Turn();
  CHECK(end.frames == 1);
  CHECK(end.wire.ends == 0);
}

TEST_CASE("a heartbeat that lists without end is a bad frame") {
  v1::ControlFrame frame = Beat(1);
  for (int i = 0; i < 257; ++i) {
    v1::RosterEntry& entry = *frame.mutable_heartbeat()->add_roster();
    entry.set_node_uid(testing::Uid("b"));
    entry.set_node_id("b");
  }
  CHECK(!CheckFrame(frame, false).empty());
  frame.mutable_heartbeat()->mutable_roster()->RemoveLast();
  CHECK(CheckFrame(frame, false).empty());
}

TEST_CASE("a flood ends the stream") {
  End end;
  end.Greet();
  int received = 0;
  while (end.wire.writes.empty() && received < 3 * kFramesPerSecond) {
    end.Receive(Beat(1));
    end.Turn();
    ++received;
  }
  CHECK(end.ByeWritten(v1::Bye::REASON_BAD_FRAME));
  CHECK(received <= 2 * kFramesPerSecond);
}

TEST_CASE("the peer's Bye ends the call and is told as its reason, after what came before it") {
  for (const bool client : {false, true}) {
    End end(client);
    end.Greet();
    end.Receive(Beat(1));
    end.Turn();
    v1::ControlFrame bye;
    bye.mutable_bye()->set_reason(v1::Bye::REASON_LABEL);
    bye.mutable_bye()->set_message("other label");
    end.Receive(bye);
    CHECK(end.wire.ends == 1);
    // A client reads up to the end, a server reads no more.
    CHECK(end.wire.reads - end.wire.reads_done == (client ? 1U : 0U));
    CHECK(end.stream->Send(Beat(1)) == Sent::kGone);
    end.stream->OnDone(ByeReason::kNone, "over");
    end.Turn();
    CHECK(end.frames == 1);
    REQUIRE(end.closure.has_value());
    CHECK(end.closure->reason == ByeReason::kLabel);
    CHECK(end.closure->by_peer);
    CHECK(end.closure->message == "other label");
  }
}

TEST_CASE("a client that parts reads and drops what still comes, also while a frame waits for the loop") {
  End end(true);
  end.Greet();
  end.Receive(Beat(1));  // waits: no read under way
  end.stream->Close(ByeReason::kLeaving, "");
  end.Written();
  CHECK(end.wire.ends == 1);
  CHECK(end.wire.reads == end.wire.reads_done + 1);
  end.Receive(Beat(2));
  CHECK(end.wire.reads == end.wire.reads_done + 1);
  end.Turn();
  CHECK(end.wire.reads == end.wire.reads_done + 1);
}

TEST_CASE("an abort cancels and ends once") {
  End end;
  CHECK(end.stream->Send(Beat(1)) == Sent::kQueued);
  end.stream->Close(ByeReason::kSlow, "");
  end.stream->Abort();
  end.stream->Abort();
  end.stream->OnCancelled();
  end.stream->OnWritten(false);
  end.stream->OnRead(false, {});
  CHECK(end.wire.ends == 1);
  CHECK(end.wire.cancels >= 1);
}

}  // namespace
}  // namespace aurora::peers
