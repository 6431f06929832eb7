#include <array>
#include <cmath>

#include "tools/demo-provider/answer.h"

namespace aurora::demo {
namespace {

constexpr std::array kModels = {"demo",     "demo-slow",  "demo-tool", "demo-fail-500", "demo-429",
                                "demo-reset", "demo-hang", "demo-big",  "demo-embed"};
constexpr int kEmbeddingSize = 8;

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// Deterministic and of length 1: the same text has the same vector.
Json Embedding(std::string_view text) {
  std::array<double, kEmbeddingSize> values{};
  double norm = 0;
  uint32_t hash = 2166136261U;
  for (int i = 0; i < kEmbeddingSize; ++i) {
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    hash = (hash ^ static_cast<unsigned>(i)) * 16777619U;
    values[static_cast<size_t>(i)] = static_cast<double>(hash % 2001) / 1000.0 - 1.0;
    norm += values[static_cast<size_t>(i)] * values[static_cast<size_t>(i)];
  }
  Json out = Json::array();
  for (const double value : values) {
    out.push_back(norm == 0 ? 0.0 : value / std::sqrt(norm));
  }
  return out;
}

std::vector<std::string> Texts(const Json& input) {
  std::vector<std::string> out;
  if (input.is_array()) {
    for (const Json& item : input) {
      out.push_back(item.is_object() ? Text(Member(item, "text")) : Text(item));
    }
  } else {
    out.push_back(Text(input));
  }
  return out;
}

// The behaviours that have to do with failing, the same in every dialect. Nothing for the others.
std::optional<Answer> Misbehave(const Ask& ask) {
  if (ask.model == "demo-fail-500") {
    return RenderError(ask.dialect, 500, "server_error", "The demo provider fails on purpose.");
  }
  if (ask.model == "demo-429") {
    Answer answer = RenderError(ask.dialect, 429, "rate_limit_error", "The demo provider is busy on purpose.");
    answer.retry_after = "1";
    return answer;
  }
  if (ask.model == "demo-hang") {
    Answer answer = Whole(200, Json::object());
    answer.end = Answer::End::kNever;
    return answer;
  }
  return std::nullopt;
}

Answer Chat(const Ask& ask, const Request& request) {
  Answer answer;
  if (std::optional<Answer> failure = Misbehave(ask)) {
    answer = std::move(*failure);
  } else {
    const Saying saying = Say(ask);
    switch (ask.dialect) {
      case Dialect::kOpenAi: answer = RenderOpenAi(ask, saying, request); break;
      case Dialect::kAnthropic: answer = RenderAnthropic(ask, saying, request); break;
      case Dialect::kGemini: answer = RenderGemini(ask, saying, request); break;
    }
    answer.input_tokens = ask.input_tokens;
    answer.output_tokens = saying.output_tokens;
    answer.gap_ms = ask.model == "demo-slow" ? 50 : 0;
    answer.end = ask.model == "demo-reset" ? Answer::End::kReset : Answer::End::kClean;
  }
  answer.model = ask.model;
  return answer;
}

Answer Embeddings(const Json& body, const std::string& model) {
  Json data = Json::array();
  int64_t tokens = 0;
  for (const std::string& text : Texts(Member(body, "input"))) {
    data.push_back({{"object", "embedding"}, {"index", data.size()}, {"embedding", Embedding(text)}});
    tokens += EstimateTokens(text);
  }
  Answer answer = Whole(200, {{"object", "list"},
                              {"data", data},
                              {"model", model},
                              {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
  answer.input_tokens = tokens;
  return answer;
}

Answer Moderations(const Json& body, const std::string& model, uint64_t serial) {
  Json results = Json::array();
  for (const std::string& text : Texts(Member(body, "input"))) {
    const bool flagged = text.find("violence") != std::string::npos;
    results.push_back({{"flagged", flagged},
                       {"categories", {{"violence", flagged}}},
                       {"category_scores", {{"violence", flagged ? 0.9 : 0.01}}}});
  }
  return Whole(200, {{"id", "modr-demo-" + std::to_string(serial)}, {"model", model}, {"results", results}});
}

Answer Rerank(const Json& body, const std::string& model) {
  Json results = Json::array();
  for (const std::string& text : Texts(Member(body, "documents"))) {
    const double score = 1.0 / (1.0 + static_cast<double>(text.size()) / 10.0);
    results.push_back({{"index", results.size()}, {"relevance_score", score}});
  }
  return Whole(200, {{"id", "rerank-demo"}, {"model", model}, {"results", results}});
}

Answer Completion(const Ask& ask, const Request& request) {
  const Saying saying = Say(ask);
  const Json usage = {{"prompt_tokens", ask.input_tokens},
                      {"completion_tokens", saying.output_tokens},
                      {"total_tokens", ask.input_tokens + saying.output_tokens}};
  return Whole(200, {{"id", "cmpl-demo-" + std::to_string(request.serial)},
                     {"object", "text_completion"},
                     {"created", request.unix_s},
                     {"model", ask.model},
                     {"choices", Json::array({{{"index", 0}, {"text", saying.Text()}, {"finish_reason", "stop"}}})},
                     {"usage", usage}});
}

Answer Responses(const Ask& ask, const Request& request) {
  const Saying saying = Say(ask);
  const Json content = {{"type", "output_text"}, {"text", saying.Text()}, {"annotations", Json::array()}};
  const Json message = {{"type", "message"},
                        {"id", "msg_demo_" + std::to_string(request.serial)},
                        {"role", "assistant"},
                        {"status", "completed"},
                        {"content", Json::array({content})}};
  const Json body = {{"id", "resp_demo_" + std::to_string(request.serial)},
                     {"object", "response"},
                     {"created_at", request.unix_s},
                     {"model", ask.model},
                     {"status", "completed"},
                     {"output", Json::array({message})},
                     {"usage",
                      {{"input_tokens", ask.input_tokens},
                       {"output_tokens", saying.output_tokens},
                       {"total_tokens", ask.input_tokens + saying.output_tokens}}}};
  if (!ask.stream) {
    return Whole(200, body);
  }
  Answer answer;
  answer.stream = true;
  Json open = body;
  open["status"] = "in_progress";
  open["output"] = Json::array();
  open["usage"] = nullptr;
  const auto event = [&answer](std::string_view name, Json json) {
    json["type"] = name;
    json["sequence_number"] = answer.parts.size();
    answer.parts.push_back("event: " + std::string(name) + "\ndata: " + Dump(json) + "\n\n");
  };
  event("response.created", {{"response", open}});
  for (const std::string& piece : saying.pieces) {
    event("response.output_text.delta",
          {{"item_id", message["id"]}, {"output_index", 0}, {"content_index", 0}, {"delta", piece}});
  }
  event("response.completed", {{"response", body}});
  return answer;
}

Answer ModelList(const Request& request) {
  Json data = Json::array();
  for (const char* id : kModels) {
    data.push_back(request.anthropic
                       ? Json{{"type", "model"},
                              {"id", id},
                              {"display_name", id},
                              {"created_at", "2025-01-01T00:00:00Z"}}
                       : Json{{"id", id}, {"object", "model"}, {"created", 1735689600}, {"owned_by", "demo"}});
  }
  return request.anthropic ? Whole(200, {{"data", data}, {"has_more", false}, {"first_id", kModels.front()},
                                         {"last_id", kModels.back()}})
                           : Whole(200, {{"object", "list"}, {"data", data}});
}

Answer Gemini(std::string_view rest, const Request& request) {
  if (request.method == "GET") {
    Json models = Json::array();
    for (const char* id : kModels) {
      models.push_back({{"name", "models/" + std::string(id)},
                        {"displayName", id},
                        {"supportedGenerationMethods", {"generateContent", "embedContent", "countTokens"}}});
    }
    return Whole(200, {{"models", models}});
  }
  const size_t colon = rest.find(':');
  TakePrefix(rest, "/");
  if (colon == std::string_view::npos || colon == 0) {
    return RenderError(Dialect::kGemini, 404, "NOT_FOUND", "No such method.");
  }
  const std::string_view model = rest.substr(0, colon - 1);
  const std::string_view verb = rest.substr(colon);
  std::optional<Ask> ask = ParseAsk(Dialect::kGemini, request.body, model);
  if (!ask.has_value()) {
    return RenderError(Dialect::kGemini, 400, "INVALID_ARGUMENT", "The body is not a JSON object.");
  }
  if (verb == "countTokens") {
    return Whole(200, {{"totalTokens", ask->input_tokens}});
  }
  if (verb == "embedContent" || verb == "batchEmbedContents") {
    const Json body = Json::parse(request.body, nullptr, false);
    const auto values = [](const Json& one) {
      const std::vector<std::string> texts = Texts(Member(Member(one, "content"), "parts"));
      return Json{{"values", Embedding(texts.empty() ? std::string() : texts[0])}};
    };
    if (verb == "embedContent") {
      return Whole(200, {{"embedding", values(body)}});
    }
    Json all = Json::array();
    for (const Json& one : Member(body, "requests")) {
      all.push_back(values(one));
    }
    return Whole(200, {{"embeddings", all}});
  }
  ask->stream = verb == "streamGenerateContent";
  return Chat(*ask, request);
}

}  // namespace

Answer Whole(int status, const Json& body) {
  Answer answer;
  answer.status = status;
  answer.parts.push_back(Dump(body));
  return answer;
}

Answer RenderError(Dialect dialect, int status, std::string_view type, std::string_view message) {
  switch (dialect) {
    case Dialect::kOpenAi:
      return Whole(status, {{"error", {{"message", message}, {"type", type}, {"param", nullptr}, {"code", type}}}});
    case Dialect::kAnthropic: {
      const std::string_view name = status == 500 ? "api_error" : status == 404 ? "not_found_error" : type;
      return Whole(status, {{"type", "error"}, {"error", {{"type", name}, {"message", message}}}});
    }
    case Dialect::kGemini:
      return Whole(status, {{"error", {{"code", status}, {"message", message}, {"status", type}}}});
  }
  return {};
}

Answer Respond(const Request& request) {
  std::string_view path = request.path;
  if (TakePrefix(path, "/v1beta/models")) {
    return Gemini(path, request);
  }
  if (!TakePrefix(path, "/v1/")) {
    return RenderError(Dialect::kOpenAi, 404, "not_found", "No such endpoint.");
  }
  if (request.method == "GET" && path == "models") {
    return ModelList(request);
  }
  const bool messages = path == "messages" || path == "messages/count_tokens";
  const Dialect dialect = messages ? Dialect::kAnthropic : Dialect::kOpenAi;
  if (request.method != "POST") {
    return RenderError(dialect, 404, "not_found", "No such endpoint.");
  }
  const std::optional<Ask> ask = ParseAsk(dialect, request.body, "");
  if (!ask.has_value()) {
    return RenderError(dialect, 400, "invalid_request_error", "The body is not a JSON object with a model.");
  }
  if (path == "chat/completions" || path == "messages") {
    return Chat(*ask, request);
  }
  if (path == "messages/count_tokens") {
    return Whole(200, {{"input_tokens", ask->input_tokens}});
  }
  Answer answer;
  if (std::optional<Answer> failure = Misbehave(*ask)) {
    answer = std::move(*failure);
  } else if (path == "completions") {
    answer = Completion(*ask, request);
  } else if (path == "responses") {
    answer = Responses(*ask, request);
  } else {
    const Json body = Json::parse(request.body, nullptr, false);
    answer = path == "embeddings"    ? Embeddings(body, ask->model)
             : path == "moderations" ? Moderations(body, ask->model, request.serial)
             : path == "rerank"      ? Rerank(body, ask->model)
                                     : RenderError(dialect, 404, "not_found", "No such endpoint.");
  }
  answer.model = ask->model;
  return answer;
}

}  // namespace aurora::demo
