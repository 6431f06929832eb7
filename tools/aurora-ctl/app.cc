#include "tools/aurora-ctl/app.h"

#include <functional>

#include <CLI/CLI.hpp>

#include "shared/base/status.h"
#include "shared/config/hostport.h"
#include "shared/config/toml_file.h"
#include "shared/config/value.h"
#include "shared/schema/kinds.h"
#include "tools/aurora-ctl/commands.h"
#include "tools/aurora-ctl/completion.h"
#include "tools/aurora-ctl/connect.h"
#include "tools/aurora-ctl/contexts.h"

#ifndef AURORA_VERSION
#define AURORA_VERSION "unknown"
#endif

namespace aurora::ctl {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 error, 2 usage, 3 unreachable, 4 unauthenticated or forbidden, 5 not "
    "found,\n"
    "            6 conflict, 7 cluster unhealthy, 8 partial, 9 diff.\n"
    "Without --addr: AURORA_CTL_ADDR, else --context (AURORA_CTL_CONTEXT, or the one in use), else the\n"
    "local socket, else 127.0.0.1:7948.";


using Action = std::function<int(Session&)>;

// What is missing may only be so because something else was not understood: that is what to correct.
std::string NotUnderstood(const CLI::App* app, const CLI::Error& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    if (const std::vector<std::string> rest = app->remaining(true); !rest.empty()) {
      return config::Quoted(rest.front()) + " is no command or option here\nRun with --help for more information.\n";
    }
  }
  return CLI::FailureMessage::simple(app, error);
}

// CLI11 reports by exception; its macro holds the one catch. -1 = go on.
int ParseArguments(CLI::App& app, int argc, const char* const* argv) {
  CLI11_PARSE(app, argc, argv);
  return -1;
}

void AddWriteFlags(CLI::App* command, WriteFlags& write) {
  command->add_option("--wait", write.wait, "wait for this node or for all members")
      ->check(CLI::IsMember({"local", "all"}));
  command->add_option("--wait-timeout-ms", write.timeout_ms, "how long to wait for members")
      ->check(CLI::Range(int64_t{0}, int64_t{600000}));
}

void AddKeyFlags(CLI::App* command, KeyFlags& f) {
  const auto limit = CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max());
  command->add_option("--description", f.description);
  command->add_option("--user-path", f.user_path);
  command->add_option("--models", f.models, "allowed models with commas, any, or none");
  command->add_option("--providers", f.providers, "allowed providers with commas, any, or none");
  command->add_option("--deny-models", f.denied_models, "denied models with commas");
  command->add_option("--rpm", f.rpm, "requests per minute, 0 = no limit")->check(limit);
  command->add_option("--rpd", f.rpd, "requests per day")->check(limit);
  command->add_option("--tpm", f.tpm, "tokens per minute")->check(limit);
  command->add_option("--tpd", f.tpd, "tokens per day")->check(limit);
  command->add_option("--concurrent", f.concurrent, "concurrent requests")->check(limit);
  command->add_option("--expires", f.expires, "RFC 3339 time, a span from now (30d), or never");
  command->add_option("--enabled", f.enabled, "true or false")
      ->check(CLI::IsMember({"true", "false"}));
}

// Values the parsed flags land in; one of each is enough, only one command runs.
struct Flags {
  KeyFlags key;
  WriteFlags write;
  std::string id;
  std::string file;
  std::string overlap;
  std::string since;
  std::string until;
  std::string group_by;
  std::string shell;
  std::string bundle = "aurora-debug.json";
  int limit = 100;
  int64_t after = 0;
  Watch watch;
  bool repair = false;
  std::string interval = "2s";
  bool new_cluster = false;
  bool self = false;
  std::vector<std::string> nodes;
  bool local = false;  // the command needs no node
  bool slow = false;   // it reads or writes much
};

class Builder {
 public:
  Builder(CLI::App& app, Flags& flags, Action& action, const Globals& globals)
      : app_(app), f_(flags), action_(action), globals_(globals) {}

