#include "tests/dataplane/exchange/harness.h"
#include "tests/support/test.h"

namespace aurora::exchange {

using model::Outcome;

TEST_CASE("a node that is not in step with its cluster admits nobody, in the caller's dialect") {
  Harness h;
  h.context.admission = Admission::kUnsynced;
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o"})"));
  CHECK(h.client.substr(9, 3) == "503");
  CHECK(Has(h.client, "\"code\":\"not_synced\""));
  CHECK(Has(h.client, "\r\nRetry-After: 1\r\n"));
  CHECK_FALSE(Has(h.log, "dial"));
  Harness late;
  late.context.admission = Admission::kStale;
  late.Send("POST /v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n");
  CHECK(late.client.substr(9, 3) == "503");
  CHECK(Has(late.client, R"({"type":"error","error":{)"));
  CHECK(Has(late.client, "lost touch with its cluster"));
}

TEST_CASE("each refused request gets its status, its code and the caller's dialect") {
  const std::string auth = "Authorization: Bearer sk_aur_1\r\n";
  const struct {
    std::string request;
    std::string_view status;
    std::string_view part;
  } kCases[] = {
      {"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n", "401", "missing_api_key"},
      {"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nx-api-key: sk_aur_2\r\nContent-Length: 0\r\n\r\n", "401",
       "invalid_api_key"},
      {"POST /v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n", "401",
       R"({"type":"error","error":{"type":"authentication_error")"},
      {Get("/v1/nothing"), "404", R"("type":"invalid_request_error")"},
      {Get("/"), "404", "not_found"},
      {Get("/v1/chat/completions"), "405", "\r\nAllow: POST\r\n"},
      {Post("/v1/models", "{}"), "405", "\r\nAllow: GET, HEAD\r\n"},
      {Get("/v1/realtime?model=x"), "501", "unsupported_operation"},
      {Post("/v1/files", "{}"), "501", "unsupported_operation"},
      {Post("/v1/chat/completions", "{"), "400", "invalid_json"},
      {Post("/v1/chat/completions", "{}"), "400", R"("param":"model","code":"missing_model")"},
      {Post("/v1/chat/completions", R"({"model":"a","model":"b"})"), "400", "duplicate_key"},
      {Post("/v1/chat/completions", R"({"model":"gpt-4"})"), "404", "Did you mean 'gpt-4o'?"},
      {Post("/v1/chat/completions", R"({"model":"claude"})"), "501", "Provider 'anthropic' does not serve"},
      {Post("/v1/messages", R"({"model":"gpt-4o"})"), "501", "Provider 'openai' does not serve"},
      {Post("/v1/chat/completions", "{}", "Content-Encoding: br\r\n"), "415", "unsupported_encoding"},
      {Post("/v1/chat/completions", "xx", "Content-Encoding: gzip\r\n"), "400", "invalid_encoding"},
      {"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n" + auth + "Content-Length: 99999999999\r\n\r\n", "413",
       "request_too_large"},
      {Get("/p/nobody/x"), "404", "provider_not_found"},
      {Get("/p/openai/a/%2e%2e/b"), "400", "invalid_path"},
  };
  for (const auto& c : kCases) {
    INFO(c.request);
    Harness h;
    h.Send(c.request);
    CHECK(h.client.substr(9, 3) == c.status);
    CHECK(Has(h.client, c.part));
    CHECK(Has(h.client, "\r\nX-Request-ID: "));
    CHECK_FALSE(Has(h.log, "dial"));
    if (!h.exchange->finished()) {  // its body never comes
      h.AdvanceToDeadline();
    }
    CHECK(h.finishes == 1);
    CHECK(h.exchange->record().outcome ==
          (c.status == "401" || c.status == "403" ? Outcome::kRejected : Outcome::kClientError));
    CHECK(h.exchange->record().metered == (c.status != "401" && c.status != "405" && c.part != "not_found" &&
                                           c.part != R"("type":"invalid_request_error")"));
  }
}

