#include "tests/dataplane/exchange/harness.h"
#include "tests/support/test.h"

namespace aurora::exchange {

using model::Outcome;

namespace {
constexpr std::string_view kAnswer =
    R"({"id":"1","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":10,"completion_tokens":2}})";
constexpr std::string_view kUsageChunk =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n";
}  // namespace

TEST_CASE("a request reaches the provider re-serialised, with its credential and nothing of the client's") {
  Harness h;
  h.catalog->providers[0].stamp = true;
  h.Send(Post("/v1/chat/completions?x=1", R"({ "model" : "gpt-4o" , "big":12345678901234567890})",
              "Cookie: a=b\r\nConnection: keep-alive, x-hop\r\nx-hop: 1\r\nx-aurora-node: evil\r\nx-api-key: k\r\n"
              "traceparent: 00-1-2-03\r\nOpenAI-Organization: org\r\nUser-Agent: sdk\r\nX-Forwarded-For: 1.2.3.4\r\n"
              "X-Request-Id: r1\r\nUpgrade: h2c\r\nTE: trailers\r\n"));
  CHECK(h.TakeLog() == "dial openai;");
  h.Ready();
  CHECK(h.upstream ==
        "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: openai\r\nAuthorization: Bearer up-openai\r\n"
        "Content-Type: application/json\r\ntraceparent: 00-1-2-03\r\nOpenAI-Organization: org\r\nUser-Agent: sdk\r\n"
        "Accept-Encoding: identity\r\nx-aurora-node: n1\r\nx-aurora-term: 7\r\nx-aurora-admitted-ns: 42\r\n"
        "x-request-id: r1\r\nContent-Length: 50\r\n\r\n"
        R"({ "model" : "gpt-4o" , "big":12345678901234567890})");
  CHECK(h.exchange->record().term == 7);
}

TEST_CASE("a whole answer is relayed under our own head and its usage is recorded once") {
  for (const size_t piece : {size_t{0}, size_t{1}, size_t{7}, size_t{64}}) {
    Harness h;
    h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o"})", "X-Request-Id: r1\r\n"), piece);
    h.Ready(true);
    h.context.now = h.context.now + Duration::Millis(5);
    h.Respond(Reply(200, kAnswer, "Set-Cookie: c=1\r\nX-Request-Id: up\r\nAlt-Svc: h3\r\nx-ratelimit: 9\r\n"), piece);
    CHECK(h.client == "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-ratelimit: 9\r\nX-Request-ID: r1\r\n"
                      "Content-Length: " + std::to_string(kAnswer.size()) + "\r\n\r\n" + std::string(kAnswer));
    CHECK(h.log == "dial openai;release;done;");
    const model::UsageRecord& r = h.exchange->record();
    CHECK(r.outcome == Outcome::kSuccess);
    CHECK(r.metered);
    CHECK(r.tokens.input == 10);
    CHECK(r.tokens.output == 2);
    CHECK(r.attempts == 1);
    CHECK(r.status == 200);
    CHECK(r.time_to_first_token_us == 5000);
    CHECK(r.provider.view() == "openai");
    CHECK(r.model.view() == "gpt-4o");
    CHECK(r.auth_key_id.view() == "key-1");
    CHECK(r.response_bytes == kAnswer.size());
    CHECK(h.pool.bytes_in_use() == 0);
  }
}

TEST_CASE("an exchange that was reset serves the next request as if it were new") {
  Harness h;
  for (int i = 0; i < 3; ++i) {
    h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o"})"));
    h.Ready(true);
    h.Respond(Reply(200, kAnswer));
    CHECK(h.exchange->finished());
    CHECK(h.exchange->record().tokens.input == 10);
    h.exchange->Reset();
    CHECK_FALSE(h.exchange->finished());
  }
  CHECK(h.finishes == 3);
}

TEST_CASE("the model is spliced in place when the provider knows it by another name") {
  Harness h;
  h.AddProvider("other", model::ProviderType::kVllm, model::Dialect::kOpenAi, "", {"fast"}, "org/fast \"1\"");
  h.Send(Post("/v1/chat/completions", R"({"a":1, "model": "fast" ,"stream":true,"z":[1.0]})"));
  h.Ready();
  CHECK(Has(h.upstream, "POST /v1/chat/completions HTTP/1.1\r\n"));
  CHECK(Has(h.upstream,
            "\r\n\r\n{\"stream_options\":{\"include_usage\":true},\"a\":1, \"model\": \"org/fast "
            "\\\"1\\\"\" ,"
            "\"stream\":true,\"z\":[1.0]}"));
}

