// Providers: stored ones with sealed credentials, and the environment's, which are shown and never
// written.
#include <algorithm>

#include "controlplane/admin/catalog_impl.h"
#include "controlplane/kinds/field.h"
#include "shared/config/provider.h"
#include "shared/crypto/seal.h"
#include "shared/http/url.h"

namespace aurora::admin {
namespace {

struct ProviderTraits {
  using Spec = v1::ProviderSpec;
  using View = v1::Provider;
  static constexpr std::string_view kKind = schema::kProvider;

  // Without credentials: sealing needs what is stored (SealAll).
  static Spec ToSpec(const View& v) {
    Spec s;
    s.set_name(v.name());
    s.set_type(v.type());
    s.set_base_url(v.base_url());
    s.set_api_version(v.api_version());
    *s.mutable_models() = v.models();
    *s.mutable_timeouts() = v.timeouts();
    *s.mutable_resilience() = v.resilience();
    s.set_ca_file(v.ca_file());
    s.set_stamp(v.stamp());
    s.set_enabled(!v.has_enabled() || v.enabled());
    return s;
  }
  static void ToView(const Spec& s, View* v) {
    v->set_name(s.name());
    v->set_type(s.type());
    v->set_base_url(s.base_url());
    v->set_api_version(s.api_version());
    for (const v1::SealedCredential& c : s.credentials()) {
      v1::ProviderCredential* out = v->add_credentials();
      out->set_id(c.id());
      out->set_weight(c.weight());
      out->set_redacted_value(c.redacted());
    }
    *v->mutable_models() = s.models();
    *v->mutable_timeouts() = s.timeouts();
    *v->mutable_resilience() = s.resilience();
    v->set_ca_file(s.ca_file());
    v->set_stamp(s.stamp());
    v->set_enabled(s.enabled());
    v->set_source("stored");
  }
};

void EnvironmentToView(const config::ProviderConfig& p, v1::Provider* v) {
  v->set_name(p.name);
  v->set_type(static_cast<v1::ProviderType>(p.type));
  v->set_base_url(p.base_url);
  v->set_api_version(p.api_version);
  if (!p.api_key.empty()) {
    v1::ProviderCredential* c = v->add_credentials();
    c->set_id("environment");
    c->set_weight(1);
    c->set_redacted_value(p.api_key.Redacted());
  }
  for (const std::string& m : p.models) {
    v->add_models(m);
  }
  v->mutable_timeouts()->set_connect_ms(p.timeouts.connect.millis());
  v->mutable_timeouts()->set_first_byte_ms(p.timeouts.first_byte.millis());
  v->mutable_timeouts()->set_idle_ms(p.timeouts.idle.millis());
  v->mutable_timeouts()->set_total_ms(p.timeouts.total.millis());
  // The API's 0 means "the default", the configuration's means "none".
  const auto none_is_minus_one = [](int n) { return n == 0 ? -1 : n; };
  v->mutable_resilience()->set_max_retries(none_is_minus_one(p.resilience.max_retries));
  v->mutable_resilience()->set_breaker_failures(none_is_minus_one(p.resilience.breaker_failures));
  v->mutable_resilience()->set_breaker_open_ms(p.resilience.breaker_open.millis());
  v->mutable_resilience()->set_cooldown_ms(p.resilience.cooldown.millis());
  v->set_ca_file(p.ca_file);
  v->set_stamp(p.stamp);
  v->set_enabled(true);
  v->set_source("environment");
}

const config::ProviderConfig* FromEnvironment(const Deps& deps, std::string_view name) {
  const auto& all = deps.config->providers;
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.name == name; });
  return it == all.end() ? nullptr : &*it;
}

absl::Status RefuseEnvironment(const Deps& deps, std::string_view name) {
  return FromEnvironment(deps, name) == nullptr
             ? absl::OkStatus()
             : FailedPrecondition("provider \"" + std::string(name) +
                                  "\" is configured in this node's environment or file and is "
                                  "read-only here; change it there");
}

