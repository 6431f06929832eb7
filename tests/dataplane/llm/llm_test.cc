#include <string>
#include <vector>

#include "dataplane/llm/errors.h"
#include "dataplane/llm/json_scan.h"
#include "dataplane/llm/sse.h"
#include "dataplane/llm/usage.h"
#include "tests/support/test.h"

namespace aurora::llm {
namespace {

// Text with the padding simdjson may read, filled with what would confuse a parser that used it.
class Padded {
 public:
  explicit Padded(std::string_view s) : text_(s), size_(s.size()) { text_.append(kJsonPadding, '}'); }
  std::string_view view() const { return std::string_view(text_).substr(0, size_); }

 private:
  std::string text_;
  size_t size_;
};

std::string At(std::string_view text, ByteRange range) {
  return std::string(text.substr(range.begin, range.end - range.begin));
}

std::string Edited(std::string_view text, const RequestScan& scan) {
  std::string out(text);
  if (scan.usage_edit == UsageEdit::kNone) {
    return out;
  }
  out.replace(scan.usage_at.begin, scan.usage_at.end - scan.usage_at.begin,
              UsageEditText(scan.usage_edit, scan.empty_object));
  return out;
}

}  // namespace

TEST_CASE("a scan finds model, stream and user wherever they stand, and only at the top level") {
  JsonParser parser;
  const Padded body(
      R"({"messages":[{"model":"inner","stream":true,"content":"\"model\":\"x\""}], "max_tokens" : 5,"user":"u1",)"
      R"( "stream" : true , "model" :  "gpt-4o" })");
  RequestScan scan;
  ScanRequest(parser, body.view(), scan);
  REQUIRE(scan.error == ScanError::kNone);
  CHECK(scan.model == "gpt-4o");
  CHECK(At(body.view(), scan.model_at) == "\"gpt-4o\"");
  CHECK(scan.stream);
  CHECK(scan.has_max_tokens);
  CHECK(scan.user == "u1");
}

TEST_CASE("a key written with escapes is the same key") {
  JsonParser parser;
  const Padded body(R"({"mod\u0065l":"a","model":"b"})");
  RequestScan scan;
  ScanRequest(parser, body.view(), scan);
  CHECK(scan.error == ScanError::kDuplicateKey);
  CHECK(scan.param == "model");

  const Padded one(R"({"mod\u0065l":"caf\u00e9"})");
  ScanRequest(parser, one.view(), scan);
  REQUIRE(scan.error == ScanError::kNone);
  CHECK(scan.model == "caf\xc3\xa9");
  CHECK(At(one.view(), scan.model_at) == R"("caf\u00e9")");
}

TEST_CASE("bodies that two parsers could read differently are refused") {
  JsonParser parser;
  const struct {
    std::string_view body;
    ScanError error;
  } kCases[] = {
      {R"({"stream":true,"stream":false})", ScanError::kDuplicateKey},
      {R"({"model":"a","x":1,"model":"a"})", ScanError::kDuplicateKey},
      {R"({"stream_options":{},"stream_options":{}})", ScanError::kDuplicateKey},
      {R"({"stream_options":{"include_usage":true,"include_usage":false}})", ScanError::kDuplicateKey},
      {R"({"model":1})", ScanError::kWrongType},
      {R"({"model":null})", ScanError::kWrongType},
      {R"({"stream":"yes"})", ScanError::kWrongType},
      {R"({"stream_options":[]})", ScanError::kWrongType},
      {R"([1,2])", ScanError::kNotAnObject},
      {R"("model")", ScanError::kNotAnObject},
      {R"({"model":"a")", ScanError::kInvalidJson},
      {R"({"model":"a"} {"model":"b"})", ScanError::kInvalidJson},
      {R"({"model" "a"})", ScanError::kInvalidJson},
      {"{\"model\":\"\xff\"}", ScanError::kInvalidJson},
      {R"({"stream":nxll,"model":"a"})", ScanError::kInvalidJson},
      {R"({"stream":trxe,"model":"a"})", ScanError::kInvalidJson},
      {R"({"stream_options":{"include_usage":nCll}})", ScanError::kInvalidJson},
      {"", ScanError::kInvalidJson},
      {"   ", ScanError::kInvalidJson},
      {"{", ScanError::kInvalidJson},
  };
  for (const auto& c : kCases) {
    INFO(c.body);
    const Padded body(c.body);
    RequestScan scan;
    ScanRequest(parser, body.view(), scan);
    CHECK(scan.error == c.error);
  }
}

TEST_CASE("deep nesting costs no stack and leaves the top level readable") {
  JsonParser parser;
  std::string deep = R"({"a":)" + std::string(100000, '[') + std::string(100000, ']') + R"(,"model":"m"})";
  const Padded body(deep);
  RequestScan scan;
  ScanRequest(parser, body.view(), scan);
  CHECK((scan.error == ScanError::kInvalidJson || scan.model == "m"));
  parser.Trim();
}