  void All() {
    CLI::App* status = Leaf(&app_, "status", "this node: version, data plane, revisions, reasons",
                            [this](Session& s) { return StatusCommand(s, f_.watch); });
    Watched(status, "--watch,-w", "again and again");
    Keys();
    CLI::App* providers = Entity("providers", "Provider");
    AddWriteFlags(Leaf(providers, "reseal", "seal stored credentials with the encryption key of now",
                       [this](Session& s) { return ProvidersReseal(s, f_.write); }),
                  f_.write);
    Entity("models", "Model");
    Entity("aliases", "Alias");
    Entity("overrides", "ModelOverride");
    for (const schema::KindNames& names : schema::kShared) {
      CLI::App* group = Entity(std::string(names.group), std::string(names.kind));
      if (names.kind == schema::kWorkflow) {
        AddWriteFlags(WithId(Leaf(group, "deactivate", "leave its scope without one",
                                  [this](Session& s) { return WorkflowDeactivate(s, f_.id, f_.write); })),
                      f_.write);
      }
    }
    CLI::App* apply = Leaf(&app_, "apply", "create or replace what a file describes",
                           [this](Session& s) { return ApplyFile(s, "", f_.file, f_.write); });
    File(apply);
    Cluster();
    Backups();
    Rest();
    Local();
  }

 private:
  CLI::App* Group(const std::string& name, const std::string& help) {
    CLI::App* group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    return group;
  }

  CLI::App* Leaf(CLI::App* parent, const std::string& name, const std::string& help,
                 Action action) {
    CLI::App* leaf = parent->add_subcommand(name, help);
    leaf->callback([this, action = std::move(action)] { action_ = action; });
    return leaf;
  }

  CLI::App* WithId(CLI::App* leaf) {
    leaf->add_option("ID", f_.id)->required();
    return leaf;
  }

  void File(CLI::App* leaf) {
    leaf->add_option("-f,--file", f_.file, "JSON or YAML documents, - = stdin")->required();
    AddWriteFlags(leaf, f_.write);
  }

  void Keys() {
    CLI::App* keys = Group("keys", "API keys");
    CLI::App* create = Leaf(keys, "create", "make a key; its value is shown once",
                            [this](Session& s) { return KeysCreate(s, f_.key, f_.write); });
    create->add_option("--name", f_.key.name)->required();
    AddKeyFlags(create, f_.key);
    AddWriteFlags(create, f_.write);
    Leaf(keys, "list", "all keys", [](Session& s) { return KeysList(s); });
    WithId(Leaf(keys, "get", "one key", [this](Session& s) { return KeysGet(s, f_.id); }));
    CLI::App* update =
        WithId(Leaf(keys, "update", "change the fields that are named",
                    [this](Session& s) { return KeysUpdate(s, f_.id, f_.key, f_.write); }));
    update->add_option("--name", f_.key.name);
    AddKeyFlags(update, f_.key);
    AddWriteFlags(update, f_.write);
    CLI::App* rotate =
        WithId(Leaf(keys, "rotate", "new secret, old one refused (after --overlap)",
                    [this](Session& s) { return KeysRotate(s, f_.id, f_.overlap, f_.write); }));
    rotate->add_option("--overlap", f_.overlap, "keep the old secret this long, such as 60s");
    AddWriteFlags(rotate, f_.write);
    AddWriteFlags(WithId(Leaf(keys, "deactivate", "refuse the key for good",
                              [this](Session& s) { return KeysDeactivate(s, f_.id, f_.write); })),
                  f_.write);
    AddWriteFlags(WithId(Leaf(keys, "delete", "remove the key",
                              [this](Session& s) { return KeysDelete(s, f_.id, f_.write); })),
                  f_.write);
  }

  CLI::App* Entity(const std::string& group, const std::string& kind) {
    CLI::App* app = Group(group, kind + " entities");
    Leaf(app, "list", "all of them", [kind](Session& s) { return EntityList(s, kind); });
    WithId(Leaf(app, "get", "one of them",
                [this, kind](Session& s) { return EntityGet(s, kind, f_.id); }));
    File(Leaf(app, "apply", "create or replace from a file",
              [this, kind](Session& s) { return ApplyFile(s, kind, f_.file, f_.write); }));
    AddWriteFlags(
        WithId(Leaf(app, "delete", "remove one",
                    [this, kind](Session& s) { return EntityDelete(s, kind, f_.id, f_.write); })),
        f_.write);
    return app;
  }

