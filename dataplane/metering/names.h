// Names of endpoints and outcomes as traffic.db and the metrics spell them: the one table.
// Source: ours. Thread: stateless. Errors: none; every enumerator has a name.
#pragma once

#include <string_view>

#include "dataplane/model/usage_record.h"

namespace aurora::metering {

constexpr std::string_view Name(model::Endpoint endpoint) {
  switch (endpoint) {
    case model::Endpoint::kChatCompletions: return "chat_completions";
    case model::Endpoint::kMessages: return "messages";
    case model::Endpoint::kCountTokens: return "count_tokens";
    case model::Endpoint::kResponses: return "responses";
    case model::Endpoint::kCompletions: return "completions";
    case model::Endpoint::kEmbeddings: return "embeddings";
    case model::Endpoint::kModerations: return "moderations";
    case model::Endpoint::kRerank: return "rerank";
    case model::Endpoint::kImages: return "images";
    case model::Endpoint::kAudio: return "audio";
    case model::Endpoint::kFiles: return "files";
    case model::Endpoint::kBatches: return "batches";
    case model::Endpoint::kModels: return "models";
    case model::Endpoint::kModel: return "model";
    case model::Endpoint::kPassthrough: return "passthrough";
    case model::Endpoint::kAdmin: return "admin";
    case model::Endpoint::kHealth: return "health";
    case model::Endpoint::kOther: return "other";
  }
  return "other";
}

constexpr std::string_view Name(model::Outcome outcome) {
  switch (outcome) {
    case model::Outcome::kSuccess: return "success";
    case model::Outcome::kClientError: return "client_error";
    case model::Outcome::kRateLimited: return "rate_limited";
    case model::Outcome::kServerError: return "server_error";
    case model::Outcome::kTimeout: return "timeout";
    case model::Outcome::kConnectError: return "connect_error";
    case model::Outcome::kCancelled: return "cancelled";
    case model::Outcome::kRejected: return "rejected";
  }
  return "rejected";
}

}  // namespace aurora::metering
