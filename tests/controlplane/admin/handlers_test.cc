// The handlers over a real store in a directory of its own.
#include "controlplane/admin/handlers.h"

#include <future>
#include <thread>

#include "aurora/v1/policy.pb.h"
#include "controlplane/kinds/resolve.h"
#include "shared/base/status.h"
#include "shared/crypto/seal.h"
#include "shared/crypto/sha256.h"
#include "shared/schema/kinds.h"
#include "shared/schema/traffic_db.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

namespace aurora::admin {
namespace {

constexpr int64_t kNowMs = 1'700'000'000'000;

store::StoreOptions OptionsIn(const testing::TempDir& dir) {
  store::StoreOptions options;
  options.path = dir.Path("aurora.db");
  options.fresh_node_uid = "00112233445566778899aabbccddeeff";
  options.epoch = 7;
  for (const kinds::Kind& kind : kinds::All()) {
    options.resolve[std::string(kind.name)] = [resolve = kind.resolve](auto, auto, const auto& row) {
      return resolve(row);
    };
  }
  return options;
}

class Fixture {
 public:
  void SetKeys(const std::string& now, const std::string& before) {
    config_.storage.encryption_key = crypto::Secret(now);
    config_.storage.encryption_key_previous = crypto::Secret(before);
  }
  explicit Fixture(std::string encryption_key = std::string(32, 'k')) : store_(OptionsIn(dir_)) {
    REQUIRE(store_.WaitOpened().state == store::State::kOpen);
    config_.storage.encryption_key = crypto::Secret(encryption_key);
    config::ProviderConfig environment;
    environment.name = "openai";
    environment.base_url = "https://api.example.com";
    environment.api_key = crypto::Secret("sk-from-the-environment-1234");
    config_.providers.push_back(environment);
    Deps deps;
    deps.store = &store_;
    deps.config = &config_;
    deps.enforcement.report = [this](const Enforcement::Written& row, Duration timeout, const auto& done) {
      v1::Propagation p;
      p.set_members(1);
      if (timeout > Duration()) {
        waited_seq = row.seq;
        waited = timeout;
        p.set_enforced(1);
      }
      done(p);
    };
    deps.facts = [] { return NodeFacts{"0.1.0", "up", 0, 1}; };
    deps.unix_ms = [this] { return now_ms; };
    deps.traffic_path = dir_.Path("traffic.db");
    handlers_ = std::make_unique<Handlers>(std::move(deps));
  }

