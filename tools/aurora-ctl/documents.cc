#include "tools/aurora-ctl/documents.h"

#include <yaml-cpp/yaml.h>

#include "shared/base/status.h"
#include "shared/config/value.h"
#include "shared/protojson/protojson.h"

namespace aurora::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;
constexpr size_t kMaxNodes = 200000;

// YAML 1.2 core schema for plain scalars; quoted ones are text.
Json Scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") {
    return text;
  }
  if (text.empty() || text == "~" || text == "null") {
    return nullptr;
  }
  if (text == "true" || text == "false") {
    return text == "true";
  }
  if (const auto integer = config::ParseInt(text); integer.has_value()) {
    return *integer;
  }
  if (text.find_first_not_of("0123456789.eE+-") == std::string::npos) {
    const Json number = Json::parse(text, nullptr, false);
    return number.is_number() ? number : Json(text);
  }
  return text;
}

// Aliases can make a small text describe a huge tree, so nodes are counted.
absl::StatusOr<Json> FromYaml(const YAML::Node& node, int depth, size_t* nodes) {
  if (depth > kMaxDepth || ++*nodes > kMaxNodes) {
    return InvalidArgument("nested too deep or too large");
  }
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return Json(nullptr);
    case YAML::NodeType::Scalar:
      return Scalar(node);
    case YAML::NodeType::Sequence: {
      Json out = Json::array();
      for (const YAML::Node& element : node) {
        AURORA_ASSIGN_OR_RETURN(Json value, FromYaml(element, depth + 1, nodes));
        out.push_back(std::move(value));
      }
      return out;
    }
    case YAML::NodeType::Map: {
      Json out = Json::object();
      for (const auto& entry : node) {
        const YAML::Node& key = entry.first;
        const YAML::Node& inner = entry.second;
        if (!key.IsScalar() || out.contains(key.Scalar())) {
          return InvalidArgument("a key that is no text or is given twice");
        }
        AURORA_ASSIGN_OR_RETURN(Json value, FromYaml(inner, depth + 1, nodes));
        out[key.Scalar()] = std::move(value);
      }
      return out;
    }
  }
  return InvalidArgument("not YAML");
}

// yaml-cpp reports only by exception: the one place that catches.
absl::StatusOr<std::vector<YAML::Node>> LoadYaml(std::string_view text) {
  try {
    return YAML::LoadAll(std::string(text));
  } catch (const YAML::Exception& error) {
    return InvalidArgument("line " + std::to_string(error.mark.line + 1) +
                           ": not YAML: " + error.msg);
  }
}

// yaml-cpp's parser recurses with the text: flow depth is bounded before it sees it.
bool TooDeep(std::string_view text) {
  int depth = 0;
  int dashes = 0;
  for (const char c : text) {
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    dashes = c == '-' || c == '?' ? dashes + 1 : c == ' ' ? dashes : 0;
    if (depth > 1000 || dashes > 1000) {
      return true;
    }
  }
  return false;
}

// The pieces of a text that is one JSON object behind the other, as `jq -c` prints them; one piece where it is not.
std::vector<std::string_view> Objects(std::string_view text) {
  std::vector<std::string_view> out;
  int depth = 0;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (c == '}' && depth == 0) {
      out.push_back(config::Trim(text.substr(begin, i + 1 - begin)));
      begin = i + 1;
    }
  }
  if (const std::string_view rest = config::Trim(text.substr(begin)); !rest.empty()) {
    out.push_back(rest);
  }
  return out;
}

absl::StatusOr<std::vector<Json>> ParseAll(std::string_view text) {
  std::vector<Json> out;
  const std::string_view trimmed = config::Trim(text);
  protojson::Limits limits;
  limits.max_bytes = kMaxDocumentBytes;
  if (trimmed.size() > kMaxDocumentBytes) {
    return InvalidArgument("larger than 4 MiB");
  }
  // A text that is JSON is read as JSON: its mistakes are named better and numbers keep their type.
  if (trimmed.starts_with('{') || trimmed.starts_with('[')) {
    absl::StatusOr<Json> parsed = protojson::Parse(trimmed, limits);
    if (parsed.ok()) {
      if (!parsed->is_array()) {
        out.push_back(*std::move(parsed));
        return out;
      }
      out.assign(parsed->begin(), parsed->end());
      return out;
    }
    if (trimmed.find("\n---") == std::string_view::npos) {
      const std::vector<std::string_view> objects = trimmed.starts_with('{') ? Objects(trimmed) : std::vector{trimmed};
      if (objects.size() < 2) {
        return parsed.status();
      }
      for (size_t i = 0; i < objects.size(); ++i) {
        absl::StatusOr<Json> object = protojson::Parse(objects[i], limits);
        if (!object.ok()) {
          return WithContext("document " + std::to_string(i + 1), object.status());
        }
        out.push_back(*std::move(object));
      }
      return out;
    }
  }
  if (TooDeep(text)) {
    return InvalidArgument("nested too deep");
  }
  AURORA_ASSIGN_OR_RETURN(const std::vector<YAML::Node> nodes, LoadYaml(text));
  size_t count = 0;
  for (const YAML::Node& node : nodes) {
    AURORA_ASSIGN_OR_RETURN(Json value, FromYaml(node, 0, &count));
    if (!value.is_null()) {
      out.push_back(std::move(value));
    }
  }
  return out;
}

absl::StatusOr<Document> FromObject(Json& json, std::string_view default_kind) {
  if (!json.is_object()) {
    return InvalidArgument("want {\"kind\":…,\"name\":…,\"spec\":{…}}");
  }
  Document out;
  out.kind = std::string(default_kind);
  for (const auto& [key, value] : json.items()) {
    if (key == "spec" && value.is_object()) {
      out.spec = value;
    } else if ((key == "kind" || key == "name") && value.is_string()) {
      (key == "kind" ? out.kind : out.name) = value.get<std::string>();
    } else if (key == "kind" || key == "name" || key == "spec") {
      return InvalidArgument(key + ": want " + (key == "spec" ? "an object" : "text"));
    } else {
      return InvalidArgument(config::Quoted(key) + ": no such field, want kind, name and spec");
    }
  }
  if (!default_kind.empty() && out.kind != default_kind) {
    return InvalidArgument("kind: " + config::Quoted(out.kind) + " does not belong here, want " +
                           std::string(default_kind) + ", or use aurora-ctl apply");
  }
  if (out.kind.empty() || out.name.empty() || out.spec.is_null()) {
    return InvalidArgument("want kind, name and spec");
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Document>> ParseDocuments(std::string_view text,
                                                     std::string_view default_kind) {
  AURORA_ASSIGN_OR_RETURN(std::vector<Json> values, ParseAll(text));
  std::vector<Document> out;
  for (Json& value : values) {
    absl::StatusOr<Document> document = FromObject(value, default_kind);
    if (!document.ok()) {
      return WithContext("document " + std::to_string(out.size() + 1), document.status());
    }
    out.push_back(*std::move(document));
  }
  if (out.empty()) {
    return InvalidArgument("no document in it");
  }
  return out;
}

}  // namespace aurora::ctl