// Where a provider's requests, and with them its credentials, go: scheme, host and port.
std::string OriginOf(v1::ProviderType type, const std::string& base_url) {
  const std::string url = base_url.empty() ? std::string(config::DefaultBaseUrl(
                                                 static_cast<config::ProviderType>(type)))
                                           : base_url;
  const auto parsed = http::ParseBaseUrl(url);
  return parsed.ok() ? (parsed->tls ? "https://" : "http://") + parsed->authority : url;
}

// What another key than the one in force sealed is sealed anew; what does not open is kept.
absl::Status Reseal(const crypto::SealKeys& keys, const std::string& provider, v1::SealedCredential* credential) {
  if (!crypto::SealedWithOther(keys.current.Reveal(), credential->sealed())) {
    return absl::OkStatus();
  }
  const std::string aad = "provider/" + provider + "/" + credential->id();
  if (const auto opened = crypto::Open(keys, credential->sealed(), aad); opened.ok()) {
    AURORA_ASSIGN_OR_RETURN(*credential->mutable_sealed(), crypto::Seal(keys.current.Reveal(), opened->Reveal(), aad));
  }
  return absl::OkStatus();
}

// The sealed list for a put: a credential with api_key is sealed (kept as it is when it already
// holds that text), one without keeps the stored one of its id. Either way what the previous key sealed is sealed anew.
absl::Status SealAll(const v1::Provider& in, const crypto::SealKeys& keys,
                     const v1::ProviderSpec& old, v1::ProviderSpec* spec) {
  for (int i = 0; i < in.credentials_size(); ++i) {
    const v1::ProviderCredential& c = in.credentials(i);
    const std::string id = c.id().empty() ? "key-" + std::to_string(i + 1) : c.id();
    const std::string field = kinds::Indexed("credentials", i);
    const auto stored = std::find_if(old.credentials().begin(), old.credentials().end(),
                                     [&](const v1::SealedCredential& s) { return s.id() == id; });
    v1::SealedCredential* out = spec->add_credentials();
    const std::string aad = "provider/" + in.name() + "/" + id;
    bool other = false;  // sealed, but not with the key in force
    if (stored != old.credentials().end()) {
      *out = *stored;
      other = crypto::SealedWithOther(keys.current.Reveal(), stored->sealed());
    }
    out->set_id(id);
    out->set_weight(c.weight() == 0 ? 1 : c.weight());
    if (!c.has_api_key()) {
      if (stored == old.credentials().end()) {
        return kinds::Bad(field + ".api_key",
                          "is required: no credential with id \"" + id + "\" is stored");
      }
      // Whoever may change a URL need not know the key: without this rule they could have it sent to themselves.
      const std::string from = OriginOf(old.type(), old.base_url());
      const std::string to = OriginOf(in.type(), in.base_url());
      if (from != to) {
        return kinds::Bad(field + ".api_key", "is required again: requests move from " + from + " to " + to +
                                                  ", and a stored key is not sent to another host");
      }
      AURORA_RETURN_IF_ERROR(Reseal(keys, in.name(), out));
      continue;
    }
    if (c.api_key().empty() || c.api_key().size() > 8192) {
      return kinds::Bad(field + ".api_key", "must have 1 to 8192 characters");
    }
    if (keys.current.empty()) {
      return FailedPrecondition(
          "credentials cannot be stored: this node has no AURORA_ENCRYPTION_KEY (base64 of 32 "
          "bytes, read by both "
          "processes). Set it and restart, or configure the provider in the environment");
    }
    if (stored != old.credentials().end() && !other) {
      const auto opened = crypto::Open(keys, stored->sealed(), aad);
      if (opened.ok() && opened->Reveal() == c.api_key()) {
        continue;
      }
    }
    AURORA_ASSIGN_OR_RETURN(std::string sealed, crypto::Seal(keys.current.Reveal(), c.api_key(), aad));
    out->set_sealed(sealed);
    out->set_redacted(crypto::Secret(c.api_key()).Redacted());
  }
  return absl::OkStatus();
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::ListProvidersRequest& r,
                      Reply<v1::ListProvidersResponse> reply) {
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  ReplyFromStore<v1::ListProvidersResponse>(
      *deps_.store, std::move(reply),
      [this, page = *page](store::Reader& reader, v1::ListProvidersResponse* out) -> absl::Status {
        if (page.after.empty()) {  // the environment's come first, on the first page
          for (const config::ProviderConfig& p : deps_.config->providers) {
            EnvironmentToView(p, out->add_providers());
          }
        }
        return ListInto(
            reader, schema::kProvider, page, out,
            [this](const store::Entry& e, v1::ListProvidersResponse* o) -> absl::Status {
              return FromEnvironment(deps_, e.id) != nullptr  // shadowed
                         ? absl::OkStatus()
                         : EntryToView<ProviderTraits>(e, o->add_providers());
            });
      });
}

