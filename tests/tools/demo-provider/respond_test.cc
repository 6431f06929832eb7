#include "tests/support/test.h"
#include "tools/demo-provider/answer.h"
#include "tools/demo-provider/record.h"

namespace aurora::demo {
namespace {

Answer Post(std::string_view path, const Json& body) {
  const std::string text = Dump(body);
  Request request;
  request.method = "POST";
  request.path = path;
  request.body = text;
  request.unix_s = 1700000000;
  request.serial = 7;
  return Respond(request);
}

Json Body(const Answer& answer) {
  REQUIRE(answer.parts.size() == 1);
  Json json = Json::parse(answer.parts[0], nullptr, false);
  REQUIRE_FALSE(json.is_discarded());
  return json;
}

Json Chat(std::string_view model, bool stream = false) {
  return {{"model", model}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", "two words"}}}}};
}

std::string Joined(const Answer& answer) {
  std::string out;
  for (const std::string& part : answer.parts) {
    out += part;
  }
  return out;
}

TEST_CASE("the demo model echoes the last user message in every dialect") {
  const Json openai = Body(Post("/v1/chat/completions", Chat("demo")));
  CHECK(openai["choices"][0]["message"]["content"] == "two words");
  CHECK(openai["usage"]["prompt_tokens"] == 6);
  CHECK(openai["usage"]["completion_tokens"] == 3);

  const Json anthropic = Body(Post("/v1/messages", Chat("demo")));
  CHECK(anthropic["content"][0]["text"] == "two words");
  CHECK(anthropic["usage"]["output_tokens"] == 3);

  const Json gemini = Body(Post("/v1beta/models/demo:generateContent",
                                {{"contents", {{{"role", "user"}, {"parts", {{{"text", "two words"}}}}}}}}));
  CHECK(gemini["candidates"][0]["content"]["parts"][0]["text"] == "two words");
  CHECK(gemini["usageMetadata"]["candidatesTokenCount"] == 3);
}

TEST_CASE("an OpenAI stream ends with DONE and reports usage only when asked") {
  Json body = Chat("demo", true);
  const Answer plain = Post("/v1/chat/completions", body);
  CHECK(plain.stream);
  CHECK(Joined(plain).find("\"usage\"") == std::string::npos);
  CHECK(plain.parts.back() == "data: [DONE]\n\n");
  body["stream_options"] = {{"include_usage", true}};
  const std::string with = Joined(Post("/v1/chat/completions", body));
  CHECK(with.find("\"completion_tokens\":3") != std::string::npos);
}

TEST_CASE("an Anthropic stream opens and closes its message") {
  const std::string text = Joined(Post("/v1/messages", Chat("demo", true)));
  CHECK(text.rfind("event: message_start\n", 0) == 0);
  CHECK(text.find("event: content_block_delta\n") != std::string::npos);
  CHECK(text.find("event: message_stop\n") != std::string::npos);
}

TEST_CASE("demo-tool calls the first tool with its required arguments, then answers from the result") {
  Json body = Chat("demo-tool");
  body["tools"] = Json::array({{{"type", "function"},
                                {"function",
                                 {{"name", "weather"},
                                  {"parameters",
                                   {{"type", "object"},
                                    {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}}}}},
                                    {"required", {"city", "days"}}}}}}}});
  const Json first = Body(Post("/v1/chat/completions", body))["choices"][0];
  CHECK(first["finish_reason"] == "tool_calls");
  const Json call = first["message"]["tool_calls"][0];
  CHECK(call["function"]["name"] == "weather");
  CHECK(Json::parse(call["function"]["arguments"].get<std::string>()) == Json{{"city", "demo"}, {"days", 1}});

  body["messages"].push_back(first["message"]);
  body["messages"].push_back({{"role", "tool"}, {"tool_call_id", call["id"]}, {"content", "sunny"}});
  const Json second = Body(Post("/v1/chat/completions", body))["choices"][0];
  CHECK(second["message"]["content"] == "The tool says: sunny");
}

TEST_CASE("models that misbehave do so in each dialect's own error shape") {
  const Answer failure = Post("/v1/chat/completions", Chat("demo-fail-500"));
  CHECK(failure.status == 500);
  CHECK(Body(failure)["error"]["type"] == "server_error");
  const Answer busy = Post("/v1/messages", Chat("demo-429"));
  CHECK(busy.status == 429);
  CHECK(busy.retry_after == "1");
  CHECK(Body(busy)["type"] == "error");
  CHECK(Post("/v1/chat/completions", Chat("demo-hang")).end == Answer::End::kNever);
  CHECK(Post("/v1/chat/completions", Chat("demo-reset", true)).end == Answer::End::kReset);
  CHECK(Post("/v1/chat/completions", Chat("demo-slow", true)).gap_ms == 50);
  CHECK(Joined(Post("/v1/chat/completions", Chat("demo-big"))).size() > 1024 * 1024);
}

TEST_CASE("embeddings of the same text are the same and of length one") {
  const Json body = Body(Post("/v1/embeddings", {{"model", "demo-embed"}, {"input", {"a", "b", "a"}}}));
  REQUIRE(body["data"].size() == 3);
  CHECK(body["data"][0]["embedding"] == body["data"][2]["embedding"]);
  CHECK(body["data"][0]["embedding"] != body["data"][1]["embedding"]);
  double norm = 0;
  for (const Json& value : body["data"][0]["embedding"]) {
    norm += value.get<double>() * value.get<double>();
  }
  CHECK(norm == Approx(1.0));
}

TEST_CASE("count_tokens agrees with the input tokens a message is billed for") {
  const Json counted = Body(Post("/v1/messages/count_tokens", Chat("demo")));
  const Json answered = Body(Post("/v1/messages", Chat("demo")));
  CHECK(counted["input_tokens"] == answered["usage"]["input_tokens"]);
}

TEST_CASE("bodies of the wrong type are refused, never crash") {
  for (const char* text : {"", "[]", "null", "{\"model\":3}", "{\"model\":\"demo\",\"messages\":{\"a\":1}}",
                           "{\"model\":\"demo\",\"messages\":[1,null,\"x\"],\"tools\":[3]}"}) {
    for (const char* path : {"/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/responses",
                             "/v1beta/models/demo:generateContent", "/v1beta/models/:x", "/v1/nothing", "/"}) {
      Request request;
      request.method = "POST";
      request.path = path;
      request.body = text;
      CHECK_FALSE(Respond(request).parts.empty());
    }
  }
}

TEST_CASE("arrivals are numbered and given from a point on") {
  Record record;
  for (int i = 0; i < 3; ++i) {
    Arrival arrival;
    arrival.model = "demo";
    record.Arrived(arrival);
  }
  const Json later = Json::parse(record.ArrivalsJson(1))["arrivals"];
  REQUIRE(later.size() == 2);
  CHECK(later[0]["seq"] == 2);
  record.Answered(5, 7);
  CHECK(Json::parse(record.StatsJson()) == Json{{"requests", 3}, {"input_tokens", 5}, {"output_tokens", 7}});
}

}  // namespace
}  // namespace aurora::demo
