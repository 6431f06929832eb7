// aurora-ctl against a server that remembers what it was asked.
#include <fstream>
#include <sstream>

#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "aurora/v1/admin.grpc.pb.h"
#include "shared/config/reference.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"
#include "tools/aurora-ctl/app.h"

namespace aurora::ctl {
namespace {

using grpc::ServerContext;
using grpc::Status;
using Json = nlohmann::ordered_json;

class Admin : public v1::AdminService::Service {
 public:
  Status ListAuthKeys(ServerContext*, const v1::ListAuthKeysRequest* q,
                      v1::ListAuthKeysResponse* r) override {
    r->add_auth_keys()->set_id(q->page_token().empty() ? "k1" : "k2");
    r->set_next_page_token(q->page_token().empty() ? "more" : "");
    return Status::OK;
  }
  Status GetAuthKey(ServerContext*, const v1::GetAuthKeyRequest* q,
                    v1::GetAuthKeyResponse* r) override {
    if (q->id() == "gone") {
      return {grpc::StatusCode::NOT_FOUND, "no auth key gone"};
    }
    r->mutable_auth_key()->set_id(q->id());
    r->mutable_auth_key()->mutable_rate_limits()->set_tokens_per_day(7);
    return Status::OK;
  }
  Status GetSyncStatus(ServerContext*, const v1::GetSyncStatusRequest*, v1::GetSyncStatusResponse* r) override {
    r->set_enabled(clustered);
    r->set_caught_up(true);
    r->set_converged(true);
    r->add_peers()->set_node_id("n2");
    return Status::OK;
  }
  Status GetFailoverStatus(ServerContext*, const v1::GetFailoverStatusRequest*,
                           v1::GetFailoverStatusResponse* r) override {
    r->set_enabled(clustered);
    return Status::OK;
  }
  Status CreateAuthKey(ServerContext* c, const v1::CreateAuthKeyRequest* q,
                       v1::CreateAuthKeyResponse* r) override {
    const auto at = c->client_metadata().find("authorization");
    token =
        at == c->client_metadata().end() ? "" : std::string(at->second.data(), at->second.size());
    created = *q;
    *r->mutable_auth_key() = q->auth_key();
    r->mutable_auth_key()->set_id("new");
    r->mutable_auth_key()->set_value("sk_aur_x");
    return Status::OK;
  }
  Status UpdateAuthKey(ServerContext*, const v1::UpdateAuthKeyRequest* q,
                       v1::UpdateAuthKeyResponse* r) override {
    updated = *q;
    *r->mutable_auth_key() = q->auth_key();
    return Status::OK;
  }
  Status DeactivateAuthKey(ServerContext*, const v1::DeactivateAuthKeyRequest* q,
                           v1::DeactivateAuthKeyResponse* r) override {
    r->mutable_propagation()->set_members(2);
    r->mutable_propagation()->set_enforced(1);
    if (q->id() == "lonely") {
      r->mutable_propagation()->add_unreachable("n2");
    }
    return Status::OK;
  }
  Status PutAlias(ServerContext*, const v1::PutAliasRequest* q, v1::PutAliasResponse* r) override {
    const std::string now = q->alias().SerializeAsString();
    r->set_created(stored.empty());
    r->set_changed(now != stored);
    stored = now;
    ++puts;
    return Status::OK;
  }
  Status PutEntity(ServerContext*, const v1::PutEntityRequest* q, v1::PutEntityResponse* r) override {
    if (q->entity().find("bad") != std::string::npos) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "type: want one of this and that"};
    }
    entity = *q;
    r->set_name(q->name() + "@now");
    r->set_created(true);
    r->add_warnings("stored, not enforced by this version");
    puts += q->dry_run() ? 0 : 1;
    return Status::OK;
  }
  Status ListEntities(ServerContext*, const v1::ListEntitiesRequest* q, v1::ListEntitiesResponse* r) override {
    r->add_entities(R"({"name":"g)" + q->kind() + R"(","type":"pii_redact"})");
    return Status::OK;
  }
  Status PutModel(ServerContext*, const v1::PutModelRequest* q, v1::PutModelResponse* r) override {
    model = q->model();
    r->set_created(true);
    ++puts;
    return Status::OK;
  }
  Status DeleteAlias(ServerContext*, const v1::DeleteAliasRequest*,
                     v1::DeleteAliasResponse*) override {
    return {grpc::StatusCode::UNAUTHENTICATED, "token refused"};
  }
  Status CreateBackup(ServerContext*, const v1::CreateBackupRequest* q, v1::CreateBackupResponse* r) override {
    r->mutable_backup()->set_name(q->name().empty() ? "made-up" : q->name());
    return Status::OK;
  }
  Status ListBackups(ServerContext*, const v1::ListBackupsRequest*, v1::ListBackupsResponse* r) override {
    r->add_backups()->set_name("one");
    return Status::OK;
  }
  Status VerifyBackup(ServerContext*, const v1::VerifyBackupRequest* q, v1::VerifyBackupResponse*) override {
    return q->name() == "bad" ? Status(grpc::StatusCode::DATA_LOSS, "its rows do not fit")
                              : Status(grpc::StatusCode::NOT_FOUND, "no backup");
  }
  Status DeleteBackup(ServerContext*, const v1::DeleteBackupRequest* q, v1::DeleteBackupResponse*) override {
    return q->name() == "mine" ? Status::OK : Status(grpc::StatusCode::NOT_FOUND, "no backup");
  }
  Status RestoreBackup(ServerContext*, const v1::RestoreBackupRequest* q, v1::RestoreBackupResponse* r) override {
    if (!q->new_cluster()) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "of another cluster; --new-cluster takes its rows all the same"};
    }
    r->set_changed(3);
    return Status::OK;
  }
  Status GetNodeStatus(ServerContext*, const v1::GetNodeStatusRequest*,
                       v1::GetNodeStatusResponse* r) override {
    r->set_node_id("n1");
    if (!healthy) {
      r->add_reasons("the data plane is down");
    }
    return Status::OK;
  }

  std::string token;
  v1::CreateAuthKeyRequest created;
  v1::UpdateAuthKeyRequest updated;
  std::string stored;
  v1::Model model;
  v1::PutEntityRequest entity;
  int puts = 0;
  bool clustered = false;
  bool healthy = true;
};

