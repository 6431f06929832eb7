#include "tools/demo-provider/answer.h"

namespace aurora::demo {
namespace {

Json Usage(const Ask& ask, const Saying& saying) {
  return {{"prompt_tokens", ask.input_tokens},
          {"completion_tokens", saying.output_tokens},
          {"total_tokens", ask.input_tokens + saying.output_tokens},
          {"prompt_tokens_details", {{"cached_tokens", 0}}}};
}

const char* FinishReason(const Saying& saying) {
  return saying.calls_tool ? "tool_calls" : saying.cut ? "length" : "stop";
}

std::string Event(const Json& json) { return "data: " + Dump(json) + "\n\n"; }

Json ToolCall(const Ask& ask, std::string_view arguments, const Request& request) {
  return {{"id", "call_demo_" + std::to_string(request.serial)},
          {"type", "function"},
          {"function", {{"name", ask.tool_name}, {"arguments", arguments}}}};
}

// The delta for each chunk, before the one with the finish reason.
std::vector<Json> Deltas(const Ask& ask, const Saying& saying, const Request& request) {
  std::vector<Json> deltas;
  deltas.push_back({{"role", "assistant"}, {"content", saying.calls_tool ? Json() : Json("")}});
  if (!saying.calls_tool) {
    for (const std::string& piece : saying.pieces) {
      deltas.push_back({{"content", piece}});
    }
    return deltas;
  }
  Json call = ToolCall(ask, "", request);
  call["index"] = 0;
  deltas.push_back({{"tool_calls", Json::array({call})}});
  const size_t half = saying.arguments.size() / 2;
  for (const std::string& part : {saying.arguments.substr(0, half), saying.arguments.substr(half)}) {
    deltas.push_back({{"tool_calls", Json::array({{{"index", 0}, {"function", {{"arguments", part}}}}})}});
  }
  return deltas;
}

}  // namespace

Answer RenderOpenAi(const Ask& ask, const Saying& saying, const Request& request) {
  const Json head = {{"id", "chatcmpl-demo-" + std::to_string(request.serial)},
                     {"created", request.unix_s},
                     {"model", ask.model},
                     {"system_fingerprint", "fp_demo"}};
  if (!ask.stream) {
    Json message = {{"role", "assistant"}, {"content", saying.calls_tool ? Json() : Json(saying.Text())}};
    if (saying.calls_tool) {
      message["tool_calls"] = Json::array({ToolCall(ask, saying.arguments, request)});
    }
    Json body = head;
    body["object"] = "chat.completion";
    body["choices"] = Json::array({{{"index", 0}, {"message", message}, {"finish_reason", FinishReason(saying)}}});
    body["usage"] = Usage(ask, saying);
    return Whole(200, body);
  }
  Answer answer;
  answer.stream = true;
  Json chunk = head;
  chunk["object"] = "chat.completion.chunk";
  for (const Json& delta : Deltas(ask, saying, request)) {
    chunk["choices"] = Json::array({{{"index", 0}, {"delta", delta}, {"finish_reason", nullptr}}});
    answer.parts.push_back(Event(chunk));
  }
  chunk["choices"] =
      Json::array({{{"index", 0}, {"delta", Json::object()}, {"finish_reason", FinishReason(saying)}}});
  answer.parts.push_back(Event(chunk));
  std::string last;
  if (ask.include_usage) {
    chunk["choices"] = Json::array();
    chunk["usage"] = Usage(ask, saying);
    last = Event(chunk);
  }
  answer.parts.push_back(last + "data: [DONE]\n\n");
  return answer;
}

}  // namespace aurora::demo
