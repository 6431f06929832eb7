// The REST face over HTTP and a real store: bodies byte for byte, statuses, and who is let in.
#include "controlplane/admin/rest_face.h"

#include <chrono>
#include <vector>

#include <nlohmann/json.hpp>

#include "controlplane/admin/rest_call.h"
#include "shared/tls/session.h"
#include "tests/controlplane/admin/rest_fixture.h"
#include "tests/support/certs.h"

namespace aurora::admin {
namespace {

using testing::Http;
using testing::HttpAnswer;
using testing::Rest;

constexpr std::string_view kPropagation =
    R"("propagation":{"members":1,"enforced":0,"pending":[],"unreachable":[],"not_serving":["local"]}})";

std::string Code(const HttpAnswer& answer) {
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  REQUIRE(body.is_object());
  REQUIRE(body.contains("error"));
  REQUIRE(body["error"].size() == 4);
  return body["error"]["code"].get<std::string>();
}

TEST_CASE("the cluster status of a node without a cluster has exactly one field") {
  const Rest rest;
  const HttpAnswer answer = rest.Call("GET", "cluster/status");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"enabled":false})");
  CHECK(answer.head.find("application/json") != std::string::npos);
}

TEST_CASE("what is asked of a cluster where there is none is refused with what to do, a bad request by its field") {
  const Rest rest;
  CHECK(rest.Call("GET", "failover/status").body == R"({"enabled":false})");
  for (const char* path : {"failover/transfer", "voters/add", "voters/remove", "voters/unsafe-recover",
                           "cluster/nodes/n1/drain", "cluster/nodes/n1/undrain"}) {
    const HttpAnswer answer = rest.Call("POST", path);
    INFO(path);
    CHECK(answer.status == 409);
    CHECK(answer.body.find("cluster.enabled = true") != std::string::npos);
  }
  const HttpAnswer late = rest.Call("POST", "failover/transfer", R"({"timeout_ms":70000})");
  CHECK(late.status == 400);
  CHECK(late.body.find("timeout_ms: 70000 is not allowed, want 0 to 60000") != std::string::npos);
  CHECK(rest.Call("POST", "failover/transfer", R"({"node":"n1"})").status == 400);
  CHECK(rest.Call("POST", "failover/transfer", "{").status == 400);
  CHECK(rest.Call("GET", "failover/transfer").status == 405);
}

TEST_CASE(
    "a created key is answered with 201, its secret once and the propagation beside its fields") {
  const Rest rest;
  const HttpAnswer created =
      rest.Call("POST", "auth-keys", R"({"id":"k1","name":"ci","user_path":"/team"})");
  REQUIRE(created.status == 201);
  auto body = nlohmann::ordered_json::parse(created.body);
  CHECK(body["value"].get<std::string>().starts_with("sk_aur_"));
  CHECK(created.body.ends_with(kPropagation));
  const std::string redacted = body["redacted_value"];

  const std::string entity =
      R"({"id":"k1","name":"ci","description":"","user_path":"/team","allowed_providers":null,"allowed_models":null,)"
      R"("denied_models":[],"rate_limits":{"requests_per_minute":0,"requests_per_day":0,"tokens_per_minute":0,)"
      R"("tokens_per_day":0,"concurrent_requests":0},"expires_at":null,"enabled":true,"deactivated_at":null,)"
      R"("redacted_value":")" +
      redacted + R"(","created_at":"2023-11-14T22:13:20Z","updated_at":"2023-11-14T22:13:20Z"})";
  CHECK(rest.Call("GET", "auth-keys/k1").body == entity);
  CHECK(rest.Call("GET", "auth-keys").body ==
        R"({"auth_keys":[)" + entity + R"(],"next_page_token":""})");
}

TEST_CASE("a key with limits is answered with the warning that they are not enforced") {
  const Rest rest;
  const std::string warning = R"("warnings":["stored, not enforced by this version"],"propagation":)";
  const auto warned = [&](const HttpAnswer& answer) { return answer.body.find(warning) != std::string::npos; };
  CHECK_FALSE(warned(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"ci"})")));
  CHECK(warned(rest.Call("PATCH", "auth-keys/k1", R"({"rate_limits":{"tokens_per_day":5}})")));
  CHECK(warned(rest.Call("POST", "auth-keys", R"({"name":"ci","rate_limits":{"requests_per_minute":1}})")));
  CHECK_FALSE(warned(rest.Call("PATCH", "auth-keys/k1", R"({"rate_limits":null})")));
}