struct Fixture {
  Admin admin;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  std::ostringstream out;
  std::ostringstream err;

  Fixture() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&admin);
    server = builder.BuildAndStart();
    REQUIRE(server != nullptr);
  }
  ~Fixture() { server->Shutdown(); }

  int Ctl(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    out.str("");
    err.str("");
    const std::string address = "127.0.0.1:" + std::to_string(port);
    return Run(arguments, {{"AURORA_CTL_ADDR", address}, {"AURORA_CTL_TOKEN", "t0ken"}}, in, out,
               err);
  }
};

TEST_CASE("keys create sends what the flags say and prints the entity with its propagation") {
  Fixture f;
  CHECK(f.Ctl({"keys", "create", "--name", "n", "--models", "a, b", "--providers", "none", "--rpm",
               "60", "--expires", "2026-07-28T10:00:00Z", "-o", "json"}) == 0);
  CHECK(f.admin.token == "Bearer t0ken");
  const v1::AuthKey& sent = f.admin.created.auth_key();
  CHECK(sent.enabled());
  CHECK(sent.allowed_models().values_size() == 2);
  CHECK(sent.has_allowed_providers());
  CHECK(sent.allowed_providers().values_size() == 0);
  CHECK(sent.rate_limits().requests_per_minute() == 60);
  CHECK(sent.expires_at().seconds() == 1785232800);
  const Json body = Json::parse(f.out.str());
  CHECK(body["id"] == "new");
  CHECK(body["value"] == "sk_aur_x");
  CHECK(body["propagation"]["pending"].is_array());
}

TEST_CASE("limits of a key come with the warning that they are not enforced, as in REST") {
  Fixture f;
  CHECK(f.Ctl({"keys", "create", "--name", "n", "--rpm", "60", "-o", "json"}) == 0);
  CHECK(Json::parse(f.out.str())["warnings"].dump() == R"(["stored, not enforced by this version"])");
  CHECK(f.Ctl({"keys", "create", "--name", "n", "-o", "json"}) == 0);
  CHECK_FALSE(Json::parse(f.out.str()).contains("warnings"));
}

TEST_CASE("sync status is the body of REST: enabled alone while clustering is off, peers while it is on") {
  Fixture f;
  CHECK(f.Ctl({"sync", "status", "-o", "json"}) == 0);
  CHECK(Json::parse(f.out.str()).dump() == R"({"enabled":false})");
  f.admin.clustered = true;
  CHECK(f.Ctl({"sync", "status", "-o", "json"}) == 0);
  CHECK(Json::parse(f.out.str())["peers"].size() == 1);
  CHECK(f.Ctl({"sync", "status"}) == 0);
  CHECK(f.out.str().find("peers") == std::string::npos);
}

