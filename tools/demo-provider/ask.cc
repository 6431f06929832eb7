#include "tools/demo-provider/ask.h"

#include <algorithm>

namespace aurora::demo {
namespace {

constexpr size_t kBigBytes = 1024 * 1024;

// The text of a content value: a string, or an array of parts/blocks with a "text".
std::string ContentText(const Json& content) {
  if (content.is_string()) {
    return Text(content);
  }
  std::string out;
  if (content.is_array()) {
    for (const Json& part : content) {
      out += Text(Member(part, "text"));
    }
  }
  return out;
}

void ReadOpenAi(const Json& body, Ask& ask) {
  ask.include_usage = Member(Member(body, "stream_options"), "include_usage") == true;
  const Json& messages = Member(body, "messages");
  for (const Json& message : messages) {
    const std::string role = Text(Member(message, "role"));
    const std::string text = ContentText(Member(message, "content"));
    ask.input_tokens += EstimateTokens(text) + 3;
    ask.tool_result.reset();
    if (role == "user") {
      ask.last_user = text;
    } else if (role == "tool") {
      ask.tool_result = text;
    }
  }
  const Json& tools = Member(body, "tools");
  if (tools.is_array() && !tools.empty()) {
    const Json& function = Member(tools[0], "function");
    ask.tool_name = Text(Member(function, "name"));
    ask.tool_schema = Member(function, "parameters");
  }
  const Json& input = Member(body, "input");  // /v1/responses
  if (input.is_string()) {
    ask.last_user = Text(input);
  } else if (input.is_array() && !input.empty()) {
    ask.last_user = ContentText(Member(input.back(), "content"));
  }
  const Json& prompt = Member(body, "prompt");  // /v1/completions
  if (prompt.is_string()) {
    ask.last_user = Text(prompt);
  }
  if (!messages.is_array()) {
    ask.input_tokens = EstimateTokens(ask.last_user) + 3;
  }
}

void ReadAnthropic(const Json& body, Ask& ask) {
  ask.input_tokens += EstimateTokens(ContentText(Member(body, "system")));
  for (const Json& message : Member(body, "messages")) {
    const Json& content = Member(message, "content");
    const std::string text = ContentText(content);
    ask.input_tokens += EstimateTokens(text) + 3;
    ask.tool_result.reset();
    if (Text(Member(message, "role")) != "user") {
      continue;
    }
    ask.last_user = text;
    if (!content.is_array()) {
      continue;
    }
    for (const Json& block : content) {
      if (Text(Member(block, "type")) == "tool_result") {
        ask.tool_result = ContentText(Member(block, "content"));
      }
    }
  }
  const Json& tools = Member(body, "tools");
  if (tools.is_array() && !tools.empty()) {
    ask.tool_name = Text(Member(tools[0], "name"));
    ask.tool_schema = Member(tools[0], "input_schema");
  }
}

void ReadGemini(const Json& body, Ask& ask) {
  ask.input_tokens += EstimateTokens(ContentText(Member(Member(body, "systemInstruction"), "parts")));
  for (const Json& content : Member(body, "contents")) {
    const Json& parts = Member(content, "parts");
    const std::string text = ContentText(parts);
    ask.input_tokens += EstimateTokens(text) + 3;
    ask.tool_result.reset();
    if (Text(Member(content, "role")) == "model") {
      continue;
    }
    ask.last_user = text;
    for (const Json& part : parts) {
      const Json& response = Member(Member(part, "functionResponse"), "response");
      if (!response.is_null()) {
        ask.tool_result = Dump(response);
      }
    }
  }
  const Json& tools = Member(body, "tools");
  if (tools.is_array() && !tools.empty()) {
    const Json& declarations = Member(tools[0], "functionDeclarations");
    if (declarations.is_array() && !declarations.empty()) {
      ask.tool_name = Text(Member(declarations[0], "name"));
      ask.tool_schema = Member(declarations[0], "parameters");
    }
  }
}

int64_t Number(const Json& value) { return value.is_number() ? value.get<int64_t>() : 0; }

// Words, each with the white space that follows it.
std::vector<std::string> Pieces(std::string_view text) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find_first_of(" \n", begin);
    end = end == std::string_view::npos ? text.size() : end + 1;
    out.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  if (out.empty()) {
    out.emplace_back("Hello from the demo provider.");
  }
  return out;
}

std::vector<std::string> BigPieces() {
  std::vector<std::string> out;
  for (size_t bytes = 0; bytes < kBigBytes; bytes += 1024) {
    out.emplace_back(1024, static_cast<char>('a' + out.size() % 26));
  }
  return out;
}

}  // namespace