  template <class Response, class Request>
  absl::StatusOr<Response> Call(const Request& request) {
    std::promise<absl::StatusOr<Response>> answer;
    handlers_->Handle(Caller{"test"}, request,
                      [&](absl::StatusOr<Response> r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  }

  v1::AuthKey Create(const std::string& id = "") {
    v1::CreateAuthKeyRequest request;
    request.mutable_auth_key()->set_id(id);
    request.mutable_auth_key()->set_name("ci");
    auto response = Call<v1::CreateAuthKeyResponse>(request);
    REQUIRE(response.ok());
    return response->auth_key();
  }

  v1::AuthKeyResolved Stored(const std::string& id) {
    v1::AuthKeyResolved key;
    REQUIRE(key.ParseFromString(*Entry(schema::kAuthKey, id).resolved));
    return key;
  }

  store::Entry Entry(std::string_view kind, const std::string& id) {
    store::Entry entry;
    Read([&](store::Reader& reader) -> absl::Status {
      AURORA_ASSIGN_OR_RETURN(entry, reader.Get(kind, id));
      return absl::OkStatus();
    });
    return entry;
  }

  void Read(const std::function<absl::Status(store::Reader&)>& read) {
    std::promise<absl::Status> answer;
    store_.Read(read, [&](absl::Status s) { answer.set_value(s); });
    REQUIRE(answer.get_future().get().ok());
  }

  // A stored provider of a name that the environment has, as another node may have written it.
  void Store(std::string_view kind, const std::string& id) {
    std::promise<absl::Status> done;
    store_.Submit({std::string(kind), id,
                   [&](const store::EditContext&) -> absl::StatusOr<std::optional<replication::Write>> {
                     v1::ProviderSpec spec;
                     spec.set_name(id);
                     spec.set_type(v1::PROVIDER_TYPE_OPENAI);
                     replication::Write write;
                     write.spec = spec.SerializeAsString();
                     return write;
                   },
                   std::nullopt},
                  [&](absl::StatusOr<store::WriteResult> r) { done.set_value(r.status()); });
    REQUIRE(done.get_future().get().ok());
  }
  Handlers& handlers() { return *handlers_; }
  std::string traffic_path() const { return dir_.Path("traffic.db"); }

  int64_t now_ms = kNowMs;
  uint64_t waited_seq = 0;
  Duration waited;

 private:
  testing::TempDir dir_;
  store::Store store_;
  config::Config config_;
  std::unique_ptr<Handlers> handlers_;
};

std::string HashOf(const std::string& value) {
  const crypto::Digest d = crypto::Sha256Of(value);
  return {reinterpret_cast<const char*>(d.data()), d.size()};
}

v1::PutProviderRequest ProviderWith(const std::string& secret) {
  v1::PutProviderRequest request;
  request.mutable_provider()->set_name("east");
  request.mutable_provider()->set_type(v1::PROVIDER_TYPE_OPENAI);
  v1::ProviderCredential* c = request.mutable_provider()->add_credentials();
  c->set_id("main");
  c->set_api_key(secret);
  return request;
}

TEST_CASE("a key's secret is shown once and only its hash is stored") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  CHECK(key.value().starts_with("sk_aur_"));
  CHECK(key.value().size() == 7 + 43);
  CHECK(key.enabled());
  const v1::AuthKeyResolved stored = f.Stored(key.id());
  REQUIRE(stored.spec().secrets_size() == 1);
  CHECK(stored.spec().secrets(0).sha256() == HashOf(key.value()));
  CHECK(stored.SerializeAsString().find(key.value()) == std::string::npos);
  v1::GetAuthKeyRequest get;
  get.set_id(key.id());
  const auto again = f.Call<v1::GetAuthKeyResponse>(get);
  REQUIRE(again.ok());
  CHECK_FALSE(again->auth_key().has_value());
  CHECK(again->auth_key().redacted_value().ends_with(key.value().substr(46)));
}

TEST_CASE("an id once used is never used again, also after its key was deleted") {
  Fixture f;
  f.Create("k1");
  v1::CreateAuthKeyRequest create;
  create.mutable_auth_key()->set_id("k1");
  create.mutable_auth_key()->set_name("other");
  CHECK(absl::IsAlreadyExists(f.Call<v1::CreateAuthKeyResponse>(create).status()));
  v1::DeleteAuthKeyRequest remove;
  remove.set_id("k1");
  REQUIRE(f.Call<v1::DeleteAuthKeyResponse>(remove).ok());
  CHECK(absl::IsAlreadyExists(f.Call<v1::CreateAuthKeyResponse>(create).status()));
  CHECK(absl::IsNotFound(f.Call<v1::DeleteAuthKeyResponse>(remove).status()));
}

TEST_CASE("a delete ends the key and revokes its secret for good") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::DeleteAuthKeyRequest remove;
  remove.set_id(key.id());
  REQUIRE(f.Call<v1::DeleteAuthKeyResponse>(remove).ok());
  const store::Entry entry = f.Entry(schema::kAuthKey, key.id());
  CHECK_FALSE(entry.resolved.has_value());
  CHECK(entry.row.facts.ended_at.has_value());
  CHECK(entry.row.facts.revoked.contains(HashOf(key.value())));
}

TEST_CASE("a rotation without overlap revokes the old secret at once") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::RotateAuthKeyRequest rotate;
  rotate.set_id(key.id());
  const auto rotated = f.Call<v1::RotateAuthKeyResponse>(rotate);
  REQUIRE(rotated.ok());
  const v1::AuthKeyResolved stored = f.Stored(key.id());
  REQUIRE(stored.spec().secrets_size() == 1);
  CHECK(stored.spec().secrets(0).sha256() == HashOf(rotated->auth_key().value()));
  CHECK(f.Entry(schema::kAuthKey, key.id()).row.facts.revoked.contains(HashOf(key.value())));
  CHECK(f.waited == Duration::Seconds(2));  // rotate waits for enforcement unless told otherwise
  CHECK(rotated->propagation().enforced() == 1);
}

TEST_CASE("a rotation with overlap keeps one old secret until then, and the next one ends it") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::RotateAuthKeyRequest rotate;
  rotate.set_id(key.id());
  rotate.set_overlap_seconds(60);
  REQUIRE(f.Call<v1::RotateAuthKeyResponse>(rotate).ok());
  int kept = 0;
  const v1::AuthKeyResolved stored = f.Stored(key.id());
  for (const v1::KeySecret& s : stored.spec().secrets()) {
    if (s.sha256() == HashOf(key.value())) {
      ++kept;
      CHECK(s.not_after().seconds() == kNowMs / 1000 + 60);
    } else {
      CHECK_FALSE(s.has_not_after());
    }
  }
  CHECK(kept == 1);
  REQUIRE(f.Call<v1::RotateAuthKeyResponse>(rotate).ok());
  CHECK(f.Stored(key.id()).spec().secrets_size() == 2);
  CHECK(f.Entry(schema::kAuthKey, key.id()).row.facts.revoked.contains(HashOf(key.value())));
  rotate.set_overlap_seconds(-1);
  CHECK(absl::IsInvalidArgument(f.Call<v1::RotateAuthKeyResponse>(rotate).status()));
}

