#include "dataplane/routing/route.h"

#include <algorithm>

#include "dataplane/policy/access.h"
#include "shared/base/check.h"

namespace aurora::routing {
namespace {

constexpr size_t kTargetsMax = 32;  // as many as an alias may have (kinds)

class Resolver {
 public:
  Resolver(const model::Catalog& catalog, const Question& question, Route& out)
      : catalog_(catalog), question_(question), out_(out) {}

  // `name` is question.asked, or the text of that one of an alias's targets.
  void Name(std::string_view name, uint32_t target) {
    const auto bare = catalog_.models_by_name.find(name);
    if (bare != catalog_.models_by_name.end()) {
      for (const uint32_t index : bare->second) {
        Registered(index, target);
      }
    }
    const auto qualified = catalog_.model_by_qualified_name.find(name);
    if (qualified != catalog_.model_by_qualified_name.end()) {
      Registered(qualified->second, target);
      return;
    }
    Unlisted(name, target);
  }

  bool found() const { return found_; }
  bool forbidden() const { return forbidden_; }

 private:
  void Registered(uint32_t index, uint32_t target) {
    const model::Model& model = catalog_.models[index];
    if (!model.enabled || model.provider_index >= catalog_.providers.size()) {
      return;
    }
    Add({model.provider_index, index, 0, target}, model.id);
  }

  // "provider/model" of a provider whose list is not known: the provider is the judge of the name.
  void Unlisted(std::string_view name, uint32_t target) {
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos || slash + 1 == name.size()) {
      return;
    }
    const auto provider = catalog_.provider_by_name.find(name.substr(0, slash));
    if (provider == catalog_.provider_by_name.end()) {
      return;
    }
    const std::string_view model = name.substr(slash + 1);
    const auto& listed = catalog_.providers[provider->second].models;
    if (!listed.empty() && std::find(listed.begin(), listed.end(), model) == listed.end()) {
      return;
    }
    Add({provider->second, kNoModel, static_cast<uint32_t>(slash + 1), target}, model);
  }

  void Add(const Candidate& candidate, std::string_view model) {
    const model::Provider& provider = catalog_.providers[candidate.provider];
    found_ = true;
    const bool from_alias = candidate.target != kNoModel;
    const policy::Target target{provider.name, model, from_alias ? question_.asked : std::string_view()};
    if (question_.key != nullptr && !policy::MayUse(*question_.key, catalog_, target)) {
      forbidden_ = true;
      return;
    }
    if (!Relays(provider, question_.endpoint)) {
      out_.blocking_provider = candidate.provider;
      return;
    }
    for (uint32_t i = 0; i < out_.count; ++i) {
      const Candidate& other = out_.candidates[i];
      if (other.provider == candidate.provider && other.model == candidate.model &&
          (candidate.model != kNoModel || UpstreamName(catalog_, other, question_.asked) == model)) {
        return;
      }
    }
    if (out_.count < kCandidatesMax) {
      out_.candidates[out_.count++] = candidate;
    }
  }

  const model::Catalog& catalog_;
  const Question& question_;
  Route& out_;
  bool found_ = false;
  bool forbidden_ = false;
};

void ResolveAlias(const model::Alias& alias, upstream::Health& health, Resolver& resolver) {
  std::array<uint8_t, kTargetsMax> order;
  const size_t n = std::min(alias.targets.size(), kTargetsMax);
  for (size_t i = 0; i < n; ++i) {
    order[i] = static_cast<uint8_t>(i);
  }
  // Within one order: draw without replacement, by weight.
  for (size_t begin = 0; begin < n;) {
    size_t end = begin;
    while (end < n && alias.targets[end].order == alias.targets[begin].order) {
      ++end;
    }
    for (size_t i = begin; i + 1 < end; ++i) {
      uint64_t total = 0;
      for (size_t j = i; j < end; ++j) {
        total += std::max<uint32_t>(alias.targets[order[j]].weight, 1);
      }
      uint64_t pick = health.rng().Below(total);
      size_t j = i;
      while (pick >= std::max<uint32_t>(alias.targets[order[j]].weight, 1)) {
        pick -= std::max<uint32_t>(alias.targets[order[j]].weight, 1);
        ++j;
      }
      std::swap(order[i], order[j]);
    }
    begin = end;
  }
  for (size_t i = 0; i < n; ++i) {
    resolver.Name(alias.targets[order[i]].model, order[i]);
  }
}

}  // namespace

