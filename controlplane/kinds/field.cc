#include "controlplane/kinds/field.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace aurora::kinds {
namespace {

bool AlphaNumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool NameChar(char c) {
  return AlphaNumeric(c) || std::string_view("._:/@+-").find(c) != std::string_view::npos;
}

// Length of the UTF-8 sequence at the front, 0 when it is none.
size_t Utf8Length(std::string_view s) {
  const auto lead = static_cast<unsigned char>(s[0]);
  const size_t n = lead < 0x80       ? 1
                   : lead >> 5 == 6  ? 2
                   : lead >> 4 == 14 ? 3
                   : lead >> 3 == 30 ? 4
                                     : 0;
  if (n == 0 || s.size() < n) {
    return 0;
  }
  for (size_t i = 1; i < n; ++i) {
    if ((static_cast<unsigned char>(s[i]) & 0xc0) != 0x80) {
      return 0;
    }
  }
  return n;
}

// `controls`: the control characters that are allowed.
absl::Status CheckCharacters(std::string_view field, std::string_view value, size_t bytes_max,
                             std::string_view controls) {
  if (value.size() > bytes_max) {
    return Bad(field, "is " + std::to_string(value.size()) + " bytes long; at most " + std::to_string(bytes_max) +
                          " are allowed");
  }
  while (!value.empty()) {
    const size_t n = Utf8Length(value);
    if (n == 0) {
      return Bad(field, "is not UTF-8");
    }
    const auto c = static_cast<unsigned char>(value[0]);
    if (n == 1 && (c < 0x20 || c == 0x7f) && controls.find(value[0]) == std::string_view::npos) {
      return Bad(field, "contains a control character");
    }
    value.remove_prefix(n);
  }
  return absl::OkStatus();
}

}  // namespace

std::string Quote(std::string_view value) {
  constexpr size_t kShown = 60;
  std::string out = "\"";
  for (const char c : value.substr(0, kShown)) {
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  out += value.size() > kShown ? "…\"" : "\"";
  return out;
}

absl::Status Bad(std::string_view field, std::string_view what) {
  return InvalidArgument(std::string(field) + ": " + std::string(what));
}

std::string FieldOf(const absl::Status& status) {
  const std::string_view message = Std(status.message());
  const size_t colon = message.find(": ");
  if (!absl::IsInvalidArgument(status) || colon == std::string_view::npos ||
      message.substr(0, colon).find(' ') != std::string_view::npos) {
    return "";
  }
  return std::string(message.substr(0, colon));
}

absl::Status CheckName(std::string_view field, std::string_view value) {
  if (value.empty()) {
    return Bad(field, "is required");
  }
  if (value.size() > kNameBytesMax || !AlphaNumeric(value.front()) ||
      !std::all_of(value.begin(), value.end(), NameChar)) {
    return Bad(field, Quote(value) +
                          " is not a name; allowed are 1 to 128 of A-Z a-z 0-9 . _ : / @ + -, "
                          "starting with a letter or digit");
  }
  return absl::OkStatus();
}

absl::Status CheckSegment(std::string_view field, std::string_view value) {
  AURORA_RETURN_IF_ERROR(CheckName(field, value));
  return value.find('/') == std::string_view::npos
             ? absl::OkStatus()
             : Bad(field, Quote(value) + " must not contain '/'");
}

absl::Status CheckText(std::string_view field, std::string_view value, size_t bytes_max) {
  return CheckCharacters(field, value, bytes_max, "");
}

absl::Status CheckProse(std::string_view field, std::string_view value, size_t bytes_max) {
  return CheckCharacters(field, value, bytes_max, "\n\r\t");
}

absl::Status CheckUsd(std::string_view field, double value, double max) {
  if (!(value >= 0 && value <= max)) {  // nor NaN
    return Bad(field, absl::StrCat(value, " is out of range; allowed are 0 to ", max, " US dollars"));
  }
  return absl::OkStatus();
}

absl::Status CheckRange(std::string_view field, int64_t value, int64_t min, int64_t max) {
  if (value < min || value > max) {
    return Bad(field, std::to_string(value) + " is out of range; allowed are " +
                          std::to_string(min) + " to " + std::to_string(max));
  }
  return absl::OkStatus();
}

absl::Status CheckTime(std::string_view field, int64_t seconds, int32_t nanos) {
  constexpr int64_t kYear10000 = 253'402'300'800;
  if (seconds < 0 || seconds >= kYear10000 || nanos < 0 || nanos >= 1'000'000'000) {
    return Bad(field, "is out of range; allowed are 1970-01-01T00:00:00Z to the end of year 9999");
  }
  return absl::OkStatus();
}

absl::Status CheckUserPath(std::string_view field, std::string_view value) {
  if (value.empty()) {
    return absl::OkStatus();
  }
  AURORA_RETURN_IF_ERROR(CheckText(field, value, kPathBytesMax));
  if (value.front() != '/' || (value.size() > 1 && value.back() == '/') ||
      value.find("//") != std::string_view::npos || value.find("/../") != std::string_view::npos ||
      value.find("/./") != std::string_view::npos || value.ends_with("/..") ||
      value.ends_with("/.")) {
    return Bad(field, Quote(value) +
                          " is not a path; it looks like /team/project, without a trailing slash");
  }
  return absl::OkStatus();
}

absl::Status CheckPattern(std::string_view field, std::string_view value) {
  if (value == "*") {
    return absl::OkStatus();
  }
  const std::string_view name = value.ends_with('*') ? value.substr(0, value.size() - 1) : value;
  if (!CheckName(field, name).ok()) {
    return Bad(field, Quote(value) +
                          " is not a model pattern; allowed are model, provider/model, provider/ "
                          "and a trailing *");
  }
  return absl::OkStatus();
}

absl::Status CheckSelector(std::string_view field, std::string_view value) {
  if (value == "/") {
    return absl::OkStatus();
  }
  const bool provider = value.ends_with('/');
  if (provider ? !CheckSegment(field, value.substr(0, value.size() - 1)).ok() : !CheckName(field, value).ok()) {
    return Bad(field, Quote(value) +
                          " is not a selector; allowed are / (everything), provider/, provider/model and model");
  }
  return absl::OkStatus();
}

absl::Status TakeName(std::string_view field, std::string_view name, std::string* value) {
  if (name.empty()) {
    return absl::OkStatus();
  }
  if (!value->empty() && *value != name) {
    return Bad(field, Quote(*value) + " differs from the name it is addressed by, " + Quote(name));
  }
  *value = name;
  return absl::OkStatus();
}

absl::Status CheckCount(std::string_view field, int count, size_t max) {
  if (static_cast<size_t>(count) > max) {
    return Bad(field, "has " + std::to_string(count) + " entries; at most " + std::to_string(max) +
                          " are allowed");
  }
  return absl::OkStatus();
}

std::string Indexed(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

}  // namespace aurora::kinds