TEST_CASE("what only a cluster has is a conflict, exit 6, while clustering is off") {
  Fixture f;
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"voters", "list"}, {"failover", "explain"}, {"voters", "unsafe-recover"}}) {
    CHECK(f.Ctl(command) == 6);
    CHECK(f.err.str().find("clustering is off") != std::string::npos);
  }
  f.admin.clustered = true;
  CHECK(f.Ctl({"voters", "list"}) == 0);
}

TEST_CASE("lists follow every page and are one body") {
  Fixture f;
  CHECK(f.Ctl({"keys", "list", "-o", "json"}) == 0);
  const Json body = Json::parse(f.out.str());
  CHECK(body.size() == 1);
  CHECK(body["auth_keys"].size() == 2);
  CHECK(f.Ctl({"-o", "table", "keys", "list"}) == 0);
  CHECK(f.out.str().starts_with("ID  NAME"));
}

TEST_CASE("keys update names only the fields it changes and keeps the other limits") {
  Fixture f;
  CHECK(f.Ctl({"keys", "update", "k1", "--rpm", "5", "--models", "any"}) == 0);
  CHECK(f.admin.updated.update_fields_size() == 2);
  CHECK(f.admin.updated.auth_key().rate_limits().tokens_per_day() == 7);
  CHECK(f.admin.updated.auth_key().rate_limits().requests_per_minute() == 5);
  CHECK_FALSE(f.admin.updated.auth_key().has_allowed_models());
  CHECK(f.Ctl({"keys", "update", "k1"}) == 2);
}

TEST_CASE("deactivate is partial while a member is unreachable, unless only this node was asked") {
  Fixture f;
  CHECK(f.Ctl({"keys", "deactivate", "fine"}) == 0);
  CHECK(f.Ctl({"keys", "deactivate", "lonely"}) == 8);
  CHECK(f.err.str().find("1 of 2 members") != std::string::npos);
  CHECK(f.Ctl({"keys", "deactivate", "lonely", "--wait", "local"}) == 0);
}

TEST_CASE("apply creates once and changes nothing the second time") {
  Fixture f;
  const std::string text = "kind: Alias\nname: fast\nspec:\n  targets: [{model: a/b}]\n";
  CHECK(f.Ctl({"apply", "-f", "-", "-o", "json"}, text) == 0);
  CHECK(Json::parse(f.out.str())["applied"][0]["result"] == "created");
  CHECK(f.Ctl({"aliases", "apply", "-f", "-"}, text) == 0);
  CHECK(f.out.str().find("unchanged") != std::string::npos);
  CHECK(f.Ctl({"apply", "-f", "-"}, text + "  x: 1\n") == 2);
  CHECK(f.err.str().find("spec.x: no such field") != std::string::npos);
}

TEST_CASE("apply sends nothing when any document is wrong") {
  Fixture f;
  CHECK(f.Ctl({"apply", "-f", "-"},
              R"([{"kind":"Alias","name":"a","spec":{}},{"kind":"Guess","name":"b","spec":{}}])") ==
        2);
  CHECK(f.admin.puts == 0);
  CHECK(f.Ctl({"apply", "-f", "/nonexistent"}) == 1);
}

TEST_CASE("a kind that shares its calls is applied, listed and warned about") {
  Fixture f;
  CHECK(f.Ctl({"guardrails", "apply", "-f", "-", "-o", "json"}, "name: g\nspec:\n  type: pii_redact\n") == 0);
  const Json row = Json::parse(f.out.str())["applied"][0];
  CHECK(row["name"] == "g@now");
  CHECK(row["result"] == "created");
  CHECK(row["warnings"].size() == 1);
  CHECK(f.err.str() == "aurora-ctl: Guardrail g: stored, not enforced by this version\n");
  CHECK(f.admin.entity.entity() == R"({"type":"pii_redact"})");
  CHECK(f.Ctl({"pricing", "list", "-o", "json"}) == 0);
  CHECK(Json::parse(f.out.str())["model_pricing"][0]["name"] == "gPricing");
  CHECK(f.Ctl({"guardrails", "list"}) == 0);
  CHECK(f.out.str().find("gGuardrail  pii_redact") != std::string::npos);
}

