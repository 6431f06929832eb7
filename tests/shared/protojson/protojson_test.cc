#include "shared/protojson/protojson.h"

#include <nlohmann/json.hpp>

#include "aurora/v1/admin.pb.h"
#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::protojson {
namespace {

std::string MistakeOf(std::string_view json, google::protobuf::Message* out) {
  return std::string(Std(FromJsonText(json, out).status().message()));
}

std::string KeyMistake(std::string_view json) {
  v1::AuthKey key;
  return MistakeOf(json, &key);
}

TEST_CASE("an empty key's body has every primitive, null for what is absent and no value") {
  CHECK(
      ToJsonText(v1::AuthKey()) ==
      R"({"id":"","name":"","description":"","user_path":"","allowed_providers":null,"allowed_models":null,)"
      R"("denied_models":[],"rate_limits":null,"expires_at":null,"deactivated_at":null,)"
      R"("redacted_value":"","created_at":null,"updated_at":null})");
}

TEST_CASE("a full key's body is this one") {
  v1::AuthKey key;
  key.set_id("k1");
  key.set_name("team");
  key.mutable_allowed_providers();
  key.mutable_allowed_models()->add_values("gpt-4o");
  key.add_denied_models("o1");
  key.mutable_rate_limits()->set_tokens_per_day(9007199254740993);
  key.mutable_expires_at()->set_seconds(1785232800);
  key.mutable_created_at()->set_seconds(1785232800);
  key.mutable_created_at()->set_nanos(120000000);
  key.set_enabled(true);
  key.set_value("");
  CHECK(
      ToJsonText(key) ==
      R"({"id":"k1","name":"team","description":"","user_path":"","allowed_providers":[],)"
      R"("allowed_models":["gpt-4o"],"denied_models":["o1"],"rate_limits":{"requests_per_minute":0,)"
      R"("requests_per_day":0,"tokens_per_minute":0,"tokens_per_day":9007199254740993,"concurrent_requests":0},)"
      R"("expires_at":"2026-07-28T10:00:00Z","enabled":true,"deactivated_at":null,"redacted_value":"",)"
      R"("created_at":"2026-07-28T10:00:00.120Z","updated_at":null,"value":""})");
}

TEST_CASE("a provider's body names its type in lower case") {
  v1::Provider provider;
  provider.set_type(v1::PROVIDER_TYPE_OPENROUTER);
  provider.add_credentials()->set_weight(3);
  const auto json = ToJson(provider);
  CHECK(json["type"] == "openrouter");
  CHECK(json["credentials"].dump() == R"([{"id":"","weight":3,"redacted_value":""}])");
  CHECK(ToJson(v1::Provider())["type"] == "");
  v1::WriteOptions options;
  options.set_wait(v1::WAIT_FOR_ALL);
  CHECK(ToJson(options)["wait"] == "all");
}

TEST_CASE("bytes are base64 both ways") {
  v1::KeySecret secret;
  secret.set_sha256("\x01\x02");
  CHECK(ToJson(secret)["sha256"] == "AQI=");
  v1::KeySecret back;
  REQUIRE(FromJsonText(ToJsonText(secret), &back).ok());
  CHECK(back.sha256() == secret.sha256());
  CHECK(MistakeOf(R"({"sha256":"?"})", &back) == "sha256: want base64");
}

TEST_CASE("what was written reads back the same and lists its fields in order") {
  v1::AuthKey key;
  const auto present = FromJsonText(
      R"({"name":"n","allowed_models":[],"allowed_providers":["a","b"],"rate_limits":{"tokens_per_minute":5},)"
      R"("expires_at":"2026-07-28T12:00:00+02:00","denied_models":null})",
      &key);
  REQUIRE(present.ok());
  CHECK(*present == std::vector<std::string>{"name", "allowed_models", "allowed_providers",
                                             "rate_limits", "expires_at", "denied_models"});
  CHECK(key.has_allowed_models());
  CHECK(key.allowed_models().values_size() == 0);
  CHECK(key.allowed_providers().values(1) == "b");
  CHECK(key.expires_at().seconds() == 1785232800);
  v1::AuthKey back;
  REQUIRE(FromJsonText(ToJsonText(key), &back).ok());
  CHECK(back.SerializeAsString() == key.SerializeAsString());
}

TEST_CASE("a oneof is one member under its own name, chosen by the type beside it") {
  v1::GuardrailSpec spec;
  REQUIRE(FromJsonText(R"({"config":{"max_messages":3},"type":"length_limit"})", &spec).ok());
  CHECK(spec.length_limit().max_messages() == 3);
  const std::string written = ToJsonText(spec);
  CHECK(written.find(R"("config":{"max_characters":0,"max_messages":3},"created_at")") != std::string::npos);
  CHECK(written.find("length_limit\":") == std::string::npos);
  v1::GuardrailSpec again;
  REQUIRE(FromJsonText(written, &again).ok());
  CHECK(again.SerializeAsString() == spec.SerializeAsString());
  CHECK(ToJsonText(v1::GuardrailSpec()).find(R"("config":null)") != std::string::npos);
  CHECK(FromJsonText(R"({"config":{}})", &spec).status().message() ==
        "config: want a type beside it, one of system_prompt, regex_block, pii_redact, length_limit, llm_judge");
  CHECK(FromJsonText(R"({"type":"length_limit","config":{"text":"x"}})", &spec).status().message().substr(0, 26) ==
        "config.text: no such field");
}

TEST_CASE("null leaves a field as if it were absent") {
  v1::AuthKey key;
  REQUIRE(
      FromJsonText(R"({"allowed_models":null,"name":null,"enabled":null,"rate_limits":null})", &key)
          .ok());
  CHECK_FALSE(key.has_allowed_models());
  CHECK_FALSE(key.has_rate_limits());
}

TEST_CASE("an unknown field is named by its path with the nearest one") {
  CHECK(KeyMistake(R"({"nam":"x"})") == "nam: no such field, did you mean name?");
  CHECK(KeyMistake(R"({"rate_limits":{"token_per_day":1}})") ==
        "rate_limits.token_per_day: no such field, did you mean tokens_per_day?");
  CHECK(KeyMistake(R"({"zzzzzzzzzzzz":1})") == "zzzzzzzzzzzz: no such field");
  CHECK(KeyMistake(R"({"a\nb":1})").find('\n') == std::string::npos);
}

TEST_CASE("a wrong type is named with what is wanted") {
  CHECK(KeyMistake(R"({"name":1})") == "name: want a string");
  CHECK(KeyMistake(R"({"enabled":"true"})") == "enabled: want true or false");
  CHECK(KeyMistake(R"({"allowed_models":"x"})") ==
        "allowed_models: want an array of strings, or null");
  CHECK(KeyMistake(R"({"allowed_models":[1]})") ==
        "allowed_models: want an array of strings, or null");
  CHECK(KeyMistake(R"({"denied_models":"x"})") == "denied_models: want an array");
  CHECK(KeyMistake(R"({"denied_models":["a",2]})") == "denied_models[1]: want a string");
  CHECK(KeyMistake(R"({"rate_limits":5})") == "rate_limits: want an object, or null");
  CHECK(KeyMistake("[]") == "want a JSON object");
  v1::Provider provider;
  CHECK(MistakeOf(R"({"type":"OPENAI"})", &provider)
            .starts_with("type: want one of openai, anthropic, "));
}

TEST_CASE("a number out of range or not whole is refused with the range") {
  CHECK(KeyMistake(R"({"rate_limits":{"tokens_per_day":9223372036854775808}})") ==
        "rate_limits.tokens_per_day: want an integer from -9223372036854775808 to "
        "9223372036854775807");
  CHECK_FALSE(KeyMistake(R"({"rate_limits":{"tokens_per_day":1.5}})").empty());
  CHECK_FALSE(KeyMistake(R"({"rate_limits":{"tokens_per_day":"5"}})").empty());
  v1::AliasTarget target;
  CHECK(MistakeOf(R"({"weight":-1})", &target) == "weight: want an integer from 0 to 4294967295");
  CHECK(MistakeOf(R"({"weight":4294967296})", &target) ==
        "weight: want an integer from 0 to 4294967295");
  CHECK(MistakeOf(R"({"weight":4294967295})", &target).empty());
}

TEST_CASE("a key given twice is refused at every level") {
  CHECK(KeyMistake(R"({"name":"a","name":"b"})") == "\"name\" is given twice");
  CHECK(KeyMistake(R"({"rate_limits":{"tokens_per_day":1,"tokens_per_day":2}})") ==
        "\"tokens_per_day\" is given twice");
}

TEST_CASE("text that is too long, too deep or not JSON is refused") {
  CHECK(KeyMistake(std::string(2 << 20, ' ')) == "longer than 1048576 bytes");
  CHECK(KeyMistake(std::string(100000, '[')) == "nested deeper than 32 levels");
  std::string wide = "{";
  for (int i = 0; i < 2000; ++i) {
    wide += "\"" + std::to_string(i) + "\":0,";
  }
  CHECK(KeyMistake(wide) == "an object with more than 1024 members");
  CHECK(KeyMistake("{\"name\":").starts_with("not JSON at byte"));
  CHECK(KeyMistake("").starts_with("not JSON"));
  CHECK(KeyMistake("{} {}").starts_with("not JSON"));
  CHECK(KeyMistake("{\"name\":\"\xff\"}").starts_with("not JSON"));
}

TEST_CASE("times are read in every offset and refused when they do not exist") {
  CHECK(ParseTime("1970-01-01T00:00:00Z")->seconds == 0);
  CHECK(ParseTime("2024-02-29T23:59:59.5z")->nanos == 500000000);
  CHECK(ParseTime("2026-07-28T10:00:00-07:30")->seconds == 1785232800 + 27000);
  for (const char* bad :
       {"", "2026-07-28", "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-07-28T24:00:00Z",
        "2026-07-28T10:00:00", "2026-07-28T10:00:00.Z", "2026-07-28T10:00:00Z ",
        "2026-07-28T10:00:00+0200", "0000-01-01T00:00:00Z", "2026-07-28T10:00:60Z"}) {
    INFO(bad);
    CHECK_FALSE(ParseTime(bad).ok());
  }
  for (const int64_t at : {-62135596800LL, -1LL, 0LL, 951827696LL, 253402300799LL}) {
    CHECK(ParseTime(FormatTime(at, 0))->seconds == at);
  }
  CHECK(FormatTime(0, 1000) == "1970-01-01T00:00:00.000001Z");
}

}  // namespace
}  // namespace aurora::protojson