TEST_CASE("the usage edit turns every form of stream_options into one that asks for usage") {
  JsonParser parser;
  const struct {
    std::string_view body;
    std::string_view edited;
  } kCases[] = {
      {R"({"model":"m"})", R"({"stream_options":{"include_usage":true},"model":"m"})"},
      {R"({})", R"({"stream_options":{"include_usage":true}})"},
      {R"({"stream_options":{}})", R"({"stream_options":{"include_usage":true}})"},
      {R"({"stream_options":{"x":1}})", R"({"stream_options":{"include_usage":true,"x":1}})"},
      {R"({"stream_options":{"include_usage":false,"x":1}})", R"({"stream_options":{"include_usage":true,"x":1}})"},
      {R"({"stream_options":{"x":1,"include_usage": null }})", R"({"stream_options":{"x":1,"include_usage": true }})"},
      {R"({"stream_options": null ,"a":1})", R"({"stream_options": {"include_usage":true} ,"a":1})"},
      {R"({"stream_options":{"include_usage":true}})", R"({"stream_options":{"include_usage":true}})"},
  };
  for (const auto& c : kCases) {
    INFO(c.body);
    const Padded body(c.body);
    RequestScan scan;
    ScanRequest(parser, body.view(), scan);
    REQUIRE(scan.error == ScanError::kNone);
    CHECK(Edited(body.view(), scan) == c.edited);
    const Padded again(Edited(body.view(), scan));
    RequestScan second;
    ScanRequest(parser, again.view(), second);
    CHECK(second.usage_edit == UsageEdit::kNone);
  }
}

TEST_CASE("an event stream splits into the same events at every byte boundary and line end") {
  for (const std::string eol : {"\n", "\r\n", "\r"}) {
    const std::string stream = ": hello" + eol + eol + "event: message_start" + eol + "data: {\"a\":1}" + eol + eol +
                               eol + "data: one" + eol + "data:two" + eol + "id: 7" + eol + eol + "data: [DONE]" +
                               eol + eol + "data: tail";
    const std::vector<std::string> expected = {"||0", "message_start|{\"a\":1}|1", "|one\ntwo|1", "|[DONE]|1",
                                               "|tail|1"};
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      SseSplitter splitter;
      std::vector<std::string> events;
      std::string carry;
      const auto parse = [&events](const std::string& raw) {
        std::string scratch(raw.size(), '\0');
        const SseEvent e = ParseSseEvent(raw, scratch.data());
        if (e.has_data || raw.find_first_not_of("\r\n") != std::string::npos) {
          events.push_back(std::string(e.event) + "|" + std::string(e.data) + "|" + (e.has_data ? "1" : "0"));
        }
      };
      for (std::string_view part : {std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}) {
        while (!part.empty()) {
          const SseSplitter::Step step = splitter.Next(part);
          REQUIRE(step.bytes > 0);
          carry += part.substr(0, step.bytes);
          part.remove_prefix(step.bytes);
          if (step.complete) {
            parse(carry);
            carry.clear();
          }
        }
      }
      parse(carry);
      INFO("cut " << cut);
      CHECK(events == expected);
    }
  }
}

TEST_CASE("token counts are read from every dialect's answers") {
  const struct {
    std::string_view text;
    int64_t input, output, cached, creation, reasoning;
  } kCases[] = {
      {R"({"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,)"
       R"("prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},)"
       R"("completion_tokens_details":{"reasoning_tokens":7}}})",
       10, 20, 4, 0, 7},
      {R"({"type":"response.completed","response":{"usage":)"
       R"({"input_tokens":3,"input_tokens_details":{"cached_tokens":1},)"
       R"("output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":8},"user":null}})",
       3, 5, 1, 0, 2},
      {R"({"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}})", 8, 0, 0, 0,
       0},
      {R"({"content":[{"text":"he said \"usage\": {\"input_tokens\":999}"}],"usage":{"input_tokens":10,)"
       R"("cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":2}})",
       115, 2, 100, 5, 0},
      {R"(tail of a body ... ],"usage" : { "prompt_tokens" : 1 , "completion_tokens" : 2 } })", 1,
       2, 0, 0, 0},
      {R"({"usage":null,"x":{"usage":{"prompt_tokens":6,"completion_tokens":1,"prompt_cache_hit_tokens":2}}})",
       6, 1, 2, 0, 0},
  };
  for (const auto& c : kCases) {
    INFO(c.text);
    const Padded text(c.text);
    model::TokenCounts t;
    CHECK(ExtractUsage(text.view(), t));
    CHECK(t.input == c.input);
    CHECK(t.output == c.output);
    CHECK(t.cached_input == c.cached);
    CHECK(t.cache_creation_input == c.creation);
    CHECK(t.reasoning == c.reasoning);
  }
}