TEST_CASE("the node checks every document before the first is written") {
  Fixture f;
  CHECK(f.Ctl({"apply", "-f", "-"}, R"([{"kind":"Budget","name":"path:/@day","spec":{"limit_usd":1}},)"
                                    R"({"kind":"Guardrail","name":"g","spec":{"type":"bad"}}])") == 2);
  CHECK(f.err.str().find("Guardrail g: type: want one of this and that") != std::string::npos);
  CHECK(f.admin.puts == 0);
}

TEST_CASE("a model's name is its provider and id, and leaving enabled out leaves it on") {
  Fixture f;
  CHECK(f.Ctl({"models", "apply", "-f", "-"},
              R"({"name":"openai/gpt-4o","spec":{"context_window":128000}})") == 0);
  CHECK(f.admin.model.provider() == "openai");
  CHECK(f.admin.model.id() == "gpt-4o");
  CHECK(f.admin.model.enabled());
  CHECK(f.Ctl({"models", "apply", "-f", "-"}, R"({"name":"openai/x","spec":{"id":"y"}})") == 2);
}

TEST_CASE("status is 7 when the node gives reasons") {
  Fixture f;
  CHECK(f.Ctl({"status", "-o", "yaml"}) == 0);
  CHECK(f.out.str().starts_with("node_id: \"n1\"\n"));
  f.admin.healthy = false;
  CHECK(f.Ctl({"status"}) == 7);
}

TEST_CASE("backup verbs send the name, print what came of it and tell a damaged file from one that is not there") {
  Fixture f;
  CHECK(f.Ctl({"backup", "create"}) == 0);
  CHECK(f.out.str().find("made-up") != std::string::npos);
  CHECK(f.out.str().find("problem") == std::string::npos);
  CHECK(f.Ctl({"backup", "create", "mine", "-o", "json"}) == 0);
  CHECK(nlohmann::json::parse(f.out.str())["name"] == "mine");
  CHECK(f.Ctl({"backup", "list"}) == 0);
  CHECK(f.out.str().find("PROBLEM") != std::string::npos);
  CHECK(f.Ctl({"backup", "verify", "bad"}) == 1);
  CHECK(f.Ctl({"backup", "verify", "gone"}) == 5);
  CHECK(f.Ctl({"backup", "verify"}) == 2);
  CHECK(f.Ctl({"backup", "delete", "mine", "-o", "json"}) == 0);
  CHECK(nlohmann::json::parse(f.out.str()) == nlohmann::json{{"name", "mine"}, {"deleted", true}});
  CHECK(f.Ctl({"backup", "delete", "gone"}) == 5);
  CHECK(f.Ctl({"backup", "delete"}) == 2);
  CHECK(f.Ctl({"backup", "restore", "theirs"}) == 6);
  CHECK(f.err.str().find("--new-cluster") != std::string::npos);
  CHECK(f.Ctl({"backup", "restore", "theirs", "--new-cluster", "-o", "json"}) == 0);
  CHECK(nlohmann::json::parse(f.out.str())["changed"] == 3);
}

TEST_CASE("each failure has its exit code") {
  Fixture f;
  CHECK(f.Ctl({"keys", "get", "gone"}) == 5);
  CHECK(f.Ctl({"aliases", "delete", "a"}) == 4);
  CHECK(f.Ctl({"config", "view"}) == 1);  // unimplemented there
  CHECK(f.Ctl({"--addr", "127.0.0.1:1", "keys", "list"}) == 3);
  CHECK(f.err.str().find("--addr") != std::string::npos);
  CHECK(f.Ctl({"--addr", "nonsense", "keys", "list"}) == 2);
  CHECK(f.Ctl({"keys", "rotate", "a", "--overlap", "soon"}) == 2);
  CHECK(f.Ctl({"keys", "list", "-o", "xml"}) == 2);
  CHECK(f.Ctl({"nonsense"}) == 2);
  CHECK(f.Ctl({}) == 2);
}

TEST_CASE("a word that is no command is named, not the command that is missing") {
  Fixture f;
  std::ostringstream caught;
  std::streambuf* const before = std::cerr.rdbuf(caught.rdbuf());
  const int verb = f.Ctl({"keys", "lst"});
  const int group = f.Ctl({"kyes", "list"});
  const int nothing = f.Ctl({"keys"});
  std::cerr.rdbuf(before);
  CHECK(verb == 2);
  CHECK(group == 2);
  CHECK(nothing == 2);
  CHECK(caught.str().starts_with("\"lst\" is no command or option here\n"));
  CHECK(caught.str().find("\"kyes\" is no command or option here\n") != std::string::npos);
  CHECK(caught.str().find("A subcommand is required") != std::string::npos);
}