TEST_CASE("deactivation is final and disabling is not") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::UpdateAuthKeyRequest update;
  update.mutable_auth_key()->set_id(key.id());
  update.mutable_auth_key()->set_enabled(false);
  update.add_update_fields("enabled");
  CHECK_FALSE(f.Call<v1::UpdateAuthKeyResponse>(update)->auth_key().enabled());
  update.mutable_auth_key()->set_enabled(true);
  CHECK(f.Call<v1::UpdateAuthKeyResponse>(update)->auth_key().enabled());
  v1::DeactivateAuthKeyRequest deactivate;
  deactivate.set_id(key.id());
  const auto ended = f.Call<v1::DeactivateAuthKeyResponse>(deactivate);
  REQUIRE(ended.ok());
  CHECK(ended->auth_key().has_deactivated_at());
  CHECK(f.waited_seq == f.Entry(schema::kAuthKey, key.id()).seq);
  CHECK(absl::IsFailedPrecondition(f.Call<v1::UpdateAuthKeyResponse>(update).status()));
  v1::RotateAuthKeyRequest rotate;
  rotate.set_id(key.id());
  CHECK(absl::IsFailedPrecondition(f.Call<v1::RotateAuthKeyResponse>(rotate).status()));
}

TEST_CASE("an update that names enabled without a value leaves a disabled key disabled") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::UpdateAuthKeyRequest update;
  update.mutable_auth_key()->set_id(key.id());
  update.mutable_auth_key()->set_enabled(false);
  update.add_update_fields("enabled");
  REQUIRE(f.Call<v1::UpdateAuthKeyResponse>(update).ok());
  update.mutable_auth_key()->clear_enabled();
  update.mutable_auth_key()->set_name("renamed");
  update.add_update_fields("name");
  const auto renamed = f.Call<v1::UpdateAuthKeyResponse>(update);
  REQUIRE(renamed.ok());
  CHECK(renamed->auth_key().name() == "renamed");
  CHECK_FALSE(renamed->auth_key().enabled());
}

TEST_CASE("an update changes the named fields and no others") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  v1::UpdateAuthKeyRequest update;
  update.mutable_auth_key()->set_id(key.id());
  update.mutable_auth_key()->set_description("d");
  update.mutable_auth_key()->set_name("not named");
  update.add_update_fields("description");
  const auto updated = f.Call<v1::UpdateAuthKeyResponse>(update);
  REQUIRE(updated.ok());
  CHECK(updated->auth_key().description() == "d");
  CHECK(updated->auth_key().name() == "ci");
  update.add_update_fields("value");
  CHECK(absl::IsInvalidArgument(f.Call<v1::UpdateAuthKeyResponse>(update).status()));
}

