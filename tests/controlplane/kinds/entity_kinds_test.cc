// Guardrail, Workflow, Pricing and Budget: what is in force of concurrent writes, names and ids.
#include <algorithm>
#include <limits>

#include "controlplane/kinds/field.h"
#include "controlplane/kinds/resolve.h"
#include "controlplane/kinds/rules.h"
#include "controlplane/kinds/validate.h"
#include "shared/schema/kinds.h"
#include "tests/support/test.h"

namespace aurora::kinds {
namespace {

using replication::Row;
using replication::Sibling;

Sibling Make(const std::string& node, uint64_t ms, const std::string& spec, bool deleted = false) {
  return {{{node, 1}, 1}, deleted ? "" : spec, {ms, 0}, deleted};
}

std::optional<std::string> InForce(std::string_view kind, std::vector<Sibling> siblings) {
  Row row;
  row.siblings = std::move(siblings);
  for (const Sibling& s : row.siblings) {
    row.version.Add(s.dot);
  }
  const auto value = Find(All(), kind)->resolve(row);
  REQUIRE(value.ok());
  std::reverse(row.siblings.begin(), row.siblings.end());
  CHECK(*Find(All(), kind)->resolve(row) == *value);
  return *value;
}

v1::GuardrailSpec Guard(bool enabled, int order = 0) {
  v1::GuardrailSpec spec;
  spec.set_type(v1::GUARDRAIL_TYPE_PII_REDACT);
  spec.set_order(order);
  spec.set_enabled(enabled);
  REQUIRE(GuardrailRules::Complete("g", 0, &spec).ok());
  REQUIRE(Validate(spec).ok());
  return spec;
}



TEST_CASE("of concurrent guardrails enabled wins over disabled, and the rest is the newest's") {
  const auto value = InForce(schema::kGuardrail, {Make("a", 9, Guard(false, 2).SerializeAsString()),
                                                  Make("b", 5, Guard(true, 1).SerializeAsString())});
  v1::GuardrailSpec spec;
  REQUIRE(spec.ParseFromString(value.value()));
  CHECK(spec.enabled());
  CHECK(spec.order() == 2);
  CHECK(InForce(schema::kGuardrail, {Make("a", 9, Guard(false).SerializeAsString())}) ==
        Guard(false).SerializeAsString());
}

TEST_CASE("a delete of a guardrail loses to a concurrent edit, however new it is") {
  const std::string edit = Guard(true).SerializeAsString();
  CHECK(InForce(schema::kGuardrail, {Make("a", 5, edit), Make("b", 9, edit, true)}) == edit);
  CHECK_FALSE(InForce(schema::kGuardrail, {Make("b", 9, edit, true)}).has_value());
}

TEST_CASE("the pointer to a workflow's version is the newest, and the versions stay") {
  v1::WorkflowScopeSpec a;
  a.set_scope("/");
  a.set_active_id("v1");
  v1::WorkflowScopeSpec b = a;
  b.set_active_id("v2");
  CHECK(InForce(schema::kWorkflowScope,
                {Make("a", 9, a.SerializeAsString()), Make("b", 5, b.SerializeAsString())}) == a.SerializeAsString());
  CHECK_FALSE(
      InForce(schema::kWorkflowScope, {Make("a", 9, "", true), Make("b", 5, b.SerializeAsString())}).has_value());
}

TEST_CASE("a budget is the newest write, and a newer delete beats an edit") {
  v1::BudgetSpec spec;
  spec.set_limit_usd(1);
  REQUIRE(BudgetRules::Complete("path:/@day", 0, &spec).ok());
  const std::string bytes = spec.SerializeAsString();
  CHECK_FALSE(InForce(schema::kBudget, {Make("a", 5, bytes), Make("b", 9, bytes, true)}).has_value());
  CHECK(InForce(schema::kBudget, {Make("a", 9, bytes), Make("b", 5, bytes, true)}) == bytes);
}

TEST_CASE("two nodes that wrote one price's time at once agree on the newer write") {
  v1::PricingSpec a;
  REQUIRE(PricingRules::Complete("m@2026-01-01T00:00:00Z", 0, &a).ok());
  v1::PricingSpec b = a;
  b.set_input_per_mtok(2);
  CHECK(InForce(schema::kPricing, {Make("a", 5, a.SerializeAsString()), Make("b", 9, b.SerializeAsString())}) ==
        b.SerializeAsString());
}

TEST_CASE("a name and an entity may repeat each other and not contradict") {
  v1::PricingSpec price;
  price.set_selector("m");
  CHECK(PricingRules::Complete("m", 1'700'000'000, &price).ok());
  CHECK(PricingRules::Id(price) == "m@2023-11-14T22:13:20Z");
  CHECK(FieldOf(PricingRules::Complete("n", 0, &price)) == "selector");
  CHECK(FieldOf(PricingRules::Complete("m@2026-01-01T00:00:00Z", 0, &price)) == "effective_from");
  v1::PricingSpec at;  // an '@' that no time follows is the model's
  REQUIRE(PricingRules::Complete("claude@20240229@2026-01-01T02:00:00+02:00", 0, &at).ok());
  CHECK(PricingRules::Id(at) == "claude@20240229@2026-01-01T00:00:00Z");
}

TEST_CASE("a workflow's scope says provider, model and path, and nothing else has that id") {
  for (const std::string scope : {"/", "openai/", "openai/gpt-4o", "/#/team", "openai/#/team", "openai/a/b#/t/x"}) {
    v1::WorkflowSpec spec;
    INFO(scope);
    CHECK(WorkflowRules::Complete(scope, 0, &spec).ok());
    CHECK(Validate(spec).ok());
    CHECK(WorkflowRules::Id(spec) == scope);
  }
  for (const std::string scope : {"openai", "openai/#", "x#/team"}) {
    v1::WorkflowSpec spec;
    INFO(scope);
    CHECK(FieldOf(WorkflowRules::Complete(scope, 0, &spec)) == "scope");
  }
  v1::WorkflowSpec spec;
  CHECK(WorkflowRules::Complete("/m", 0, &spec).ok());
  CHECK(FieldOf(Validate(spec)) == "provider");
}

TEST_CASE("features are on unless switched off, and guardrails iff there are any") {
  v1::WorkflowSpec spec;
  REQUIRE(WorkflowRules::Complete("/", 0, &spec).ok());
  CHECK(spec.features().cache());
  CHECK_FALSE(spec.features().guardrails());
  spec.add_guardrails()->set_ref("g");
  CHECK(FieldOf(Validate(spec)) == "features.guardrails");
  spec.mutable_features()->set_guardrails(true);
  CHECK(Validate(spec).ok());
  spec.add_guardrails()->set_ref("g");
  CHECK(FieldOf(Validate(spec)) == "guardrails[1].ref");
  spec.mutable_guardrails()->RemoveLast();
  spec.mutable_features()->set_usage(false);
  CHECK(FieldOf(Validate(spec)) == "features.budget");
}

TEST_CASE("each guardrail config is checked, and a refusal names the field") {
  v1::GuardrailSpec g = Guard(true);
  g.mutable_pii_redact()->add_entities("email");
  CHECK(Validate(g).ok());
  g.mutable_pii_redact()->add_entities("email");
  CHECK(FieldOf(Validate(g)) == "config.entities[1]");
  g.mutable_pii_redact()->set_entities(1, "shoe_size");
  CHECK(FieldOf(Validate(g)) == "config.entities[1]");

  g.set_type(v1::GUARDRAIL_TYPE_SYSTEM_PROMPT);
  CHECK(FieldOf(Validate(g)) == "config");
  g.mutable_system_prompt();
  CHECK(FieldOf(Validate(g)) == "config.text");
  g.mutable_system_prompt()->set_text("Be kind.\nAlways.");
  CHECK(Validate(g).ok());
  g.set_direction(v1::GUARDRAIL_DIRECTION_OUTPUT);
  CHECK(FieldOf(Validate(g)) == "direction");

  g.set_type(v1::GUARDRAIL_TYPE_LENGTH_LIMIT);
  g.mutable_length_limit();
  CHECK(FieldOf(Validate(g)) == "config");
  g.mutable_length_limit()->set_max_characters(-1);
  CHECK(FieldOf(Validate(g)) == "config.max_characters");

  g.set_type(v1::GUARDRAIL_TYPE_LLM_JUDGE);
  g.mutable_llm_judge()->set_model("openai/gpt-4o");
  g.mutable_llm_judge()->set_prompt("Is this rude?");
  CHECK(FieldOf(Validate(g)) == "config.prompt");
  g.mutable_llm_judge()->set_prompt("Is this rude? {{text}}");
  CHECK(Validate(g).ok());

  g.set_type(v1::GUARDRAIL_TYPE_REGEX_BLOCK);
  g.mutable_regex_block()->add_patterns(std::string(2000, 'x'));
  CHECK(FieldOf(Validate(g)) == "config.patterns[0]");
  g.mutable_regex_block()->set_patterns(0, "(?P<n>a)+");
  CHECK(Validate(g).ok());
  g.set_name("types");
  CHECK(FieldOf(Validate(g)) == "name");
}

TEST_CASE("amounts of money are finite and in range") {
  v1::PricingSpec price;
  REQUIRE(PricingRules::Complete("/", 0, &price).ok());
  CHECK(Validate(price).ok());
  using Limits = std::numeric_limits<double>;
  for (const double bad : {-0.01, 2e6, Limits::infinity(), Limits::quiet_NaN()}) {
    price.set_cached_input_per_mtok(bad);
    CHECK(FieldOf(Validate(price)) == "cached_input_per_mtok");
  }
  price.clear_cached_input_per_mtok();
  for (const char* selector : {"", "//", "a b", "/x"}) {
    price.set_selector(selector);
    CHECK(FieldOf(Validate(price)) == "selector");
  }
}

}  // namespace
}  // namespace aurora::kinds
