#include "shared/config/convert.h"

#include <algorithm>

namespace aurora::config {
namespace {

std::vector<std::string_view> Choices(std::string_view allowed) {
  std::vector<std::string_view> out;
  while (!allowed.empty()) {
    const size_t bar = allowed.find('|');
    out.push_back(allowed.substr(0, bar));
    allowed = bar == std::string_view::npos ? std::string_view() : allowed.substr(bar + 1);
  }
  return out;
}

std::string Want(const Rule& rule) {
  switch (rule.kind) {
    case Kind::kString:
    case Kind::kSecret:
      return "want text in quotes";
    case Kind::kBool:
      return "want true or false";
    case Kind::kInt:
      return "want an integer from " + std::to_string(rule.min) + " to " + std::to_string(rule.max);
    case Kind::kBytes:
      return "want bytes from " + std::to_string(rule.min) + " to " + std::to_string(rule.max) +
             ", as an integer or text such as \"32MiB\"";
    case Kind::kDuration:
      return "want a duration from " + FormatDuration(Duration::Micros(rule.min)) + " to " +
             FormatDuration(Duration::Micros(rule.max)) + ", such as \"5s\", \"100ms\" or \"2m\"";
    case Kind::kEnum: {
      std::string out = "want one of ";
      for (const std::string_view choice : Choices(rule.allowed)) {
        out += choice;
        out += ", ";
      }
      out.resize(out.size() - 2);
      return out;
    }
    case Kind::kHostPort:
      return "want host:port, [ipv6]:port or :port with a port from 0 to 65535";
    case Kind::kStrings:
    case Kind::kSecretList:
      return "want an array of texts, or one text with commas";
  }
  return "";
}

bool InRange(const Rule& rule, int64_t v) {
  return v >= rule.min && v <= rule.max;
}

std::optional<int64_t> Integer(const Rule& rule, const Raw& raw) {
  std::optional<int64_t> out;
  if (raw.shape == Raw::Shape::kInteger) {
    out = raw.integer;
  } else if (raw.shape == Raw::Shape::kText && rule.kind == Kind::kBytes) {
    out = ParseBytes(raw.text);
  } else if (raw.shape == Raw::Shape::kText && raw.from_text_source) {
    out = ParseInt(raw.text);
  }
  return out.has_value() && InRange(rule, *out) ? out : std::nullopt;
}

std::optional<bool> Boolean(const Raw& raw) {
  if (raw.shape == Raw::Shape::kBoolean) {
    return raw.boolean;
  }
  return raw.shape == Raw::Shape::kText && raw.from_text_source ? ParseBool(raw.text)
                                                                : std::nullopt;
}

std::optional<int64_t> EnumIndex(const Rule& rule, const Raw& raw) {
  // admin.on_proxy_port may be written true as well as "true".
  if (raw.shape != Raw::Shape::kText && raw.shape != Raw::Shape::kBoolean) {
    return std::nullopt;
  }
  const std::vector<std::string_view> choices = Choices(rule.allowed);
  const auto at = std::find(choices.begin(), choices.end(), raw.text);
  return at == choices.end() ? std::nullopt : std::optional<int64_t>(at - choices.begin());
}

std::optional<std::vector<std::string>> List(const Raw& raw) {
  if (raw.shape == Raw::Shape::kList && raw.list_of_text) {
    return raw.list;
  }
  if (raw.shape != Raw::Shape::kText) {
    return std::nullopt;
  }
  // Key files hold one entry a line.
  std::string text = raw.text;
  std::replace(text.begin(), text.end(), '\n', ',');
  return SplitList(text);
}

template <class From, class To>
bool Put(const std::optional<From>& from, To& to) {
  if (from.has_value()) {
    to = *from;
  }
  return from.has_value();
}

bool ConvertInto(const Rule& rule, const Raw& raw, Value& value) {
  switch (rule.kind) {
    case Kind::kString:
    case Kind::kSecret:
      value.text = raw.text;
      return raw.shape == Raw::Shape::kText && raw.text.find('\0') == std::string::npos;
    case Kind::kBool:
      return Put(Boolean(raw), value.boolean);
    case Kind::kInt:
    case Kind::kBytes:
      return Put(Integer(rule, raw), value.integer);
    case Kind::kDuration: {
      const std::optional<Duration> duration =
          raw.shape == Raw::Shape::kText ? ParseDuration(raw.text) : std::nullopt;
      return Put(duration, value.duration) && InRange(rule, value.duration.micros());
    }
    case Kind::kEnum:
      value.text = raw.text;
      return Put(EnumIndex(rule, raw), value.integer);
    case Kind::kHostPort: {
      if (raw.shape != Raw::Shape::kText) {
        return false;
      }
      auto parsed = ParseHostPort(raw.text);
      if (parsed.ok()) {
        value.host_port = *std::move(parsed);
      }
      return parsed.ok();
    }
    case Kind::kStrings:
    case Kind::kSecretList:
      return Put(List(raw), value.list);
  }
  return false;
}

}  // namespace

bool IsSecret(Kind kind) {
  return kind == Kind::kSecret || kind == Kind::kSecretList;
}

std::optional<Value> Convert(const Rule& rule, const Raw& raw, std::string* allowed) {
  Value value;
  if (!ConvertInto(rule, raw, value)) {
    *allowed = Want(rule);
    return std::nullopt;
  }
  return value;
}

std::string Display(const Rule& rule, const Value& value) {
  switch (rule.kind) {
    case Kind::kString:
    case Kind::kEnum:
      return value.text;
    case Kind::kSecret:
      return value.text.empty() ? "" : "****";
    case Kind::kSecretList:
      return value.list.empty() ? "" : "****";
    case Kind::kBool:
      return value.boolean ? "true" : "false";
    case Kind::kInt:
    case Kind::kBytes:
      return std::to_string(value.integer);
    case Kind::kDuration:
      return FormatDuration(value.duration);
    case Kind::kHostPort:
      return value.host_port.ToString();
    case Kind::kStrings: {
      std::string out;
      for (const std::string& part : value.list) {
        out += (out.empty() ? "" : ",") + part;
      }
      return out;
    }
  }
  return "";
}

std::string Mistake(std::string_view key, const Rule& rule, const Raw& raw, std::string_view what) {
  std::string out(key);
  out += ": ";
  if (IsSecret(rule.kind)) {
    out += "****";
  } else {
    out += raw.shape == Raw::Shape::kText ? Quoted(raw.text) : Quoted(raw.text).substr(1);
    if (raw.shape != Raw::Shape::kText) {
      out.pop_back();  // a number or an array is shown bare
    }
  }
  out += " is not allowed, ";
  out += what;
  out += " (" + raw.source + ")";
  return out;
}

}  // namespace aurora::config
