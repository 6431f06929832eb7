// One line per event: JSON (RFC 8259) or logfmt. Bytes that are not UTF-8 are replaced, so every
// line parses.
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "shared/log/log.h"

namespace aurora::log {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string_view Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "";
}

// Length of the UTF-8 sequence at the front (RFC 3629: no overlong forms, no surrogates), 0 when it
// is none.
size_t SequenceLength(std::string_view s) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = at(0);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
  if (length == 0 || length > s.size()) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  const bool overlong = (lead == 0xe0 && at(1) < 0xa0) || (lead == 0xf0 && at(1) < 0x90);
  const bool beyond = (lead == 0xed && at(1) > 0x9f) || (lead == 0xf4 && at(1) > 0x8f);
  return overlong || beyond ? 0 : length;
}

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text[0];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      text.remove_prefix(1);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(c));
      out += c == '\n' ? "\\n" : escaped.data();
      text.remove_prefix(1);
    } else if (const size_t length = SequenceLength(text); length > 0) {
      out += text.substr(0, length);
      text.remove_prefix(length);
    } else {
      out += kReplacement;
      text.remove_prefix(1);
    }
  }
  out += '"';
}

bool NamesSecret(std::string_view key) {
  for (const std::string_view secret :
       {"api_key", "authorization", "token", "password", "secret", "master_key", "encryption_key",
        "encryption_key_previous",
        "credential", "cookie", "gossip_key", "x_api_key", "admin_token"}) {
    if (key == secret) {
      return true;
    }
  }
  return false;
}

void AppendValue(std::string& out, const Field& field) {
  switch (field.kind()) {
    case Field::Kind::kText:
      AppendQuoted(out, NamesSecret(field.key()) && !field.text().empty() ? "****" : field.text());
      return;
    case Field::Kind::kInt:
      out += std::to_string(field.int_value());
      return;
    case Field::Kind::kUint:
      out += std::to_string(static_cast<uint64_t>(field.int_value()));
      return;
    case Field::Kind::kBool:
      out += field.int_value() != 0 ? "true" : "false";
      return;
    case Field::Kind::kDouble: {
      if (!std::isfinite(field.double_value())) {
        out += "null";
        return;
      }
      std::array<char, 40> text{};
      std::snprintf(text.data(), text.size(), "%.9g", field.double_value());
      out += text.data();
      return;
    }
  }
}

std::string Time(int64_t unix_micros) {
  const std::time_t seconds = unix_micros / 1'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(unix_micros % 1'000'000));
  return text.data();
}

// Appends key and value unless the line would grow past its bound; the bound leaves room for the
// closing brace.
void Append(std::string& out, Format format, const Field& field) {
  const size_t before = out.size();
  if (format == Format::kJson) {
    out += out.size() == 1 ? "" : ",";
    AppendQuoted(out, field.key());
    out += ':';
  } else {
    out += out.empty() ? "" : " ";
    out += field.key();
    out += '=';
  }
  AppendValue(out, field);
  if (out.size() + 32 > kMaxLineBytes) {
    out.resize(before);
  }
}

}  // namespace

std::string FormatLine(const Options& options, Level level, int64_t unix_micros,
                       std::string_view message, Fields fields) {
  const Format format = options.format;
  std::string out = format == Format::kJson ? "{" : "";
  Append(out, format, {"time", Time(unix_micros)});
  Append(out, format, {"level", Name(level)});
  if (!options.component.empty()) {
    Append(out, format, {"component", options.component});
  }
  if (!options.node_id.empty()) {
    Append(out, format, {"node_id", options.node_id});
  }
  Append(out, format, {"msg", message.substr(0, kMaxLineBytes / 8)});
  for (const Field& field : fields) {
    if (field.kind() == Field::Kind::kText && field.text().size() > kMaxLineBytes / 8) {
      Append(out, format, {field.key(), field.text().substr(0, kMaxLineBytes / 8)});
    } else {
      Append(out, format, field);
    }
  }
  out += format == Format::kJson ? "}" : "";
  return out;
}

}  // namespace aurora::log
