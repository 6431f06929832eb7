#include "tests/dataplane/exchange/harness.h"
#include "tests/support/test.h"

namespace aurora::exchange {

using model::Outcome;

namespace {
const std::string& Request() {
  static const std::string text = Post("/v1/chat/completions", R"({"model":"gpt-4o"})");
  return text;
}

struct TwoProviders : Harness {
  TwoProviders() {
    AddProvider("azure", model::ProviderType::kAzure, model::Dialect::kOpenAi, "", {"gpt-4o"}, "dep");
  }
};
}  // namespace

TEST_CASE("a connection refused, a 5xx and a reset each go to the next provider with the same body") {
  for (const int how : {0, 1, 2, 3}) {
    TwoProviders h;
    h.Send(Request());
    if (how == 0) {
      h.UpstreamFails(UpstreamFailure::kConnect, "refused");
    } else {
      h.Ready();
      if (how == 1) {
        h.Respond(Reply(503, R"({"error":"busy"})"));
      } else if (how == 2) {
        h.UpstreamFails(UpstreamFailure::kReset);
      } else {
        h.AdvanceToDeadline();
      }
    }
    INFO(how << " " << h.log);
    CHECK(Has(h.log, "dial azure;"));
    CHECK(h.client.empty());
    h.Ready();
    CHECK(Has(h.upstream, "/openai/deployments/dep/chat/completions"));
    CHECK(Has(h.upstream, R"({"model":"dep"})"));
    h.Respond(Reply(200, "{}"));
    CHECK(h.client.substr(9, 3) == "200");
    CHECK(h.exchange->record().attempts == 2);
    CHECK(h.exchange->record().provider.view() == "azure");
    CHECK(h.exchange->record().outcome == Outcome::kSuccess);
  }
}

TEST_CASE("a retried answer that is short leaves its connection to the pool") {
  TwoProviders h;
  h.Send(Request());
  h.Ready();
  h.Respond(Reply(500, "{}"));
  CHECK(h.log == "dial openai;release;dial azure;");
}

TEST_CASE("a reset of a pooled connection is retried once, for free, on a fresh one") {
  Harness h;
  h.Send(Request());
  h.Ready(true);
  h.UpstreamFails(UpstreamFailure::kReset);
  CHECK(h.log == "dial openai;dial openai fresh;");
  CHECK(h.health.Breaker(0, h.context.now) == upstream::BreakerState::kClosed);
  h.Ready(false);
  h.Respond(Reply(200, "{}"));
  CHECK(h.exchange->record().attempts == 1);
}

TEST_CASE("a 429 rests the credential and takes the next one of the same provider") {
  Harness h;
  model::Credential second;
  second.slot = 1;
  second.header_lines = "Authorization: Bearer second\r\n";
  h.catalog->providers[0].credentials.push_back(second);
  h.Send(Request());
  h.Ready();
  const bool first = Has(h.upstream, "up-openai");
  h.Respond(Reply(429, "{}", "Retry-After: 20\r\n"));
  CHECK(h.log == "dial openai;release;dial openai;");
  h.Ready();
  CHECK(Has(h.upstream, "up-openai") != first);
  h.Respond(Reply(429, R"({"error":"slow down"})", "Retry-After: 30\r\n"));
  // Nothing is left: the provider's own answer is the caller's.
  CHECK(h.client.substr(9, 3) == "429");
  CHECK(Has(h.client, R"({"error":"slow down"})"));
  CHECK(Has(h.client, "Retry-After: 30\r\n"));
  CHECK(h.exchange->record().outcome == Outcome::kRateLimited);
  // Both rest. The next request goes out on the one whose rest ends first, and its 429 is the caller's too.
  for (int i = 0; i < 2; ++i) {
    h.exchange->Reset();
    h.TakeClient();
    h.TakeLog();
    h.Send(Request());
    h.Ready();
    CHECK(Has(h.upstream, "up-openai") == first);
    h.Respond(Reply(429, R"({"error":"still"})", "Retry-After: 7\r\n"));
    CHECK(h.client.substr(9, 3) == "429");
    CHECK(Has(h.client, R"({"error":"still"})"));
    CHECK(Has(h.client, "Retry-After: 7\r\n"));
    CHECK(h.log == "dial openai;release;done;");
  }
}

TEST_CASE("a credential that answers while it rests is ready again") {
  Harness h;
  for (const int status : {429, 200, 200}) {
    h.Send(Request());
    h.Ready();
    h.Respond(Reply(status, "{}"));
    CHECK(h.client.substr(9, 3) == std::to_string(status));
    CHECK(h.TakeLog() == "dial openai;release;done;");
    CHECK(h.health.CredentialReady(0, h.context.now) == (status == 200));
    h.exchange->Reset();
    h.TakeClient();
  }
}

TEST_CASE("when every candidate rests the one whose rest ends first is asked, and never one with an open breaker") {
  TwoProviders h;  // openai's credential has slot 0, azure's slot 20
  h.health.CoolCredential(0, h.context.now + Duration::Seconds(20));
  h.health.CoolCredential(20, h.context.now + Duration::Seconds(10));
  h.Send(Request());
  CHECK(h.TakeLog() == "dial azure;");
  h.Ready();
  h.Respond(Reply(429, "{}", "Retry-After: 40\r\n"));
  CHECK(h.TakeLog() == "release;done;");
  h.exchange->Reset();
  h.Send(Request());
  CHECK(h.TakeLog() == "dial openai;");
  h.ClientLeaves();
  h.exchange->Reset();
  h.TakeLog();
  h.catalog->providers[0].resilience.breaker_failures = 1;
  h.health.ProviderFailed(h.catalog->providers[0], h.context.now);
  h.Send(Request());
  CHECK(h.TakeLog() == "dial azure;");
}

TEST_CASE("the same provider is tried again after a short wait, at most max_retries times") {
  Harness h;
  h.catalog->providers[0].resilience.breaker_failures = 0;
  h.Send(Request());
  for (int i = 0; i < 2; ++i) {
    h.Ready();
    h.Respond(Reply(502, R"({"e":1})"));
    CHECK(h.client.empty());
    const Duration wait = h.exchange->NextDeadline() - h.context.now;
    CHECK(wait > Duration::Millis(0));
    CHECK(wait < Duration::Millis(500));
    h.AdvanceToDeadline();
  }
  h.Ready();
  h.Respond(Reply(502, R"({"e":1})"));
  CHECK(h.client.substr(9, 3) == "502");
  CHECK(Has(h.client, R"({"e":1})"));
  CHECK(h.exchange->record().attempts == 3);
  CHECK(h.exchange->record().outcome == Outcome::kServerError);
}

TEST_CASE("other statuses are the caller's, at once") {
  for (const int status : {400, 401, 404, 422, 501}) {
    TwoProviders h;
    h.Send(Request());
    h.Ready();
    h.Respond(Reply(status, "{}"));
    CHECK(h.client.substr(9, 3) == std::to_string(status));
    CHECK(h.log == "dial openai;release;done;");
  }
}

TEST_CASE("nothing is retried once a byte went to the client") {
  TwoProviders h;
  h.Send(Request());
  h.Ready();
  h.Respond("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
  h.UpstreamFails(UpstreamFailure::kReset);
  CHECK(h.log == "dial openai;hangup;done;");
}

TEST_CASE("without a retry budget the first failure is the answer") {
  TwoProviders h;
  while (h.health.TryRetry(h.context.now)) {
  }
  h.Send(Request());
  h.UpstreamFails(UpstreamFailure::kConnect, "connection refused");
  CHECK(h.client.substr(9, 3) == "502");
  CHECK(Has(h.client, "Provider 'openai' cannot be reached: connection refused."));
  CHECK(h.exchange->record().outcome == Outcome::kConnectError);
}

TEST_CASE("silence at each phase is a 504 that names the provider") {
  Harness dial;
  dial.Send(Request());
  dial.AdvanceToDeadline();
  CHECK(dial.client.substr(9, 3) == "504");
  CHECK(Has(dial.client, "'openai' did not accept a connection"));
  CHECK(dial.log == "dial openai;close;done;");
  Harness head;
  head.Send(Request());
  head.Ready();
  head.AdvanceToDeadline();
  CHECK(head.client.substr(9, 3) == "504");
  CHECK(head.exchange->record().outcome == Outcome::kTimeout);
}

TEST_CASE("an open breaker answers 503 without dialling, and a probe closes it again") {
  Harness h;
  h.catalog->providers[0].resilience.breaker_failures = 1;
  h.Send(Request());
  h.UpstreamFails(UpstreamFailure::kConnect);
  h.exchange->Reset();
  h.TakeLog();
  h.TakeClient();
  h.Send(Request());
  CHECK(h.client.substr(9, 3) == "503");
  CHECK(h.TakeLog() == "done;");
  h.exchange->Reset();
  h.context.now = h.context.now + Duration::Seconds(11);
  h.Send(Request());
  h.Ready();
  h.Respond(Reply(200, "{}"));
  CHECK(h.log == "dial openai;release;done;");
  CHECK(h.health.Breaker(0, h.context.now) == upstream::BreakerState::kClosed);
}

TEST_CASE("a body too large to keep is sent, forgotten and never retried") {
  TwoProviders h;
  h.context.options.retry_body_bytes_max = 1000;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","x":")" + std::string(5000, 'x') + "\"}"));
  h.Ready();
  h.Respond(Reply(503, "{}"));
  CHECK(h.client.substr(9, 3) == "503");
  CHECK(h.log == "dial openai;release;done;");
}

}  // namespace aurora::exchange
