// Workflow: versions of which features and guardrails apply to a scope; WorkflowScope: the active one.
#include <set>

#include "controlplane/kinds/field.h"
#include "controlplane/kinds/rules.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/status.h"

namespace aurora::kinds {
namespace {

constexpr size_t kGuardrailsMax = 64;
constexpr std::string_view kScopes =
    "allowed are /, provider/ and provider/model, each with #/user/path behind it or not";

struct Scope {
  std::string provider;
  std::string model;
  std::string user_path;
};

absl::StatusOr<Scope> ParseScope(std::string_view text) {
  Scope scope;
  const size_t mark = text.find('#');
  const std::string_view selector = text.substr(0, mark);
  if (mark != std::string_view::npos) {
    scope.user_path = text.substr(mark + 1);
  }
  const size_t slash = selector.find('/');
  if (slash == std::string_view::npos || (mark != std::string_view::npos && scope.user_path.empty())) {
    return Bad("scope", Quote(text) + " is no scope; " + std::string(kScopes));
  }
  scope.provider = selector.substr(0, slash);
  scope.model = selector.substr(slash + 1);
  return scope;
}

absl::Status CheckFeatures(const v1::WorkflowSpec& spec) {
  const v1::WorkflowFeatures& f = spec.features();
  if (!f.guardrails() && !spec.guardrails().empty()) {
    return Bad("features.guardrails", "is false, but guardrails are listed; allowed are true, or an empty list");
  }
  if (f.budget() && !f.usage()) {
    return Bad("features.budget", "is true, but a budget counts usage; allowed is false while features.usage is");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const v1::WorkflowSpec& spec) {
  if (!spec.provider().empty()) {
    AURORA_RETURN_IF_ERROR(CheckSegment("provider", spec.provider()));
  }
  if (!spec.model().empty()) {
    if (spec.provider().empty()) {
      return Bad("provider", "is required with a model");
    }
    AURORA_RETURN_IF_ERROR(CheckName("model", spec.model()));
  }
  AURORA_RETURN_IF_ERROR(CheckUserPath("user_path", spec.user_path()));
  AURORA_RETURN_IF_ERROR(CheckText("name", spec.name(), kNameBytesMax));
  AURORA_RETURN_IF_ERROR(CheckText("description", spec.description(), kDescriptionBytesMax));
  AURORA_RETURN_IF_ERROR(CheckCount("guardrails", spec.guardrails_size(), kGuardrailsMax));
  std::set<std::string> refs;
  for (int i = 0; i < spec.guardrails_size(); ++i) {
    const v1::WorkflowGuardrail& g = spec.guardrails(i);
    AURORA_RETURN_IF_ERROR(CheckSegment(Indexed("guardrails", i) + ".ref", g.ref()));
    AURORA_RETURN_IF_ERROR(CheckRange(Indexed("guardrails", i) + ".step", g.step(), 0, 1'000));
    if (!refs.insert(g.ref()).second) {
      return Bad(Indexed("guardrails", i) + ".ref", Quote(g.ref()) + " is there twice");
    }
  }
  return CheckFeatures(spec);
}

absl::Status Validate(const v1::WorkflowScopeSpec& spec) {
  AURORA_RETURN_IF_ERROR(ParseScope(spec.scope()).status());
  return spec.active_id().empty() ? Bad("active_id", "is required")
                                  : CheckText("active_id", spec.active_id(), kNameBytesMax);
}

absl::Status WorkflowRules::Complete(std::string_view name, int64_t, Spec* spec) {
  if (name.empty()) {
    name = spec->scope();  // a body that was read before says it
  }
  if (!name.empty()) {
    AURORA_ASSIGN_OR_RETURN(const Scope scope, ParseScope(name));
    AURORA_RETURN_IF_ERROR(TakeName("provider", scope.provider, spec->mutable_provider()));
    AURORA_RETURN_IF_ERROR(TakeName("model", scope.model, spec->mutable_model()));
    AURORA_RETURN_IF_ERROR(TakeName("user_path", scope.user_path, spec->mutable_user_path()));
  }
  if (spec->user_path() == "/") {
    spec->clear_user_path();  // everybody
  }
  if (!name.empty() && Id(*spec) != name) {
    return Bad("scope", Quote(name) + " is not the scope of this workflow, which is " + Quote(Id(*spec)));
  }
  spec->clear_id();
  spec->clear_scope();
  spec->clear_active();
  v1::WorkflowFeatures* f = spec->mutable_features();
  f->set_cache(!f->has_cache() || f->cache());
  f->set_audit(!f->has_audit() || f->audit());
  f->set_usage(!f->has_usage() || f->usage());
  f->set_budget(f->has_budget() ? f->budget() : f->usage());
  f->set_guardrails(f->has_guardrails() ? f->guardrails() : !spec->guardrails().empty());
  f->set_fallback(!f->has_fallback() || f->fallback());
  return absl::OkStatus();
}

std::string WorkflowRules::Id(const Spec& spec) {
  std::string id = spec.provider() + "/" + spec.model();
  return spec.user_path().empty() ? id : id + "#" + spec.user_path();
}

}  // namespace aurora::kinds