void Handlers::Handle(const Caller&, const v1::GetProviderRequest& r,
                      Reply<v1::GetProviderResponse> reply) {
  if (const config::ProviderConfig* p = FromEnvironment(deps_, r.name()); p != nullptr) {
    v1::GetProviderResponse response;
    EnvironmentToView(*p, response.mutable_provider());
    reply(std::move(response));
    return;
  }
  GetKind<ProviderTraits>(deps_, r.name(), std::move(reply),
                          [](v1::GetProviderResponse* o) { return o->mutable_provider(); });
}

void Handlers::Handle(const Caller& c, const v1::PutProviderRequest& r,
                      Reply<v1::PutProviderResponse> reply) {
  absl::Status status = RefuseEnvironment(deps_, r.provider().name());
  if (status.ok() && !r.reseal_only()) {
    status = kinds::Validate(ProviderTraits::ToSpec(r.provider()));
  }
  if (!status.ok()) {
    reply(status);
    return;
  }
  store::Edit edit =
      [in = r.provider(), reseal_only = r.reseal_only(), now = deps_.unix_ms(),
       keys = crypto::SealKeys(deps_.config->storage.encryption_key, deps_.config->storage.encryption_key_previous)](
          const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    v1::ProviderSpec old;
    if (ctx.current.resolved) {
      AURORA_ASSIGN_OR_RETURN(old, DecodeStored<v1::ProviderSpec>(*ctx.current.resolved));
    }
    if (reseal_only) {
      if (!ctx.current.resolved) {
        return NotFound("there is no stored provider " + in.name());
      }
      for (v1::SealedCredential& credential : *old.mutable_credentials()) {
        AURORA_RETURN_IF_ERROR(Reseal(keys, in.name(), &credential));
      }
      return PutEdit(ctx, std::move(old), now);
    }
    v1::ProviderSpec spec = ProviderTraits::ToSpec(in);
    AURORA_RETURN_IF_ERROR(SealAll(in, keys, old, &spec));
    AURORA_RETURN_IF_ERROR(kinds::Validate(spec));
    return PutEdit(ctx, std::move(spec), now);
  };
  ReplyToWrite<v1::PutProviderResponse>(
      deps_,
      {std::string(schema::kProvider), r.provider().name(), std::move(edit), AuditOf(c, "put")},
      r.options(), v1::WAIT_FOR_LOCAL, std::move(reply),
      FillPut<ProviderTraits, v1::PutProviderResponse>(
          [](v1::PutProviderResponse* o) { return o->mutable_provider(); }));
}

void Handlers::Handle(const Caller& c, const v1::DeleteProviderRequest& r,
                      Reply<v1::DeleteProviderResponse> reply) {
  if (absl::Status status = RefuseEnvironment(deps_, r.name()); !status.ok()) {
    reply(status);
    return;
  }
  DeleteRow(deps_, c, schema::kProvider, r.name(), r.options(), std::move(reply));
}

}  // namespace aurora::admin
