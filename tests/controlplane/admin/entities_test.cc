// Guardrails, workflows, prices and budgets over REST and a real store: bodies byte for byte.
#include <nlohmann/json.hpp>

#include "tests/controlplane/admin/rest_fixture.h"

namespace aurora::admin {
namespace {

using testing::HttpAnswer;
using testing::Rest;
using Json = nlohmann::ordered_json;

const std::string kPropagation =
    R"("propagation":{"members":1,"enforced":0,"pending":[],"unreachable":[],"not_serving":["local"]}})";
const std::string kWarnings = R"("warnings":["stored, not enforced by this version"],)";

// The body of an answered write: the entity with what a write adds.
std::string Written(std::string entity, const std::string& warnings = kWarnings) {
  entity.pop_back();
  return entity + "," + warnings + kPropagation;
}

Json Error(const HttpAnswer& answer, int status) {
  CHECK(answer.status == status);
  return Json::parse(answer.body)["error"];
}

constexpr std::string_view kBlock =
    R"({"type":"regex_block","config":{"patterns":["(?i)secret"],"message":"no"},"order":5})";
const std::string kBlockShown =
    R"({"name":"no-secrets","type":"regex_block","direction":"input","on_error":"block","order":5,"user_path":"",)"
    R"("enabled":true,"config":{"patterns":["(?i)secret"],"case_insensitive":false,"message":"no"},)"
    R"("created_at":"2023-11-14T22:13:20Z","updated_at":"2023-11-14T22:13:20Z"})";

TEST_CASE("a guardrail is created, read, listed, put again without a change, and deleted") {
  Rest rest;
  const HttpAnswer created = rest.Call("PUT", "guardrails/no-secrets", std::string(kBlock));
  CHECK(created.status == 201);
  CHECK(created.body == Written(kBlockShown));
  CHECK(rest.Call("GET", "guardrails/no-secrets").body == kBlockShown);
  CHECK(rest.Call("GET", "guardrails").body == R"({"guardrails":[)" + kBlockShown + R"(],"next_page_token":""})");

  rest.backend().now_ms += 1000;
  const uint64_t head = rest.backend().store().head().seq;
  const HttpAnswer again = rest.Call("PUT", "guardrails/no-secrets", kBlockShown);
  CHECK(again.status == 200);
  CHECK(again.body == Written(kBlockShown));
  CHECK(rest.backend().store().head().seq == head);

  CHECK(rest.Call("DELETE", "guardrails/no-secrets").body == "{" + kPropagation);
  CHECK(rest.Call("GET", "guardrails/no-secrets").status == 404);
  CHECK(rest.Call("DELETE", "guardrails/no-secrets").status == 404);
}

TEST_CASE("a guardrail's refusal names the field and what is allowed") {
  const Rest rest;
  const auto put = [&](const std::string& body) { return Error(rest.Call("PUT", "guardrails/g", body), 400); };
  Json error = put(R"({"type":"regex_block","config":{"patterns":["ok","(["]}})");
  CHECK(error["param"] == "config.patterns[1]");
  CHECK(error["message"].get<std::string>().find("RE2") != std::string::npos);
  CHECK(put(R"({"type":"regex"})")["message"] ==
        "type: want one of system_prompt, regex_block, pii_redact, length_limit, llm_judge");
  CHECK(put(R"({"type":"length_limit","config":{"patterns":["x"]}})")["param"] == "config.patterns");
  CHECK(put(R"({"type":"length_limit"})")["param"] == "config");
  CHECK(put(R"({"type":"length_limit","regex_block":{}})")["message"].get<std::string>().starts_with(
      "regex_block: no such field"));
  CHECK(put(R"({"name":"other","type":"pii_redact"})")["param"] == "name");
  CHECK(rest.Call("GET", "guardrails").body == R"({"guardrails":[],"next_page_token":""})");
}

TEST_CASE("the guardrail types tell what each config takes") {
  const Rest rest;
  const Json body = Json::parse(rest.Call("GET", "guardrails/types").body);
  REQUIRE(body["types"].size() == 5);
  CHECK(body["types"][1].dump() ==
        R"({"type":"regex_block","what":"blocks text that matches a pattern","directions":["input","output","both"],)"
        R"("config":[{"name":"patterns","type":"string[]"},{"name":"case_insensitive","type":"boolean"},)"
        R"({"name":"message","type":"string"}]})");
  CHECK(body["types"][0]["directions"].dump() == R"(["input"])");
}

TEST_CASE("a price holds from its time on, and what is written stays") {
  Rest rest;
  const std::string path = "model-pricing/openai/gpt-4o";
  const std::string shown =
      R"({"selector":"openai/gpt-4o","effective_from":"2023-11-14T22:13:20Z","input_per_mtok":2.5,)"
      R"("output_per_mtok":10.0,"per_request":0.0,"created_at":"2023-11-14T22:13:20Z"})";
  const std::string price = R"({"input_per_mtok":2.5,"output_per_mtok":10})";
  const HttpAnswer created = rest.Call("PUT", path, price);
  CHECK(created.status == 201);
  CHECK(Json::parse(created.body)["effective_from"] == "2023-11-14T22:13:20Z");
  CHECK(rest.Call("GET", path).body == shown);
  CHECK(rest.Call("GET", path + "@2023-11-14T22:13:20Z").body == shown);

  rest.backend().now_ms += 60'000;
  CHECK(rest.Call("PUT", path, price).status == 200);  // as it is already
  CHECK(Json::parse(rest.Call("GET", "model-pricing").body)["model_pricing"].size() == 1);
  const Json error =
      Error(rest.Call("PUT", path + "@2023-11-14T22:13:20Z", R"({"input_per_mtok":9,"output_per_mtok":10})"), 409);
  CHECK(error["message"].get<std::string>().find("effective_from") != std::string::npos);

  CHECK(rest.Call("PUT", path, R"({"input_per_mtok":2,"output_per_mtok":8})").status == 201);
  CHECK(rest.Call("PUT", path, R"({"effective_from":"2030-01-01T00:00:00Z","input_per_mtok":1})").status == 201);
  CHECK(Json::parse(rest.Call("GET", path).body)["input_per_mtok"] == 2.0);
  CHECK(Json::parse(rest.Call("GET", "model-pricing").body)["model_pricing"].size() == 3);
  CHECK(Error(rest.Call("DELETE", path), 400)["param"] == "name");
  CHECK(rest.Call("DELETE", path + "@2030-01-01T00:00:00Z").status == 200);
  CHECK(Error(rest.Call("PUT", path, R"({"input_per_mtok":-1})"), 400)["param"] == "input_per_mtok");
}

TEST_CASE("a workflow is a new version each time, and one of a scope is active") {
  Rest rest;
  REQUIRE(rest.Call("PUT", "guardrails/no-secrets", std::string(kBlock)).status == 201);
  const HttpAnswer created = rest.Call(
      "POST", "workflows", R"({"provider":"openai","user_path":"/team","guardrails":[{"ref":"no-secrets","step":1}]})");
  REQUIRE(created.status == 201);
  const Json first = Json::parse(created.body);
  const std::string id = first["id"];
  const std::string shown =
      R"({"id":")" + id +
      R"(","scope":"openai/#/team","active":true,"provider":"openai","model":"","user_path":"/team","name":"",)"
      R"("description":"","features":{"cache":true,"audit":true,"usage":true,"budget":true,"guardrails":true,)"
      R"("fallback":true},"guardrails":[{"ref":"no-secrets","step":1}],"created_at":"2023-11-14T22:13:20Z"})";
  CHECK(created.body == Written(shown));
  CHECK(rest.Call("GET", "workflows/" + id).body == shown);
  CHECK(id.starts_with("00112233445566778899aabbccddeeff-7-"));

  CHECK(rest.Call("POST", "workflows", shown).status == 200);  // as it is already
  const HttpAnswer next = rest.Call("PUT", "workflows/openai%2F%23%2Fteam", R"({"name":"two"})");
  REQUIRE(next.status == 201);
  CHECK(Json::parse(next.body)["id"] != id);
  CHECK(Json::parse(rest.Call("GET", "workflows/" + id).body)["active"] == false);
  CHECK(Json::parse(rest.Call("GET", "workflows/openai%2F%23%2Fteam").body)["name"] == "two");

  const std::string second = Json::parse(next.body)["id"];
  const HttpAnswer off = rest.Call("POST", "workflows/" + second + "/deactivate");
  CHECK(off.status == 200);
  CHECK(Json::parse(off.body)["active"] == false);
  CHECK(rest.Call("GET", "workflows/openai%2F%23%2Fteam").status == 404);
  CHECK(Json::parse(rest.Call("GET", "workflows").body)["workflows"].size() == 2);
  CHECK(rest.Call("DELETE", "workflows/" + id).status == 200);
  CHECK(rest.Call("GET", "workflows/" + id).status == 404);
}

TEST_CASE("a workflow that names a guardrail which is not there is stored with a warning") {
  const Rest rest;
  const HttpAnswer answer = rest.Call("POST", "workflows", R"({"guardrails":[{"ref":"gone"}]})");
  CHECK(answer.status == 201);
  const Json warnings = Json::parse(answer.body)["warnings"];
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[1].get<std::string>().starts_with("guardrails[0].ref: no guardrail \"gone\""));
  CHECK(Error(rest.Call("POST", "workflows", R"({"model":"m"})"), 400)["param"] == "provider");
  CHECK(Error(rest.Call("PUT", "workflows/nonsense", "{}"), 400)["param"] == "scope");
}

TEST_CASE("a budget is one per scope and period") {
  Rest rest;
  const HttpAnswer created = rest.Call("PUT", "budgets/path:/team@month", R"({"limit_usd":250.5})");
  const std::string shown =
      R"({"scope":"path:/team","period":"month","limit_usd":250.5,"enabled":true,)"
      R"("created_at":"2023-11-14T22:13:20Z","updated_at":"2023-11-14T22:13:20Z"})";
  CHECK(created.status == 201);
  CHECK(created.body == Written(shown));
  CHECK(rest.Call("GET", "budgets").body == R"({"budgets":[)" + shown + R"(],"next_page_token":""})");
  CHECK(rest.Call("POST", "budgets", R"({"scope":"path:/team","period":"month","limit_usd":10})").status == 200);
  CHECK(Json::parse(rest.Call("GET", "budgets/path:/team@month").body)["limit_usd"] == 10.0);
  CHECK(Error(rest.Call("PUT", "budgets/path:/team@month", R"({"period":"day","limit_usd":1})"), 400)["param"] ==
        "period");
  CHECK(Error(rest.Call("POST", "budgets", R"({"scope":"team","period":"day","limit_usd":1})"), 400)["param"] ==
        "scope");
  CHECK(Error(rest.Call("PUT", "budgets/key:k1@day", "{}"), 400)["param"] == "limit_usd");
}

TEST_CASE("a method that a kind's path does not know is told what it knows") {
  const Rest rest;
  const HttpAnswer answer = rest.Call("PATCH", "budgets/key:k1@day", "{}");
  CHECK(answer.status == 405);
  CHECK(answer.head.find("GET, PUT, DELETE") != std::string::npos);
}

}  // namespace
}  // namespace aurora::admin
