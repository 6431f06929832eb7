// AuthKeys: create, update, deactivate (final), rotate, delete.
#include <algorithm>

#include "controlplane/admin/handlers_impl.h"
#include "controlplane/kinds/field.h"
#include "controlplane/kinds/validate.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/random.h"
#include "shared/crypto/sha256.h"
#include "shared/schema/kinds.h"

namespace aurora::admin {
namespace {

constexpr std::string_view kPrefix = "sk_aur_";
constexpr int64_t kOverlapMaxSeconds = 30LL * 86400;

struct NewSecret {
  std::string value;
  v1::KeySecret stored;
};

NewSecret MakeSecret() {
  NewSecret s;
  s.value = std::string(kPrefix) + crypto::Base64UrlEncode(crypto::RandomBytes(32));
  const crypto::Digest digest = crypto::Sha256Of(s.value);
  s.stored.set_sha256(std::string(reinterpret_cast<const char*>(digest.data()), digest.size()));
  s.stored.set_redacted(std::string(kPrefix) + "…" + s.value.substr(s.value.size() - 4));
  return s;
}

absl::Status ToView(const store::Entry& entry, v1::AuthKey* out) {
  AURORA_ASSIGN_OR_RETURN(auto resolved, DecodeStored<v1::AuthKeyResolved>(*entry.resolved));
  v1::AuthKeySpec& spec = *resolved.mutable_spec();
  out->set_id(entry.id);
  out->set_name(spec.name());
  out->set_description(spec.description());
  out->set_user_path(spec.user_path());
  if (spec.has_allowed_providers()) {
    *out->mutable_allowed_providers() = spec.allowed_providers();
  }
  if (spec.has_allowed_models()) {
    *out->mutable_allowed_models() = spec.allowed_models();
  }
  *out->mutable_denied_models() = spec.denied_models();
  *out->mutable_rate_limits() = spec.rate_limits();
  if (spec.has_expires_at()) {
    *out->mutable_expires_at() = spec.expires_at();
  }
  out->set_enabled(resolved.enabled());
  if (resolved.has_deactivated_at()) {
    *out->mutable_deactivated_at() = resolved.deactivated_at();
  }
  for (const v1::KeySecret& s : spec.secrets()) {
    if (!s.has_not_after() || out->redacted_value().empty()) {
      out->set_redacted_value(
          s.redacted());  // the one that stays, not one that a rotation lets run out
    }
  }
  *out->mutable_created_at() = spec.created_at();
  *out->mutable_updated_at() = spec.updated_at();
  return absl::OkStatus();
}

// Copies the fields named (JSON names) from a request's key into a spec. Unknown names are refused.
absl::Status ApplyFields(const v1::AuthKey& in,
                         const google::protobuf::RepeatedPtrField<std::string>& fields,
                         v1::AuthKeySpec* spec) {
  for (const std::string& field : fields) {
    if (field == "name") {
      spec->set_name(in.name());
    } else if (field == "description") {
      spec->set_description(in.description());
    } else if (field == "user_path") {
      spec->set_user_path(in.user_path());
    } else if (field == "allowed_providers") {
      spec->clear_allowed_providers();
      if (in.has_allowed_providers()) {
        *spec->mutable_allowed_providers() = in.allowed_providers();
      }
    } else if (field == "allowed_models") {
      spec->clear_allowed_models();
      if (in.has_allowed_models()) {
        *spec->mutable_allowed_models() = in.allowed_models();
      }
    } else if (field == "denied_models") {
      *spec->mutable_denied_models() = in.denied_models();
    } else if (field == "rate_limits") {
      *spec->mutable_rate_limits() = in.rate_limits();
    } else if (field == "expires_at") {
      spec->clear_expires_at();
      if (in.has_expires_at()) {
        *spec->mutable_expires_at() = in.expires_at();
      }
    } else if (field != "enabled" && field != "id") {
      return kinds::Bad(
          field,
          "cannot be changed; allowed are name, description, user_path, allowed_providers, "
          "allowed_models, denied_models, rate_limits, expires_at, enabled");
    }
  }
  return absl::OkStatus();
}

google::protobuf::RepeatedPtrField<std::string> EveryField() {
  google::protobuf::RepeatedPtrField<std::string> out;
  for (const char* f : {"name", "description", "user_path", "allowed_providers", "allowed_models",
                        "denied_models", "rate_limits", "expires_at", "enabled"}) {
    out.Add(f);
  }
  return out;
}

// The latest written spec: newest sibling, with resolve's merge of concurrent ones already in it.
absl::StatusOr<v1::AuthKeyResolved> Current(const store::EditContext& ctx) {
  if (ctx.current.row.empty() || !ctx.current.resolved) {
    return NotFound("no AuthKey \"" + ctx.current.id.substr(0, 200) + "\"");
  }
  return DecodeStored<v1::AuthKeyResolved>(*ctx.current.resolved);
}

absl::Status RefuseEnded(const v1::AuthKeyResolved& resolved) {
  return resolved.has_deactivated_at()
             ? FailedPrecondition("this key was deactivated, which is final; create a new one")
             : absl::OkStatus();
}

void SetEnabled(bool enabled, const store::EditContext& ctx, replication::Write* write) {
  if (enabled) {
    write->facts.undone = ctx.current.row.facts.disables;
  } else {
    write->facts.disables.Add(ctx.dot);
  }
}

store::WriteRequest Request(const Caller& caller, std::string_view action, const std::string& id,
                            store::Edit edit) {
  return {std::string(schema::kAuthKey), id, std::move(edit), AuditOf(caller, action)};
}

template <class Response>
auto FillKey(std::string value = "") {
  return [value](const store::WriteResult& result, Response* out) -> absl::Status {
    AURORA_RETURN_IF_ERROR(ToView(result.entry, out->mutable_auth_key()));
    if (!value.empty()) {
      out->mutable_auth_key()->set_value(value);
    }
    return absl::OkStatus();
  };
}

}  // namespace

void Handlers::Handle(const Caller&, const v1::ListAuthKeysRequest& r,
                      Reply<v1::ListAuthKeysResponse> reply) {
  const auto page = PageOf(r.page_size(), r.page_token());
  if (!page.ok()) {
    reply(page.status());
    return;
  }
  ReplyFromStore<v1::ListAuthKeysResponse>(
      *deps_.store, std::move(reply),
      [page = *page](store::Reader& reader, v1::ListAuthKeysResponse* out) {
        return ListInto(reader, schema::kAuthKey, page, out,
                        [](const store::Entry& e, v1::ListAuthKeysResponse* o) {
                          return ToView(e, o->add_auth_keys());
                        });
      });
}

void Handlers::Handle(const Caller&, const v1::GetAuthKeyRequest& r,
                      Reply<v1::GetAuthKeyResponse> reply) {
  ReplyFromStore<v1::GetAuthKeyResponse>(
      *deps_.store, std::move(reply),
      [id = r.id()](store::Reader& reader, v1::GetAuthKeyResponse* out) -> absl::Status {
        AURORA_ASSIGN_OR_RETURN(store::Entry entry, GetLive(reader, schema::kAuthKey, id));
        return ToView(entry, out->mutable_auth_key());
      });
}

void Handlers::Handle(const Caller& c, const v1::CreateAuthKeyRequest& r,
                      Reply<v1::CreateAuthKeyResponse> reply) {
  v1::AuthKeySpec spec;
  absl::Status status = ApplyFields(r.auth_key(), EveryField(), &spec);
  if (status.ok()) {
    status = kinds::Validate(spec);
  }
  if (!status.ok()) {
    reply(status);
    return;
  }
  NewSecret secret = MakeSecret();
  *spec.add_secrets() = secret.stored;
  SetMillis(deps_.unix_ms(), spec.mutable_created_at());
  *spec.mutable_updated_at() = spec.created_at();
  const bool enabled = !r.auth_key().has_enabled() || r.auth_key().enabled();
  const std::string id = r.auth_key().id().empty() ? crypto::UuidV4() : r.auth_key().id();
  if (status = kinds::CheckSegment("id", id); !status.ok()) {
    reply(status);
    return;
  }
  store::Edit edit =
      [spec, enabled](
          const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    if (!ctx.current.row.empty()) {
      return AlreadyExists("id \"" + ctx.current.id +
                           "\" was used before; an id is never used again");
    }
    replication::Write write;
    write.spec = spec.SerializeAsString();
    if (!enabled) {
      SetEnabled(false, ctx, &write);
    }
    return write;
  };
  ReplyToWrite<v1::CreateAuthKeyResponse>(deps_, Request(c, "create", id, std::move(edit)),
                                          r.options(), v1::WAIT_FOR_LOCAL, std::move(reply),
                                          FillKey<v1::CreateAuthKeyResponse>(secret.value));
}

void Handlers::Handle(const Caller& c, const v1::UpdateAuthKeyRequest& r,
                      Reply<v1::UpdateAuthKeyResponse> reply) {
  if (r.update_fields().empty()) {
    reply(InvalidArgument("update_fields: names no field to change"));
    return;
  }
  store::Edit edit =
      [in = r.auth_key(), fields = r.update_fields(), now = deps_.unix_ms()](
          const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    AURORA_ASSIGN_OR_RETURN(v1::AuthKeyResolved resolved, Current(ctx));
    AURORA_RETURN_IF_ERROR(RefuseEnded(resolved));
    v1::AuthKeySpec spec = resolved.spec();
    AURORA_RETURN_IF_ERROR(ApplyFields(in, fields, &spec));
    AURORA_RETURN_IF_ERROR(kinds::Validate(spec));
    replication::Write write;
    const bool names_enabled = std::find(fields.begin(), fields.end(), "enabled") != fields.end();
    // A PUT names every field: one that leaves `enabled` out must not wake a disabled key.
    const bool enabled = in.has_enabled() ? in.enabled() : resolved.enabled();
    const bool toggles = names_enabled && enabled != resolved.enabled();
    if (toggles) {
      SetEnabled(enabled, ctx, &write);
    }
    const bool same = spec.SerializeAsString() == resolved.spec().SerializeAsString();
    if (same && !toggles) {
      return std::nullopt;
    }
    if (!same) {
      SetMillis(now, spec.mutable_updated_at());
      write.spec = spec.SerializeAsString();
    }
    return write;
  };
  ReplyToWrite<v1::UpdateAuthKeyResponse>(
      deps_, Request(c, "update", r.auth_key().id(), std::move(edit)), r.options(),
      v1::WAIT_FOR_LOCAL, std::move(reply), FillKey<v1::UpdateAuthKeyResponse>());
}

void Handlers::Handle(const Caller& c, const v1::DeactivateAuthKeyRequest& r,
                      Reply<v1::DeactivateAuthKeyResponse> reply) {
  store::Edit edit =
      [](const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    AURORA_ASSIGN_OR_RETURN(v1::AuthKeyResolved resolved, Current(ctx));
    if (resolved.has_deactivated_at()) {
      return std::nullopt;
    }
    replication::Write write;  // facts only: no concurrent edit can undo it
    write.facts.ended_at = ctx.hlc;
    return write;
  };
  ReplyToWrite<v1::DeactivateAuthKeyResponse>(
      deps_, Request(c, "deactivate", r.id(), std::move(edit)), r.options(), v1::WAIT_FOR_ALL,
      std::move(reply), FillKey<v1::DeactivateAuthKeyResponse>());
}

void Handlers::Handle(const Caller& c, const v1::RotateAuthKeyRequest& r,
                      Reply<v1::RotateAuthKeyResponse> reply) {
  if (absl::Status s =
          kinds::CheckRange("overlap_seconds", r.overlap_seconds(), 0, kOverlapMaxSeconds);
      !s.ok()) {
    reply(s);
    return;
  }
  NewSecret secret = MakeSecret();
  store::Edit edit =
      [stored = secret.stored, overlap_ms = r.overlap_seconds() * 1000, now = deps_.unix_ms()](
          const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    AURORA_ASSIGN_OR_RETURN(v1::AuthKeyResolved resolved, Current(ctx));
    AURORA_RETURN_IF_ERROR(RefuseEnded(resolved));
    v1::AuthKeySpec spec = resolved.spec();
    replication::Write write;
    spec.clear_secrets();
    for (v1::KeySecret old : resolved.spec().secrets()) {
      if (overlap_ms == 0 || old.has_not_after()) {
        write.facts.revoked.insert(
            old.sha256());  // one old secret at most is kept, the one before this
      } else {
        SetMillis(now + overlap_ms, old.mutable_not_after());
        *spec.add_secrets() = std::move(old);
      }
    }
    *spec.add_secrets() = stored;
    SetMillis(now, spec.mutable_updated_at());
    write.spec = spec.SerializeAsString();
    return write;
  };
  ReplyToWrite<v1::RotateAuthKeyResponse>(deps_, Request(c, "rotate", r.id(), std::move(edit)),
                                          r.options(), v1::WAIT_FOR_ALL, std::move(reply),
                                          FillKey<v1::RotateAuthKeyResponse>(secret.value));
}

void Handlers::Handle(const Caller& c, const v1::DeleteAuthKeyRequest& r,
                      Reply<v1::DeleteAuthKeyResponse> reply) {
  store::Edit edit =
      [](const store::EditContext& ctx) -> absl::StatusOr<std::optional<replication::Write>> {
    AURORA_ASSIGN_OR_RETURN(v1::AuthKeyResolved resolved, Current(ctx));
    replication::Write write;
    write.spec = "";
    write.deleted = true;
    write.facts.ended_at = ctx.hlc;
    for (const v1::KeySecret& s : resolved.spec().secrets()) {
      write.facts.revoked.insert(s.sha256());
    }
    return write;
  };
  ReplyToWrite<v1::DeleteAuthKeyResponse>(
      deps_, Request(c, "delete", r.id(), std::move(edit)), r.options(), v1::WAIT_FOR_LOCAL,
      std::move(reply),
      [](const store::WriteResult&, v1::DeleteAuthKeyResponse*) { return absl::OkStatus(); });
}

}  // namespace aurora::admin
