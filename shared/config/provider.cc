#include "shared/config/provider.h"

namespace aurora::config {
namespace {

struct TypeRow {
  ProviderType type;
  std::string_view name;
  std::string_view base_url;
};

constexpr TypeRow kTypes[] = {
    {ProviderType::kOpenAi, "openai", "https://api.openai.com/v1"},
    {ProviderType::kAnthropic, "anthropic", "https://api.anthropic.com"},
    {ProviderType::kGemini, "gemini", "https://generativelanguage.googleapis.com"},
    {ProviderType::kAzure, "azure", ""},
    {ProviderType::kGroq, "groq", "https://api.groq.com/openai/v1"},
    {ProviderType::kDeepSeek, "deepseek", "https://api.deepseek.com/v1"},
    {ProviderType::kOpenRouter, "openrouter", "https://openrouter.ai/api/v1"},
    {ProviderType::kXai, "xai", "https://api.x.ai/v1"},
    {ProviderType::kMistral, "mistral", "https://api.mistral.ai/v1"},
    {ProviderType::kTogether, "together", "https://api.together.xyz/v1"},
    {ProviderType::kFireworks, "fireworks", "https://api.fireworks.ai/inference/v1"},
    {ProviderType::kOllama, "ollama", "http://127.0.0.1:11434/v1"},
    {ProviderType::kVllm, "vllm", "http://127.0.0.1:8000/v1"},
};

}  // namespace

std::string_view ToString(ProviderType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) {
      return row.name;
    }
  }
  return "";
}

std::optional<ProviderType> ProviderTypeFromName(std::string_view lower_case_name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == lower_case_name) {
      return row.type;
    }
  }
  return std::nullopt;
}

std::string_view DefaultBaseUrl(ProviderType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) {
      return row.base_url;
    }
  }
  return "";
}

}  // namespace aurora::config