TEST_CASE("a large body is spliced without being joined") {
  Harness h;
  h.AddProvider("other", model::ProviderType::kVllm, model::Dialect::kOpenAi, "", {"fast"}, "slow");
  const std::string filler(100'000, 'x');
  h.Send(Post("/v1/embeddings", R"({"input":")" + filler + R"(","model":"fast"})"), 9000);
  h.Ready();
  CHECK(h.upstream.substr(h.upstream.find("\r\n\r\n") + 4) == R"({"input":")" + filler + R"(","model":"slow"})");
  h.Respond(Reply(200, R"({"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}})"));
  CHECK(h.exchange->record().tokens.input == 8);
}

TEST_CASE("Azure and Anthropic get their own paths and versions") {
  Harness h;
  model::Provider& azure =
      h.AddProvider("azure", model::ProviderType::kAzure, model::Dialect::kOpenAi, "", {"dep"}, "my dep");
  azure.api_version = "2024-10-21";
  h.Send(Post("/v1/embeddings", R"({"model":"dep"})"));
  h.Ready();
  CHECK(Has(h.upstream, "POST /openai/deployments/my%20dep/embeddings?api-version=2024-10-21 HTTP/1.1\r\n"));

  Harness anthropic;
  anthropic.Send(Post("/v1/messages?beta=true", R"({"model":"claude"})"));
  anthropic.Ready();
  CHECK(Has(anthropic.upstream, "POST /v1/messages?beta=true HTTP/1.1\r\n"));
  CHECK(Has(anthropic.upstream, "anthropic-version: 2023-06-01\r\n"));

  Harness own;
  own.catalog->providers[1].constant_lines = "Host: a\r\nanthropic-version: 2023-06-01\r\nx: y\r\n";
  own.Send(Post("/v1/messages", R"({"model":"claude"})", "anthropic-version: 2099-01-01\r\nanthropic-beta: b\r\n"));
  own.Ready();
  CHECK_FALSE(Has(own.upstream, "2023-06-01"));
  CHECK(Has(own.upstream, "anthropic-version: 2099-01-01\r\nanthropic-beta: b\r\n"));
  CHECK(Has(own.upstream, "Host: a\r\nx: y\r\n"));
}

TEST_CASE("a passthrough keeps method, rest of the path and query") {
  Harness h;
  h.Send(Get("/p/openai/v1/files?limit=2"));
  h.Ready();
  CHECK(h.upstream.substr(0, h.upstream.find('\r')) == "GET /v1/files?limit=2 HTTP/1.1");
  CHECK_FALSE(Has(h.upstream, "Content-Length"));
  h.Respond("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(h.client.substr(9, 3) == "204");
  CHECK_FALSE(Has(h.client, "Content-Length"));
  CHECK(Has(h.log, "release;done;"));
}

TEST_CASE("a gzip request is inflated before it is read") {
  // gzip of {"model":"gpt-4o"}, stored block.
  const std::string raw = R"({"model":"gpt-4o"})";
  std::string gz("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  gz += '\x01';
  gz += static_cast<char>(raw.size());
  gz += '\0';
  gz += static_cast<char>(~raw.size() & 0xff);
  gz += '\xff';
  gz += raw;
  uint32_t crc = 0xffffffff;
  for (const char c : raw) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) {
      crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
  }
  crc = ~crc;
  for (const uint32_t word : {crc, static_cast<uint32_t>(raw.size())}) {
    for (int i = 0; i < 4; ++i) {
      gz += static_cast<char>(word >> (8 * i) & 0xff);
    }
  }
  Harness h;
  h.Send(Post("/v1/chat/completions", gz, "Content-Encoding: gzip\r\n"));
  h.Ready();
  CHECK(Has(h.upstream, "\r\n\r\n" + raw));
  CHECK_FALSE(Has(h.upstream, "gzip"));
}

TEST_CASE("a stream passes whole at every split, less the usage chunk only we asked for") {
  const std::string first = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
  const std::string second = "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\n\r\n";
  const std::string done = "data: [DONE]\n\n";
  const std::string events = first + second + std::string(kUsageChunk) + done;
  for (const bool asked : {false, true}) {
    for (size_t cut = 0; cut < events.size(); ++cut) {
      Harness h;
      h.Send(Post("/v1/chat/completions",
                  asked ? R"({"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}})"
                        : R"({"model":"gpt-4o","stream":true})"));
      h.Ready();
      h.Respond(kSseHead);
      if (cut > 0) {
        h.Respond(Chunk(events.substr(0, cut)));
      }
      h.Respond(Chunk(events.substr(cut)));
      h.Respond("0\r\n\r\n");
      INFO("cut " << cut);
      CHECK(BodyOf(h.client) == first + second + (asked ? std::string(kUsageChunk) : "") + done);
      CHECK(h.log == "dial openai;release;done;");
      CHECK(h.exchange->record().tokens.input == 7);
      CHECK(h.exchange->record().tokens.output == 3);
      CHECK(h.exchange->record().stream);
      CHECK(h.pool.bytes_in_use() == 0);
    }
  }
}