TEST_CASE("an address without a host and a CA file without a certificate are mistakes of the call") {
  Fixture f;
  CHECK(f.Ctl({"--addr", ":7948", "status"}) == 2);
  CHECK(f.err.str().find("want HOST:PORT") != std::string::npos);
  CHECK(f.Ctl({"--ca-cert", "/dev/null", "status"}) == 2);
  CHECK(f.err.str().find("--ca-cert: /dev/null holds no PEM certificate") != std::string::npos);
}

TEST_CASE("the unix socket is an address and needs no token") {
  Admin admin;
  const std::string path = "/tmp/aurora-ctl-test-" + std::to_string(::getpid()) + ".sock";
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix://" + path, grpc::InsecureServerCredentials());
  builder.RegisterService(&admin);
  const auto server = builder.BuildAndStart();
  REQUIRE(server != nullptr);
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  CHECK(Run({"--addr", "unix://" + path, "keys", "create", "--name", "n"}, {}, in, out, err) == 0);
  CHECK(admin.token.empty());
  server->Shutdown();
  ::unlink(path.c_str());
}

TEST_CASE("version and completion need no node") {
  Fixture f;
  f.server->Shutdown();
  CHECK(f.Ctl({"version"}) == 0);
  CHECK(f.out.str().starts_with("aurora-ctl "));
  for (const char* shell : {"bash", "zsh", "fish"}) {
    CHECK(f.Ctl({"completion", shell}) == 0);
    CHECK(f.out.str().find("rotate") != std::string::npos);
  }
}

TEST_CASE("completion covers every command and the new flags") {
  Fixture f;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    REQUIRE(f.Ctl({"completion", shell}) == 0);
    for (const char* word : {"validate", "bundle", "context", "use", "remove"}) {
      INFO(shell << " " << word);
      CHECK(f.out.str().find(word) != std::string::npos);
    }
  }
}

TEST_CASE("config validate needs no node, tells every mistake once and warns beside") {
  const testing::TempDir dir;
  Fixture f;
  f.server->Shutdown();
  { std::ofstream(dir.Path("bad.toml")) << "[server]\nloops = -1\n[cluster]\nnode_id = \"a b\"\n"; }
  CHECK(f.Ctl({"config", "validate", "-f", dir.Path("bad.toml")}) == 1);
  const std::string said = f.err.str();
  CHECK(said.find("server.loops") != std::string::npos);
  CHECK(said.find("cluster.node_id") != std::string::npos);
  CHECK(said.find("server.loops") == said.rfind("server.loops"));
  { std::ofstream(dir.Path("open.toml")) << "[admin]\nrest_listen = \"0.0.0.0:7949\"\n"; }
  CHECK(f.Ctl({"config", "validate", "-f", dir.Path("open.toml")}) == 1);
  { std::ofstream(dir.Path("good.toml")) << "[server]\nloops = 2\n"; }
  CHECK(f.Ctl({"config", "validate", "-f", dir.Path("good.toml")}) == 0);
  CHECK(f.out.str() == "configuration is valid\n");
}

TEST_CASE("config reference needs no node and prints what docs/configuration.md is made from") {
  Fixture f;
  f.server->Shutdown();
  CHECK(f.Ctl({"config", "reference"}) == 0);
  CHECK(f.out.str() == config::Reference());
}

// A command line with an environment of its own.
int CtlWith(const std::map<std::string, std::string>& environment, std::vector<std::string> arguments,
            std::string* said = nullptr) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  const int code = Run(arguments, environment, in, out, err);
  if (said != nullptr) {
    *said = out.str() + err.str();
  }
  return code;
}

