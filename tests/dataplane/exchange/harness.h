// Harness: a driver for one Exchange without sockets: text in, text out, time by hand.
// It is as unkind as a driver may be: every byte a step was given and every byte of the arena is overwritten with 0xDD
// once the outbox is drained, and several verbs share one outbox.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/exchange/arena.h"
#include "dataplane/exchange/buffer_pool.h"
#include "dataplane/exchange/exchange.h"
#include "dataplane/exchange/tools.h"
#include "dataplane/upstream/health.h"
#include "shared/base/check.h"
#include "shared/http/decoder.h"

namespace aurora::exchange {

inline bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

class Harness {
 public:
  Harness() : health(Rng(5)) {
    context.arena = &arena;
    context.buffers = &pool;
    context.health = &health;
    context.tools = &tools;
    context.now = Instant::FromMicros(1'000'000'000);
    context.unix_us = 1'800'000'000'000'000;
    context.boottime_ns = 42;
    context.term = 7;
    context.options.node_id = "n1";
    catalog = std::make_shared<model::Catalog>();
    key.id = "key-1";
    key.user_path = "/team";
    AddProvider("openai", model::ProviderType::kOpenAi, model::Dialect::kOpenAi, "/v1", {"gpt-4o"});
    AddProvider("anthropic", model::ProviderType::kAnthropic, model::Dialect::kAnthropic, "", {"claude"});
  }

  model::Provider& AddProvider(std::string name, model::ProviderType type, model::Dialect dialect, std::string base,
                               std::vector<std::string> models, std::string upstream_id = "") {
    model::Provider p;
    p.name = name;
    p.type = type;
    p.dialect = dialect;
    p.base_path = base;
    p.models = models;
    p.slot = static_cast<model::Slot>(catalog->providers.size());
    p.constant_lines = "Host: " + name + "\r\n";
    model::Credential c;
    c.slot = p.slot * 10;
    c.header_lines = "Authorization: Bearer up-" + name + "\r\n";
    p.credentials.push_back(c);
    catalog->provider_by_name[name] = static_cast<uint32_t>(catalog->providers.size());
    for (const std::string& m : models) {
      model::Model entry;
      entry.id = m;
      entry.upstream_id = upstream_id.empty() ? m : upstream_id;
      entry.provider_index = p.slot;
      entry.slot = static_cast<model::Slot>(catalog->models.size());
      entry.created_s = 1'714'521'600;
      catalog->models_by_name[m].push_back(entry.slot);
      catalog->model_by_qualified_name[name + "/" + m] = entry.slot;
      catalog->models.push_back(entry);
    }
    catalog->providers.push_back(p);
    return catalog->providers.back();
  }

  std::shared_ptr<model::Snapshot> MakeSnapshot() const {
    auto snapshot = std::make_shared<model::Snapshot>();
    snapshot->catalog = std::make_shared<const model::Catalog>(*catalog);
    model::KeySecret entry;
    entry.sha256 = crypto::Sha256Of("sk_aur_1");
    entry.key = std::make_shared<const model::AuthKey>(key);
    auto shard = std::make_shared<model::KeyShard>();
    shard->emplace(entry.sha256, entry);
    snapshot->key_shards[entry.sha256[0]] = shard;
    return snapshot;
  }

  void Start() {
    if (context.snapshot == nullptr) {
      context.snapshot = MakeSnapshot();
    }
    exchange = std::make_unique<Exchange>(context);
  }

  // Client bytes; `piece` > 0 hands them over that many at a time.
  void Send(std::string_view text, size_t piece = 0) {
    if (exchange == nullptr) {
      Start();
    }
    Feed(text, piece, request_decoder, true);
  }
  // Upstream bytes.
  void Respond(std::string_view text, size_t piece = 0) { Feed(text, piece, response_decoder, false); }

  void Ready(bool reused = false) {
    exchange->UpstreamReady(reused, out);
    Drain();
  }
  void UpstreamFails(UpstreamFailure failure, std::string_view detail = "reset") {
    exchange->UpstreamFailed(failure, detail, out);
    Drain();
  }
  void ClientLeaves() {
    exchange->ClientClosed(out);
    Drain();
  }
  void Policy() {
    context.snapshot = MakeSnapshot();
    exchange->PolicyChanged(context.snapshot, out);
    Drain();
  }
  void Advance(Duration d) {
    context.now = context.now + d;
    exchange->Tick(out);
    Drain();
  }
  // Goes on to the exchange's own next deadline.
  void AdvanceToDeadline() {
    const Instant next = exchange->NextDeadline();
    AURORA_CHECK(next != Instant::Never());
    context.now = std::max(context.now, next);
    exchange->Tick(out);
    Drain();
  }

  void Drain() {
    if (out.release_upstream || out.close_upstream) {
      log += out.close_upstream ? "close;" : "release;";
      response_decoder.Reset();
    }
    if (out.dial != nullptr) {
      log += "dial " + out.dial->name + (out.fresh_connection ? " fresh;" : ";");
      upstream.clear();
      response_decoder.Reset();
    }
    for (size_t i = 0; i < out.upstream.count(); ++i) {
      upstream += out.upstream[i];
    }
    for (size_t i = 0; i < out.client.count(); ++i) {
      client += out.client[i];
    }
    if (out.expect_no_body) {
      response_decoder.ExpectNoBody();
    }
    if (out.pause_upstream) {
      log += "pause;";
    }
    if (out.resume_upstream) {
      log += "resume;";
    }
    if (out.close_client) {
      log += "hangup;";
    }
    if (out.finished) {
      log += "done;";
      ++finishes;
    }
    out.Clear();
    arena.Reset();
    char* scratch = arena.Allocate(64 * 1024);
    std::memset(scratch, 0xDD, 64 * 1024);
    arena.Reset();
  }

  std::string TakeClient() { return std::exchange(client, {}); }
  std::string TakeLog() { return std::exchange(log, {}); }

  Context context;
  Arena arena;
  BufferPool pool;
  Tools tools;
  upstream::Health health;
  std::shared_ptr<model::Catalog> catalog;
  model::AuthKey key;
  Outbox out;
  std::unique_ptr<Exchange> exchange;
  std::string client;
  std::string upstream;
  std::string log;
  int finishes = 0;

  http::Limits limits;
  http::HeadScratch head;
  http::Decoder request_decoder{http::Decoder::Kind::kRequest, limits, &head};
  http::Decoder response_decoder{http::Decoder::Kind::kResponse, limits, &head};

 private:
  void Feed(std::string_view text, size_t piece, http::Decoder& decoder, bool request) {
    do {
      const std::string_view part = piece == 0 ? text : text.substr(0, piece);
      text.remove_prefix(part.size());
      std::string buffer(part);
      buffer.append(64, '"');
      std::string_view in(buffer.data(), part.size());
      bool more = true;
      while (more) {
        switch (decoder.Next(in)) {
          case http::Decoder::Event::kNeedMore:
            more = false;
            break;
          case http::Decoder::Event::kHead:
            request ? exchange->RequestHead(decoder.head(), out) : exchange->ResponseHead(decoder.head(), out);
            break;
          case http::Decoder::Event::kBody:
            request ? exchange->RequestBody(decoder.body(), out) : exchange->ResponseBody(decoder.body(), out);
            break;
          case http::Decoder::Event::kEnd: {
            const bool interim = !request && decoder.head().status < 200;
            request ? exchange->RequestEnd(out) : exchange->ResponseEnd(true, out);
            decoder.Reset();
            more = interim && !in.empty();
            break;
          }
          case http::Decoder::Event::kError:
            if (request) {
              exchange->RequestError(decoder.error().status, decoder.error().reason, decoder.error().text, out);
            } else {
              exchange->UpstreamFailed(UpstreamFailure::kBadResponse, decoder.error().reason, out);
            }
            more = false;
            break;
        }
      }
      // Drained before the bytes are poisoned, as the contract says.
      Drain();
      std::fill(buffer.begin(), buffer.end(), static_cast<char>(0xDD));
    } while (!text.empty());
  }
};

// "POST path" with the key and a JSON body.
inline std::string Post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer sk_aur_1\r\n" +
         "Content-Type: application/json\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string Get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer sk_aur_1\r\n" +
         std::string(headers) + "\r\n";
}
inline std::string Reply(int status, std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline constexpr std::string_view kSseHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
inline std::string Chunk(std::string_view data) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + std::string(data) + "\r\n";
}
// The body of the last answer in `text`, chunked framing removed.
inline std::string BodyOf(std::string_view text) {
  const size_t end = text.find("\r\n\r\n");
  std::string_view rest = text.substr(std::min(end + 4, text.size()));
  if (text.substr(0, end).find("Transfer-Encoding: chunked") == std::string_view::npos) {
    return std::string(rest);
  }
  std::string body;
  while (!rest.empty()) {
    const size_t size = std::stoul(std::string(rest.substr(0, rest.find('\r'))), nullptr, 16);
    rest.remove_prefix(rest.find("\r\n") + 2);
    if (size == 0) {
      return body;
    }
    body += rest.substr(0, size);
    rest.remove_prefix(size + 2);
  }
  return body + "<cut>";
}

}  // namespace aurora::exchange
