// gossip-peer: the gossip driver as a process, for tests beside genuine memberlist nodes
// (tests/interop/peer). One command a line on stdin: join HOST:PORT | meta TEXT | msg NODE TEXT |
// smsg NODE TEXT | keys HEX[,HEX] | members | stats | leave | quit (also at the end of stdin). One
// JSON event a line on stdout.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "controlplane/gossipwire/address.h"
#include "controlplane/peers/gossip.h"
#include "shared/uv/loop.h"
#include "shared/uv/mailbox.h"

namespace aurora::peers {
namespace {

using nlohmann::json;

void Say(const json& event) {
  const std::string line = event.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

std::string_view NameOf(membership::Event::Kind kind) {
  using Kind = membership::Event::Kind;
  switch (kind) {
    case Kind::kJoin:
      return "join";
    case Kind::kRejoin:
      return "rejoin";
    case Kind::kUpdate:
      return "update";
    case Kind::kSuspect:
      return "suspect";
    case Kind::kRefuted:
      return "refuted";
    case Kind::kFailed:
      return "failed";
    case Kind::kLeave:
      return "leave";
    case Kind::kSelfAccused:
      return "self_accused";
    case Kind::kConflict:
      return "conflict";
    case Kind::kForeign:
      return "foreign";
    case Kind::kOneWayUdp:
      return "one_way_udp";
    case Kind::kAlarm:
      return "alarm";
    case Kind::kLeft:
      return "left";
  }
  return "unknown";
}

std::string_view NameOf(gossipwire::NodeState state) {
  constexpr std::string_view kNames[] = {"alive", "suspect", "dead", "left"};
  return kNames[static_cast<size_t>(state)];
}

bool FromHex(std::string_view text, std::string& out) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  out.clear();
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0) {
      return false;
    }
    out.push_back(static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1])));
  }
  return text.size() % 2 == 0;
}

std::vector<crypto::Secret> Keys(const std::string& list) {
  std::vector<crypto::Secret> keys;
  std::istringstream parts(list);
  for (std::string part, bytes; std::getline(parts, part, ',');) {
    if (FromHex(part, bytes)) {
      keys.emplace_back(bytes);
    }
  }
  return keys;
}

GossipCallbacks Callbacks() {
  GossipCallbacks callbacks;
  callbacks.on_events = [](std::span<const membership::Event> events) {
    for (const membership::Event& event : events) {
      Say({{"ev", NameOf(event.kind)},
           {"node", event.node},
           {"addr", gossipwire::FormatAddress(event.address)},
           {"inc", event.incarnation},
           {"guest", event.guest},
           {"detail", event.detail}});
    }
  };
  callbacks.on_refused = [](const PeerRefused& refused) {
    Say({{"ev", "refused"}, {"reason", ReasonName(refused.reason)}, {"detail", refused.detail}});
  };
  callbacks.on_user = [](const UserMessage& user) {
    Say({{"ev", "msg"}, {"stream", user.stream}, {"text", user.payload}});
  };
  return callbacks;
}

void SayMembers(const Gossip& gossip) {
  json list = json::array();
  const std::shared_ptr<const MemberList> members = gossip.Members();  // held while it is walked
  for (const Member& member : *members) {
    list.push_back({{"name", member.name},
                    {"addr", gossipwire::FormatAddress(member.address)},
                    {"meta", member.meta},
                    {"state", NameOf(member.state)},
                    {"inc", member.incarnation},
                    {"guest", member.guest}});
  }
  Say({{"ev", "members"}, {"list", list}});
}

void SayStats(const Gossip& gossip) {
  const GossipStats stats = gossip.Stats();
  json refused;
  for (size_t i = 0; i < kReasons; ++i) {
    refused[std::string(ReasonName(static_cast<Reason>(i)))] = stats.refused[i];
  }
  Say({{"ev", "stats"},
       {"refused", refused},
       {"dropped_parts", stats.dropped_parts},
       {"health", stats.health},
       {"stalls", stats.core.stalls},
       {"lateness_p99_us", stats.lateness_p99.micros()},
       {"rtt_count", stats.rtt.count},
       {"bytes_out", stats.bytes_out},
       {"streams_failed", stats.streams_failed},
       {"send_failed", stats.send_failed},
       {"one_way_udp", stats.one_way_udp}});
}

void Obey(const std::string& line, Gossip& gossip) {
  std::istringstream words(line);
  std::string verb, first, rest;
  words >> verb >> first;
  std::getline(words >> std::ws, rest);
  if (verb == "join") {
    Say({{"ev", "joining"}, {"error", gossip.SetSeeds({first}).ToString()}});
  } else if (verb == "meta") {
    gossip.UpdateMeta(first);
  } else if (verb == "msg" || verb == "smsg") {
    gossip.SendUser(first, rest, verb == "smsg");
  } else if (verb == "keys") {
    Say({{"ev", "keys"}, {"error", gossip.SetKeys(Keys(first)).ToString()}});
  } else if (verb == "members") {
    SayMembers(gossip);
  } else if (verb == "stats") {
    SayStats(gossip);
  } else if (verb == "leave") {
    gossip.Leave(Duration::Seconds(20), [] { Say({{"ev", "leave_done"}}); });
  }
}

int Run(int argc, char** argv) {
  GossipOptions options;
  options.core.cluster_id = "interop";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--name") {
      options.node_name = value;
    } else if (flag == "--bind") {
      options.bind_addr = value;
    } else if (flag == "--port") {
      options.bind_port = static_cast<uint16_t>(std::strtoul(value.c_str(), nullptr, 10));
    } else if (flag == "--join") {
      options.seeds.push_back(value);
    } else if (flag == "--keys") {
      options.keys = Keys(value);
    } else if (flag == "--label") {
      options.label = value;
    } else if (flag == "--meta") {
      options.meta = value;
    }
  }
  uv::Loop loop;
  uv::Mailbox home(loop, 65536);
  auto started = Gossip::Start(home, std::move(options), Callbacks());
  if (!started.ok()) {
    Say({{"ev", "error"}, {"error", started.status().ToString()}});
    return 1;
  }
  std::unique_ptr<Gossip> gossip = *std::move(started);
  Say({{"ev", "up"}, {"addr", gossipwire::FormatAddress(gossip->address())}});
  std::thread reader([&] {
    std::string line;
    while (std::getline(std::cin, line) && line != "quit") {
      (void)home.Post([&gossip, line] { Obey(line, *gossip); });
    }
    (void)home.Post([&loop] { loop.Stop(); });
  });
  loop.Run();
  reader.join();
  gossip.reset();
  return 0;
}

}  // namespace
}  // namespace aurora::peers

int main(int argc, char** argv) {
  return aurora::peers::Run(argc, argv);
}
