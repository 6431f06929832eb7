// Rig: one membership core under test, its clock in the test's hand, and short words for what others say to it.
// Source: ours. Thread: the test's.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "controlplane/membership/membership.h"
#include "controlplane/membership/meta.h"

namespace aurora::membership {

inline Address At(int host, uint16_t port = 7946) {
  return {std::string({10, 0, static_cast<char>(host / 256), static_cast<char>(host % 256)}), port};
}

inline gossipwire::Alive AliveMsg(const std::string& node, int host, uint32_t incarnation, std::string meta = "m") {
  return {incarnation, node, At(host), std::move(meta), {}};
}

class Rig {
 public:
  explicit Rig(Config config = {}, uint32_t incarnation = 10)
      : core(config, Identity{"self", At(1), "m", incarnation, {}}, 7) {
    core.Start(now, out);
  }

  void Hear(const Message& message, int from_host = 99) { core.Receive(now, At(from_host), message, out); }
  void Alive(const std::string& node, int host, uint32_t incarnation = 1) { Hear(AliveMsg(node, host, incarnation)); }
  void Suspect(const std::string& node, uint32_t incarnation, const std::string& from) {
    Hear(gossipwire::Suspect{incarnation, node, from});
  }
  void Dead(const std::string& node, uint32_t incarnation, const std::string& from) {
    Hear(gossipwire::Dead{incarnation, node, from});
  }

  // Lets time pass as a punctual driver does. Pings of ours are answered while `answering`.
  void Run(Duration d) {
    const Instant end = now + d;
    while (core.NextDeadline() <= end) {
      now = std::max(now, core.NextDeadline());
      const size_t before = out.datagrams.size();
      core.Tick(now, out);
      for (size_t i = before; answering && i < out.datagrams.size(); ++i) {
        Answer(Datagram(out.datagrams[i]));
      }
    }
    now = end;
  }

  NodeState State(const std::string& node) const { return core.Find(node)->state; }
  uint32_t Incarnation(const std::string& node) const { return core.Find(node)->incarnation; }
  bool Happened(Event::Kind kind, const std::string& node) const {
    return std::any_of(out.events.begin(), out.events.end(),
                       [&](const Event& e) { return e.kind == kind && e.node == node; });
  }
  // Messages of type T sent so far, to `host` or to anyone.
  template <class T>
  std::vector<T> Sent(int host = -1) const {
    std::vector<T> found;
    for (const Datagram& d : out.datagrams) {
      for (const Message& m : d.messages) {
        if (const T* typed = std::get_if<T>(&m); typed != nullptr && (host < 0 || d.to == At(host))) {
          found.push_back(*typed);
        }
      }
    }
    return found;
  }

  Instant now = Instant::FromMicros(1'000'000'000);
  Outbox out;
  Membership core;
  bool answering = false;

 private:
  void Answer(const Datagram& datagram) {
    for (const Message& m : datagram.messages) {
      if (const auto* ping = std::get_if<gossipwire::Ping>(&m)) {
        core.Receive(now, datagram.to, gossipwire::Ack{ping->sequence, {}}, out);
      }
    }
  }
};

}  // namespace aurora::membership
