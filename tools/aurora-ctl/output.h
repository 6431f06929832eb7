// Output: what a command answers, as a table, JSON or YAML on stdout.
// Source: ours; JSON is the REST body. Thread: stateless. Errors: none.
// Invariant: stdout carries data only; a control character from the server never reaches a terminal
// as such.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace aurora::ctl {

enum class Format { kTable, kWide, kJson, kYaml };

// A JSON member (dots descend) shown under a title; `wide` ones only with -o wide.
struct Column {
  std::string_view title;
  std::string_view member;
  bool wide = false;
};

// One cell's text: lists with commas, null as "-".
std::string Cell(const nlohmann::ordered_json& value);

// JSON and YAML print `body` whole; tables print `rows` (an array).
void Print(std::ostream& out, Format format, const nlohmann::ordered_json& body,
           const nlohmann::ordered_json& rows, const std::vector<Column>& columns);

// One entity: "NAME  value" lines in table form.
void PrintEntity(std::ostream& out, Format format, const nlohmann::ordered_json& body);

std::string ToYaml(const nlohmann::ordered_json& value);

}  // namespace aurora::ctl
