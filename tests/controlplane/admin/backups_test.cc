// Backups over REST and a real store: made, listed, verified, restored, refused.
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/controlplane/admin/rest_fixture.h"

namespace aurora::admin {
namespace {

using testing::HttpAnswer;
using testing::Rest;
using Json = nlohmann::ordered_json;

Json Body(const HttpAnswer& answer, int status) {
  INFO(answer.body);
  CHECK(answer.status == status);
  return Json::parse(answer.body, nullptr, false);
}

std::vector<std::string> Events(const Rest& rest) {
  std::vector<std::string> types;
  const Json body = Body(rest.Call("GET", "events"), 200);
  for (const Json& event : body["events"]) {
    types.push_back(event["type"]);
  }
  return types;
}

const std::string kAlias = R"({"targets":[{"model":"openai/a","weight":1}]})";

TEST_CASE("a backup is made under the name asked for or one of its own, listed, verified and restored") {
  const Rest rest;
  REQUIRE(rest.Call("PUT", "aliases/kept", kAlias).status == 201);
  const Json made = Body(rest.Call("POST", "backups", R"({"name":"before"})"), 201);
  CHECK(made["name"] == "before");
  CHECK(made["rows"] == 1);
  CHECK(made["created_at"] == "2023-11-14T22:13:20Z");
  CHECK(made["cluster_id"] == "");
  CHECK(made["sha256"].get<std::string>().size() == 64);
  CHECK(Body(rest.Call("POST", "backups"), 201)["name"] == "20231114T221320.000Z-local");
  const Json list = Body(rest.Call("GET", "backups"), 200)["backups"];
  REQUIRE(list.size() == 2);
  CHECK(list[0]["name"] == "before");
  CHECK(list[0]["problem"] == "");
  CHECK(Body(rest.Call("POST", "backups/before/verify"), 200)["sha256"] == made["sha256"]);

  REQUIRE(rest.Call("DELETE", "aliases/kept").status == 200);
  REQUIRE(rest.Call("PUT", "aliases/later", kAlias).status == 201);
  const Json restored = Body(rest.Call("POST", "backups/before/restore"), 200);
  CHECK(restored["rows"] == 1);
  CHECK(restored["changed"] == 0);
  CHECK(rest.Call("GET", "aliases/kept").status == 404);  // deleted since
  CHECK(rest.Call("GET", "aliases/later").status == 200);

  CHECK(Events(rest) == std::vector<std::string>{"backup_created", "backup_created", "backup_restored"});
  std::vector<std::string> actions;
  const Json log = Body(rest.Call("GET", "audit/log"), 200);
  for (const Json& entry : log["entries"]) {
    if (entry["kind"] == "Backup") {
      actions.push_back(entry["action"].get<std::string>() + " " + entry["id"].get<std::string>());
    }
  }
  CHECK(actions == std::vector<std::string>{"restore before", "create 20231114T221320.000Z-local", "create before"});
}

TEST_CASE("a deleted backup is gone from the disk and the list, the others stay, and it is told who did it") {
  Rest rest;
  for (const char* name : {"one", "two"}) {
    REQUIRE(rest.Call("POST", "backups", std::string(R"({"name":")") + name + R"("})").status == 201);
  }
  const HttpAnswer deleted = rest.Call("DELETE", "backups/one");
  CHECK(deleted.status == 200);
  CHECK(deleted.body == "{}");
  CHECK_FALSE(std::filesystem::exists(rest.backend().dir().Path("backups/one.backup")));
  const Json list = Body(rest.Call("GET", "backups"), 200)["backups"];
  REQUIRE(list.size() == 1);
  CHECK(list[0]["name"] == "two");
  CHECK(rest.Call("DELETE", "backups/one").status == 404);
  CHECK(Body(rest.Call("POST", "backups/two/verify"), 200)["name"] == "two");
  CHECK(Events(rest) == std::vector<std::string>{"backup_created", "backup_created", "backup_deleted"});
  const Json newest = Body(rest.Call("GET", "audit/log"), 200)["entries"][0];
  CHECK(newest["action"] == "delete");
  CHECK(newest["kind"] == "Backup");
  CHECK(newest["id"] == "one");
}

TEST_CASE("nothing but a backup can be deleted through its name") {
  Rest rest;
  const std::string aurora = rest.backend().dir().Path("aurora.db");
  std::filesystem::create_directory(rest.backend().dir().Path("backups"));
  std::ofstream(rest.backend().dir().Path("backups/plain")) << "no backup";
  std::filesystem::create_directory(rest.backend().dir().Path("backups/folder.backup"));
  for (const char* name :
       {"..%2Faurora.db", "..%2Fbackups%2Fx", "a%2Fb", ".hidden", "%2E%2E", "-dash", "a%20b", "a%00"}) {
    INFO(name);
    CHECK(rest.Call("DELETE", std::string("backups/") + name).status == 400);
  }
  CHECK(rest.Call("DELETE", "backups/").status == 404);
  CHECK(rest.Call("DELETE", "backups/plain").status == 404);  // plain.backup is not there
  CHECK(rest.Call("DELETE", "backups/folder").status == 404);
  CHECK(std::filesystem::exists(rest.backend().dir().Path("backups/plain")));
  CHECK(std::filesystem::exists(rest.backend().dir().Path("backups/folder.backup")));
  CHECK(std::filesystem::exists(aurora));
}

TEST_CASE("a name that is no file's, one that is taken and one that is not there are refused by name") {
  const Rest rest;
  for (const char* name : {"../up", "a/b", ".hidden", "a b", "-dash", "a\\u0000"}) {
    const Json error = Body(rest.Call("POST", "backups", std::string(R"({"name":")") + name + R"("})"), 400)["error"];
    INFO(name);
    CHECK(error["param"] == "name");
  }
  CHECK(Body(rest.Call("POST", "backups", R"({"name":")" + std::string(129, 'x') + R"("})"), 400)["error"]["param"] ==
        "name");
  CHECK(Body(rest.Call("POST", "backups/..%2Faurora/verify"), 400)["error"]["param"] == "name");
  CHECK(Body(rest.Call("POST", "backups/..%2Faurora/restore"), 400)["error"]["param"] == "name");
  CHECK(Body(rest.Call("POST", "backups/a/restore", R"({"name":"b"})"), 400)["error"]["param"] == "name");
  CHECK(Body(rest.Call("POST", "backups", R"({"nam":"b"})"), 400)["error"]["param"] == "nam");
  CHECK(rest.Call("POST", "backups/gone/verify").status == 404);
  CHECK(rest.Call("POST", "backups/gone/restore").status == 404);
  REQUIRE(rest.Call("POST", "backups", R"({"name":"taken"})").status == 201);
  CHECK(rest.Call("POST", "backups", R"({"name":"taken"})").status == 409);
  CHECK(Events(rest) == std::vector<std::string>{"backup_created"});  // the caller's mistakes are none
}

TEST_CASE("a damaged backup is refused by verify and restore, shown in the list, and told as events") {
  Rest rest;
  REQUIRE(rest.Call("PUT", "aliases/kept", kAlias).status == 201);
  REQUIRE(rest.Call("POST", "backups", R"({"name":"bad"})").status == 201);
  const std::string path = rest.backend().dir().Path("backups/bad.backup");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const uint64_t head = rest.backend().store().head().seq;
  for (const char* verb : {"verify", "restore"}) {
    const Json error = Body(rest.Call("POST", std::string("backups/bad/") + verb), 422)["error"];
    CHECK(error["code"] == "backup_damaged");
    CHECK(error["message"].get<std::string>().starts_with("backup \"bad\" is damaged: "));
  }
  CHECK(rest.backend().store().head().seq == head);
  CHECK(Events(rest) == std::vector<std::string>{"backup_created", "backup_damaged", "backup_restore_failed"});
  std::ofstream(path) << "no database at all";
  CHECK(Body(rest.Call("GET", "backups"), 200)["backups"][0]["problem"] != "");
}

}  // namespace
}  // namespace aurora::admin