const Json& Member(const Json& object, std::string_view name) {
  static const Json null;
  if (!object.is_object()) {
    return null;
  }
  const auto it = object.find(std::string(name));
  return it == object.end() ? null : *it;
}

std::string Text(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

std::string Dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

int64_t EstimateTokens(std::string_view text) { return static_cast<int64_t>((text.size() + 3) / 4); }

std::optional<Ask> ParseAsk(Dialect dialect, std::string_view body, std::string_view path_model) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) {
    return std::nullopt;
  }
  Ask ask;
  ask.dialect = dialect;
  ask.model = path_model.empty() ? Text(Member(json, "model")) : std::string(path_model);
  ask.stream = Member(json, "stream") == true;
  ask.max_tokens = std::max({Number(Member(json, "max_tokens")), Number(Member(json, "max_completion_tokens")),
                             Number(Member(Member(json, "generationConfig"), "maxOutputTokens"))});
  if (ask.model.empty()) {
    return std::nullopt;
  }
  switch (dialect) {
    case Dialect::kOpenAi: ReadOpenAi(json, ask); break;
    case Dialect::kAnthropic: ReadAnthropic(json, ask); break;
    case Dialect::kGemini: ReadGemini(json, ask); break;
  }
  return ask;
}

Json SampleArguments(const Json& schema) {
  Json out = Json::object();
  const Json& properties = Member(schema, "properties");
  for (const Json& required : Member(schema, "required")) {
    const std::string name = Text(required);
    const Json& property = Member(properties, name);
    const std::string type = Text(Member(property, "type"));
    const Json& choices = Member(property, "enum");
    if (choices.is_array() && !choices.empty()) {
      out[name] = choices[0];
    } else if (type == "integer" || type == "number" || type == "INTEGER" || type == "NUMBER") {
      out[name] = 1;
    } else if (type == "boolean" || type == "BOOLEAN") {
      out[name] = true;
    } else if (type == "array" || type == "ARRAY") {
      out[name] = Json::array();
    } else if (type == "object" || type == "OBJECT") {
      out[name] = SampleArguments(property);
    } else {
      out[name] = "demo";
    }
  }
  return out;
}

std::string Saying::Text() const {
  std::string out;
  for (const std::string& piece : pieces) {
    out += piece;
  }
  return out;
}

Saying Say(const Ask& ask) {
  Saying saying;
  if (ask.model == "demo-tool" && !ask.tool_name.empty() && !ask.tool_result.has_value()) {
    saying.calls_tool = true;
    saying.arguments = Dump(SampleArguments(ask.tool_schema));
    saying.output_tokens = EstimateTokens(saying.arguments) + EstimateTokens(ask.tool_name);
    return saying;
  }
  if (ask.model == "demo-big") {
    saying.pieces = BigPieces();
  } else if (ask.tool_result.has_value()) {
    saying.pieces = Pieces("The tool says: " + *ask.tool_result);
  } else {
    saying.pieces = Pieces(ask.last_user);
  }
  if (ask.max_tokens > 0 && saying.pieces.size() > static_cast<size_t>(ask.max_tokens)) {
    saying.pieces.resize(static_cast<size_t>(ask.max_tokens));
    saying.cut = true;
  }
  for (const std::string& piece : saying.pieces) {
    saying.output_tokens += EstimateTokens(piece);
  }
  return saying;
}

}  // namespace aurora::demo