TEST_CASE("a stream without its last newline and one with a giant event lose nothing") {
  Harness h;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})"));
  h.Ready();
  h.Respond(kSseHead);
  const std::string giant = "data: " + std::string(200'000, 'g') + "\n\n";
  for (size_t i = 0; i < giant.size(); i += 10'000) {
    h.Respond(Chunk(giant.substr(i, 10'000)));
  }
  h.Respond(Chunk("data: tail") + "0\r\n\r\n");
  CHECK(BodyOf(h.client) == giant + "data: tail");
}

TEST_CASE("many small chunks in one read fit one outbox") {
  Harness h;
  h.Send(Post("/v1/completions", R"({"model":"gpt-4o"})"));
  h.Ready();
  std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (int i = 0; i < 60; ++i) {
    const std::string part(static_cast<size_t>(i % 3 == 0 ? 6000 : 5), static_cast<char>('a' + i % 26));
    body += part;
    text += Chunk(part);
  }
  h.Respond(text + "0\r\n\r\n");
  CHECK(BodyOf(h.client) == body);
}

TEST_CASE("a provider that dies in mid-stream leaves an error event in the caller's dialect and never [DONE]") {
  Harness h;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})"));
  h.Ready();
  h.Respond(std::string(kSseHead) + Chunk("data: {\"a\":1}\n\ndata: {\"hal"));
  h.UpstreamFails(UpstreamFailure::kReset);
  CHECK(BodyOf(h.client) == "data: {\"a\":1}\n\ndata: {\"error\":{\"type\":\"api_error\",\"message\":\"Provider "
                            "'openai' broke off the stream.\",\"param\":null,\"code\":\"provider_error\"}}\n\n");
  CHECK(h.log == "dial openai;hangup;done;");
  CHECK(h.exchange->record().outcome == Outcome::kServerError);

  Harness a;
  a.Send(Post("/v1/messages", R"({"model":"claude","stream":true})"));
  a.Ready();
  a.Respond(std::string(kSseHead) +
            Chunk("event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":4}}}\n\n"));
  a.UpstreamFails(UpstreamFailure::kReset);
  CHECK(Has(BodyOf(a.client), "event: error\ndata: {\"type\":\"error\""));
  CHECK(a.exchange->record().tokens.input == 4);
}

TEST_CASE("a JSON answer that is cut short is cut short for the client too") {
  Harness h;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o"})"));
  h.Ready();
  h.Respond("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":");
  h.UpstreamFails(UpstreamFailure::kReset);
  CHECK(h.client.substr(h.client.find("\r\n\r\n") + 4) == "{\"a\":");
  CHECK(h.log == "dial openai;hangup;done;");
}

TEST_CASE("a client that leaves closes the upstream at once, also before the first token") {
  const std::string request = Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})");
  Harness dialling;
  dialling.Send(request);
  dialling.ClientLeaves();
  CHECK(dialling.log == "dial openai;close;done;");
  Harness waiting;
  waiting.Send(request);
  waiting.Ready();
  waiting.ClientLeaves();
  CHECK(waiting.log == "dial openai;close;done;");
  CHECK(waiting.exchange->record().outcome == Outcome::kCancelled);
  Harness streaming;
  streaming.Send(request);
  streaming.Ready();
  streaming.Respond(std::string(kSseHead) + Chunk("data: x\n\n"));
  streaming.ClientLeaves();
  CHECK(streaming.log == "dial openai;close;done;");
  CHECK(streaming.finishes == 1);
}

TEST_CASE("keep-alive comments are sent until the first token, then silence is a timeout") {
  Harness h;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})"));
  h.Ready();
  h.Respond(kSseHead);
  h.Advance(Duration::Seconds(16));
  h.Advance(Duration::Seconds(16));
  CHECK(BodyOf(h.client) == ": keep-alive\n\n: keep-alive\n\n<cut>");
  h.Respond(Chunk("data: x\n\n"));
  CHECK(h.exchange->NextDeadline() == h.context.now + Duration::Seconds(120));
  h.AdvanceToDeadline();
  CHECK(Has(h.client, "provider_timeout"));
  CHECK(Has(h.log, "close;hangup;done;"));
  CHECK(h.exchange->record().outcome == Outcome::kTimeout);
}