TEST_CASE("usage by day, model and user path has addresses of its own, which take no group") {
  const Rest rest;
  for (const char* path : {"usage/daily", "usage/models", "usage/user-paths"}) {
    INFO(path);
    const HttpAnswer summary = rest.Call("GET", std::string(path) + "?since=2023-11-14T00:00:00Z");
    CHECK(summary.status == rest.Call("GET", "usage/summary?since=2023-11-14T00:00:00Z").status);
    CHECK(summary.status != 404);
    CHECK(rest.Call("GET", std::string(path) + "?group_by=model").status == 400);
    CHECK(rest.Call("POST", path, "{}").status == 405);
  }
}

TEST_CASE("a provider cannot be named like the list of how all of them do") {
  const Rest rest;
  const HttpAnswer refused = rest.Call("PUT", "providers/status", R"({"type":"openai"})");
  CHECK(refused.status == 400);
  CHECK(refused.body.find(R"("param":"name")") != std::string::npos);
}

TEST_CASE("the audit log is pages of who changed what, newest first") {
  const Rest rest;
  REQUIRE(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"ci"})").status == 201);
  REQUIRE(rest.Call("POST", "auth-keys", R"({"id":"k2","name":"ci2"})").status == 201);
  auto newest = nlohmann::ordered_json::parse(rest.Call("GET", "audit/log?page_size=1").body);
  REQUIRE(newest["entries"].size() == 1);
  CHECK(newest["entries"][0].erase("at") == 1);
  CHECK(newest.dump() ==
        R"({"entries":[{"seq":2,"actor":"token","action":"create","kind":"AuthKey","id":"k2","detail":""}]})");
  const HttpAnswer older = rest.Call("GET", "audit/log?before_seq=2");
  CHECK(nlohmann::json::parse(older.body)["entries"].size() == 1);
  CHECK(rest.Call("GET", "audit/log?after_seq=2").status == 400);
}

TEST_CASE("the last events come in their order, and not together with a place to begin at") {
  Rest rest;
  for (const char* text : {"one", "two", "three"}) {
    rest.backend().store().AppendEvent("info", "test", text);
  }
  const auto messages = [&](const std::string& query) {
    const auto body = nlohmann::json::parse(rest.Call("GET", "events?" + query).body);
    std::vector<std::string> out;
    for (const auto& event : body["events"]) {
      out.push_back(event["message"]);
    }
    return out;
  };
  const std::vector<std::string> all = messages("page_size=1000");
  REQUIRE(all.size() >= 3);
  CHECK(messages("last=2") == std::vector<std::string>(all.end() - 2, all.end()));
  CHECK(messages("last=1000") == all);
  CHECK(rest.Call("GET", "events?last=1001").status == 400);
  CHECK(rest.Call("GET", "events?last=2&after_seq=1").status == 400);
}

TEST_CASE("PATCH changes the fields its body names and PUT all that a caller may set") {
  const Rest rest;
  REQUIRE(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"ci","description":"old"})").status ==
          201);

  const HttpAnswer patched = rest.Call("PATCH", "auth-keys/k1", R"({"name":"new"})");
  REQUIRE(patched.status == 200);
  auto body = nlohmann::json::parse(patched.body);
  CHECK(body["name"] == "new");
  CHECK(body["description"] == "old");
  CHECK_FALSE(body.contains("value"));

  // What was read may be put back whole, the server's own fields included.
  body.erase("propagation");
  body.erase("description");
  const HttpAnswer put = rest.Call("PUT", "auth-keys/k1", body.dump());
  REQUIRE(put.status == 200);
  CHECK(nlohmann::json::parse(put.body)["description"] == "");
}

