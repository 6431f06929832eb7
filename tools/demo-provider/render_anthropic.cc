#include "tools/demo-provider/answer.h"

namespace aurora::demo {
namespace {

std::string Event(std::string_view name, Json json) {
  json["type"] = name;
  return "event: " + std::string(name) + "\ndata: " + Dump(json) + "\n\n";
}

const char* StopReason(const Saying& saying) {
  return saying.calls_tool ? "tool_use" : saying.cut ? "max_tokens" : "end_turn";
}

Json ToolUse(const Ask& ask, const Json& input, const Request& request) {
  return {{"type", "tool_use"},
          {"id", "toolu_demo_" + std::to_string(request.serial)},
          {"name", ask.tool_name},
          {"input", input}};
}

void Stream(const Ask& ask, const Saying& saying, const Request& request, Json message, Answer& answer) {
  message["content"] = Json::array();
  message["stop_reason"] = nullptr;
  message["usage"] = {{"input_tokens", ask.input_tokens}, {"output_tokens", 1}};
  answer.stream = true;
  const Json block = saying.calls_tool ? ToolUse(ask, Json::object(), request) : Json{{"type", "text"}, {"text", ""}};
  answer.parts.push_back(Event("message_start", {{"message", message}}) +
                         Event("content_block_start", {{"index", 0}, {"content_block", block}}) +
                         Event("ping", Json::object()));
  if (saying.calls_tool) {
    const size_t half = saying.arguments.size() / 2;
    for (const std::string& part : {saying.arguments.substr(0, half), saying.arguments.substr(half)}) {
      answer.parts.push_back(Event("content_block_delta",
                                   {{"index", 0}, {"delta", {{"type", "input_json_delta"}, {"partial_json", part}}}}));
    }
  }
  for (const std::string& piece : saying.pieces) {
    answer.parts.push_back(
        Event("content_block_delta", {{"index", 0}, {"delta", {{"type", "text_delta"}, {"text", piece}}}}));
  }
  answer.parts.push_back(Event("content_block_stop", {{"index", 0}}) +
                         Event("message_delta",
                               {{"delta", {{"stop_reason", StopReason(saying)}, {"stop_sequence", nullptr}}},
                                {"usage", {{"output_tokens", saying.output_tokens}}}}) +
                         Event("message_stop", Json::object()));
}

}  // namespace

Answer RenderAnthropic(const Ask& ask, const Saying& saying, const Request& request) {
  Json message = {{"id", "msg_demo_" + std::to_string(request.serial)},
                  {"type", "message"},
                  {"role", "assistant"},
                  {"model", ask.model},
                  {"stop_sequence", nullptr}};
  if (ask.stream) {
    Answer answer;
    Stream(ask, saying, request, std::move(message), answer);
    return answer;
  }
  const Json block = saying.calls_tool
                         ? ToolUse(ask, Json::parse(saying.arguments, nullptr, false), request)
                         : Json{{"type", "text"}, {"text", saying.Text()}};
  message["content"] = Json::array({block});
  message["stop_reason"] = StopReason(saying);
  message["usage"] = {{"input_tokens", ask.input_tokens},
                      {"output_tokens", saying.output_tokens},
                      {"cache_creation_input_tokens", 0},
                      {"cache_read_input_tokens", 0}};
  return Whole(200, message);
}

}  // namespace aurora::demo