  void Failover() {
    CLI::App* failover = Group("failover", "who leads");
    Watched(Leaf(failover, "status", "who leads, the lease, the voters",
                 [this](Session& s) { return Repeat(s, f_.watch, [&s] { return FailoverStatus(s); }); }),
            "--watch,-w", "again and again");
    Leaf(failover, "to", "planned switchover to a node; without ID: to the best one",
         [this](Session& s) { return FailoverTo(s, f_.id); })
        ->add_option("ID", f_.id);
    Leaf(failover, "history", "what happened to leadership, as this node saw it",
         [](Session& s) { return FailoverHistory(s); });
    Leaf(failover, "explain", "why a takeover would fail or wait, and the time one costs",
         [](Session& s) { return FailoverExplain(s); });
    CLI::App* voters = Group("voters", "who votes on who leads");
    Leaf(voters, "list", "the places and who is in them", [](Session& s) { return VotersList(s); });
    Leaf(voters, "add", "two nodes more", [this](Session& s) { return VotersAdd(s, f_.nodes); })
        ->add_option("ID", f_.nodes)->required()->expected(2);
    Leaf(voters, "remove", "two nodes fewer", [this](Session& s) { return VotersRemove(s, f_.nodes); })
        ->add_option("ID", f_.nodes)->required()->expected(2);
    Leaf(voters, "unsafe-recover", "when the majority is gone for good: the node asked becomes the only voter",
         [this](Session& s) { return VotersUnsafeRecover(s, f_.id); })
        ->add_option("--cluster-id", f_.id, "the cluster's id; asked for when absent");
  }

  void Cluster() {
    CLI::App* nodes = Group("nodes", "the members of the cluster");
    Watched(Leaf(nodes, "list", "all of them, as this node sees them",
                 [this](Session& s) { return Repeat(s, f_.watch, [&s] { return NodesList(s); }); }),
            "--watch,-w", "again and again");
    WithId(Leaf(nodes, "get", "one of them", [this](Session& s) { return NodesGet(s, f_.id); }));
    WithId(Leaf(nodes, "remove", "forget a node that failed or left",
                [this](Session& s) { return NodesRemove(s, f_.id); }));
    CLI::App* drain = Leaf(nodes, "drain", "leadership goes elsewhere and does not come back",
                           [this](Session& s) { return NodesDrain(s, f_.self ? "" : f_.id, true); });
    CLI::Option* which = drain->add_option("ID", f_.id);
    drain->add_flag("--self", f_.self, "the node asked")->excludes(which);
    Leaf(nodes, "undrain", "it may lead again; without ID: the node asked",
         [this](Session& s) { return NodesDrain(s, f_.id, false); })
        ->add_option("ID", f_.id);
    Failover();
    CLI::App* sync = Group("sync", "how policy is exchanged between the nodes");
    Leaf(sync, "status", "whether this node has caught up", [](Session& s) { return SyncStatus(s); });
    Leaf(sync, "peers", "per member: what is missing here and there", [](Session& s) { return SyncPeers(s); });
    Leaf(sync, "verify", "compare the policy of all members, and what each keeps beside it",
         [this](Session& s) { return SyncVerify(s, f_.repair); })
        ->add_flag("--repair", f_.repair, "put right what can be: nothing that was written is lost");
    Leaf(sync, "conflicts", "rows written in two places at once, until the next write",
         [](Session& s) { return SyncConflicts(s); });
    CLI::App* keyring = Group("keyring", "the keys that seal gossip");
    Leaf(keyring, "list", "fingerprints, and who lacks one", [](Session& s) { return KeyringList(s); });
    CLI::App* install = Leaf(keyring, "install", "accept a key on every member; use makes it the one that seals",
                             [this](Session& s) { return KeyringInstall(s, f_.file); });
    install->add_option("-f,--file", f_.file, "base64 of 16, 24 or 32 bytes, - = stdin")->required();
    WithId(Leaf(keyring, "use", "seal with this key (its fingerprint)",
                [this](Session& s) { return KeyringUse(s, f_.id); }));
    WithId(Leaf(keyring, "remove", "accept this key (its fingerprint) no longer",
                [this](Session& s) { return KeyringRemove(s, f_.id); }));
  }