TEST_CASE("a provider's credential is sealed, opens with the key, and shows only its tail") {
  Fixture f;
  const std::string secret = "sk-provider-secret-abcd";
  const auto put = f.Call<v1::PutProviderResponse>(ProviderWith(secret));
  REQUIRE(put.ok());
  CHECK(put->created());
  CHECK(put->SerializeAsString().find(secret) == std::string::npos);
  v1::ProviderSpec stored;
  REQUIRE(stored.ParseFromString(*f.Entry(schema::kProvider, "east").resolved));
  CHECK(stored.SerializeAsString().find(secret) == std::string::npos);
  const auto opened =
      crypto::Open(std::string(32, 'k'), stored.credentials(0).sealed(), "provider/east/main");
  REQUIRE(opened.ok());
  CHECK(opened->Reveal() == secret);
  const auto again = f.Call<v1::PutProviderResponse>(ProviderWith(secret));
  REQUIRE(again.ok());
  CHECK_FALSE(again->changed());
}

TEST_CASE("a put without its api_key seals anew what the previous key sealed, and nothing else") {
  Fixture f;
  const std::string old(32, 'k');
  const std::string next(32, 'n');
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-x-1")).ok());
  v1::PutProviderRequest same = ProviderWith("");
  same.mutable_provider()->mutable_credentials(0)->clear_api_key();
  const auto opens = [&](const std::string& key) {
    v1::ProviderSpec spec;
    REQUIRE(spec.ParseFromString(*f.Entry(schema::kProvider, "east").resolved));
    const auto opened = crypto::Open(key, spec.credentials(0).sealed(), "provider/east/main");
    return opened.ok() && opened->Reveal() == "sk-x-1";
  };
  f.SetKeys(old, next);
  CHECK_FALSE(f.Call<v1::PutProviderResponse>(same)->changed());
  CHECK(opens(old));
  f.SetKeys(next, "");  // the one that sealed it is not there: kept as it is
  CHECK_FALSE(f.Call<v1::PutProviderResponse>(same)->changed());
  CHECK(opens(old));
  f.SetKeys(next, old);
  CHECK(f.Call<v1::PutProviderResponse>(same)->changed());
  CHECK(opens(next));
  CHECK_FALSE(f.Call<v1::PutProviderResponse>(same)->changed());
  f.SetKeys(old, next);  // and back, with the api_key that it holds already
  CHECK(f.Call<v1::PutProviderResponse>(ProviderWith("sk-x-1"))->changed());
  CHECK(opens(old));
}

TEST_CASE("to reseal a provider is to name it: what is stored stays, whatever else the request says") {
  Fixture f;
  const std::string old(32, 'k');
  const std::string next(32, 'n');
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-x-1")).ok());
  v1::PutProviderRequest reseal;
  reseal.mutable_provider()->set_name("east");
  reseal.mutable_provider()->set_base_url("no url");
  reseal.set_reseal_only(true);
  CHECK_FALSE(f.Call<v1::PutProviderResponse>(reseal)->changed());
  v1::ProviderSpec before;
  REQUIRE(before.ParseFromString(*f.Entry(schema::kProvider, "east").resolved));
  f.SetKeys(next, old);
  CHECK(f.Call<v1::PutProviderResponse>(reseal)->changed());
  v1::ProviderSpec after;
  REQUIRE(after.ParseFromString(*f.Entry(schema::kProvider, "east").resolved));
  const auto opened = crypto::Open(next, after.credentials(0).sealed(), "provider/east/main");
  REQUIRE(opened.ok());
  CHECK(opened->Reveal() == "sk-x-1");
  CHECK(after.base_url() == before.base_url());
  CHECK(after.credentials(0).redacted() == before.credentials(0).redacted());
  CHECK(after.enabled() == before.enabled());
  CHECK_FALSE(f.Call<v1::PutProviderResponse>(reseal)->changed());
  reseal.mutable_provider()->set_name("west");
  const auto absent = f.Call<v1::PutProviderResponse>(reseal);
  CHECK(absl::IsNotFound(absent.status()));
}

TEST_CASE("a stored key is not sent to another host: moving the provider asks for it again") {
  Fixture f;
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-x-1")).ok());
  v1::PutProviderRequest move = ProviderWith("");
  move.mutable_provider()->mutable_credentials(0)->clear_api_key();
  const std::string home = "https://api.openai.com/v2";
  move.mutable_provider()->set_base_url(home);  // the same host: only the path differs
  CHECK(f.Call<v1::PutProviderResponse>(move).ok());
  for (const std::string url :
       {"https://evil.example/v1", "http://api.openai.com/v2", "https://api.openai.com:444/v2"}) {
    INFO(url);
    move.mutable_provider()->set_base_url(url);
    const auto refused = f.Call<v1::PutProviderResponse>(move);
    CHECK(absl::IsInvalidArgument(refused.status()));
    CHECK(Std(refused.status().message()).starts_with("credentials[0].api_key: is required again"));
  }
  move.mutable_provider()->set_base_url("https://evil.example/v1");
  move.mutable_provider()->mutable_credentials(0)->set_api_key("sk-x-1");  // who knows the key may move it
  CHECK(f.Call<v1::PutProviderResponse>(move).ok());
}

