#include "controlplane/kinds/resolve.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "aurora/v1/policy.pb.h"
#include "controlplane/kinds/kind_of.h"
#include "controlplane/kinds/rules.h"
#include "shared/base/status.h"
#include "shared/schema/kinds.h"

namespace aurora::kinds {
namespace {

// Of the siblings that are no deletes the one with the greatest (hlc, dot).
const replication::Sibling* NewestLive(const replication::Row& row) {
  const replication::Sibling* newest = nullptr;
  for (const replication::Sibling& s : row.siblings) {
    if (!s.deleted && (newest == nullptr || std::tie(newest->hlc, newest->dot) < std::tie(s.hlc, s.dot))) {
      newest = &s;
    }
  }
  return newest;
}

int64_t Stricter(int64_t a, int64_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}  // 0 = no limit

void TakeStricterLimits(const v1::RateLimits& other, v1::RateLimits& limits) {
  limits.set_requests_per_minute(
      Stricter(limits.requests_per_minute(), other.requests_per_minute()));
  limits.set_requests_per_day(Stricter(limits.requests_per_day(), other.requests_per_day()));
  limits.set_tokens_per_minute(Stricter(limits.tokens_per_minute(), other.tokens_per_minute()));
  limits.set_tokens_per_day(Stricter(limits.tokens_per_day(), other.tokens_per_day()));
  limits.set_concurrent_requests(
      Stricter(limits.concurrent_requests(), other.concurrent_requests()));
}

bool Earlier(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return a.seconds() != b.seconds() ? a.seconds() < b.seconds() : a.nanos() < b.nanos();
}

// [A4] absent = any, present and empty = none; two present lists meet in their intersection.
// Sorted, so that the order in which siblings are merged does not show.
void Intersect(const v1::StringList& other, bool present, v1::StringList* list) {
  const std::set<std::string> theirs(other.values().begin(), other.values().end());
  std::set<std::string> both = theirs;
  if (present) {
    both.clear();
    for (const std::string& v : list->values()) {
      if (theirs.contains(v)) {
        both.insert(v);
      }
    }
  }
  list->clear_values();
  for (const std::string& v : both) {
    list->add_values(v);
  }
}

template <class List>
void Union(const List& other, List* list) {
  std::set<std::string> all(list->begin(), list->end());
  all.insert(other.begin(), other.end());
  list->Clear();
  for (const std::string& v : all) {
    list->Add(std::string(v));
  }
}

// A rotation's end of overlap must survive an edit made at the same time that did not know of it.
void UniteSecrets(const v1::AuthKeySpec& other, v1::AuthKeySpec& spec) {
  for (const v1::KeySecret& s : other.secrets()) {
    const auto mine =
        std::find_if(spec.mutable_secrets()->begin(), spec.mutable_secrets()->end(),
                     [&](const v1::KeySecret& known) { return known.sha256() == s.sha256(); });
    if (mine == spec.mutable_secrets()->end()) {
      *spec.add_secrets() = s;
    } else if (s.has_not_after() &&
               (!mine->has_not_after() || Earlier(s.not_after(), mine->not_after()))) {
      *mine->mutable_not_after() = s.not_after();
    }
  }
}

void MergeConcurrent(const v1::AuthKeySpec& other, v1::AuthKeySpec& spec) {
  TakeStricterLimits(other.rate_limits(), *spec.mutable_rate_limits());
  if (other.has_expires_at() &&
      (!spec.has_expires_at() || Earlier(other.expires_at(), spec.expires_at()))) {
    *spec.mutable_expires_at() = other.expires_at();
  }
  const bool had_providers = spec.has_allowed_providers();
  if (other.has_allowed_providers()) {
    Intersect(other.allowed_providers(), had_providers, spec.mutable_allowed_providers());
  }
  const bool had_models = spec.has_allowed_models();
  if (other.has_allowed_models()) {
    Intersect(other.allowed_models(), had_models, spec.mutable_allowed_models());
  }
  Union(other.denied_models(), spec.mutable_denied_models());
  UniteSecrets(other, spec);
}

Value ResolveAuthKey(const replication::Row& row) {
  const replication::Sibling* newest = row.Newest();
  const bool deleted = std::any_of(row.siblings.begin(), row.siblings.end(),
                                   [](const auto& s) { return s.deleted; });
  if (newest == nullptr || deleted) {
    return std::nullopt;  // [A3] delete wins
  }
  AURORA_ASSIGN_OR_RETURN(v1::AuthKeySpec spec, Decode<v1::AuthKeySpec>(newest->spec));
  for (const replication::Sibling& sibling : row.siblings) {
    if (&sibling != newest) {
      AURORA_ASSIGN_OR_RETURN(v1::AuthKeySpec other, Decode<v1::AuthKeySpec>(sibling.spec));
      MergeConcurrent(other, spec);
    }
  }
  std::vector<v1::KeySecret> working;  // [A5] union over siblings minus revoked
  for (const v1::KeySecret& s : spec.secrets()) {
    if (!row.facts.revoked.contains(s.sha256())) {
      working.push_back(s);
    }
  }
  std::sort(working.begin(), working.end(),
            [](const v1::KeySecret& a, const v1::KeySecret& b) { return a.sha256() < b.sha256(); });
  spec.clear_secrets();
  for (v1::KeySecret& s : working) {
    *spec.add_secrets() = std::move(s);
  }
  v1::AuthKeyResolved resolved;
  *resolved.mutable_spec() = std::move(spec);
  resolved.set_enabled(!row.facts.Disabled());
  if (row.facts.ended_at) {
    const auto ms = static_cast<int64_t>(row.facts.ended_at->unix_ms);
    resolved.mutable_deactivated_at()->set_seconds(ms / 1000);
    resolved.mutable_deactivated_at()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  }
  return resolved.SerializeAsString();
}

// Enabled wins over disabled; a delete loses to a concurrent edit.
Value ResolveGuardrail(const replication::Row& row) {
  const replication::Sibling* newest = NewestLive(row);
  if (newest == nullptr) {
    return std::nullopt;
  }
  AURORA_ASSIGN_OR_RETURN(v1::GuardrailSpec spec, Decode<v1::GuardrailSpec>(newest->spec));
  bool enabled = false;
  for (const replication::Sibling& sibling : row.siblings) {
    if (!sibling.deleted) {
      AURORA_ASSIGN_OR_RETURN(const v1::GuardrailSpec one, Decode<v1::GuardrailSpec>(sibling.spec));
      enabled = enabled || one.enabled();
    }
  }
  if (spec.enabled() == enabled) {
    return newest->spec;
  }
  spec.set_enabled(enabled);
  return spec.SerializeAsString();
}

template <class Spec>
Value Newest(const replication::Row& row) {
  return ResolveNewest(row, CheckBytes<Spec>);
}

template <class Spec>
Value Once(const replication::Row& row) {
  return ResolveOnce(row, CheckBytes<Spec>);
}

Kind Own(std::string_view name, ResolveFunction resolve) {
  Kind kind;
  kind.name = name;
  kind.resolve = resolve;
  return kind;
}

std::vector<Kind> MakeAll() {
  using namespace schema;
  const auto& [guardrail, workflow, pricing, budget] = kShared;
  std::vector<Kind> all = {
      Own(kAuthKey, ResolveAuthKey),
      Own(kProvider, Newest<v1::ProviderSpec>),
      Own(kModel, Newest<v1::ModelSpec>),
      Own(kAlias, Newest<v1::AliasSpec>),
      Own(kModelOverride, Newest<v1::ModelOverrideSpec>),
      Own(kWorkflowScope, Newest<v1::WorkflowScopeSpec>),
      KindOf<GuardrailRules>(guardrail, ResolveGuardrail),
      KindOf<BudgetRules>(budget, Newest<v1::BudgetSpec>),
  };
  Kind& prices = all.emplace_back(KindOf<PricingRules>(pricing, Once<v1::PricingSpec>));
  prices.writes = Writes::kOnce;
  prices.enforced = true;
  Kind& workflows = all.emplace_back(KindOf<WorkflowRules>(workflow, Once<v1::WorkflowSpec>));
  workflows.writes = Writes::kVersions;
  workflows.pointer = kWorkflowScope;
  return all;
}

}  // namespace

Value ResolveNewest(const replication::Row& row, CheckFunction check) {
  const replication::Sibling* newest = row.Newest();
  if (newest == nullptr || newest->deleted) {
    return std::nullopt;
  }
  AURORA_RETURN_IF_ERROR(check(newest->spec));
  return newest->spec;
}

Value ResolveOnce(const replication::Row& row, CheckFunction check) {
  const replication::Sibling* newest = NewestLive(row);
  if (newest == nullptr) {
    return std::nullopt;
  }
  AURORA_RETURN_IF_ERROR(check(newest->spec));
  return newest->spec;
}

std::span<const Kind> All() {
  static const std::vector<Kind> kAll = MakeAll();
  return kAll;
}

const Kind* Find(std::span<const Kind> kinds, std::string_view name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [name](const Kind& k) { return k.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

}  // namespace aurora::kinds