  void Backups() {
    CLI::App* backup = Group("backup", "copies of the policy, on the node's disk");
    Slow(backup, "create", "make one while the node works", [this](Session& s) { return BackupCreate(s, f_.id); })
        ->add_option("NAME", f_.id, "default: the time and the node id");
    Leaf(backup, "list", "all of them, the last by name first", [](Session& s) { return BackupList(s); });
    WithName(Slow(backup, "verify", "read all of one", [this](Session& s) { return BackupVerify(s, f_.id); }));
    WithName(Slow(backup, "delete", "remove the file of one, for good",
                  [this](Session& s) { return BackupDelete(s, f_.id); }));
    WithName(Slow(backup, "restore", "merge one: what is newer stays, and so does every revocation",
                  [this](Session& s) { return BackupRestore(s, f_.id, f_.new_cluster); }))
        ->add_flag("--new-cluster", f_.new_cluster, "take one of another cluster, whose members are gone");
  }

  CLI::App* Slow(CLI::App* parent, const std::string& name, const std::string& help, Action action) {
    CLI::App* leaf = parent->add_subcommand(name, help);
    leaf->callback([this, action = std::move(action)] {
      action_ = action;
      f_.slow = true;
    });
    return leaf;
  }

  CLI::App* WithName(CLI::App* leaf) {
    leaf->add_option("NAME", f_.id)->required();
    return leaf;
  }

  void Rest() {
    CLI::App* config = Group("config", "the node's configuration");
    Leaf(config, "view", "effective values with their sources",
         [](Session& s) { return ConfigView(s); });
    OnThisMachine(config, "validate", "check this machine's settings as both processes would",
                  [this](Session& s) { return ConfigValidate(s, f_.file); })
        ->add_option("-f,--file", f_.file, "settings file (default: as the processes look for it)")
        ->envname("AURORA_CONFIG");
    OnThisMachine(config, "reference", "every setting there is, as Markdown", ConfigReference);
    Leaf(Group("debug", "for whoever helps"), "bundle",
         "what the node tells about itself, without secrets, as one new file",
         [this](Session& s) { return DebugBundle(s, f_.bundle); })
        ->add_option("-f,--file", f_.bundle, "must not exist yet")
        ->capture_default_str();
    CLI::App* usage = Group("usage", "requests and tokens");
    CLI::App* summary = Leaf(usage, "summary", "totals and groups", [this](Session& s) {
      return UsageSummary(s, f_.since, f_.until, f_.group_by);
    });
    summary->add_option("--since", f_.since, "RFC 3339 time or a span before now (24h)");
    summary->add_option("--until", f_.until, "RFC 3339 time or a span before now");
    summary->add_option("--group-by", f_.group_by)
        ->check(CLI::IsMember({"model", "provider", "auth_key", "user_path", "hour", "day"}));
    Leaf(usage, "log", "the latest requests", [this](Session& s) { return UsageLog(s, f_.limit); })
        ->add_option("--limit", f_.limit)
        ->check(CLI::Range(1, 100000));
    CLI::App* tail =
        Leaf(Group("events", "what happened on this node"), "tail", "the latest events",
             [this](Session& s) { return EventsTail(s, f_.after, f_.watch); });
    tail->add_option("--after", f_.after, "only events after this sequence number");
    Watched(tail, "--follow,-F", "keep printing new ones");
    CLI::App* audit = Leaf(Group("audit", "who changed what on this node"), "tail", "the latest changes",
                           [this](Session& s) { return AuditTail(s, f_.limit, f_.watch); });
    audit->add_option("--limit", f_.limit)->check(CLI::Range(1, 1000));
    Watched(audit, "--follow,-F", "keep printing new ones");
  }