TEST_CASE("rotating shows a new secret, deactivating and deleting answer what they should") {
  const Rest rest;
  REQUIRE(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"ci"})").status == 201);
  const HttpAnswer rotated =
      rest.Call("POST", "auth-keys/k1/rotate?wait=local", R"({"overlap_seconds":60})");
  CHECK(rotated.status == 200);
  CHECK(nlohmann::json::parse(rotated.body)["value"].get<std::string>().starts_with("sk_aur_"));
  CHECK(rest.Call("POST", "auth-keys/k1/rotate", R"({"id":"k2"})").status == 400);
  const HttpAnswer ended = rest.Call("POST", "auth-keys/k1/deactivate");
  CHECK(ended.status == 200);
  CHECK(nlohmann::json::parse(ended.body)["deactivated_at"].is_string());
  const HttpAnswer deleted = rest.Call("DELETE", "auth-keys/k1");
  CHECK(deleted.status == 200);
  CHECK(deleted.body == "{" + std::string(kPropagation));
  CHECK(rest.Call("GET", "auth-keys/k1").status == 404);
}

TEST_CASE("a model's id may hold its slash as it is or encoded") {
  const Rest rest;
  const std::string spec = R"({"upstream_id":"gpt-4o"})";
  CHECK(rest.Call("PUT", "models/openai/gpt-4o", spec).status == 201);
  CHECK(rest.Call("PUT", "models/openai%2Fgpt-4o", spec).status == 200);
  const HttpAnswer got = rest.Call("GET", "models/openai%2fgpt-4o");
  CHECK(
      got.body ==
      R"({"id":"gpt-4o","provider":"openai","upstream_id":"gpt-4o","display_name":"","context_window":0,)"
      R"("max_output_tokens":0,"capabilities":[],"modalities":[],"enabled":true,)"
      R"("created_at":"2023-11-14T22:13:20Z","updated_at":"2023-11-14T22:13:20Z"})");
  CHECK(rest.Call("PUT", "models/openai/gpt-4o",
                  R"({"id":"gpt-4o","provider":"openai","upstream_id":"gpt-4o"})")
            .status == 200);
  CHECK(rest.Call("PUT", "models/openai/gpt-4o", R"({"provider":"x"})").status == 400);
  CHECK(rest.Call("PUT", "models/gpt-4o", spec).status == 400);
  CHECK(rest.Call("PUT", "models/openai/org/m", spec).status == 201);
  CHECK(nlohmann::json::parse(rest.Call("GET", "models/openai/org/m").body)["id"] == "org/m");
  CHECK(rest.Call("DELETE", "models/openai/gpt-4o").body == "{" + std::string(kPropagation));
}

TEST_CASE("the selector of everything is a slash, and overrides are written by it") {
  const Rest rest;
  const HttpAnswer put =
      rest.Call("PUT", "model-overrides/%2F", R"({"enabled":false,"user_paths":["/a"]})");
  CHECK(put.status == 201);
  CHECK(
      put.body ==
      R"({"selector":"/","enabled":false,"user_paths":["/a"],"created_at":"2023-11-14T22:13:20Z",)"
      R"("updated_at":"2023-11-14T22:13:20Z",)" +
          std::string(kPropagation));
}

