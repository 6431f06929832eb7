// Route: from the model name a caller used to an ordered list of who may serve it.
// Source: product.md §3 "Model resolution": alias -> registered model -> provider/model -> the provider's own list.
// Thread: pure. Bounds: at most kCandidatesMax, in place; nothing is allocated.
// Order: an alias's targets by order, weighted within one order; providers in catalog order; those with an open
// breaker go last. Errors: kNotFound, kForbidden (known, but not for this key), kUnsupported (nobody relays it).
// Invariant: every candidate passed the key's rules and relays the endpoint; views live as long as the snapshot
// or `asked`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dataplane/model/snapshot.h"
#include "dataplane/model/usage_record.h"
#include "dataplane/upstream/health.h"

namespace aurora::routing {

inline constexpr size_t kCandidatesMax = 8;
inline constexpr uint32_t kNoModel = 0xffffffff;

struct Candidate {
  uint32_t provider = 0;       // index in Catalog::providers
  uint32_t model = kNoModel;   // index in Catalog::models; kNoModel: the name below is passed as it is
  uint32_t name_begin = 0;     // kNoModel: the model is substr(name_begin) of the text below
  uint32_t target = kNoModel;  // index in the targets of the alias that was asked for; kNoModel: the text is `asked`
};

enum class RouteError : uint8_t { kNone, kNotFound, kForbidden, kUnsupported };

struct Route {
  std::array<Candidate, kCandidatesMax> candidates;
  uint32_t count = 0;
  RouteError error = RouteError::kNotFound;
  uint32_t blocking_provider = kNoModel;  // with kUnsupported: a provider that has the model but not the endpoint
};

struct Question {
  std::string_view asked;
  model::Endpoint endpoint = model::Endpoint::kChatCompletions;
  const model::AuthKey* key = nullptr;
  Instant now;
};

void Resolve(const model::Catalog& catalog, const Question& question, upstream::Health& health, Route& out);

// The name the provider knows, and the one callers know.
std::string_view UpstreamName(const model::Catalog& catalog, const Candidate& candidate, std::string_view asked);
std::string_view ModelName(const model::Catalog& catalog, const Candidate& candidate, std::string_view asked);

// Whether this provider relays this endpoint as it is.
bool Relays(const model::Provider& provider, model::Endpoint endpoint);
// What would serve it, for people: "an OpenAI-compatible or Azure provider".
std::string_view WhoServes(model::Endpoint endpoint);

// Up to three names close to `asked` that the key may use; returns how many. Looks at kNearestScanMax names.
inline constexpr size_t kNearestScanMax = 4096;
size_t NearestNames(const model::Catalog& catalog, const model::AuthKey& key, std::string_view asked,
                    std::array<std::string_view, 3>& out);

}  // namespace aurora::routing