TEST_CASE("a key's rules answer 403 before any upstream is dialled") {
  Harness h;
  h.key.denied_models = {"gpt-4o"};
  h.Send(Post("/v1/chat/completions", R"({"model":"gpt-4o"})"));
  CHECK(Has(h.client, "403"));
  CHECK(Has(h.client, "model_not_allowed"));
  CHECK(h.log == "done;");
  CHECK(h.exchange->record().outcome == Outcome::kRejected);
}

TEST_CASE("Expect: 100-continue is answered after the key was accepted, and not for a bad key") {
  const std::string body = R"({"model":"gpt-4o"})";
  const std::string head = "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n";
  Harness good;
  good.Send(head + "x-api-key: sk_aur_1\r\n\r\n");
  CHECK(good.client == "HTTP/1.1 100 Continue\r\n\r\n");
  good.Send(body);
  CHECK(good.log == "dial openai;");
  Harness bad;
  bad.Send(head + "x-api-key: no\r\n\r\n");
  CHECK(bad.client.substr(9, 3) == "401");
  CHECK(Has(bad.client, "\r\nConnection: close\r\n"));
  CHECK(bad.log == "hangup;done;");
}

TEST_CASE("a body that comes too slowly is a 408, and one that grows too large a 413") {
  Harness slow;
  slow.Send("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nx-api-key: sk_aur_1\r\nContent-Length: 9\r\n\r\n{");
  slow.AdvanceToDeadline();
  CHECK(slow.client.substr(9, 3) == "408");
  CHECK(slow.log == "hangup;done;");

  Harness large;
  large.context.options.body_bytes_max = 100;
  large.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nx-api-key: sk_aur_1\r\nTransfer-Encoding: "
      "chunked\r\n\r\n" +
      Chunk(std::string(60, ' ')) + Chunk(std::string(60, ' ')));
  CHECK(large.client.substr(9, 3) == "413");
  CHECK(Has(large.client, "Connection: close"));
}

TEST_CASE("an early refusal keeps the connection when the rest of the body is short") {
  Harness h;
  h.Send("POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\nab");
  CHECK(h.client.substr(9, 3) == "401");
  CHECK_FALSE(Has(h.client, "Connection: close"));
  CHECK(h.finishes == 0);
  h.Send("cde");
  CHECK(h.log == "done;");
}

TEST_CASE("a sane request id is the client's own, any other is replaced") {
  Harness own;
  own.Send(Get("/v1/nothing", "X-Request-ID: abc-1.2_Z\r\n"));
  CHECK(Has(own.client, "\r\nX-Request-ID: abc-1.2_Z\r\n"));
  Harness odd;
  odd.Send(Get("/v1/nothing", "X-Request-ID: a b\"\r\n"));
  CHECK_FALSE(Has(odd.client, "a b"));
  CHECK(odd.exchange->record().request_id.view().size() == 32);
}

TEST_CASE("the model list is the union a key may use, in the caller's shape") {
  Harness h;
  h.AddProvider("azure", model::ProviderType::kAzure, model::Dialect::kOpenAi, "", {"gpt-4o", "secret"});
  h.key.denied_models = {"secret"};
  h.catalog->aliases["smart"] = {"smart", {{"gpt-4o", 1, 0}}};
  h.catalog->aliases["hidden"] = {"hidden", {{"secret", 1, 0}}};
  h.Send(Get("/v1/models"));
  CHECK(BodyOf(h.client) ==
        R"({"object":"list","data":[{"id":"smart","object":"model","created":0,"owned_by":"alias"},)"
        R"({"id":"gpt-4o","object":"model","created":1714521600,"owned_by":"openai"},)"
        R"({"id":"claude","object":"model","created":1714521600,"owned_by":"anthropic"},)"
        R"({"id":"azure/gpt-4o","object":"model","created":1714521600,"owned_by":"azure"}]})");
  CHECK(h.log == "done;");

  Harness one;
  one.Send(Get("/v1/models/openai/gpt-4o", "anthropic-version: 2023-06-01\r\n"));
  CHECK(BodyOf(one.client) ==
        R"({"type":"model","id":"gpt-4o","display_name":"gpt-4o","created_at":"2024-05-01T00:00:00Z"})");
  Harness none;
  none.Send(Get("/v1/models/nope"));
  CHECK(none.client.substr(9, 3) == "404");
}

