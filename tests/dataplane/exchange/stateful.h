// Any verb in any state: drives an Exchange with a byte string as the source of choices and checks what must hold
// whatever the driver does. Shared by the libFuzzer target and by a seeded unit test.
#pragma once

#include <cstdint>

#include "tests/dataplane/exchange/harness.h"

namespace aurora::exchange {

class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return at_ >= size_; }
  uint8_t Next() { return empty() ? 0 : data_[at_++]; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

inline void RunStateful(const uint8_t* data, size_t size) {
  static const std::string kRequests[] = {
      Post("/v1/chat/completions", R"({"model":"gpt-4o","stream":true})"),
      Post("/v1/chat/completions", R"({"model":"gpt-4o"})"),
      Post("/v1/messages", R"({"model":"claude","stream":true})"),
      Post("/v1/embeddings", R"({"model":"nope"})"),
      Post("/p/openai/v1/x", "raw"),
      Get("/v1/models"),
      "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nx-api-key: "
      "no\r\nContent-Length: 9\r\n\r\n",
      "HEAD /p/openai/x HTTP/1.0\r\nx-api-key: sk_aur_1\r\n\r\n",
      "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nx-api-key: sk_aur_1\r\nContent-Length: "
      "9\r\n\r\n{\"mo",
  };
  static const std::string kResponses[] = {
      std::string(kSseHead),
      Chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"),
      Chunk("data: {\"par"),
      Chunk(": c\r\n\r\r\n\n"),
      "0\r\n\r\n",
      Reply(200, R"({"usage":{"prompt_tokens":1,"completion_tokens":1}})"),
      Reply(429, "{}", "Retry-After: 1\r\n"),
      Reply(503, "{}"),
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nuntil close",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
  };
  Harness h;
  h.AddProvider("azure", model::ProviderType::kAzure, model::Dialect::kOpenAi, "", {"gpt-4o"}, "dep");
  h.Start();
  Choices choices(data, size);
  int finishes_before = 0;
  while (!choices.empty()) {
    const uint8_t verb = choices.Next();
    const uint8_t arg = choices.Next();
    switch (verb % 16) {
      case 0:
      case 1:
        h.request_decoder.Reset();
        h.Send(kRequests[arg % std::size(kRequests)], arg / 16);
        break;
      case 2:
      case 3:
      case 4:
        h.Ready(arg % 2 == 0);
        break;
      case 5:
        h.UpstreamFails(static_cast<UpstreamFailure>(arg % 8));
        break;
      case 6:
      case 7:
      case 8:
      case 9:
        h.Respond(kResponses[arg % std::size(kResponses)], arg / 16);
        break;
      case 10:
        h.Advance(Duration::Millis(int64_t{arg} * arg * 4));
        break;
      case 11:
        arg % 2 == 0 ? h.exchange->ClientBlocked(h.out) : h.exchange->ClientDrained(h.out);
        h.Drain();
        break;
      case 12:
        h.key.enabled = arg % 8 != 0;
        h.Policy();
        break;
      case 13:
        if (arg % 4 == 0) {
          h.ClientLeaves();
        } else if (arg % 4 == 1) {
          h.exchange->RequestEnd(h.out);
          h.Drain();
        } else {
          h.exchange->RequestError(400, "x", "y", h.out);
          h.Drain();
        }
        break;
      case 14:
        h.exchange->RequestBody("stray", h.out);  // drained with the next verb
        break;
      case 15:
        h.exchange->ResponseEnd(arg % 2 == 0, h.out);
        h.Drain();
        break;
    }
    AURORA_CHECK(h.finishes <= finishes_before + 1);  // settled exactly once
    AURORA_CHECK(h.exchange->finished() == (h.finishes == finishes_before + 1));
    if (h.exchange->finished()) {
      AURORA_CHECK(h.exchange->NextDeadline() == Instant::Never());
      const model::UsageRecord& r = h.exchange->record();
      AURORA_CHECK(r.latency_us >= 0 && r.tokens.input >= 0);
      AURORA_CHECK(!r.metered || !r.auth_key_id.view().empty());
      if (arg % 2 == 0) {
        h.exchange->Reset();
        AURORA_CHECK(h.pool.bytes_in_use() == 0);
        h.response_decoder.Reset();
        finishes_before = h.finishes;
      }
    }
    h.client.clear();
    h.log.clear();
  }
  // Every exchange comes to an end by time alone.
  for (int i = 0; i < 2000 && !h.exchange->finished() && h.exchange->NextDeadline() != Instant::Never(); ++i) {
    h.AdvanceToDeadline();
  }
  AURORA_CHECK(h.exchange->finished() || h.exchange->NextDeadline() == Instant::Never());
}

}  // namespace aurora::exchange
