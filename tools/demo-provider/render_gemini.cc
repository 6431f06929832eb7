#include "tools/demo-provider/answer.h"

namespace aurora::demo {
namespace {

Json Chunk(const Ask& ask, const Saying& saying, const Json& part, bool last) {
  Json candidate = {{"index", 0}, {"content", {{"role", "model"}, {"parts", Json::array({part})}}}};
  if (last) {
    candidate["finishReason"] = saying.cut ? "MAX_TOKENS" : "STOP";
  }
  return {{"candidates", Json::array({candidate})},
          {"modelVersion", ask.model},
          {"usageMetadata",
           {{"promptTokenCount", ask.input_tokens},
            {"candidatesTokenCount", saying.output_tokens},
            {"totalTokenCount", ask.input_tokens + saying.output_tokens}}}};
}

}  // namespace

Answer RenderGemini(const Ask& ask, const Saying& saying, const Request&) {
  const Json call = {{"functionCall",
                      {{"name", ask.tool_name}, {"args", Json::parse(saying.arguments, nullptr, false)}}}};
  if (!ask.stream) {
    return Whole(200, Chunk(ask, saying, saying.calls_tool ? call : Json{{"text", saying.Text()}}, true));
  }
  Answer answer;
  answer.stream = true;
  if (saying.calls_tool) {
    answer.parts.push_back("data: " + Dump(Chunk(ask, saying, call, true)) + "\r\n\r\n");
  }
  for (size_t i = 0; i < saying.pieces.size(); ++i) {
    const Json part = {{"text", saying.pieces[i]}};
    answer.parts.push_back("data: " + Dump(Chunk(ask, saying, part, i + 1 == saying.pieces.size())) + "\r\n\r\n");
  }
  return answer;
}

}  // namespace aurora::demo
