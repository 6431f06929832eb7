#include "shared/config/toml_file.h"

// toml++ 3.3.0 asserts that a table header starts with a key ("[," does not) before it reports just that: the
// assertion is turned off, also the optimiser's assumption it becomes under NDEBUG, and the report stays.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0  // TOML 1.0 only; its Unicode key tables reach "unreachable" code
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 1
#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "shared/base/status.h"

namespace aurora::config {
namespace {

std::string Spelling(const toml::node& node) {
  std::ostringstream out;
  switch (node.type()) {
    case toml::node_type::array:
      out << *node.as_array();
      break;
    case toml::node_type::integer:
      out << *node.as_integer();
      break;
    case toml::node_type::floating_point:
      out << *node.as_floating_point();
      break;
    case toml::node_type::boolean:
      out << *node.as_boolean();
      break;
    case toml::node_type::date:
      out << *node.as_date();
      break;
    case toml::node_type::time:
      out << *node.as_time();
      break;
    case toml::node_type::date_time:
      out << *node.as_date_time();
      break;
    case toml::node_type::none:
    case toml::node_type::table:
    case toml::node_type::string:
      break;
  }
  return out.str();
}

Raw ToRaw(const toml::node& node, std::string_view origin) {
  Raw raw;
  raw.source = "file " + std::string(origin) + ":" + std::to_string(node.source().begin.line);
  if (const auto* text = node.as_string(); text != nullptr) {
    raw.text = text->get();
    return raw;
  }
  raw.text = Spelling(node);
  raw.shape = Raw::Shape::kOther;
  if (const auto* integer = node.as_integer(); integer != nullptr) {
    raw.shape = Raw::Shape::kInteger;
    raw.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean(); boolean != nullptr) {
    raw.shape = Raw::Shape::kBoolean;
    raw.boolean = boolean->get();
  } else if (const auto* array = node.as_array(); array != nullptr) {
    raw.shape = Raw::Shape::kList;
    for (const toml::node& element : *array) {
      const auto* text = element.as_string();
      raw.list_of_text = raw.list_of_text && text != nullptr;
      raw.list.push_back(text == nullptr ? "" : text->get());
    }
  }
  return raw;
}

// Depth is bounded by toml++ (TOML_MAX_NESTED_VALUES); dotted keys by the size of the file.
void Flatten(const toml::table& table, std::vector<std::string>& path, std::string_view origin,
             std::vector<FileValue>& out) {
  for (const auto& [key, node] : table) {
    path.emplace_back(key.str());
    if (const toml::table* inner = node.as_table(); inner != nullptr && path.size() < 32) {
      Flatten(*inner, path, origin, out);
    } else {
      out.push_back({path, ToRaw(node, origin)});
    }
    path.pop_back();
  }
}

}  // namespace

std::string FileValue::Key() const {
  std::string out;
  for (const std::string& part : path) {
    out += out.empty() ? "" : ".";
    const bool plain = !part.empty() && part.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                                               "YZ0123456789_-") == std::string::npos;
    out += plain ? part.substr(0, 200) : Quoted(part);
  }
  return out;
}

absl::StatusOr<std::vector<FileValue>> ParseToml(std::string_view text, std::string_view origin) {
  if (text.size() > kMaxConfigBytes) {
    return InvalidArgument(std::string(origin) + ": larger than 1 MiB, want a configuration file");
  }
  const toml::parse_result parsed = toml::parse(text, origin);
  if (!parsed) {
    const toml::source_position at = parsed.error().source().begin;
    std::string what = Quoted(parsed.error().description());
    what = what.substr(1, what.size() - 2);
    return InvalidArgument(std::string(origin) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                           ": not TOML: " + what);
  }
  std::vector<FileValue> out;
  std::vector<std::string> path;
  Flatten(parsed.table(), path, origin, out);
  return out;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return InvalidArgument(std::strerror(errno));
  }
  struct stat info {};
  std::string out;
  std::string error;
  if (::fstat(fd, &info) != 0) {
    error = std::strerror(errno);
  } else if (S_ISDIR(info.st_mode)) {
    error = "is a directory";
  }
  char buffer[65536];
  while (error.empty()) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n == 0) {
      break;
    }
    if (n < 0 && errno != EINTR) {
      error = std::strerror(errno);
    } else if (n > 0) {
      out.append(buffer, static_cast<size_t>(n));
    }
    if (out.size() > max_bytes) {
      error = "larger than " + std::to_string(max_bytes) + " bytes";
    }
  }
  ::close(fd);
  if (!error.empty()) {
    return InvalidArgument(error);
  }
  return out;
}

}  // namespace aurora::config