TEST_CASE("a provider of the environment cannot be written: 409") {
  const Rest rest;
  const HttpAnswer put = rest.Call("PUT", "providers/openai",
                                   R"({"type":"openai","base_url":"https://other.example.com"})");
  CHECK(put.status == 409);
  CHECK(nlohmann::json::parse(rest.Call("GET", "providers/openai").body)["source"] ==
        "environment");
}

TEST_CASE("mistakes are answered with the status and the code they deserve") {
  const Rest rest;
  CHECK(Code(rest.Call("GET", "nothing")) == "unknown_path");
  CHECK(rest.Call("GET", "nothing").status == 404);
  const HttpAnswer method = rest.Call("PATCH", "providers/openai", "{}");
  CHECK(method.status == 405);
  CHECK(method.head.find("Allow: GET, PUT, DELETE") != std::string::npos);
  CHECK(rest.Call("POST", "auth-keys", "name=x", "Content-Type: text/plain\r\n").status == 415);
  CHECK(rest.Call("POST", "auth-keys", "{").status == 400);
  CHECK(rest.Call("GET", "events?limit=3").status == 400);
  CHECK(rest.Call("GET", "auth-keys?page_size=2&page_size=3").status == 400);
  CHECK(rest.Call("GET", "auth-keys?page_size=-1").status == 400);
  CHECK(rest.Call("POST", "auth-keys?wait=some", R"({"name":"x"})").status == 400);
  CHECK(rest.Call("GET", "usage/summary?since=yesterday").status == 400);
  CHECK(rest.Call("GET", "auth-keys/%zz").status == 400);
  CHECK(rest.Call("PUT", "aliases/a", R"({"name":"b","targets":[]})").status == 400);
  const HttpAnswer unknown = rest.Call("POST", "auth-keys", R"({"nam":"x"})");
  CHECK(unknown.status == 400);
  CHECK(nlohmann::json::parse(unknown.body)["error"]["type"] == "invalid_request_error");
  REQUIRE(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"x"})").status == 201);
  CHECK(rest.Call("POST", "auth-keys", R"({"id":"k1","name":"x"})").status == 409);
}

TEST_CASE("a body over the limit is refused before anything reads it") {
  const Rest rest;
  CHECK(rest.Call("POST", "auth-keys", std::string((1 << 20) + 1, ' ')).status == 413);
}

TEST_CASE("a store whose file is gone refuses writes with 503") {
  Rest rest;
  REQUIRE(std::filesystem::remove(rest.backend().dir().Path("aurora.db")));
  const HttpAnswer answer = rest.Call("POST", "auth-keys", R"({"name":"x"})");
  CHECK(answer.status == 503);
  CHECK(Code(answer) == "store_unavailable");
}

TEST_CASE("without the token nothing is answered, and a wrong one waits") {
  const Rest rest;
  for (const std::string headers : {"", "Authorization: Bearer wrong\r\n",
                                    "Authorization: Basic correct-horse-battery-staple\r\n",
                                    "Authorization: Bearer correct-horse-battery-staple2\r\n",
                                    "X-Api-Key: correct-horse-battery-staple\r\n"}) {
    const auto start = std::chrono::steady_clock::now();
    const HttpAnswer answer = rest.Anonymous(headers);
    CHECK(answer.status == 401);
    CHECK(Code(answer) == "invalid_admin_token");
    CHECK(answer.body.find("AURORA_MASTER_KEY") != std::string::npos);
    CHECK(answer.head.find("WWW-Authenticate: Bearer") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - start >=
          std::chrono::microseconds(kLoginDelay.micros()));
  }
  CHECK(rest.Anonymous("Authorization: bearer correct-horse-battery-staple\r\n").status == 200);
}

TEST_CASE("a node without a master key accepts no token, not even an empty one") {
  const Rest rest("");
  for (const std::string headers :
       {"", "Authorization: Bearer \r\n", "Authorization: Bearer x\r\n"}) {
    const HttpAnswer answer = rest.Anonymous(headers);
    CHECK(answer.status == 403);
    CHECK(answer.body.find("set AURORA_MASTER_KEY") != std::string::npos);
  }
}

TEST_CASE("patterns take one part, or everything, and never nothing") {
  std::string_view captured;
  CHECK(rest::Matches("a/:x", "a/b", &captured));
  CHECK(captured == "b");
  CHECK_FALSE(rest::Matches("a/:x", "a/b/c", &captured));
  CHECK_FALSE(rest::Matches("a/:x", "a/", &captured));
  CHECK(rest::Matches("a/:x/end", "a/b/end", &captured));
  CHECK(captured == "b");
  CHECK_FALSE(rest::Matches("a/:x/end", "a/end", &captured));
  CHECK(rest::Matches("a/*x", "a/b/c/", &captured));
  CHECK(captured == "b/c/");
  CHECK_FALSE(rest::Matches("a", "a/", &captured));
}

TEST_CASE("percent-decoding refuses what is cut or not hex, and NUL") {
  CHECK(*rest::PercentDecode("a%2Fb+c", false) == "a/b+c");
  CHECK(*rest::PercentDecode("a+b%2b", true) == "a b+");
  for (const char* bad : {"%", "%2", "a%2", "%g0", "%0g", "%00"}) {
    CHECK(absl::IsInvalidArgument(rest::PercentDecode(bad, false).status()));
  }
}