TEST_CASE("a model's name in the path may be percent-encoded, as clients send one with a slash or a colon") {
  for (const std::string_view name : {"openai/gpt-4o", "openai%2Fgpt-4o", "openai%2fgpt%2D4o", "gpt%2d4o"}) {
    INFO(name);
    Harness h;
    h.Send(Get("/v1/models/" + std::string(name)));
    CHECK(BodyOf(h.client) == R"({"id":"gpt-4o","object":"model","created":1714521600,"owned_by":"openai"})");
  }
  for (const std::string_view name : {"gpt-4o%", "gpt-4o%00", "%zz", "openai%252Fgpt-4o"}) {
    INFO(name);
    Harness h;
    h.Send(Get("/v1/models/" + std::string(name)));
    CHECK(h.client.substr(9, 3) == "404");
  }
}

TEST_CASE("a model is listed bare only where the bare name leads to it: an alias of that name comes first") {
  Harness h;
  h.AddProvider("azure", model::ProviderType::kAzure, model::Dialect::kOpenAi, "", {"o1"});
  h.catalog->aliases["gpt-4o"] = {"gpt-4o", {{"o1", 1, 0}}};
  h.key.allowed_models = std::vector<std::string>{"openai/gpt-4o"};
  h.Send(Get("/v1/models"));
  CHECK(BodyOf(h.client) ==
        R"({"object":"list","data":[)"
        R"({"id":"openai/gpt-4o","object":"model","created":1714521600,"owned_by":"openai"}]})");
}

TEST_CASE("an alias that leads to no model is named as the reason, not suggested as the remedy") {
  Harness h;
  h.catalog->aliases["fast"] = {"fast", {{"smart", 1, 0}}};
  h.catalog->aliases["smart"] = {"smart", {{"gone", 1, 0}}};
  h.Send(Post("/v1/chat/completions", R"({"model":"fast"})"));
  CHECK(h.client.substr(9, 3) == "404");
  CHECK(Has(h.client, "The alias 'fast' leads to no model"));
  CHECK_FALSE(Has(h.client, "Did you mean"));
}

TEST_CASE("a passthrough is judged by provider and model, and refused when a rule cannot be checked") {
  const auto ask = [](model::AuthKey key, const std::string& request) {
    Harness h;
    h.key = key;
    h.Send(request);
    return h.log.find("dial openai") != std::string::npos ? std::string("dial") : h.client.substr(9, 3);
  };
  model::AuthKey any;
  model::AuthKey limited;
  limited.allowed_models.emplace({std::string("gpt-4o")});
  model::AuthKey elsewhere;
  elsewhere.allowed_providers.emplace({std::string("anthropic")});
  CHECK(ask(any, Get("/p/openai/v1/files")) == "dial");
  CHECK(ask(elsewhere, Get("/p/openai/v1/files")) == "403");
  CHECK(ask(limited, Get("/p/openai/v1/files")) == "403");
  CHECK(ask(limited, Post("/p/openai/v1/chat/completions", R"({"model":"gpt-4o"})")) == "dial");
  CHECK(ask(limited, Post("/p/openai/v1/chat/completions", R"({"model":"o1"})")) == "403");
  CHECK(ask(limited, Post("/p/openai/v1/chat/completions", R"({"model":"gpt-4o","model":"o1"})")) == "403");
  CHECK(ask(limited, Post("/p/openai/v1/audio", "--boundary")) == "403");
  CHECK(ask(limited, Post("/p/openai/v1/models/o1:generate", R"({"model":"gpt-4o"})")) == "403");
  CHECK(ask(limited, Post("/p/openai/v1/models/gpt-4o:generate", R"({"model":"o1"})")) == "403");
  CHECK(ask(limited, Get("/p/openai/v1/models/gpt%2D4o")) == "403");
  CHECK(ask(any, Post("/p/openai/v1/audio", "--boundary")) == "dial");
}

}  // namespace aurora::exchange
