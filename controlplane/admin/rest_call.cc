#include "controlplane/admin/rest_call.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace aurora::admin::rest {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "rate_limits.tokens_per_day: must be …" -> the part before the colon, if it looks like a field.
std::string_view ParamOf(std::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == std::string_view::npos) {
    return {};
  }
  const std::string_view field = message.substr(0, colon);
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '[' ||
           c == ']';
  };
  for (const char c : field) {
    if (!fits(c)) {
      return {};
    }
  }
  return field;
}

}  // namespace

bool Matches(std::string_view pattern, std::string_view path, std::string_view* captured) {
  const size_t mark = pattern.find_first_of(":*");
  if (mark == std::string_view::npos) {
    return pattern == path;
  }
  const std::string_view before = pattern.substr(0, mark);
  const size_t slash = pattern.find('/', mark);
  const std::string_view after =
      slash == std::string_view::npos ? std::string_view() : pattern.substr(slash);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
      !path.ends_with(after)) {
    return false;
  }
  const std::string_view taken =
      path.substr(before.size(), path.size() - before.size() - after.size());
  if (pattern[mark] == ':' && taken.find('/') != std::string_view::npos) {
    return false;
  }
  *captured = taken;
  return true;
}

absl::StatusOr<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
      if (low < 0) {
        return InvalidArgument("'%' must be followed by two hex digits");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') {
      return InvalidArgument("a NUL byte is not allowed");
    }
    out.push_back(c);
  }
  return out;
}

absl::StatusOr<std::map<std::string, std::string>> ParseQuery(std::string_view query,
                                                              std::string_view known) {
  std::map<std::string, std::string> out;
  const std::vector<std::string> names = absl::StrSplit(Absl(known), ' ', absl::SkipEmpty());
  for (const absl::string_view piece : absl::StrSplit(Absl(query), '&', absl::SkipEmpty())) {
    const std::string_view pair = Std(piece);
    const size_t equals = std::min(pair.find('='), pair.size());
    AURORA_ASSIGN_OR_RETURN(std::string name, PercentDecode(pair.substr(0, equals), true));
    AURORA_ASSIGN_OR_RETURN(
        std::string value,
        PercentDecode(equals < pair.size() ? pair.substr(equals + 1) : std::string_view(),
                            true));
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return InvalidArgument(
          name + ": unknown query parameter" +
          (names.empty() ? " (there are none here)" : "; known here: " + std::string(known)));
    }
    if (!out.emplace(name, std::move(value)).second) {
      return InvalidArgument(name + ": given twice");
    }
  }
  return out;
}

Failure FailureOf(absl::StatusCode code, bool store_open) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return {400, "invalid_request_error", "invalid_value"};
    case absl::StatusCode::kUnauthenticated:
      return {401, "authentication_error", "invalid_admin_token"};
    case absl::StatusCode::kPermissionDenied:
      return {403, "permission_error", "permission_denied"};
    case absl::StatusCode::kNotFound:
      return {404, "not_found_error", "not_found"};
    case absl::StatusCode::kAlreadyExists:
      return {409, "conflict_error", "already_exists"};
    case absl::StatusCode::kAborted:
      return {409, "conflict_error", "conflict"};
    case absl::StatusCode::kFailedPrecondition:
      return store_open ? Failure{409, "conflict_error", "failed_precondition"}
                        : Failure{503, "unavailable_error", "store_unavailable"};
    case absl::StatusCode::kResourceExhausted:
      return {503, "unavailable_error", "resource_exhausted"};
    case absl::StatusCode::kDataLoss:
      return {503, "unavailable_error", "store_unavailable"};
    case absl::StatusCode::kUnavailable:
      return {503, "unavailable_error", "unavailable"};
    case absl::StatusCode::kUnimplemented:
      return {501, "not_implemented_error", "not_implemented"};
    case absl::StatusCode::kDeadlineExceeded:
      return {504, "unavailable_error", "deadline_exceeded"};
    default:
      return {500, "internal_error", "internal"};
  }
}

httpd::Response ErrorResponse(const Failure& failure, std::string_view message,
                              std::string_view param) {
  nlohmann::ordered_json error;
  error["type"] = failure.type;
  error["message"] = message;
  error["param"] = param.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(param);
  error["code"] = failure.code;
  httpd::Response response;
  response.status = failure.status;
  response.content_type = "application/json";
  nlohmann::ordered_json body;
  body["error"] = std::move(error);
  // A message may quote what the caller sent: bytes that are not UTF-8 are replaced, never thrown
  // about.
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

httpd::Response ErrorResponse(const absl::Status& status, bool store_open) {
  const std::string_view message = Std(status.message());
  return ErrorResponse(FailureOf(status.code(), store_open), message,
                       absl::IsInvalidArgument(status) ? ParamOf(message) : std::string_view());
}

}  // namespace aurora::admin::rest
