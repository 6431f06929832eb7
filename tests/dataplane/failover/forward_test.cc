// The pure parts of failover in the data plane: the decision, the saved head, the forwarded request.
#include <algorithm>
#include <cstring>

#include "dataplane/exchange/arena.h"
#include "dataplane/exchange/tools.h"
#include "dataplane/failover/forward.h"
#include "dataplane/failover/judge.h"
#include "shared/http/decoder.h"
#include "tests/support/test.h"

namespace aurora::failover {
namespace {

using exchange::UpstreamFailure;

http::Head Parse(std::string_view text, http::HeadScratch& scratch) {
  static const http::Limits limits;
  http::Decoder decoder(http::Decoder::Kind::kRequest, limits, &scratch);
  REQUIRE(decoder.Next(text) == http::Decoder::Event::kHead);
  return decoder.head();
}

struct Budget final : HoldBudget {
  bool Enter() override { return room-- > 0; }
  bool TakeBytes(size_t n) override {
    taken += n;
    return taken <= bytes_max;
  }
  void Leave(size_t n) override {
    left += n;
    ++leaves;
  }
  int room = 1000;
  size_t bytes_max = kHeldBytesMax;
  size_t taken = 0;
  size_t left = 0;
  int leaves = 0;
};

struct Observer final : ForwardObserver {
  void HoldEnded(HoldEnd how, Duration) override { holds.push_back(how); }
  void ConnectFailed(UpstreamFailure) override { ++failures; }
  void Ended(Ending how) override { endings.push_back(how); }
  std::vector<HoldEnd> holds;
  std::vector<Ending> endings;
  int failures = 0;
};

constexpr std::string_view kPost =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer k\r\n"
    "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nContent-Length: 4\r\n\r\n";

// One Forward without sockets. Everything a step was given is gone once the outbox is drained.
struct Fixture {
  explicit Fixture(std::string_view head_text = kPost, bool authenticated = true) {
    context.arena = &arena;
    context.buffers = &pool;
    context.tools = &tools;
    context.now = Instant::FromMicros(1'000'000'000);
    context.unix_us = 1'800'000'000'000'000;
    Publish(true);
    peer.name = "peer";
    serving.peer = &peer;
    serving.leader_id = "a";
    serving.version = 1;
    SavedHead saved;
    saved.Save(Parse(head_text, scratch));
    Caller caller;
    caller.authenticated = authenticated;
    if (authenticated) {
      caller.sha256 = crypto::Sha256Of("k");
    }
    forward = std::make_unique<Forward>(Forward::Deps{context, serving, rules, budget, observer}, std::move(saved),
                                        caller, "id-1");
  }
  void Publish(bool with_key) {
    auto snapshot = std::make_shared<model::Snapshot>();
    snapshot->catalog = std::make_shared<const model::Catalog>();
    if (with_key) {
      model::KeySecret entry;
      entry.sha256 = crypto::Sha256Of("k");
      entry.key = std::make_shared<const model::AuthKey>();
      auto shard = std::make_shared<model::KeyShard>();
      shard->emplace(entry.sha256, entry);
      snapshot->key_shards[entry.sha256[0]] = shard;
    }
    context.snapshot = snapshot;
  }
  void Drain() {
    if (out.close_upstream || out.release_upstream) {
      log += out.close_upstream ? "close;" : "release;";
    }
    if (out.dial != nullptr) {
      log += "dial;";
      upstream.clear();
    }
    for (size_t i = 0; i < out.upstream.count(); ++i) {
      upstream += out.upstream[i];
    }
    for (size_t i = 0; i < out.client.count(); ++i) {
      client += out.client[i];
    }
    log += out.hand_over ? "here;" : "";
    log += out.close_client ? "hangup;" : "";
    log += out.finished ? "done;" : "";
    out.Clear();
    arena.Reset();
    std::memset(arena.Allocate(64 * 1024), 0xDD, 64 * 1024);
    arena.Reset();
  }
  template <class F>
  void Do(F f) {
    f();
    Drain();
  }
  void Begin(Arrival arrival) {
    Do([&] { forward->Begin(arrival, false, out); });
  }
  void Body(std::string_view bytes, bool end = true) {
    Do([&] {
      std::string given(bytes);
      forward->RequestBody(given, out);
      Drain();
      std::fill(given.begin(), given.end(), static_cast<char>(0xDD));
      if (end) {
        forward->RequestEnd(out);
      }
    });
  }
  void Ready() {
    Do([&] { forward->UpstreamReady(false, out); });
  }
  void Fails(UpstreamFailure failure = UpstreamFailure::kConnect) {
    Do([&] { forward->UpstreamFailed(failure, "gone", out); });
  }
  void Answer(std::string_view text) {
    static const http::Limits limits;
    http::Decoder decoder(http::Decoder::Kind::kResponse, limits, &scratch);
    for (bool more = true; more;) {
      switch (decoder.Next(text)) {
        case http::Decoder::Event::kHead:
          Do([&] { forward->ResponseHead(decoder.head(), out); });
          break;
        case http::Decoder::Event::kBody:
          Do([&] { forward->ResponseBody(decoder.body(), out); });
          break;
        case http::Decoder::Event::kEnd:
          Do([&] { forward->ResponseEnd(true, out); });
          more = false;
          break;
        default:
          more = false;
      }
    }
  }
  void Advance(Duration d) {
    context.now = context.now + d;
    Do([&] { forward->Tick(out); });
  }
  void Lead(bool here, bool elsewhere) {
    serving.here = here;
    serving.peer = elsewhere ? &peer : nullptr;
    ++serving.version;
    Do([&] { forward->RoleChanged(out); });
  }
  std::string Log() { return std::exchange(log, {}); }

  exchange::Context context;
  exchange::Arena arena;
  exchange::BufferPool pool;
  exchange::Tools tools;
  model::Provider peer;
  Serving serving;
  Rules rules;
  Budget budget;
  Observer observer;
  exchange::Outbox out;
  http::HeadScratch scratch;
  std::unique_ptr<Forward> forward;
  std::string client;
  std::string upstream;
  std::string log;
};

constexpr std::string_view kNotYet =
    "HTTP/1.1 503 Service Unavailable\r\nx-aurora-not-executed: 1\r\nContent-Length: 2\r\n\r\n{}";

}  // namespace

TEST_CASE("only an open gate serves, and a hop goes nowhere else") {
  for (const bool from_peer : {false, true}) {
    for (const bool forwards : {false, true}) {
      for (const bool elsewhere : {false, true}) {
        CHECK(Decide({true, from_peer, forwards, elsewhere}) == Arrival::kServe);
        const Arrival closed = Decide({false, from_peer, forwards, elsewhere});
        CHECK(closed == (from_peer    ? Arrival::kNotHere
                         : !forwards  ? Arrival::kReject
                         : elsewhere  ? Arrival::kForward
                                      : Arrival::kHold));
      }
    }
  }
}

TEST_CASE("a saved head is what came, without what belonged to the hop") {
  http::HeadScratch scratch;
  SavedHead saved;
  saved.Save(Parse("POST /v1/embeddings?a=b HTTP/1.0\r\nX-A: 1\r\nx-request-id: no\r\nTE: trailers\r\n"
                   "Connection: x-b\r\nX-B: 2\r\n"
                   "Content-Encoding: gzip\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
                   scratch));
  std::string text;
  saved.AppendForPeer(text, "id");
  CHECK(text == "POST /v1/embeddings?a=b HTTP/1.1\r\nX-A: 1\r\nContent-Encoding: gzip\r\nHost: aurora\r\n"
                "X-Request-ID: id\r\nContent-Length: 9\r\n\r\n");
  saved.SetBody(20, true);
  text.clear();
  saved.AppendAsReceived(text, "id");
  CHECK(text == "POST /v1/embeddings?a=b HTTP/1.0\r\nX-A: 1\r\nHost: aurora\r\nConnection: close\r\n"
                "X-Request-ID: id\r\nContent-Length: 20\r\n\r\n");
}

TEST_CASE("a request is sent on as it came, and its answer comes back as it is") {
  Fixture f;
  f.Begin(Arrival::kForward);
  CHECK(f.Log() == "dial;");
  f.Body("{  }");
  f.Ready();
  CHECK(f.upstream == "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer k\r\n"
                      "X-Request-ID: id-1\r\nContent-Length: 4\r\n\r\n{  }");
  f.Answer("HTTP/1.1 200 OK\r\nX-Request-ID: id-1\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(f.client == "HTTP/1.1 200 OK\r\nX-Request-ID: id-1\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(f.Log() == "release;done;");
  CHECK(f.observer.endings == std::vector<Ending>{Ending::kRelayed});
  CHECK(!f.forward->record().metered);
}

TEST_CASE("it is sent again after a connection that never stood and after an answer that says not executed") {
  Fixture f;
  f.Begin(Arrival::kForward);
  f.Body("{  }");
  CHECK(f.Log() == "dial;");
  f.Fails();
  CHECK(f.Log().empty());
  CHECK(f.budget.room == 999);
  f.Advance(Duration::Millis(100));
  CHECK(f.Log() == "dial;");
  f.Ready();
  CHECK(f.budget.leaves == 1);
  f.Answer(kNotYet);
  CHECK(f.Log() == "release;");
  CHECK(f.client.empty());
  f.Advance(Duration::Millis(100));
  CHECK(f.Log() == "dial;");
  f.Ready();
  CHECK(f.upstream.ends_with("\r\n\r\n{  }"));
  f.Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(f.client.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(f.observer.failures == 1);
}

TEST_CASE("it is not sent again once bytes went out and nobody said that nothing was executed") {
  Fixture f;
  f.Begin(Arrival::kForward);
  f.Body("{  }");
  f.Ready();
  f.Log();
  f.Fails(UpstreamFailure::kReset);
  CHECK(f.Log() == "done;");
  CHECK(f.client.starts_with("HTTP/1.1 502 "));
  CHECK(f.client.find("x-aurora-not-executed") == std::string::npos);
}

TEST_CASE("a first write that the kernel refused reached nobody, a later one may have") {
  Fixture first;
  first.Begin(Arrival::kForward);
  first.Body("{  }");
  first.Ready();
  first.Log();
  first.Do([&] { first.forward->WriteFailed(first.out); });
  CHECK(first.Log() == "dial;");
  Fixture later;
  later.Begin(Arrival::kForward);
  later.Ready();
  later.Body("{  }", false);
  later.Do([&] { later.forward->WriteFailed(later.out); });
  CHECK(later.client.starts_with("HTTP/1.1 502 "));
}

TEST_CASE("a wait ends after three seconds whatever is tried meanwhile") {
  Fixture f;
  f.Begin(Arrival::kForward);
  f.Body("{  }");
  int dials = 0;
  for (int ms = 0; ms < 4000 && f.client.empty(); ms += 20) {
    if (f.Log().find("dial") != std::string::npos) {
      ++dials;
      f.Fails();
    }
    f.Advance(Duration::Millis(20));
  }
  CHECK(f.client.starts_with("HTTP/1.1 503 "));
  CHECK(f.client.find("x-aurora-not-executed: 1\r\n") != std::string::npos);
  CHECK((f.context.now - Instant::FromMicros(1'000'000'000)).millis() <= 3100);
  CHECK(dials >= 15);
  CHECK(dials <= 90);
}

TEST_CASE("whoever waits goes where the page points: here, or to the new leader, from a dial to a dead one too") {
  Fixture here;
  here.Begin(Arrival::kHold);
  here.Body("{  }");
  here.Lead(true, false);
  CHECK(here.Log() == "here;");
  CHECK(here.forward->body() == "{  }");
  Fixture there;
  there.Begin(Arrival::kHold);
  there.Lead(false, true);
  CHECK(there.Log() == "dial;");
  there.Lead(false, true);
  CHECK(there.Log() == "close;dial;");
  there.Lead(false, false);
  CHECK(there.Log() == "close;");
  there.Advance(Duration::Seconds(3));
  CHECK(there.client.starts_with("HTTP/1.1 503 "));
}

TEST_CASE("a node that knows no keys yet refuses nothing by itself, one with a policy that is too old does") {
  exchange::Context context;
  http::HeadScratch scratch;
  const http::Head head = Parse("POST /v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n", scratch);
  context.admission = exchange::Admission::kUnsynced;
  const std::optional<Caller> caller = Judge(head, context);
  REQUIRE(caller.has_value());
  CHECK_FALSE(caller->authenticated);
  CHECK(caller->dialect == model::Dialect::kAnthropic);
  context.admission = exchange::Admission::kStale;
  CHECK_FALSE(Judge(head, context).has_value());
  context.admission = exchange::Admission::kUnsynced;
  const http::Head nowhere = Parse("GET /nowhere HTTP/1.1\r\nHost: g\r\n\r\n", scratch);
  CHECK_FALSE(Judge(nowhere, context).has_value());
}

TEST_CASE("a key that this node could not judge is refused by nobody here, and does not wait") {
  Fixture f(kPost, false);
  f.Begin(Arrival::kForward);
  f.Body("{  }");
  CHECK(f.Log() == "dial;");
  f.Do([&] { f.forward->PolicyChanged(f.out); });
  CHECK(f.client.empty());
  f.Lead(false, true);
  CHECK(f.Log() == "close;dial;");
  f.Fails();
  CHECK(f.client.starts_with("HTTP/1.1 503 "));
  CHECK(f.client.find("x-aurora-not-executed: 1\r\n") != std::string::npos);
  CHECK(f.budget.room == 1000);
}

TEST_CASE("the key is judged again before every try") {
  Fixture f;
  f.Begin(Arrival::kHold);
  f.Body("{  }");
  f.Publish(false);
  f.Lead(false, true);
  CHECK(f.client.starts_with("HTTP/1.1 401 "));
  CHECK(f.Log() == "done;");
  CHECK(f.observer.holds == std::vector<HoldEnd>{HoldEnd::kKeyRefused});
}

TEST_CASE("bodies that wait are counted, and one too many is refused") {
  Fixture f("POST /v1/embeddings HTTP/1.1\r\nHost: g\r\nContent-Length: 2000\r\n\r\n");
  f.budget.bytes_max = 1500;
  f.Begin(Arrival::kHold);
  f.Body(std::string(1000, 'x'), false);
  CHECK(f.client.empty());
  f.Body(std::string(1000, 'x'));
  CHECK(f.client.starts_with("HTTP/1.1 503 "));
  CHECK(f.budget.leaves == 1);
  CHECK(f.budget.left == 1000);
  CHECK(f.observer.holds == std::vector<HoldEnd>{HoldEnd::kOverLimit});
}

TEST_CASE("a long body is streamed, and then not-executed is relayed instead of acted on") {
  Fixture f("POST /v1/embeddings HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n");
  f.Begin(Arrival::kForward);
  f.Ready();
  f.upstream.clear();
  for (int i = 0; i < 5; ++i) {
    f.Body(std::string(300'000, 'x'), i == 4);
  }
  CHECK(f.upstream.size() > 1'500'000);
  CHECK(f.upstream.ends_with("\r\n0\r\n\r\n"));
  CHECK(f.forward->body().empty());
  f.Answer(kNotYet);
  CHECK(f.client.starts_with("HTTP/1.1 503 "));
  CHECK(f.client.find("x-aurora-not-executed: 1\r\n") != std::string::npos);
  CHECK(f.observer.endings == std::vector<Ending>{Ending::kNotExecuted});
}

TEST_CASE("a refused request is read to its end, so that its connection can stay") {
  Fixture f;
  f.Begin(Arrival::kNotHere);
  CHECK(f.client.starts_with("HTTP/1.1 503 "));
  CHECK(f.client.find("Connection: close") == std::string::npos);
  CHECK(f.Log().empty());
  f.Body("{  }");
  CHECK(f.Log() == "done;");
}

}  // namespace aurora::failover