bool Relays(const model::Provider& provider, model::Endpoint endpoint) {
  switch (endpoint) {
    case model::Endpoint::kPassthrough:
      return true;
    case model::Endpoint::kMessages:
    case model::Endpoint::kCountTokens:
      return provider.dialect == model::Dialect::kAnthropic;
    case model::Endpoint::kChatCompletions:
    case model::Endpoint::kCompletions:
    case model::Endpoint::kResponses:
    case model::Endpoint::kEmbeddings:
    case model::Endpoint::kModerations:
    case model::Endpoint::kRerank:
    case model::Endpoint::kImages:
    case model::Endpoint::kAudio:
      return provider.dialect == model::Dialect::kOpenAi;
    default:
      return false;
  }
}

std::string_view WhoServes(model::Endpoint endpoint) {
  switch (endpoint) {
    case model::Endpoint::kMessages:
    case model::Endpoint::kCountTokens:
      return "a provider of type anthropic serves it, or /v1/chat/completions with this model";
    case model::Endpoint::kChatCompletions:
      return "an OpenAI-compatible or azure provider serves it, or /v1/messages with an anthropic model";
    default:
      return "an OpenAI-compatible or azure provider serves it";
  }
}

void Resolve(const model::Catalog& catalog, const Question& question, upstream::Health& health, Route& out) {
  out.count = 0;
  out.error = RouteError::kNone;
  out.blocking_provider = kNoModel;
  Resolver resolver(catalog, question, out);
  const auto alias = catalog.aliases.find(question.asked);
  if (alias != catalog.aliases.end()) {
    ResolveAlias(alias->second, health, resolver);
  } else {
    resolver.Name(question.asked, kNoModel);
  }
  if (out.count == 0) {
    out.error = out.blocking_provider != kNoModel ? RouteError::kUnsupported
                : resolver.forbidden()            ? RouteError::kForbidden
                                                  : RouteError::kNotFound;
    return;
  }
  if (out.count > 1) {
    // A stable partition without the temporary buffer std::stable_partition allocates.
    std::array<Candidate, kCandidatesMax> last;
    uint32_t kept = 0;
    uint32_t moved = 0;
    for (uint32_t i = 0; i < out.count; ++i) {
      const model::Provider& provider = catalog.providers[out.candidates[i].provider];
      if (health.Breaker(provider.slot, question.now) == upstream::BreakerState::kOpen) {
        last[moved++] = out.candidates[i];
      } else {
        out.candidates[kept++] = out.candidates[i];
      }
    }
    std::copy_n(last.begin(), moved, out.candidates.begin() + kept);
  }
}

std::string_view UpstreamName(const model::Catalog& catalog, const Candidate& candidate, std::string_view asked) {
  if (candidate.model == kNoModel) {
    std::string_view text = asked;
    if (candidate.target != kNoModel) {
      const auto alias = catalog.aliases.find(asked);
      AURORA_CHECK(alias != catalog.aliases.end() && candidate.target < alias->second.targets.size());
      text = alias->second.targets[candidate.target].model;
    }
    return text.substr(std::min<size_t>(candidate.name_begin, text.size()));
  }
  const model::Model& model = catalog.models[candidate.model];
  return model.upstream_id.empty() ? std::string_view(model.id) : std::string_view(model.upstream_id);
}

std::string_view ModelName(const model::Catalog& catalog, const Candidate& candidate, std::string_view asked) {
  return candidate.model == kNoModel ? UpstreamName(catalog, candidate, asked)
                                     : std::string_view(catalog.models[candidate.model].id);
}

}  // namespace aurora::routing