  void Local() {
    CLI::App* context = Group("context", "named addresses; --context NAME or `use` chooses one");
    OnThisMachine(context, "list", "all of them", ContextList);
    OnThisMachine(context, "current", "the one in use", ContextCurrent);
    // --addr, --token-file and --ca-cert are the program's own flags.
    WithId(OnThisMachine(context, "add", "keep --addr, --token-file and --ca-cert under a name",
                         [this](Session& s) {
                           if (!globals_.token.empty()) {
                             return s.Fail(kUsage, "--token: is not kept in a context; write it to a file only you "
                                                   "can read and give --token-file");
                           }
                           return ContextAdd(s, f_.id,
                                             {globals_.addr, globals_.token_file, globals_.ca_cert});
                         }));
    WithId(OnThisMachine(context, "use", "use it from now on",
                         [this](Session& s) { return ContextUse(s, f_.id); }));
    WithId(OnThisMachine(context, "remove", "forget it",
                         [this](Session& s) { return ContextRemove(s, f_.id); }));
  }

  CLI::App* OnThisMachine(CLI::App* parent, const std::string& name, const std::string& help,
                          Action action) {
    CLI::App* leaf = parent->add_subcommand(name, help);
    leaf->callback([this, action = std::move(action)] {
      action_ = action;
      f_.local = true;
    });
    return leaf;
  }

  void Watched(CLI::App* leaf, const std::string& flag, const std::string& help) {
    leaf->add_flag(flag, f_.watch.on, help);
    leaf->add_option("--interval", f_.interval, "between two looks")->capture_default_str();
  }

  CLI::App& app_;
  Flags& f_;
  Action& action_;
  const Globals& globals_;
};

CommandTree TreeOf(const CLI::App& app) {
  CommandTree tree;
  for (const CLI::App* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    auto& verbs = tree[group->get_name()];
    for (const CLI::App* verb : group->get_subcommands([](const CLI::App*) { return true; })) {
      verbs.push_back(verb->get_name());
    }
  }
  return tree;
}

Format FormatOf(const std::string& name) {
  return name == "json"   ? Format::kJson
         : name == "yaml" ? Format::kYaml
         : name == "wide" ? Format::kWide
                          : Format::kTable;
}

}  // namespace

int Run(const std::vector<std::string>& arguments,
        const std::map<std::string, std::string>& environment, std::istream& in, std::ostream& out,
        std::ostream& err) {
  CLI::App app("aurora-ctl: look after Aurora nodes", "aurora-ctl");
  Globals globals;
  Flags flags;
  Action action;
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.failure_message(NotUnderstood);
  app.add_option("--addr", globals.addr, "HOST:PORT or unix://PATH of a control plane");
  app.add_option("--token", globals.token,
                 "admin token (better: --token-file or AURORA_CTL_TOKEN)");
  app.add_option("--token-file", globals.token_file, "file with the admin token");
  app.add_option("--ca-cert", globals.ca_cert,
                 "PEM to verify the control plane with; turns TLS on");
  app.add_option("--context", globals.context, "a name that `context add` kept");
  app.add_option("--timeout", globals.timeout, "per call (default 10s; backups 10m)");
  app.add_option("-o,--output", globals.output)
      ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
      ->capture_default_str();
  Builder builder(app, flags, action, globals);  // the callbacks below point at it
  builder.All();
  bool local = false;
  CLI::App* completion = app.add_subcommand("completion", "completion script for a shell");
  completion->add_option("SHELL", flags.shell)
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&] {
    local = true;
    out << Completion(flags.shell, TreeOf(app));
  });
  app.add_subcommand("version", "this program's version")->callback([&] {
    local = true;
    out << "aurora-ctl " << AURORA_VERSION << "\n";
  });
  std::vector<const char*> argv = {"aurora-ctl"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  if (const int code = ParseArguments(app, static_cast<int>(argv.size()), argv.data()); code >= 0) {
    return code == 0 ? kOk : kUsage;
  }
  if (local) {
    return kOk;
  }
  Session session{in, out, err, environment, FormatOf(globals.output), nullptr};
  const auto interval = config::ParseDuration(flags.interval);
  if (!interval.has_value() || interval->millis() < 1) {
    return session.Fail(kUsage, "--interval: want a span such as 2s");
  }
  flags.watch.interval = *interval;
  if (flags.local) {
    return action(session);
  }
  auto options = Connect(session, globals, flags.slow);
  if (!options.ok()) {
    return session.Fail(kUsage, Std(options.status().message()));
  }
  session.client = std::make_unique<Client>(*std::move(options));
  return action(session);
}

}  // namespace aurora::ctl
