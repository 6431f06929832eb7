#include "shared/config/provider.h"

#include "tests/shared/config/support.h"
#include "tests/support/certs.h"
#include "tests/support/test.h"

namespace aurora::config {
namespace {

using Want = std::vector<std::string>;

TEST_CASE("a key in the environment makes a provider with its type's address") {
  const auto loaded =
      LoadWith("", {{"OPENAI_API_KEY", "sk-1"}, {"GITHUB_API_KEY", "x"}, {"API_KEY", "y"}});
  REQUIRE(loaded.ok());
  REQUIRE(loaded->providers.size() == 1);
  const ProviderConfig& p = loaded->providers[0];
  CHECK(p.name == "openai");
  CHECK(p.type == ProviderType::kOpenAi);
  CHECK(p.base_url == "https://api.openai.com/v1");
  CHECK(p.api_key.Reveal() == "sk-1");
  CHECK(p.from_environment);
  CHECK(p.timeouts.total == Duration::Seconds(900));
  CHECK(p.resilience.max_retries == 2);
}

TEST_CASE("every type has its default address and its name") {
  const std::vector<std::pair<const char*, const char*>> types = {
      {"ANTHROPIC", "https://api.anthropic.com"},
      {"GEMINI", "https://generativelanguage.googleapis.com"},
      {"GROQ", "https://api.groq.com/openai/v1"},
      {"DEEPSEEK", "https://api.deepseek.com/v1"},
      {"OPENROUTER", "https://openrouter.ai/api/v1"},
      {"XAI", "https://api.x.ai/v1"},
      {"MISTRAL", "https://api.mistral.ai/v1"},
      {"TOGETHER", "https://api.together.xyz/v1"},
      {"FIREWORKS", "https://api.fireworks.ai/inference/v1"},
      {"OLLAMA", "http://127.0.0.1:11434/v1"},
      {"VLLM", "http://127.0.0.1:8000/v1"}};
  for (const auto& [type, url] : types) {
    const auto loaded = LoadWith("", {{std::string(type) + "_API_KEY", "k"}});
    REQUIRE(loaded.ok());
    REQUIRE(loaded->providers.size() == 1);
    CHECK(loaded->providers[0].base_url == url);
    CHECK(ProviderTypeFromName(loaded->providers[0].name) == loaded->providers[0].type);
  }
}

TEST_CASE("a suffix makes a second provider of the type") {
  const auto loaded = LoadWith("", {{"OPENAI_API_KEY", "a"},
                                    {"OPENAI_EAST_API_KEY", "b"},
                                    {"OPENAI_EAST_BASE_URL", "https://east.example/v1/"},
                                    {"OPENAI_EAST_MODELS", "gpt-4o, o3"}});
  REQUIRE(loaded.ok());
  REQUIRE(loaded->providers.size() == 2);
  CHECK(loaded->providers[1].name == "openai-east");
  CHECK(loaded->providers[1].base_url == "https://east.example/v1");
  CHECK(loaded->providers[1].models == Want{"gpt-4o", "o3"});
}

TEST_CASE("Azure needs its address and has a default version") {
  CHECK(MistakesOf("", {{"AZURE_API_KEY", "a"}}) ==
        Want{"providers.azure.base_url: \"\" is not allowed, want the resource's URL: type azure "
             "has no default "
             "(environment AZURE_API_KEY)"});
  const auto loaded =
      LoadWith("", {{"AZURE_API_KEY", "a"}, {"AZURE_BASE_URL", "https://r.openai.azure.com"}});
  REQUIRE(loaded.ok());
  CHECK(loaded->providers.at(0).api_version == "2024-10-21");
  const auto pinned = LoadWith("", {{"AZURE_API_KEY", "a"},
                                    {"AZURE_BASE_URL", "https://r.openai.azure.com"},
                                    {"AZURE_API_VERSION", "2025-01-01"}});
  CHECK(pinned->providers.at(0).api_version == "2025-01-01");
}

TEST_CASE("other tools' variables make no provider") {
  const auto loaded =
      LoadWith("", {{"OLLAMA_MODELS", "/usr/share/ollama"}, {"ANTHROPIC_BASE_URL", "https://x"}});
  REQUIRE(loaded.ok());
  CHECK(loaded->providers.empty());
  CHECK(loaded->warnings.size() == 1);
  CHECK(LoadWith("", {{"OLLAMA_BASE_URL", "http://127.0.0.1:1/v1"}})->providers.size() == 1);
}

TEST_CASE("a file's table sets every key") {
  const auto loaded = LoadWith(R"(
[providers.demo-anthropic]
type = "anthropic"
base_url = "http://127.0.0.1:9400"
api_key = "k"
models = ["demo"]
stamp = true
[providers.demo-anthropic.timeouts]
connect = "1s"
first_byte = "2s"
idle = "3s"
total = "4s"
[providers.demo-anthropic.resilience]
max_retries = 0
breaker_failures = 7
breaker_open = "1s"
cooldown = "2s"
)");
  REQUIRE(loaded.ok());
  const ProviderConfig& p = loaded->providers.at(0);
  CHECK(p.name == "demo-anthropic");
  CHECK(p.type == ProviderType::kAnthropic);
  CHECK(p.stamp);
  CHECK_FALSE(p.from_environment);
  CHECK(p.timeouts.first_byte == Duration::Seconds(2));
  CHECK(p.resilience.max_retries == 0);
  CHECK(p.resilience.breaker_failures == 7);
}

TEST_CASE("a variable overrides one key of a file's provider") {
  const auto loaded = LoadWith("[providers.openai]\nbase_url = \"http://a\"\nstamp = true\n",
                               {{"OPENAI_BASE_URL", "http://b"}});
  REQUIRE(loaded.ok());
  REQUIRE(loaded->providers.size() == 1);
  CHECK(loaded->providers[0].base_url == "http://b");
  CHECK(loaded->providers[0].stamp);
  CHECK(Effective(*loaded, "providers.openai.base_url")->source == "environment OPENAI_BASE_URL");
}

TEST_CASE("a file's provider takes its variables whatever it is called") {
  const std::string file = "[providers.my-corp]\ntype = \"azure\"\nbase_url = \"http://a\"\napi_key = \"k\"\n";
  const auto loaded = LoadWith(file, {{"MY_CORP_API_KEY", "v"},
                                      {"MY_CORP_MODELS", "m,n"},
                                      {"MY_CORP_API_VERSION", "2025-01-01"},
                                      {"OTHERS_API_KEY", "x"}});
  REQUIRE(loaded.ok());
  REQUIRE(loaded->providers.size() == 1);
  const ProviderConfig& p = loaded->providers[0];
  CHECK(p.api_key.Reveal() == "v");
  CHECK(p.models == std::vector<std::string>{"m", "n"});
  CHECK(p.api_version == "2025-01-01");
  CHECK(p.base_url == "http://a");
  CHECK(Effective(*loaded, "providers.my-corp.api_key")->source == "environment MY_CORP_API_KEY");
}

TEST_CASE("a provider's certificates to trust are looked at before the start") {
  const auto file = [](std::string_view path) {
    return "[providers.openai]\nca_file = \"" + std::string(path) + "\"\n";
  };
  CHECK(MistakesOf(file("/dev/null")).size() == 1);
  CHECK(MistakesOf(file("/nonexistent")).size() == 1);
  CHECK(MistakesOf(file("/nonexistent"), {}, Process::kControlPlane).empty());
  const aurora::testing::Certs certs;
  CHECK(MistakesOf(file(certs.ca_file())).empty());
}

TEST_CASE("a provider's mistakes name the provider") {
  CHECK(MistakesOf("[providers.x]\ntype = \"opnai\"\n")
            .at(0)
            .starts_with("providers.x.type: \"opnai\" is not allowed"));
  CHECK(MistakesOf("[providers.x]\nstamp = true\n")
            .at(0)
            .starts_with("providers.x.type: \"\" is not allowed"));
  CHECK(MistakesOf("[providers.openai]\nbaseurl = \"x\"\n") ==
        Want{"providers.openai.baseurl: no such key, did you mean base_url? (file t.toml:2)"});
  CHECK(MistakesOf("[providers.UPPER]\ntype = \"openai\"\n").size() == 1);
  CHECK(MistakesOf("providers.openai = 1\n").size() == 1);
  CHECK(MistakesOf("[providers.openai]\napi_key_file = \"/nonexistent\"\n").size() == 1);
}

TEST_CASE("an address that cannot be called is refused") {
  for (const char* url : {"api.openai.com", "ftp://x", "http://", "http://u:p@h", "http://h?x=1",
                          "http://h:99999", "http://h:0", "http://a b"}) {
    INFO(url);
    CHECK(MistakesOf("", {{"OPENAI_API_KEY", "k"}, {"OPENAI_BASE_URL", url}}).size() == 1);
  }
  CHECK(
      MistakesOf("", {{"OPENAI_API_KEY", "k"}, {"OPENAI_BASE_URL", "http://[::1]:80/v1"}}).empty());
  CHECK(MistakesOf("", {{"OPENAI_API_KEY", "k"}, {"OPENAI_BASE_URL", "http://[::1]/v1"}}).empty());
}

}  // namespace
}  // namespace aurora::config
