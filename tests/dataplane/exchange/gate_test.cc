// The gate before the write to a provider, in the exchange alone.
#include "dataplane/exchange/gate.h"
#include "tests/dataplane/exchange/harness.h"
#include "tests/support/test.h"

namespace aurora::exchange {
namespace {

struct FakeGate final : Gate {
  GateLook Look() const override {
    ++looks;
    return look;
  }
  GateLook look{true, 12, 1000};
  mutable int looks = 0;
};

constexpr std::string_view kBody = R"({"model":"gpt-4o","messages":[]})";

struct Gated : Harness {
  Gated() { context.gate = &gate; }
  FakeGate gate;
};

}  // namespace

TEST_CASE("an open gate is looked at once before the write, and what it said is stamped and recorded") {
  Gated h;
  h.catalog->providers[0].stamp = true;
  h.Send(Post("/v1/chat/completions", kBody));
  CHECK(h.gate.looks == 0);
  h.Ready();
  CHECK(h.gate.looks == 1);
  CHECK(h.upstream.find("x-aurora-term: 12\r\n") != std::string::npos);
  CHECK(h.upstream.find("x-aurora-admitted-ns: 1000\r\n") != std::string::npos);
  h.Respond(Reply(200, "{}"));
  CHECK(h.exchange->record().term == 12);
  CHECK(h.finishes == 1);
}

TEST_CASE("a gate that closed before the first write hands the request over whole, unanswered and unmetered") {
  Gated h;
  h.Send(Post("/v1/chat/completions", kBody));
  h.gate.look.open = false;
  h.exchange->UpstreamReady(false, h.out);
  CHECK(h.out.hand_over);
  CHECK(h.out.gate_closed);
  CHECK(h.out.release_upstream);  // the connection is as good as before
  CHECK(h.out.upstream.empty());
  CHECK(h.out.client.empty());
  CHECK(!h.out.finished);
  CHECK(h.exchange->held_body() == kBody);
  CHECK(!h.exchange->inflated());
  CHECK(h.exchange->NextDeadline() == Instant::Never());
  h.out.Clear();
  h.ClientLeaves();  // the driver may find out only now
  CHECK(h.finishes == 1);
}

TEST_CASE("a retry is not written through a closed gate, and then nobody is told that nothing was executed") {
  Gated h;
  h.Send(Post("/v1/chat/completions", kBody));
  h.Ready();
  h.Respond(Reply(500, "{}"));
  h.AdvanceToDeadline();  // the same provider again, after a pause
  h.gate.look.open = false;
  h.Ready(true);
  CHECK(h.upstream.empty());
  const std::string answer = h.TakeClient();
  CHECK(answer.starts_with("HTTP/1.1 503 "));
  CHECK(answer.find("no_active_node") != std::string::npos);
  CHECK(answer.find("x-aurora-not-executed") == std::string::npos);
  CHECK(h.finishes == 1);
}

TEST_CASE("what the driver did not write after a stall counts as not written") {
  Gated h;
  h.Send(Post("/v1/chat/completions", kBody));
  h.exchange->UpstreamReady(false, h.out);
  REQUIRE(!h.out.upstream.empty());
  h.exchange->WriteRefused(h.out);
  CHECK(h.out.upstream.empty());
  CHECK(h.out.hand_over);
  CHECK(h.exchange->held_body() == kBody);
}

TEST_CASE("a provider cannot say in our name that nothing was executed") {
  Harness h;
  h.Send(Post("/v1/chat/completions", kBody));
  h.Ready();
  h.Respond(Reply(400, "{}", "x-aurora-not-executed: 1\r\nX-Other: kept\r\n"));
  const std::string answer = h.TakeClient();
  CHECK(answer.find("X-Other: kept\r\n") != std::string::npos);
  CHECK(answer.find("x-aurora") == std::string::npos);
}

TEST_CASE("a process that ends tells a stream so with an error event, and anybody else with an answer") {
  Harness stream;
  stream.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true,"messages":[]})"));
  stream.Ready();
  stream.Respond(std::string(kSseHead) + Chunk("data: {}\n\n"));
  stream.exchange->ShutDown(stream.out);
  stream.Drain();
  const std::string body = BodyOf(stream.TakeClient());
  CHECK(body.find("shutting_down") != std::string::npos);
  CHECK(body.find("<cut>") == std::string::npos);
  CHECK(stream.finishes == 1);
  Harness waiting;
  waiting.Send(Post("/v1/chat/completions", kBody));
  waiting.exchange->ShutDown(waiting.out);
  waiting.Drain();
  CHECK(waiting.TakeClient().starts_with("HTTP/1.1 503 "));
  CHECK(waiting.finishes == 1);
  waiting.exchange->ShutDown(waiting.out);
  CHECK(waiting.out.finished == false);
}

}  // namespace aurora::exchange
