#include "dataplane/llm/errors.h"

namespace aurora::llm {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

template <class Append>
void Escape(std::string_view s, Append append) {
  append("\"");
  size_t plain = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    append(s.substr(plain, i - plain));
    plain = i + 1;
    if (c == '"') {
      append("\\\"");
    } else if (c == '\\') {
      append("\\\\");
    } else {
      const char code[6] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      append(std::string_view(code, sizeof code));
    }
  }
  append(s.substr(plain));
  append("\"");
}

void AppendOrNull(http::Buffer& out, std::string_view s) {
  if (s.empty()) {
    out.Append("null");
  } else {
    AppendJsonString(out, s);
  }
}

}  // namespace

void AppendJsonString(http::Buffer& out, std::string_view s) {
  Escape(s, [&out](std::string_view part) { out.Append(part); });
}

void AppendJsonString(std::string& out, std::string_view s) {
  Escape(s, [&out](std::string_view part) { out.append(part); });
}

size_t ErrorBytesMax(const ApiError& error) {
  return 192 + 6 * (error.code.size() + error.message.size() + error.param.size());
}

std::string_view ErrorType(model::Dialect dialect, int status) {
  if (dialect == model::Dialect::kAnthropic) {
    switch (status) {
      case 401:
        return "authentication_error";
      case 403:
        return "permission_error";
      case 404:
        return "not_found_error";
      case 413:
        return "request_too_large";
      case 429:
        return "rate_limit_error";
      case 503:
      case 529:
        return "overloaded_error";
      case 504:
        return "timeout_error";
      default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
  }
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 501:
      return "invalid_request_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

void RenderError(model::Dialect dialect, const ApiError& error, http::Buffer& out) {
  const std::string_view type = ErrorType(dialect, error.status);
  if (dialect == model::Dialect::kAnthropic) {
    out.Append(R"({"type":"error","error":{"type":)");
    AppendJsonString(out, type);
    out.Append(R"(,"message":)");
    AppendJsonString(out, error.message);
    if (!error.code.empty()) {
      out.Append(R"(,"code":)");
      AppendJsonString(out, error.code);
    }
    out.Append("}}");
    return;
  }
  out.Append(R"({"error":{"type":)");
  AppendJsonString(out, type);
  out.Append(R"(,"message":)");
  AppendJsonString(out, error.message);
  out.Append(R"(,"param":)");
  AppendOrNull(out, error.param);
  out.Append(R"(,"code":)");
  AppendOrNull(out, error.code);
  out.Append("}}");
}

void RenderErrorEvent(model::Dialect dialect, const ApiError& error, http::Buffer& out) {
  out.Append(dialect == model::Dialect::kAnthropic ? "event: error\ndata: " : "data: ");
  RenderError(dialect, error, out);
  out.Append("\n\n");
}

}  // namespace aurora::llm