TEST_CASE("a blocked client pauses the upstream, and one that never drains is let go") {
  Harness h;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})"));
  h.Ready();
  h.Respond(std::string(kSseHead) + Chunk("data: x\n\n"));
  h.exchange->ClientBlocked(h.out);
  h.Drain();
  h.exchange->ClientDrained(h.out);
  h.Drain();
  CHECK(h.TakeLog() == "dial openai;pause;resume;");
  h.exchange->ClientBlocked(h.out);
  h.Drain();
  h.AdvanceToDeadline();
  CHECK(h.log == "pause;close;hangup;done;");
  CHECK(h.exchange->record().outcome == Outcome::kCancelled);
}

TEST_CASE("HEAD, 304 and HTTP/1.0 clients get the framing they can read") {
  Harness head;
  head.Send("HEAD /p/openai/x HTTP/1.1\r\nHost: g\r\nx-api-key: sk_aur_1\r\n\r\n");
  head.Ready();
  head.Respond("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  CHECK(Has(head.client, "\r\nContent-Length: 500\r\n\r\n"));
  CHECK(Has(head.log, "release;done;"));

  Harness old;
  old.Send("POST /v1/completions HTTP/1.0\r\nx-api-key: sk_aur_1\r\nContent-Length: 18\r\n\r\n{\"model\":\"gpt-4o\"}");
  old.Ready();
  old.Respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Chunk("abc") + "0\r\n\r\n");
  CHECK(Has(old.client, "Connection: close\r\n\r\nabc"));
  CHECK_FALSE(Has(old.client, "Transfer-Encoding"));
  CHECK(old.log == "dial openai;release;hangup;done;");
}

TEST_CASE("a 1xx response is not the answer") {
  Harness h;
  h.Send(Post("/v1/completions", R"({"model":"gpt-4o"})"));
  h.Ready();
  h.Respond("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Reply(200, "{}"));
  CHECK(h.client.substr(9, 3) == "200");
  CHECK_FALSE(Has(h.client, "Link"));
}

TEST_CASE("a key that stops working ends its running stream with an error event") {
  const std::string request = Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})");
  const auto run = [&](auto change) {
    Harness h;
    h.key.allowed_models.emplace({std::string("gpt-4o")});
    h.Send(request);
    h.Ready();
    h.Respond(std::string(kSseHead) + Chunk("data: x\n\n"));
    change(h);
    h.Policy();
    CHECK(h.finishes <= 1);
    return h.exchange->finished() ? std::string(Has(h.client, "\"error\"") ? "event " : "") + h.log : "running";
  };
  const std::string cut = "event dial openai;close;hangup;done;";
  CHECK(run([](Harness&) {}) == "running");
  CHECK(run([](Harness& h) { h.key.enabled = false; }) == cut);
  CHECK(run([](Harness& h) { h.key.ended = true; }) == cut);
  CHECK(run([](Harness& h) { h.key.denied_models = {"gpt-4o"}; }) == cut);
  CHECK(run([](Harness& h) { h.key.allowed_models->clear(); }) == cut);
  CHECK(run([](Harness& h) { h.key.allowed_providers.emplace(); }) == cut);
  CHECK(run([](Harness& h) {
          h.key.ended = true;
          h.context.options.revoke_running_streams = false;
        }) == "running");

  Harness alias;
  alias.key.allowed_models.emplace({std::string("smart")});
  alias.catalog->aliases["smart"] = {"smart", {{"gpt-4o", 1, 0}}};
  alias.Send(Post("/v1/chat/completions", R"({"model":"smart","stream":true})"));
  alias.Ready();
  alias.Respond(std::string(kSseHead) + Chunk("data: x\n\n"));
  alias.Policy();
  CHECK_FALSE(alias.exchange->finished());

  Harness early;
  early.Send(request);
  early.key.ended = true;
  early.Policy();
  CHECK(early.client.substr(9, 3) == "401");
  CHECK(early.exchange->record().outcome == Outcome::kCancelled);
}

TEST_CASE("a draining node says Connection: close") {
  Harness h;
  h.Send(Post("/v1/completions", R"({"model":"gpt-4o"})"));
  h.exchange->CloseAfterResponse();
  h.Ready();
  h.Respond(Reply(200, "{}"));
  CHECK(Has(h.client, "\r\nConnection: close\r\n"));
  CHECK(Has(h.log, "hangup;done;"));
}

}  // namespace aurora::exchange