TEST_CASE("without an encryption key a credential is refused with the reason") {
  Fixture f("");
  const auto put = f.Call<v1::PutProviderResponse>(ProviderWith("sk-x"));
  CHECK(absl::IsFailedPrecondition(put.status()));
  CHECK(put.status().message().find("AURORA_ENCRYPTION_KEY") != std::string::npos);
}

TEST_CASE("a provider of the environment is listed first and cannot be written") {
  Fixture f;
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-x-1")).ok());
  const auto list = f.Call<v1::ListProvidersResponse>(v1::ListProvidersRequest());
  REQUIRE(list.ok());
  REQUIRE(list->providers_size() == 2);
  CHECK(list->providers(0).source() == "environment");
  CHECK(list->SerializeAsString().find("sk-from-the-environment") == std::string::npos);
  v1::PutProviderRequest put = ProviderWith("sk-x-1");
  put.mutable_provider()->set_name("openai");
  CHECK(absl::IsFailedPrecondition(f.Call<v1::PutProviderResponse>(put).status()));
  v1::DeleteProviderRequest remove;
  remove.set_name("openai");
  CHECK(absl::IsFailedPrecondition(f.Call<v1::DeleteProviderResponse>(remove).status()));
}

TEST_CASE("pages follow each other without a gap or an overlap") {
  Fixture f;
  for (int i = 0; i < 5; ++i) {
    f.Create("k" + std::to_string(i));
  }
  v1::ListAuthKeysRequest request;
  request.set_page_size(2);
  std::vector<std::string> seen;
  do {
    const auto page = f.Call<v1::ListAuthKeysResponse>(request);
    REQUIRE(page.ok());
    for (const v1::AuthKey& key : page->auth_keys()) {
      seen.push_back(key.id());
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  CHECK(seen == std::vector<std::string>{"k0", "k1", "k2", "k3", "k4"});
  request.set_page_size(-1);
  CHECK(absl::IsInvalidArgument(f.Call<v1::ListAuthKeysResponse>(request).status()));
}

TEST_CASE("writes are audited with who and what, and never with a secret") {
  Fixture f;
  const v1::AuthKey key = f.Create();
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-provider-secret")).ok());
  f.Read([&](store::Reader& reader) -> absl::Status {
    AURORA_ASSIGN_OR_RETURN(auto entries, reader.Audit(0, 10));
    CHECK(entries.size() == 2);
    for (const store::AuditEntry& e : entries) {
      CHECK(e.actor == "test");
      CHECK((e.action == "create" || e.action == "put"));
      CHECK(e.detail.find(key.value()) == std::string::npos);
      CHECK(e.detail.find("sk-provider-secret") == std::string::npos);
    }
    return absl::OkStatus();
  });
}

TEST_CASE("usage without a traffic file is zeros") {
  Fixture f;
  const auto summary = f.Call<v1::GetUsageSummaryResponse>(v1::GetUsageSummaryRequest());
  REQUIRE(summary.ok());
  CHECK(summary->total().requests() == 0);
  CHECK(f.Call<v1::ListUsageResponse>(v1::ListUsageRequest())->entries_size() == 0);
  v1::GetUsageSummaryRequest bad;
  bad.set_group_by("colour");
  CHECK(absl::IsInvalidArgument(f.Call<v1::GetUsageSummaryResponse>(bad).status()));
}

TEST_CASE("usage names the key as it is called now, and nothing when it is gone") {
  Fixture f;
  const v1::AuthKey key = f.Create("k1");
  {
    auto db = schema::OpenTrafficForWrite(f.traffic_path());
    REQUIRE(db.ok());
    REQUIRE(db->Execute("INSERT INTO usage_row (id, request_id, started_at_us, auth_key_id, auth_key_name, outcome) "
                        "VALUES (1700000000000001, 'r1', 1700000000000000, 'k1', 'old', 'success'), "
                        "(1700000000000002, 'r2', 1700000000000000, 'gone', 'old', 'success')")
                .ok());
  }
  const auto log = f.Call<v1::ListUsageResponse>(v1::ListUsageRequest());
  REQUIRE(log.ok());
  REQUIRE(log->entries_size() == 2);
  CHECK(log->entries(0).auth_key_name().empty());
  CHECK(log->entries(1).auth_key_name() == "ci");
  v1::GetUsageSummaryRequest by_key;
  by_key.set_group_by("auth_key");
  by_key.mutable_since()->set_seconds(1'600'000'000);
  by_key.mutable_until()->set_seconds(1'800'000'000);
  const auto summary = f.Call<v1::GetUsageSummaryResponse>(by_key);
  REQUIRE(summary.ok());
  REQUIRE(summary->groups_size() == 2);
  CHECK(summary->groups(1).group() == "k1");
  CHECK(summary->groups(1).name() == "ci");
}

TEST_CASE("a question to traffic.db is not answered on the asker's thread") {
  Fixture f;
  std::promise<std::thread::id> answered;
  f.handlers().Handle(Caller{"test"}, v1::GetUsageSummaryRequest(),
                      [&](const absl::StatusOr<v1::GetUsageSummaryResponse>&) {
                        answered.set_value(std::this_thread::get_id());
                      });
  CHECK(answered.get_future().get() != std::this_thread::get_id());
  f.handlers().Stop();
  CHECK(absl::IsResourceExhausted(
      f.Call<v1::GetUsageSummaryResponse>(v1::GetUsageSummaryRequest()).status()));
}

TEST_CASE("a provider that the environment shadows is counted and shown once") {
  Fixture f;
  f.Store(schema::kProvider, "openai");
  REQUIRE(f.Call<v1::PutProviderResponse>(ProviderWith("sk-provider-secret")).ok());
  const auto status = f.Call<v1::GetProviderStatusResponse>(v1::GetProviderStatusRequest());
  REQUIRE(status.ok());
  REQUIRE(status->providers_size() == 2);
  CHECK(status->providers(0).name() == "openai");
  CHECK(status->providers(0).source() == "environment");
  CHECK(status->providers(1).source() == "stored");
  CHECK(f.Call<v1::GetNodeStatusResponse>(v1::GetNodeStatusRequest())->providers() == 2);
}

TEST_CASE("a put says created once, and again after a delete, also within one millisecond") {
  Fixture f;
  v1::PutAliasRequest put;
  put.mutable_alias()->set_name("fast");
  put.mutable_alias()->add_targets()->set_model("openai/gpt-4o");
  const auto first = f.Call<v1::PutAliasResponse>(put);
  REQUIRE(first.ok());
  CHECK(first->created());
  put.mutable_alias()->add_targets()->set_model("openai/gpt-4o-mini");
  const auto second = f.Call<v1::PutAliasResponse>(put);  // the clock stands still
  REQUIRE(second.ok());
  CHECK(second->changed());
  CHECK_FALSE(second->created());
  v1::DeleteAliasRequest gone;
  gone.set_name("fast");
  REQUIRE(f.Call<v1::DeleteAliasResponse>(gone).ok());
  CHECK(f.Call<v1::PutAliasResponse>(put)->created());
}

TEST_CASE("a fresh node has no revision, and one with policy has the data plane's name for it") {
  Fixture f;
  CHECK(f.Call<v1::GetNodeStatusResponse>(v1::GetNodeStatusRequest())->config_revision().empty());
  for (int i = 0; i < 10; ++i) {
    f.Create();
  }
  const auto status = f.Call<v1::GetNodeStatusResponse>(v1::GetNodeStatusRequest());
  CHECK(status->committed_seq() == 10);
  CHECK(status->config_revision() == "a");
  CHECK(status->auth_keys() == 10);
}

TEST_CASE("cluster status with clustering off says so") {
  Fixture f;
  CHECK_FALSE(f.Call<v1::GetClusterStatusResponse>(v1::GetClusterStatusRequest())->enabled());
}

}  // namespace
}  // namespace aurora::admin
