// Guardrail: one check or change of what goes in or comes out.
#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "controlplane/kinds/field.h"
#include "controlplane/kinds/rules.h"
#include "controlplane/kinds/validate.h"
#include "shared/base/status.h"

namespace aurora::kinds {
namespace {

constexpr size_t kPromptBytesMax = 32'768;
constexpr size_t kPatternBytesMax = 1024;
constexpr size_t kPatternsMax = 100;
constexpr int64_t kPatternMemory = 1 << 20;  // of one compiled pattern
constexpr std::array<std::string_view, 6> kPii = {"email", "phone", "credit_card", "iban", "ip_address", "us_ssn"};
constexpr std::string_view kTypes = "system_prompt, regex_block, pii_redact, length_limit, llm_judge";

absl::Status Check(const v1::SystemPromptConfig& c) {
  if (c.text().empty()) {
    return Bad("config.text", "is required");
  }
  if (!v1::SystemPromptMode_IsValid(c.mode())) {
    return Bad("config.mode", std::to_string(c.mode()) + " is unknown; allowed are inject, prepend, append, replace");
  }
  return CheckProse("config.text", c.text(), kPromptBytesMax);
}

absl::Status Check(const v1::RegexBlockConfig& c) {
  if (c.patterns().empty()) {
    return Bad("config.patterns", "at least one is required");
  }
  AURORA_RETURN_IF_ERROR(CheckCount("config.patterns", c.patterns_size(), kPatternsMax));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  options.set_case_sensitive(!c.case_insensitive());
  for (int i = 0; i < c.patterns_size(); ++i) {
    const std::string field = Indexed("config.patterns", i);
    if (c.patterns(i).empty()) {
      return Bad(field, "is empty; it would match everything");
    }
    AURORA_RETURN_IF_ERROR(CheckProse(field, c.patterns(i), kPatternBytesMax));
    if (const RE2 compiled(c.patterns(i), options); !compiled.ok()) {
      return Bad(field, Quote(c.patterns(i)) + " is no RE2 pattern: " + compiled.error() +
                            "; allowed is https://github.com/google/re2/wiki/Syntax");
    }
  }
  return CheckText("config.message", c.message(), kDescriptionBytesMax);
}

absl::Status Check(const v1::PiiRedactConfig& c) {
  AURORA_RETURN_IF_ERROR(CheckCount("config.entities", c.entities_size(), kPii.size()));
  for (int i = 0; i < c.entities_size(); ++i) {
    const std::string& entity = c.entities(i);
    if (std::find(kPii.begin(), kPii.end(), entity) == kPii.end()) {
      return Bad(Indexed("config.entities", i),
                 Quote(entity) + " is unknown; allowed are email, phone, credit_card, iban, ip_address, us_ssn");
    }
    if (std::find(c.entities().begin(), c.entities().begin() + i, entity) != c.entities().begin() + i) {
      return Bad(Indexed("config.entities", i), Quote(entity) + " is there twice");
    }
  }
  return CheckText("config.replacement", c.replacement(), kNameBytesMax);
}

absl::Status Check(const v1::LengthLimitConfig& c) {
  AURORA_RETURN_IF_ERROR(CheckRange("config.max_characters", c.max_characters(), 0, 1'000'000'000));
  AURORA_RETURN_IF_ERROR(CheckRange("config.max_messages", c.max_messages(), 0, 1'000'000));
  return c.max_characters() > 0 || c.max_messages() > 0
             ? absl::OkStatus()
             : Bad("config", "limits nothing; give max_characters, max_messages or both");
}

absl::Status Check(const v1::LlmJudgeConfig& c) {
  AURORA_RETURN_IF_ERROR(CheckName("config.model", c.model()));
  AURORA_RETURN_IF_ERROR(CheckProse("config.prompt", c.prompt(), kPromptBytesMax));
  if (c.prompt().find("{{text}}") == std::string::npos) {
    return Bad("config.prompt", "must hold {{text}}, which becomes what is judged");
  }
  return CheckRange("config.timeout_ms", c.timeout_ms(), 0, 60'000);
}

absl::Status CheckConfig(const v1::GuardrailSpec& spec) {
  constexpr auto kNumber = [](v1::GuardrailType type) {
    return static_cast<int>(type) - static_cast<int>(v1::GUARDRAIL_TYPE_SYSTEM_PROMPT) +
           static_cast<int>(v1::GuardrailSpec::kSystemPrompt);
  };
  if (spec.config_case() == v1::GuardrailSpec::CONFIG_NOT_SET) {
    return Bad("config", "is required");
  }
  if (static_cast<int>(spec.config_case()) != kNumber(spec.type())) {
    return Bad("config", "is another type's");
  }
  switch (spec.config_case()) {
    case v1::GuardrailSpec::kSystemPrompt:
      return spec.direction() == v1::GUARDRAIL_DIRECTION_INPUT
                 ? Check(spec.system_prompt())
                 : Bad("direction", "must be input for a system_prompt");
    case v1::GuardrailSpec::kRegexBlock:
      return Check(spec.regex_block());
    case v1::GuardrailSpec::kPiiRedact:
      return Check(spec.pii_redact());
    case v1::GuardrailSpec::kLengthLimit:
      return Check(spec.length_limit());
    case v1::GuardrailSpec::kLlmJudge:
      return Check(spec.llm_judge());
    case v1::GuardrailSpec::CONFIG_NOT_SET:
      break;
  }
  return Bad("config", "is required");
}

}  // namespace

absl::Status Validate(const v1::GuardrailSpec& spec) {
  AURORA_RETURN_IF_ERROR(CheckSegment("name", spec.name()));
  if (spec.name() == "types") {
    return Bad("name", "\"types\" is the list of types (GET guardrails/types); take another");
  }
  if (spec.type() == v1::GUARDRAIL_TYPE_UNSPECIFIED || !v1::GuardrailType_IsValid(spec.type())) {
    return Bad("type", "is required; allowed are " + std::string(kTypes));
  }
  if (spec.direction() == v1::GUARDRAIL_DIRECTION_UNSPECIFIED || !v1::GuardrailDirection_IsValid(spec.direction())) {
    return Bad("direction", "is required; allowed are input, output, both");
  }
  if (spec.on_error() == v1::GUARDRAIL_ON_ERROR_UNSPECIFIED || !v1::GuardrailOnError_IsValid(spec.on_error())) {
    return Bad("on_error", "is required; allowed are allow, block");
  }
  AURORA_RETURN_IF_ERROR(CheckRange("order", spec.order(), -1'000'000, 1'000'000));
  AURORA_RETURN_IF_ERROR(CheckUserPath("user_path", spec.user_path()));
  return CheckConfig(spec);
}

absl::Status GuardrailRules::Complete(std::string_view name, int64_t, Spec* spec) {
  if (spec->direction() == v1::GUARDRAIL_DIRECTION_UNSPECIFIED) {
    spec->set_direction(v1::GUARDRAIL_DIRECTION_INPUT);
  }
  if (spec->on_error() == v1::GUARDRAIL_ON_ERROR_UNSPECIFIED) {
    spec->set_on_error(v1::GUARDRAIL_ON_ERROR_BLOCK);
  }
  if (spec->has_system_prompt() && spec->system_prompt().mode() == v1::SYSTEM_PROMPT_MODE_UNSPECIFIED) {
    spec->mutable_system_prompt()->set_mode(v1::SYSTEM_PROMPT_MODE_INJECT);
  }
  if (spec->type() == v1::GUARDRAIL_TYPE_PII_REDACT && spec->config_case() == v1::GuardrailSpec::CONFIG_NOT_SET) {
    spec->mutable_pii_redact();
  }
  return TakeName("name", name, spec->mutable_name());
}

}  // namespace aurora::kinds
