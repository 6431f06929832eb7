// A few election cores side by side on one clock, with links, disks and data planes a test can hold still. Messages
// take a millisecond, a write none unless held. Source: ours. Thread: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/election/election.h"

namespace aurora::election::testing {

struct BenchNode {
  std::unique_ptr<Election> core;
  Durable disk;
  Instant word;                      // of the role page
  Term word_term = 0;
  std::optional<uint64_t> close;     // to acknowledge
  std::optional<Persist> write;      // under way
  bool disk_held = false;
  bool loops_held = false;
  std::vector<Envelope> sent;        // all it ever sent
  std::vector<Event> events;
};

class Bench {
 public:
  explicit Bench(const std::vector<std::string>& names, size_t voters = 0, Timers timers = LanTimers()) {
    Config config;
    config.id.version = 1;
    for (const std::string& name : names) {
      if (config.slots.size() < (voters == 0 ? names.size() : voters)) {
        config.slots.push_back({.node_id = name, .uid = name, .leaving = false});
      }
    }
    for (const std::string& name : names) {
      Add(name, Settings{.uid = name, .node_id = name, .timers = timers}, Durable{0, {}, config});
    }
    Introduce();
  }

  void Add(const std::string& name, Settings settings, Durable disk, DataPlane data_plane = DataPlane::kReady) {
    BenchNode& node = nodes[name];
    node.disk = disk;
    node.core = std::make_unique<Election>(std::move(settings), std::move(disk), nodes.size());
    Call(name, [&](Election& e, Outbox& out) { e.Start(now, out); });
    Call(name, [&](Election& e, Outbox& out) { e.SetDataPlane(now, data_plane, out); });
  }
  void Introduce() {
    std::vector<Member> members;
    for (const auto& [name, node] : nodes) {
      members.push_back({node.core->settings().uid, node.core->settings().node_id});
    }
    for (const auto& [name, node] : nodes) {
      Call(name, [&](Election& e, Outbox& out) { e.SetMembers(now, members, out); });
    }
  }

  template <class F>
  void Call(const std::string& name, F&& f) {
    BenchNode& node = nodes.at(name);
    Outbox out;
    f(*node.core, out);
    if (out.gate) {
      node.word = out.gate->until;
      node.word_term = out.gate->term;
    }
    node.close = out.close ? out.close : node.close;
    node.write = out.persist ? out.persist : node.write;
    for (Envelope& envelope : out.messages) {
      node.sent.push_back(envelope);
      wire.emplace_back(name, std::move(envelope));
    }
    node.events.insert(node.events.end(), out.events.begin(), out.events.end());
    Settle(name);
  }
  void Settle(const std::string& name) {
    BenchNode& node = nodes.at(name);
    if (node.write && !node.disk_held) {
      const Persist write = *std::exchange(node.write, std::nullopt);
      node.disk = write.state;
      Call(name, [&](Election& e, Outbox& out) { e.OnPersisted(now, write.version, out); });
    }
    if (node.close && !node.loops_held) {
      const uint64_t close = *std::exchange(node.close, std::nullopt);
      Call(name, [&](Election& e, Outbox& out) { e.OnGateClosed(now, close, out); });
    }
  }

  void Run(int64_t ms) {
    for (int64_t i = 0; i < ms; ++i) {
      now = now + Duration::Millis(1);
      auto due = std::exchange(wire, {});
      for (auto& [from, envelope] : due) {
        if (!nodes.contains(envelope.to) || dead.contains(from) || dead.contains(envelope.to) ||
            cut.contains({from, envelope.to})) {
          continue;
        }
        Call(envelope.to, [&, from = from, &message = envelope.message](Election& e, Outbox& out) {
          e.Receive(now, from, message, out);
        });
      }
      for (auto& [name, node] : nodes) {
        if (!dead.contains(name) && node.core->NextDeadline() <= now) {
          Call(name, [&](Election& e, Outbox& out) { e.Tick(now, out); });
        }
      }
    }
  }
  template <class F>
  bool RunUntil(F&& f, int64_t ms = 30'000) {
    for (int64_t i = 0; i < ms && !f(); ++i) {
      Run(1);
    }
    return f();
  }

  // A fresh process on the same disk; the word is cleared before it starts.
  void Restart(const std::string& name) {
    BenchNode& node = nodes.at(name);
    const Settings settings = node.core->settings();
    node.write.reset();
    node.close.reset();
    node.word = Instant();
    dead.erase(name);
    Add(name, settings, node.disk);
    Introduce();
  }

  std::string Active() const {
    std::string active;
    for (const auto& [name, node] : nodes) {
      active += Admits(now, node.word) ? name : "";
    }
    return active;
  }
  bool RunUntilActive(const std::string& name) {
    return RunUntil([&] { return Active() == name; });
  }
  Election& core(const std::string& name) { return *nodes.at(name).core; }
  void Isolate(const std::string& name) {
    for (const auto& [other, node] : nodes) {
      cut.insert({name, other});
      cut.insert({other, name});
    }
  }
  void Inject(const std::string& to, const std::string& from, Term term, decltype(Message::body) body) {
    Call(to, [&](Election& e, Outbox& out) { e.Receive(now, from, Message{term, std::move(body)}, out); });
  }
  template <class T>
  std::vector<std::pair<Uid, std::pair<Term, T>>> Sent(const std::string& name) const {
    std::vector<std::pair<Uid, std::pair<Term, T>>> found;
    for (const Envelope& envelope : nodes.at(name).sent) {
      if (const T* body = std::get_if<T>(&envelope.message.body)) {
        found.push_back({envelope.to, {envelope.message.term, *body}});
      }
    }
    return found;
  }
  void Forget() {
    for (auto& [name, node] : nodes) {
      node.sent.clear();
      node.events.clear();
    }
  }

  Instant now = Instant::FromMicros(1'000'000);
  std::map<std::string, BenchNode> nodes;
  std::set<std::string> dead;
  std::set<std::pair<std::string, std::string>> cut;
  std::vector<std::pair<std::string, Envelope>> wire;
};

}  // namespace aurora::election::testing
