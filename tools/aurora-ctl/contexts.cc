#include "tools/aurora-ctl/contexts.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/status.h"
#include "shared/config/hostport.h"
#include "shared/config/toml_file.h"

namespace aurora::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string PathOf(const std::map<std::string, std::string>& environment) {
  const auto value = [&](const char* name) {
    const auto at = environment.find(name);
    return at == environment.end() ? std::string() : at->second;
  };
  const std::string base =
      value("XDG_CONFIG_HOME").empty() ? value("HOME") + "/.config" : value("XDG_CONFIG_HOME");
  return base + "/aurora/ctl.toml";
}

bool GoodName(const std::string& name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_of(kAllowed) == 0 && name.find_first_not_of(kAllowed) == std::string::npos;
}

// A TOML string. What is written has no control characters (Save).
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return out + "\"";
}

absl::Status Save(const Contexts& contexts) {
  std::string text = "current = " + Quoted(contexts.current) + "\n";
  for (const auto& [name, context] : contexts.all) {
    text += "\n[contexts." + name + "]\naddr = " + Quoted(context.addr) +
            "\ntoken_file = " + Quoted(context.token_file) +
            "\nca_cert = " + Quoted(context.ca_cert) + "\n";
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(contexts.path).parent_path(), error);
  const std::string fresh = contexts.path + ".new";
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool good = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
              ::fsync(fd) == 0;
  if (fd >= 0) {
    good = ::close(fd) == 0 && good;
  }
  if (!good || ::rename(fresh.c_str(), contexts.path.c_str()) != 0) {
    return InvalidArgument(contexts.path + ": cannot be written: " + std::strerror(errno));
  }
  return absl::OkStatus();
}

int SaveAndSay(const Session& session, const Contexts& contexts, const std::string& said) {
  if (const absl::Status status = Save(contexts); !status.ok()) {
    return session.Fail(kError, Std(status.message()));
  }
  session.err << said << "\n";
  return kOk;
}

}  // namespace

absl::StatusOr<Contexts> LoadContexts(const std::map<std::string, std::string>& environment) {
  Contexts out;
  out.path = PathOf(environment);
  struct stat found {};
  if (::stat(out.path.c_str(), &found) != 0) {
    return out;
  }
  if ((found.st_mode & 077) != 0) {
    return InvalidArgument(out.path + " may be read or written by others: chmod 600 it");
  }
  AURORA_ASSIGN_OR_RETURN(const std::string text,
                          config::ReadFile(out.path, config::kMaxConfigBytes));
  AURORA_ASSIGN_OR_RETURN(const auto values, config::ParseToml(text, out.path));
  for (const config::FileValue& value : values) {
    const std::string& said = value.raw.text;
    if (value.path.size() == 1 && value.path[0] == "current") {
      out.current = said;
      continue;
    }
    const bool known = value.path.size() == 3 && value.path[0] == "contexts" && GoodName(value.path[1]);
    Context scratch;
    Context& context = known ? out.all[value.path[1]] : scratch;
    std::string* const at = !known                           ? nullptr
                            : value.path[2] == "addr"        ? &context.addr
                            : value.path[2] == "token_file" ? &context.token_file
                            : value.path[2] == "ca_cert"    ? &context.ca_cert
                                                             : nullptr;
    if (at == nullptr) {
      return InvalidArgument(out.path + ": " + value.Key() + ": is not known here");
    }
    *at = said;
  }
  if (!out.current.empty() && out.all.find(out.current) == out.all.end()) {
    return InvalidArgument(out.path + ": current = " + config::Quoted(out.current) +
                           ": there is no such context; aurora-ctl context list");
  }
  return out;
}

int ContextList(Session& session) {
  const auto contexts = LoadContexts(session.environment);
  if (!contexts.ok()) {
    return session.Fail(kError, Std(contexts.status().message()));
  }
  Json rows = Json::array();
  for (const auto& [name, context] : contexts->all) {
    rows.push_back({{"name", name},
                    {"current", name == contexts->current},
                    {"addr", context.addr},
                    {"token_file", context.token_file},
                    {"ca_cert", context.ca_cert}});
  }
  Json body;
  body["contexts"] = rows;
  Print(session.out, session.format, body, rows,
        {{"NAME", "name"},
         {"CURRENT", "current"},
         {"ADDR", "addr"},
         {"TOKEN-FILE", "token_file"},
         {"CA", "ca_cert", true}});
  return kOk;
}

int ContextCurrent(Session& session) {
  const auto contexts = LoadContexts(session.environment);
  if (!contexts.ok()) {
    return session.Fail(kError, Std(contexts.status().message()));
  }
  if (contexts->current.empty()) {
    return session.Fail(kNotFound, "no context is in use; aurora-ctl context use NAME");
  }
  session.out << contexts->current << "\n";
  return kOk;
}

int ContextAdd(Session& session, const std::string& name, const Context& context) {
  auto contexts = LoadContexts(session.environment);
  if (!contexts.ok()) {
    return session.Fail(kError, Std(contexts.status().message()));
  }
  if (!GoodName(name)) {
    return session.Fail(kUsage, "NAME: want 1 to 64 of A-Z a-z 0-9 - _");
  }
  for (const std::string& text : {context.addr, context.token_file, context.ca_cert}) {
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        return session.Fail(kUsage, "a control character is not allowed here");
      }
    }
  }
  if (context.addr.empty()) {
    return session.Fail(kUsage, "--addr: is required, HOST:PORT or unix:///PATH");
  }
  for (const std::string& path : {context.token_file, context.ca_cert}) {
    if (!path.empty() && path.front() != '/') {
      return session.Fail(kUsage, path + ": want an absolute path, the file is read from anywhere");
    }
  }
  contexts->all[name] = context;
  if (contexts->current.empty()) {
    contexts->current = name;
  }
  return SaveAndSay(session, *contexts, "context " + name + " is kept; in use: " + contexts->current);
}

int ContextUse(Session& session, const std::string& name) {
  auto contexts = LoadContexts(session.environment);
  if (!contexts.ok()) {
    return session.Fail(kError, Std(contexts.status().message()));
  }
  if (contexts->all.find(name) == contexts->all.end()) {
    return session.Fail(kNotFound, "no context " + config::Quoted(name) + "; aurora-ctl context list");
  }
  contexts->current = name;
  return SaveAndSay(session, *contexts, "in use: " + name);
}

int ContextRemove(Session& session, const std::string& name) {
  auto contexts = LoadContexts(session.environment);
  if (!contexts.ok()) {
    return session.Fail(kError, Std(contexts.status().message()));
  }
  if (contexts->all.erase(name) == 0) {
    return session.Fail(kNotFound, "no context " + config::Quoted(name) + "; aurora-ctl context list");
  }
  if (contexts->current == name) {
    contexts->current.clear();
  }
  return SaveAndSay(session, *contexts, "context " + name + " is removed");
}

}  // namespace aurora::ctl
