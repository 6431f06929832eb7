#include "dataplane/exchange/endpoints.h"

namespace aurora::exchange {
namespace {

using model::Dialect;
using model::Endpoint;

constexpr EndpointInfo kEndpoints[] = {
    {"/v1/chat/completions", false, Endpoint::kChatCompletions, Handling::kRelay, "/chat/completions", "POST"},
    {"/v1/messages", false, Endpoint::kMessages, Handling::kRelay, "/messages", "POST", Dialect::kAnthropic},
    {"/v1/messages/count_tokens", false, Endpoint::kCountTokens, Handling::kRelay, "/messages/count_tokens", "POST",
     Dialect::kAnthropic},
    {"/v1/responses", false, Endpoint::kResponses, Handling::kRelay, "/responses", "POST"},
    {"/v1/completions", false, Endpoint::kCompletions, Handling::kRelay, "/completions", "POST"},
    {"/v1/embeddings", false, Endpoint::kEmbeddings, Handling::kRelay, "/embeddings", "POST"},
    {"/v1/moderations", false, Endpoint::kModerations, Handling::kRelay, "/moderations", "POST"},
    {"/v1/rerank", false, Endpoint::kRerank, Handling::kRelay, "/rerank", "POST"},
    {"/v1/models", false, Endpoint::kModels, Handling::kModels, "", "GET, HEAD"},
    {"/v1/models/", true, Endpoint::kModel, Handling::kModels, "", "GET, HEAD"},
    {"/p/", true, Endpoint::kPassthrough, Handling::kPassthrough, "", ""},
    {"/v1/images/generations", false, Endpoint::kImages, Handling::kRelay, "/images/generations", "POST"},
    {"/v1/audio/speech", false, Endpoint::kAudio, Handling::kRelay, "/audio/speech", "POST"},
    {"/v1/images/", true, Endpoint::kImages, Handling::kUnsupported, "", ""},
    {"/v1/audio/", true, Endpoint::kAudio, Handling::kUnsupported, "", ""},
    {"/v1/files", true, Endpoint::kFiles, Handling::kUnsupported, "", ""},
    {"/v1/batches", true, Endpoint::kBatches, Handling::kUnsupported, "", ""},
    {"/v1/realtime", true, Endpoint::kOther, Handling::kUnsupported, "", ""},
    {"/v1/responses/", true, Endpoint::kResponses, Handling::kUnsupported, "", ""},
    {"/v1/messages/batches", true, Endpoint::kBatches, Handling::kUnsupported, "", "", Dialect::kAnthropic},
};

bool StartsWith(std::string_view s, std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; }

// "/v1/files" and below, not "/v1/filesystem".
bool PrefixMatches(std::string_view prefix, std::string_view path) {
  return StartsWith(path, prefix) &&
         (path.size() == prefix.size() || prefix.back() == '/' || path[prefix.size()] == '/');
}

}  // namespace

const EndpointInfo* FindEndpoint(std::string_view path) {
  for (const EndpointInfo& info : kEndpoints) {
    if (info.prefix ? PrefixMatches(info.path, path) : info.path == path) {
      return &info;
    }
  }
  return nullptr;
}

bool MethodAllowed(const EndpointInfo& info, http::Method method) {
  if (info.allow == "POST") {
    return method == http::Method::kPost;
  }
  if (info.allow == "GET, HEAD") {
    return method == http::Method::kGet || method == http::Method::kHead;
  }
  return method != http::Method::kOther;
}

model::Dialect DialectOfPath(std::string_view path) {
  return StartsWith(path, "/v1/messages") ? Dialect::kAnthropic : Dialect::kOpenAi;
}

}  // namespace aurora::exchange