TEST_CASE("a context keeps an address and where its token lies, and is used until another is") {
  const testing::TempDir dir;
  Fixture f;
  const std::string address = "127.0.0.1:" + std::to_string(f.port);
  { std::ofstream(dir.Path("token")) << "from-file\n"; }
  const std::map<std::string, std::string> home = {{"XDG_CONFIG_HOME", dir.path()}};
  std::string said;
  CHECK(CtlWith(home, {"context", "current"}) == 5);
  CHECK(CtlWith(home, {"context", "add", "here"}) == 2);
  CHECK(CtlWith(home, {"context", "add", "a/b", "--addr", address}) == 2);
  CHECK(CtlWith(home, {"context", "add", "here", "--addr", address, "--token-file", "token"}) == 2);
  REQUIRE(CtlWith(home, {"context", "add", "here", "--addr", address, "--token-file", dir.Path("token")}) == 0);
  REQUIRE(CtlWith(home, {"context", "add", "dead", "--addr", "127.0.0.1:1"}) == 0);
  CHECK(CtlWith(home, {"context", "current"}, &said) == 0);
  CHECK(said == "here\n");
  CHECK(CtlWith(home, {"keys", "create", "--name", "n"}) == 0);
  CHECK(f.admin.token == "Bearer from-file");
  // The token is its context's: another address gets none of it.
  auto elsewhere = home;
  elsewhere["AURORA_CTL_ADDR"] = address;
  CHECK(CtlWith(elsewhere, {"keys", "create", "--name", "n"}) == 0);
  CHECK(f.admin.token.empty());
  CHECK(CtlWith(home, {"--context", "dead", "keys", "list", "--timeout", "1s"}) == 3);
  CHECK(CtlWith(home, {"--context", "nobody", "keys", "list"}) == 2);
  CHECK(CtlWith(home, {"--context", "dead", "--addr", address, "keys", "list"}) == 2);
  CHECK(CtlWith(home, {"context", "list", "-o", "json"}, &said) == 0);
  CHECK(Json::parse(said)["contexts"].size() == 2);
  CHECK(said.find("from-file") == std::string::npos);

  struct stat found {};
  REQUIRE(::stat(dir.Path("aurora/ctl.toml").c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0600);
  CHECK(CtlWith(home, {"context", "use", "dead"}) == 0);
  CHECK(CtlWith(home, {"context", "remove", "dead"}) == 0);
  CHECK(CtlWith(home, {"context", "remove", "dead"}) == 5);
  CHECK(CtlWith(home, {"context", "current"}) == 5);
  REQUIRE(::chmod(dir.Path("aurora/ctl.toml").c_str(), 0644) == 0);
  CHECK(CtlWith(home, {"context", "list"}, &said) == 1);
  CHECK(said.find("chmod 600") != std::string::npos);
}

TEST_CASE("a debug bundle is a new private file that names what it could not get") {
  const testing::TempDir dir;
  Fixture f;
  const std::string path = dir.Path("bundle.json");
  CHECK(f.Ctl({"debug", "bundle", "-f", path}) == 8);  // most calls are unimplemented there
  std::ifstream in(path);
  const Json bundle = Json::parse(in, nullptr, false);
  REQUIRE(bundle.is_object());
  CHECK(bundle["node_status"]["node_id"] == "n1");
  CHECK(bundle["events"].contains("error"));
  CHECK(bundle.dump().find("t0ken") == std::string::npos);
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0600);
  CHECK(f.Ctl({"debug", "bundle", "-f", path}) == 1);  // never over another file
}

// Takes so many bytes, then no more: a pipe whose reader has gone.
class Short : public std::stringbuf {
 public:
  explicit Short(std::streamsize room) : room_(room) {}

 protected:
  std::streamsize xsputn(const char* s, std::streamsize n) override {
    return n > room_ ? 0 : (room_ -= n, std::stringbuf::xsputn(s, n));
  }
  int_type overflow(int_type c) override { return room_-- > 0 ? std::stringbuf::overflow(c) : traits_type::eof(); }

 private:
  std::streamsize room_;
};

TEST_CASE("--watch shows it again at the interval until nobody reads") {
  Fixture f;
  std::istringstream in;
  std::ostringstream err;
  Short buffer(2000);
  std::ostream out(&buffer);
  const std::map<std::string, std::string> environment = {
      {"AURORA_CTL_ADDR", "127.0.0.1:" + std::to_string(f.port)}};
  CHECK(Run({"status", "--watch", "--interval", "1ms"}, environment, in, out, err) == 0);
  const std::string said = buffer.str();
  const size_t first = said.find("n1");
  REQUIRE(first != std::string::npos);
  CHECK(said.find("n1", first + 1) != std::string::npos);
  CHECK(f.Ctl({"status", "--watch", "--interval", "soon"}) == 2);
}

}  // namespace
}  // namespace aurora::ctl
