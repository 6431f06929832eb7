#include "controlplane/kinds/validate.h"

#include <functional>

#include "controlplane/kinds/field.h"
#include "tests/support/test.h"

namespace aurora::kinds {
namespace {

v1::AuthKeySpec GoodKey() {
  v1::AuthKeySpec s;
  s.set_name("ci key");
  s.set_user_path("/team/a");
  s.mutable_allowed_models()->add_values("openai/*");
  s.mutable_allowed_models()->add_values("*");
  s.mutable_allowed_providers()->add_values("openai-east");
  s.add_denied_models("openai/gpt-4o");
  s.add_secrets()->set_sha256(std::string(32, 's'));
  return s;
}

v1::ProviderSpec GoodProvider() {
  v1::ProviderSpec s;
  s.set_name("openai-east");
  s.set_type(v1::PROVIDER_TYPE_OPENAI);
  s.set_base_url("https://api.example.com/v1");
  s.add_models("gpt-4o");
  s.add_credentials()->set_id("main");
  return s;
}

v1::ModelSpec GoodModel() {
  v1::ModelSpec s;
  s.set_id("meta/llama-3:8b");
  s.set_provider("together");
  s.add_capabilities("tools");
  return s;
}

v1::AliasSpec GoodAlias() {
  v1::AliasSpec s;
  s.set_name("fast");
  s.add_targets()->set_model("openai/gpt-4o");
  return s;
}

v1::ModelOverrideSpec GoodOverride() {
  v1::ModelOverrideSpec s;
  s.set_selector("openai/");
  s.mutable_user_paths()->add_values("/");
  return s;
}

template <class Spec>
struct Mistake {
  std::string field;
  std::function<void(Spec&)> make;
};

// Each mistake is refused and named by its field.
template <class Spec>
void CheckMistakes(const Spec& good, const std::vector<Mistake<Spec>>& mistakes) {
  REQUIRE(Validate(good).ok());
  for (const Mistake<Spec>& mistake : mistakes) {
    INFO(mistake.field);
    Spec spec = good;
    mistake.make(spec);
    const absl::Status status = Validate(spec);
    INFO(status.ToString());
    CHECK(absl::IsInvalidArgument(status));
    CHECK(FieldOf(status) == mistake.field);
  }
}

TEST_CASE("each mistake in a key names its field") {
  using S = v1::AuthKeySpec;
  CheckMistakes<S>(
      GoodKey(),
      {{"name", [](S& s) { s.clear_name(); }},
       {"name", [](S& s) { s.set_name(std::string(129, 'n')); }},
       {"name", [](S& s) { s.set_name("a\nb"); }},
       {"description", [](S& s) { s.set_description(std::string(1025, 'd')); }},
       {"user_path", [](S& s) { s.set_user_path("team"); }},
       {"user_path", [](S& s) { s.set_user_path("/team/"); }},
       {"user_path", [](S& s) { s.set_user_path("/a//b"); }},
       {"user_path", [](S& s) { s.set_user_path("/a/../b"); }},
       {"user_path", [](S& s) { s.set_user_path("/a/./b"); }},
       {"user_path", [](S& s) { s.set_user_path("/a/."); }},
       {"user_path", [](S& s) { s.set_user_path("/" + std::string(256, 'p')); }},
       {"allowed_providers[1]", [](S& s) { s.mutable_allowed_providers()->add_values("a/b"); }},
       {"allowed_models[2]", [](S& s) { s.mutable_allowed_models()->add_values("a*b"); }},
       {"denied_models[1]", [](S& s) { s.add_denied_models(""); }},
       {"denied_models",
        [](S& s) {
          for (int i = 0; i < 1001; ++i) {
            s.add_denied_models("m");
          }
        }},
       {"rate_limits.requests_per_minute", [](S& s) { s.mutable_rate_limits()->set_requests_per_minute(-1); }},
       {"rate_limits.requests_per_day", [](S& s) { s.mutable_rate_limits()->set_requests_per_day(-1); }},
       {"rate_limits.tokens_per_minute", [](S& s) { s.mutable_rate_limits()->set_tokens_per_minute(-1); }},
       {"rate_limits.tokens_per_day", [](S& s) { s.mutable_rate_limits()->set_tokens_per_day(INT64_MAX); }},
       {"rate_limits.concurrent_requests", [](S& s) { s.mutable_rate_limits()->set_concurrent_requests(-1); }},
       {"expires_at", [](S& s) { s.mutable_expires_at()->set_seconds(-1); }},
       {"expires_at", [](S& s) { s.mutable_expires_at()->set_seconds(INT64_MAX); }},
       {"expires_at", [](S& s) { s.mutable_expires_at()->set_nanos(1'000'000'000); }},
       {"secrets", [](S& s) { s.add_secrets()->set_sha256("short"); }},
       {"secrets", [](S& s) {
          for (int i = 0; i < 10; ++i) {
            s.add_secrets()->set_sha256(std::string(32, 'x'));
          }
        }}});
}

TEST_CASE("each mistake in a provider names its field") {
  using S = v1::ProviderSpec;
  CheckMistakes<S>(
      GoodProvider(),
      {{"name", [](S& s) { s.clear_name(); }},
       {"name", [](S& s) { s.set_name("a/b"); }},
       {"name", [](S& s) { s.set_name("-a"); }},
       {"name", [](S& s) { s.set_name(std::string(129, 'n')); }},
       {"type", [](S& s) { s.clear_type(); }},
       {"type", [](S& s) { s.set_type(static_cast<v1::ProviderType>(99)); }},
       {"base_url", [](S& s) { s.set_base_url("ftp://host"); }},
       {"base_url", [](S& s) { s.set_base_url("https://u:p@host"); }},
       {"base_url", [](S& s) { s.set_base_url("https://h/" + std::string(2048, 'p')); }},
       {"base_url",
        [](S& s) {
          s.set_type(v1::PROVIDER_TYPE_AZURE);
          s.clear_base_url();
        }},
       {"api_version", [](S& s) { s.set_api_version(std::string(65, 'v')); }},
       {"ca_file", [](S& s) { s.set_ca_file("a\x01"); }},
       {"models[1]", [](S& s) { s.add_models("has space"); }},
       {"timeouts.connect_ms", [](S& s) { s.mutable_timeouts()->set_connect_ms(-1); }},
       {"timeouts.first_byte_ms", [](S& s) { s.mutable_timeouts()->set_first_byte_ms(-1); }},
       {"timeouts.idle_ms", [](S& s) { s.mutable_timeouts()->set_idle_ms(-1); }},
       {"timeouts.total_ms", [](S& s) { s.mutable_timeouts()->set_total_ms(86'400'001); }},
       {"resilience.max_retries", [](S& s) { s.mutable_resilience()->set_max_retries(11); }},
       {"resilience.breaker_failures", [](S& s) { s.mutable_resilience()->set_breaker_failures(-2); }},
       {"resilience.breaker_open_ms", [](S& s) { s.mutable_resilience()->set_breaker_open_ms(-1); }},
       {"resilience.cooldown_ms", [](S& s) { s.mutable_resilience()->set_cooldown_ms(-1); }},
       {"credentials[1].id", [](S& s) { s.add_credentials()->set_id("main"); }},
       {"credentials[0].id", [](S& s) { s.mutable_credentials(0)->clear_id(); }},
       {"credentials[0].weight", [](S& s) { s.mutable_credentials(0)->set_weight(1'000'001); }},
       {"credentials", [](S& s) {
          for (int i = 0; i < 100; ++i) {
            s.add_credentials()->set_id("c" + std::to_string(i));
          }
        }}});
}

TEST_CASE("each mistake in a model names its field") {
  using S = v1::ModelSpec;
  CheckMistakes<S>(GoodModel(),
                   {{"id", [](S& s) { s.clear_id(); }},
                    {"id", [](S& s) { s.set_id("a?b"); }},
                    {"provider", [](S& s) { s.clear_provider(); }},
                    {"provider", [](S& s) { s.set_provider("a/b"); }},
                    {"upstream_id", [](S& s) { s.set_upstream_id(std::string(257, 'u')); }},
                    {"display_name", [](S& s) { s.set_display_name("\xc3"); }},
                    {"context_window", [](S& s) { s.set_context_window(-1); }},
                    {"max_output_tokens", [](S& s) { s.set_max_output_tokens(-1); }},
                    {"capabilities[1]", [](S& s) { s.add_capabilities(""); }},
                    {"modalities[0]", [](S& s) { s.add_modalities("a b"); }}});
}

TEST_CASE("each mistake in an alias names its field") {
  using S = v1::AliasSpec;
  CheckMistakes<S>(GoodAlias(),
                   {{"name", [](S& s) { s.clear_name(); }},
                    {"targets", [](S& s) { s.clear_targets(); }},
                    {"targets",
                     [](S& s) {
                       for (int i = 0; i < 32; ++i) {
                         s.add_targets()->set_model("m");
                       }
                     }},
                    {"targets[0].model", [](S& s) { s.mutable_targets(0)->set_model("fast"); }},
                    {"targets[0].model", [](S& s) { s.mutable_targets(0)->clear_model(); }},
                    {"targets[0].weight", [](S& s) { s.mutable_targets(0)->set_weight(1'000'001); }},
                    {"targets[0].order", [](S& s) { s.mutable_targets(0)->set_order(1'001); }}});
}

TEST_CASE("each mistake in a model override names its field") {
  using S = v1::ModelOverrideSpec;
  CheckMistakes<S>(GoodOverride(),
                   {{"selector", [](S& s) { s.clear_selector(); }},
                    {"selector", [](S& s) { s.set_selector("/openai"); }},
                    {"user_paths[1]", [](S& s) { s.mutable_user_paths()->add_values(""); }},
                    {"user_paths[1]", [](S& s) { s.mutable_user_paths()->add_values("team"); }}});
  v1::ModelOverrideSpec everything = GoodOverride();
  everything.set_selector("/");
  CHECK(Validate(everything).ok());
}

TEST_CASE("a huge or binary value is shown short and printable") {
  const absl::Status status = CheckName("name", std::string(100'000, '\x01'));
  CHECK(status.message().size() < 300);
  CHECK(status.message().find('\x01') == std::string::npos);
}

TEST_CASE("text must be whole UTF-8") {
  CHECK(CheckText("t", "grün – ✓ 😀", 100).ok());
  CHECK_FALSE(CheckText("t", "\xff", 100).ok());
  CHECK_FALSE(CheckText("t", "\xe2\x9c", 100).ok());
  CHECK_FALSE(CheckText("t", "\xc3(", 100).ok());
}

}  // namespace
}  // namespace aurora::kinds
