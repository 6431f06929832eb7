// Models, aliases and model overrides: the kinds whose stored spec is what the API shows.
#include "controlplane/admin/catalog_impl.h"

namespace aurora::admin {
namespace {

struct ModelTraits {
  using Spec = v1::ModelSpec;
  using View = v1::Model;
  static constexpr std::string_view kKind = schema::kModel;
  static std::string Id(const View& v) { return v.provider() + "/" + v.id(); }
  static Spec ToSpec(const View& v) {
    Spec s;
    s.set_id(v.id());
    s.set_provider(v.provider());
    s.set_upstream_id(v.upstream_id());
    s.set_display_name(v.display_name());
    s.set_context_window(v.context_window());
    s.set_max_output_tokens(v.max_output_tokens());
    *s.mutable_capabilities() = v.capabilities();
    *s.mutable_modalities() = v.modalities();
    s.set_enabled(!v.has_enabled() || v.enabled());
    return s;
  }
  static void ToView(const Spec& s, View* v) {
    v->set_id(s.id());
    v->set_provider(s.provider());
    v->set_upstream_id(s.upstream_id());
    v->set_display_name(s.display_name());
    v->set_context_window(s.context_window());
    v->set_max_output_tokens(s.max_output_tokens());
    *v->mutable_capabilities() = s.capabilities();
    *v->mutable_modalities() = s.modalities();
    v->set_enabled(s.enabled());
  }
};

struct AliasTraits {
  using Spec = v1::AliasSpec;
  using View = v1::Alias;
  static constexpr std::string_view kKind = schema::kAlias;
  static std::string Id(const View& v) { return v.name(); }
  static Spec ToSpec(const View& v) {
    Spec s;
    s.set_name(v.name());
    *s.mutable_targets() = v.targets();
    return s;
  }
  static void ToView(const Spec& s, View* v) {
    v->set_name(s.name());
    *v->mutable_targets() = s.targets();
  }
};

struct OverrideTraits {
  using Spec = v1::ModelOverrideSpec;
  using View = v1::ModelOverride;
  static constexpr std::string_view kKind = schema::kModelOverride;
  static std::string Id(const View& v) { return v.selector(); }
  static Spec ToSpec(const View& v) {
    Spec s;
    s.set_selector(v.selector());
    s.set_enabled(!v.has_enabled() || v.enabled());
    if (v.has_user_paths()) {
      *s.mutable_user_paths() = v.user_paths();
    }
    return s;
  }
  static void ToView(const Spec& s, View* v) {
    v->set_selector(s.selector());
    v->set_enabled(s.enabled());
    if (s.has_user_paths()) {
      *v->mutable_user_paths() = s.user_paths();
    }
  }
};

}  // namespace

void Handlers::Handle(const Caller&, const v1::ListModelsRequest& r,
                      Reply<v1::ListModelsResponse> reply) {
  ListKind<ModelTraits>(deps_, r, std::move(reply),
                        [](v1::ListModelsResponse* o) { return o->add_models(); });
}
void Handlers::Handle(const Caller&, const v1::GetModelRequest& r,
                      Reply<v1::GetModelResponse> reply) {
  GetKind<ModelTraits>(deps_, r.id(), std::move(reply),
                       [](v1::GetModelResponse* o) { return o->mutable_model(); });
}
void Handlers::Handle(const Caller& c, const v1::PutModelRequest& r,
                      Reply<v1::PutModelResponse> reply) {
  PutKind<ModelTraits>(deps_, c, r.model(), r.options(), std::move(reply),
                       [](v1::PutModelResponse* o) { return o->mutable_model(); });
}
void Handlers::Handle(const Caller& c, const v1::DeleteModelRequest& r,
                      Reply<v1::DeleteModelResponse> reply) {
  DeleteRow(deps_, c, schema::kModel, r.id(), r.options(), std::move(reply));
}

void Handlers::Handle(const Caller&, const v1::ListAliasesRequest& r,
                      Reply<v1::ListAliasesResponse> reply) {
  ListKind<AliasTraits>(deps_, r, std::move(reply),
                        [](v1::ListAliasesResponse* o) { return o->add_aliases(); });
}
void Handlers::Handle(const Caller&, const v1::GetAliasRequest& r,
                      Reply<v1::GetAliasResponse> reply) {
  GetKind<AliasTraits>(deps_, r.name(), std::move(reply),
                       [](v1::GetAliasResponse* o) { return o->mutable_alias(); });
}
void Handlers::Handle(const Caller& c, const v1::PutAliasRequest& r,
                      Reply<v1::PutAliasResponse> reply) {
  PutKind<AliasTraits>(deps_, c, r.alias(), r.options(), std::move(reply),
                       [](v1::PutAliasResponse* o) { return o->mutable_alias(); });
}
void Handlers::Handle(const Caller& c, const v1::DeleteAliasRequest& r,
                      Reply<v1::DeleteAliasResponse> reply) {
  DeleteRow(deps_, c, schema::kAlias, r.name(), r.options(), std::move(reply));
}

void Handlers::Handle(const Caller&, const v1::ListModelOverridesRequest& r,
                      Reply<v1::ListModelOverridesResponse> reply) {
  ListKind<OverrideTraits>(deps_, r, std::move(reply), [](v1::ListModelOverridesResponse* o) {
    return o->add_model_overrides();
  });
}
void Handlers::Handle(const Caller&, const v1::GetModelOverrideRequest& r,
                      Reply<v1::GetModelOverrideResponse> reply) {
  GetKind<OverrideTraits>(
      deps_, r.selector(), std::move(reply),
      [](v1::GetModelOverrideResponse* o) { return o->mutable_model_override(); });
}
void Handlers::Handle(const Caller& c, const v1::PutModelOverrideRequest& r,
                      Reply<v1::PutModelOverrideResponse> reply) {
  PutKind<OverrideTraits>(
      deps_, c, r.model_override(), r.options(), std::move(reply),
      [](v1::PutModelOverrideResponse* o) { return o->mutable_model_override(); });
}
void Handlers::Handle(const Caller& c, const v1::DeleteModelOverrideRequest& r,
                      Reply<v1::DeleteModelOverrideResponse> reply) {
  DeleteRow(deps_, c, schema::kModelOverride, r.selector(), r.options(), std::move(reply));
}

}  // namespace aurora::admin
