#include <chrono>

#include "shared/base/status.h"
#include "shared/config/value.h"
#include "shared/protojson/protojson.h"
#include "tools/aurora-ctl/commands.h"

namespace aurora::ctl {
namespace {

using Stub = Client::Stub;

const std::vector<Column> kKeyColumns = {{"ID", "id"},
                                         {"NAME", "name"},
                                         {"KEY", "redacted_value"},
                                         {"ENABLED", "enabled"},
                                         {"DEACTIVATED", "deactivated_at"},
                                         {"EXPIRES", "expires_at"},
                                         {"USER-PATH", "user_path"},
                                         {"MODELS", "allowed_models", true},
                                         {"DENIED", "denied_models", true},
                                         {"PROVIDERS", "allowed_providers", true},
                                         {"RPM", "rate_limits.requests_per_minute", true},
                                         {"TPM", "rate_limits.tokens_per_minute", true},
                                         {"CREATED", "created_at", true}};

// As in REST: what is stored and does not count yet is said beside it.
int PrintKey(const Session& session, const v1::AuthKey& key, const v1::Propagation& propagation, bool all_wanted) {
  static constexpr std::string_view kNotEnforced = "stored, not enforced by this version";
  nlohmann::ordered_json body = protojson::ToJson(key);
  if (key.rate_limits().ByteSizeLong() > 0) {  // any
    body["warnings"] = {kNotEnforced};
    session.err << "aurora-ctl: rate_limits: " << kNotEnforced << "\n";
  }
  return session.PrintWrite(std::move(body), propagation, all_wanted);
}

// "any" leaves the list absent, "none" makes it empty.
void SetList(const std::optional<std::string>& flag, std::string_view json_name,
             v1::StringList* (*get)(v1::AuthKey*), v1::AuthKey* key,
             std::vector<std::string>* fields) {
  if (!flag.has_value()) {
    return;
  }
  fields->emplace_back(json_name);
  if (*flag == "any") {
    return;
  }
  v1::StringList* list = get(key);
  if (*flag != "none") {
    for (const std::string& value : config::SplitList(*flag)) {
      list->add_values(value);
    }
  }
}

void SetLimits(const KeyFlags& flags, v1::AuthKey* key, std::vector<std::string>* fields) {
  const auto set = [&](const std::optional<int64_t>& flag,
                       void (v1::RateLimits::*setter)(int64_t)) {
    if (flag.has_value()) {
      (key->mutable_rate_limits()->*setter)(*flag);
    }
  };
  set(flags.rpm, &v1::RateLimits::set_requests_per_minute);
  set(flags.rpd, &v1::RateLimits::set_requests_per_day);
  set(flags.tpm, &v1::RateLimits::set_tokens_per_minute);
  set(flags.tpd, &v1::RateLimits::set_tokens_per_day);
  set(flags.concurrent, &v1::RateLimits::set_concurrent_requests);
  if (flags.rpm || flags.rpd || flags.tpm || flags.tpd || flags.concurrent) {
    fields->emplace_back("rate_limits");
  }
}

// Fills the key and lists the fields the flags named.
absl::Status FromFlags(const KeyFlags& flags, v1::AuthKey* key, std::vector<std::string>* fields) {
  if (flags.name) {
    key->set_name(*flags.name);
    fields->emplace_back("name");
  }
  if (flags.description) {
    key->set_description(*flags.description);
    fields->emplace_back("description");
  }
  if (flags.user_path) {
    key->set_user_path(*flags.user_path);
    fields->emplace_back("user_path");
  }
  SetList(
      flags.models, "allowed_models", [](v1::AuthKey* k) { return k->mutable_allowed_models(); },
      key, fields);
  SetList(
      flags.providers, "allowed_providers",
      [](v1::AuthKey* k) { return k->mutable_allowed_providers(); }, key, fields);
  if (flags.denied_models) {
    key->clear_denied_models();
    for (const std::string& model : config::SplitList(*flags.denied_models)) {
      key->add_denied_models(model);
    }
    fields->emplace_back("denied_models");
  }
  SetLimits(flags, key, fields);
  if (flags.expires) {
    fields->emplace_back("expires_at");
    if (*flags.expires != "never") {
      AURORA_RETURN_IF_ERROR(SetTime(*flags.expires, true, key->mutable_expires_at()));
    }
  }
  if (flags.enabled) {
    key->set_enabled(*flags.enabled == "true");
    fields->emplace_back("enabled");
  }
  return absl::OkStatus();
}

// A repeated call to `all` waits for members by default (rotate, deactivate).
bool WantsAll(const WriteFlags& write, bool by_default) {
  return write.wait == "all" || (write.wait.empty() && by_default);
}

}  // namespace

absl::Status SetTime(const std::string& text, bool future, google::protobuf::Timestamp* out) {
  if (const auto span = config::ParseDuration(text); span.has_value()) {
    const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
    const int64_t seconds = span->micros() / 1'000'000;
    out->set_seconds(future ? now + seconds : now - seconds);
    return absl::OkStatus();
  }
  const auto time = protojson::ParseTime(text);
  if (!time.ok()) {
    return InvalidArgument(config::Quoted(text) +
                           " is no time, want \"2026-07-28T10:00:00Z\" or a span such as 30d");
  }
  out->set_seconds(time->seconds);
  out->set_nanos(time->nanos);
  return absl::OkStatus();
}

int KeysList(Session& session) {
  auto keys = nlohmann::ordered_json::array();
  v1::ListAuthKeysRequest request;
  v1::ListAuthKeysResponse page;
  request.set_page_size(1000);
  do {
    page.Clear();
    if (const grpc::Status status = session.Call(&Stub::ListAuthKeys, request, &page);
        !status.ok()) {
      return session.Fail(status);
    }
    for (const v1::AuthKey& key : page.auth_keys()) {
      keys.push_back(protojson::ToJson(key));
    }
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  nlohmann::ordered_json body;
  body["auth_keys"] = keys;
  Print(session.out, session.format, body, keys, kKeyColumns);
  return kOk;
}

int KeysGet(Session& session, const std::string& id) {
  v1::GetAuthKeyRequest request;
  request.set_id(id);
  v1::GetAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::GetAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  PrintEntity(session.out, session.format, protojson::ToJson(response.auth_key()));
  return kOk;
}

int KeysCreate(Session& session, const KeyFlags& flags, const WriteFlags& write) {
  v1::CreateAuthKeyRequest request;
  std::vector<std::string> fields;
  request.mutable_auth_key()->set_enabled(true);
  if (const absl::Status status = FromFlags(flags, request.mutable_auth_key(), &fields);
      !status.ok()) {
    return session.Fail(kUsage, Std(status.message()));
  }
  Apply(write, request.mutable_options());
  v1::CreateAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::CreateAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  if (session.format == Format::kTable) {
    session.err << "The value is shown once; keep it now.\n";
  }
  return PrintKey(session, response.auth_key(), response.propagation(), WantsAll(write, false));
}

int KeysUpdate(Session& session, const std::string& id, const KeyFlags& flags,
               const WriteFlags& write) {
  // Limits are one field: those that no flag names keep their values.
  v1::GetAuthKeyRequest get;
  get.set_id(id);
  v1::GetAuthKeyResponse current;
  if (const grpc::Status status = session.Call(&Stub::GetAuthKey, get, &current); !status.ok()) {
    return session.Fail(status);
  }
  v1::UpdateAuthKeyRequest request;
  std::vector<std::string> fields;
  request.mutable_auth_key()->set_id(id);
  if (current.auth_key().has_rate_limits()) {
    *request.mutable_auth_key()->mutable_rate_limits() = current.auth_key().rate_limits();
  }
  if (const absl::Status status = FromFlags(flags, request.mutable_auth_key(), &fields);
      !status.ok()) {
    return session.Fail(kUsage, Std(status.message()));
  }
  if (fields.empty()) {
    return session.Fail(kUsage,
                        "nothing to change; name a field, see aurora-ctl keys update --help");
  }
  request.mutable_update_fields()->Assign(fields.begin(), fields.end());
  Apply(write, request.mutable_options());
  v1::UpdateAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::UpdateAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  return PrintKey(session, response.auth_key(), response.propagation(), WantsAll(write, false));
}

int KeysRotate(Session& session, const std::string& id, const std::string& overlap,
               const WriteFlags& write) {
  v1::RotateAuthKeyRequest request;
  request.set_id(id);
  if (!overlap.empty()) {
    const auto span = config::ParseDuration(overlap);
    if (!span.has_value()) {
      return session.Fail(
          kUsage, "--overlap: " + config::Quoted(overlap) + " is no span, want such as 60s or 1h");
    }
    request.set_overlap_seconds(span->micros() / 1'000'000);
  }
  Apply(write, request.mutable_options());
  v1::RotateAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::RotateAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  return PrintKey(session, response.auth_key(), response.propagation(), WantsAll(write, true));
}

int KeysDeactivate(Session& session, const std::string& id, const WriteFlags& write) {
  v1::DeactivateAuthKeyRequest request;
  request.set_id(id);
  Apply(write, request.mutable_options());
  v1::DeactivateAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::DeactivateAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  return PrintKey(session, response.auth_key(), response.propagation(), WantsAll(write, true));
}

int KeysDelete(Session& session, const std::string& id, const WriteFlags& write) {
  v1::DeleteAuthKeyRequest request;
  request.set_id(id);
  Apply(write, request.mutable_options());
  v1::DeleteAuthKeyResponse response;
  if (const grpc::Status status = session.Call(&Stub::DeleteAuthKey, request, &response);
      !status.ok()) {
    return session.Fail(status);
  }
  return session.PrintWrite(nullptr, response.propagation(), WantsAll(write, false));
}

}  // namespace aurora::ctl