TEST_CASE("Anthropic's two usage events add up to one count") {
  model::TokenCounts t;
  const Padded start(R"({"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":5,)"
                     R"("cache_creation_input_tokens":0,"output_tokens":1}}})");
  const Padded delta(R"({"type":"message_delta","delta":{},"usage":{"output_tokens":15}})");
  CHECK(ExtractUsage(start.view(), t));
  CHECK(ExtractUsage(delta.view(), t));
  CHECK(t.input == 30);
  CHECK(t.output == 15);
  CHECK(t.cached_input == 5);
}

TEST_CASE("text without a whole usage object changes no count") {
  for (const std::string_view s : {R"({"usage":null})", R"({"usage":{"prompt_tokens":5)", R"({"usage")", "",
                                   R"({"usage":[1]})", R"({"usage":{"prompt_tokens":-5}})"}) {
    const Padded text(s);
    model::TokenCounts t;
    ExtractUsage(text.view(), t);
    CHECK(t.input == 0);
    CHECK(t.output == 0);
  }
}

TEST_CASE("the last whole report counts, at any place and distance") {
  for (size_t before = 0; before < 70; ++before) {
    for (size_t after = 0; after < 40; ++after) {
      model::TokenCounts t;
      const std::string text = R"({"usage":{"prompt_tokens":1},")" + std::string(before, 'u') +
                               R"(":0,"usage":{"prompt_tokens":2,"x":[{"a":"}\"]"}],"y":1.5e3,)"
                               R"("completion_tokens": 3 }, "u":")" +
                               std::string(after, '"');
      REQUIRE(ExtractUsage(text, t));
      REQUIRE(t.input == 2);
      REQUIRE(t.output == 3);
    }
  }
  model::TokenCounts t;
  CHECK(ExtractUsage(R"({"usage":{"prompt_tokens":4,"completion_tokens":1.5}} {"usage":{"prompt_tokens":5)", t));
  CHECK(t.input == 4);
  CHECK(t.output == 0);
  CHECK_FALSE(ExtractUsage(R"("usage":{"prompt_tokens" 5})", t));
  CHECK_FALSE(MayReportUsage(R"({"usages":1,"user":"\"usage\"","usag":2})"));
  CHECK(MayReportUsage(R"("usage")"));
}

TEST_CASE("a string ends at its quote, wherever in it that and its escapes stand") {
  for (size_t length = 0; length < 50; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (const std::string_view escape : {"", "\\\"", "\\\\", "\\n"}) {
        const std::string name = std::string(at, 'x') + std::string(escape) + std::string(length - at, '}');
        const std::string text = R"({"usage":{")" + name + R"(":")" + name + R"(","prompt_tokens":7}})";
        model::TokenCounts tokens;
        REQUIRE(ExtractUsage(text, tokens));
        REQUIRE(tokens.input == 7);
        REQUIRE_FALSE(ExtractUsage(text.substr(0, text.size() - 2), tokens));
        REQUIRE_FALSE(ExtractUsage(text.substr(0, 11 + at), tokens));
      }
    }
  }
}

TEST_CASE("only a chunk with no choice and a usage object is the usage-only chunk") {
  CHECK(IsUsageOnlyChunk(R"({"choices":[],"usage":{"prompt_tokens":1}})"));
  CHECK(IsUsageOnlyChunk(R"({"choices" : [ ] ,"usage": {"prompt_tokens":1}})"));
  CHECK_FALSE(IsUsageOnlyChunk(R"({"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}})"));
  CHECK_FALSE(IsUsageOnlyChunk(R"({"choices":[],"usage":null})"));
  CHECK_FALSE(IsUsageOnlyChunk(R"({"usage":{"prompt_tokens":1}})"));
}

TEST_CASE("errors have the shape of the caller's dialect and escape what they quote") {
  const ApiError error{404, "model_not_found", "no \"x\"\n\\", "model"};
  std::string memory(ErrorBytesMax(error) + 64, '\0');
  http::Buffer openai{std::span<char>(memory)};
  RenderError(model::Dialect::kOpenAi, error, openai);
  CHECK(openai.view() == R"({"error":{"type":"invalid_request_error","message":"no \"x\"\u000a\\","param":"model",)"
                         R"("code":"model_not_found"}})");
  http::Buffer anthropic{std::span<char>(memory)};
  RenderErrorEvent(model::Dialect::kAnthropic, {529, "", "busy", ""}, anthropic);
  CHECK(anthropic.view() ==
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n");
}

}  // namespace aurora::llm
