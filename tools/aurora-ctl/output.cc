#include "tools/aurora-ctl/output.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace aurora::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Terminals act on control characters; names and messages may come from anybody who can write
// policy.
std::string Printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out;
}

const Json* Find(const Json& row, std::string_view member) {
  const Json* at = &row;
  while (!member.empty()) {
    const size_t dot = member.find('.');
    const std::string head(member.substr(0, dot));
    const auto next = at->is_object() ? at->find(head) : at->end();
    if (next == at->end()) {
      return nullptr;
    }
    at = &*next;
    member = dot == std::string_view::npos ? std::string_view() : member.substr(dot + 1);
  }
  return at;
}

size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void PrintTable(std::ostream& out, const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], Width(line[i]));
    }
  }
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      if (i + 1 < line.size()) {
        text.append(widths[i] - Width(line[i]) + 2, ' ');
      }
    }
    out << text << "\n";
  }
}

void AppendYaml(const Json& value, size_t indent, std::string& out) {
  const std::string pad(indent, ' ');
  const auto nested = [&](const Json& inner) {
    if (inner.is_structured() && !inner.empty()) {
      out += "\n";
      AppendYaml(inner, indent + 2, out);
    } else {
      out += " " + Dump(inner) + "\n";
    }
  };
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      const bool plain =
          !key.empty() &&
          key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos &&
          key != "null" && key != "true" && key != "false" && key != "y" && key != "n" &&
          key != "yes" && key != "no" && key != "on" && key != "off";
      out += pad + (plain ? key : Dump(Json(key))) + ":";
      nested(inner);
    }
    return;
  }
  for (const Json& inner : value) {
    out += pad + "-";
    nested(inner);
  }
}

}  // namespace

std::string Cell(const Json& value) {
  if (value.is_null()) {
    return "-";
  }
  if (value.is_string()) {
    return value.get_ref<const std::string&>().empty()
               ? "-"
               : Printable(value.get_ref<const std::string&>());
  }
  if (!value.is_array()) {
    return Printable(Dump(value));
  }
  std::string out;
  for (const Json& element : value) {
    out += (out.empty() ? "" : ",") + Cell(element);
  }
  return out.empty() ? "none" : out;
}

std::string ToYaml(const Json& value) {
  if (!value.is_structured() || value.empty()) {
    return Dump(value) + "\n";
  }
  std::string out;
  AppendYaml(value, 0, out);
  return out;
}

void Print(std::ostream& out, Format format, const Json& body, const Json& rows,
           const std::vector<Column>& columns) {
  if (format == Format::kJson) {
    out << Dump(body, 2) << "\n";
    return;
  }
  if (format == Format::kYaml) {
    out << ToYaml(body);
    return;
  }
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns) {
    if (!column.wide || format == Format::kWide) {
      lines[0].emplace_back(column.title);
    }
  }
  for (const Json& row : rows) {
    auto& line = lines.emplace_back();
    for (const Column& column : columns) {
      if (!column.wide || format == Format::kWide) {
        const Json* value = Find(row, column.member);
        line.push_back(value == nullptr ? "-" : Cell(*value));
      }
    }
  }
  PrintTable(out, lines);
}

void PrintEntity(std::ostream& out, Format format, const Json& body) {
  if (format == Format::kJson || format == Format::kYaml) {
    Print(out, format, body, Json::array(), {});
    return;
  }
  std::vector<std::vector<std::string>> lines;
  for (const auto& [key, value] : body.items()) {
    lines.push_back({key, Cell(value)});
  }
  PrintTable(out, lines);
}

}  // namespace aurora::ctl