// What the server answers to one request over TLS; "" when the handshake fails.
std::string HttpsBody(uint16_t port, const std::string& ca_file, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  auto context = tls::ClientContext::Create({.ca_file = ca_file});
  REQUIRE(context.ok());
  auto session = tls::Session::Client(*context, "localhost");
  REQUIRE(session.ok());
  std::string plain;
  bool asked = false;
  ssize_t n = 1;
  while (n > 0 && (*session)->Advance() != tls::Session::State::kFailed) {
    if (!asked && (*session)->state() == tls::Session::State::kOpen) {
      asked = (*session)->WritePlaintext(request);
    }
    std::string out;
    (*session)->DrainCiphertext(out);
    ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    while ((*session)->ReadPlaintext(plain, 4096) > 0) {
    }
    char buffer[4096];
    n = ::recv(fd, buffer, sizeof(buffer), 0);
    (*session)->FeedCiphertext({buffer, n > 0 ? static_cast<size_t>(n) : 0});
  }
  ::close(fd);
  const size_t end = plain.find("\r\n\r\n");
  return end == std::string::npos ? "" : plain.substr(end + 4);
}

TEST_CASE("replication is told, compared and put right over REST, and a body nobody knows is refused") {
  const Rest rest;
  REQUIRE(rest.Call("PUT", "aliases/a", R"({"targets":[{"model":"openai/a","weight":1}]})").status == 201);
  CHECK(rest.Call("GET", "sync/status").body == R"({"enabled":false})");
  CHECK(rest.Call("GET", "sync/conflicts").body == R"({"conflicts":[],"next_page_token":""})");
  const std::string good =
      R"({"good":true,"complete":true,"nodes":[{"node_id":"local","self":true,)"
      R"("check":{"rows":1,"wrong":0,"repaired":0,"unreadable":0,"findings":[]},)"
      R"("compared":true,"different":0,"differences":[],"trouble":""}]})";
  for (const char* body : {"", "{}", R"({"repair":true,"timeout_ms":5000})"}) {
    const HttpAnswer answer = rest.Call("POST", "sync/verify", body);
    CHECK(answer.status == 200);
    CHECK(answer.body == good);
  }
  for (const char* body : {R"({"repaired":true})", R"({"timeout_ms":-1})", R"({"timeout_ms":600001})", "[]"}) {
    INFO(body);
    CHECK(rest.Call("POST", "sync/verify", body).status == 400);
  }
  CHECK(rest.Call("GET", "sync/conflicts?page_size=0x").status == 400);
  CHECK(rest.Call("GET", "sync/status?verbose=1").status == 400);
  CHECK(rest.Call("GET", "sync/verify").status == 405);
}

TEST_CASE("with admin.tls REST speaks TLS alone, and renewed certificates serve the next connection") {
  aurora::testing::Certs first;
  aurora::testing::Certs second;
  const auto served = first.Issue("served", "DNS:localhost");
  const auto renewed = second.Issue("renewed", "DNS:localhost");
  const Rest rest(testing::kMasterKey, {served.certificate_file, served.key_file, ""});
  const std::string request =
      "GET /admin/api/v1/cluster/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Authorization: Bearer " +
      std::string(testing::kMasterKey) + "\r\n\r\n";
  const auto ask = [&](const aurora::testing::Certs& certs) {
    return HttpsBody(rest.port(), certs.ca_file(), request);
  };
  CHECK(ask(first) == R"({"enabled":false})");
  CHECK(ask(second).empty());
  CHECK(rest.Call("GET", "cluster/status").status == 0);  // in clear: no answer
  std::filesystem::copy_file(renewed.certificate_file, served.certificate_file,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(renewed.key_file, served.key_file,
                             std::filesystem::copy_options::overwrite_existing);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (ask(second).empty() && std::chrono::steady_clock::now() < until) {
  }
  CHECK(ask(second) == R"({"enabled":false})");
}

}  // namespace
}  // namespace aurora::admin
