// The messages of HashiCorp memberlist's protocol, as plain values (source: hashicorp/memberlist net.go).
//
// Pure values: no thread, no I/O. The codec (codec.h) turns them into bytes and back; the membership core
// (controlplane/membership) only ever sees these. Text is UTF-8 as the peer sent it; sizes are bounded by the codec
// (limits.h): names <= 255 bytes, meta <= 512, addresses 4 or 16 bytes, IPv4-mapped IPv6 normalised to 4.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace aurora::gossipwire {

// An IP address and port. `ip` holds 4 or 16 bytes in network order, or none: unknown.
struct Address {
  std::string ip;
  uint16_t port = 0;

  bool empty() const { return ip.empty(); }
  bool operator==(const Address&) const = default;
  auto operator<=>(const Address&) const = default;
};

// Protocol and delegate versions a node speaks: PMin, PMax, PCur, DMin, DMax, DCur.
struct Versions {
  uint8_t protocol_min = 1;
  uint8_t protocol_max = 5;
  uint8_t protocol_current = 2;
  uint8_t delegate_min = 0;
  uint8_t delegate_max = 0;
  uint8_t delegate_current = 0;

  bool operator==(const Versions&) const = default;
};

// `source` says where the answer should go; empty: to the sender of the datagram.
struct Ping {
  uint32_t sequence = 0;
  std::string node;
  Address source;
  std::string source_node;
  bool operator==(const Ping&) const = default;
};

struct IndirectPing {
  uint32_t sequence = 0;
  Address target;
  std::string node;
  bool wants_nack = false;
  Address source;
  std::string source_node;
  bool operator==(const IndirectPing&) const = default;
};

struct Ack {
  uint32_t sequence = 0;
  std::string payload;
  bool operator==(const Ack&) const = default;
};

struct Nack {
  uint32_t sequence = 0;
  bool operator==(const Nack&) const = default;
};

struct Suspect {
  uint32_t incarnation = 0;
  std::string node;
  std::string from;
  bool operator==(const Suspect&) const = default;
};

// from == node: the node left by its own will.
struct Dead {
  uint32_t incarnation = 0;
  std::string node;
  std::string from;
  bool operator==(const Dead&) const = default;
};

struct Alive {
  uint32_t incarnation = 0;
  std::string node;
  Address address;
  std::string meta;
  Versions versions;
  bool operator==(const Alive&) const = default;
};

struct User {
  std::string payload;
  bool operator==(const User&) const = default;
};

// TCP only: the peer's refusal, in words.
struct Error {
  std::string text;
  bool operator==(const Error&) const = default;
};

enum class NodeState : uint8_t { kAlive = 0, kSuspect = 1, kDead = 2, kLeft = 3 };

struct NodeRecord {
  std::string name;
  Address address;
  std::string meta;
  uint32_t incarnation = 0;
  NodeState state = NodeState::kAlive;
  Versions versions;
  bool operator==(const NodeRecord&) const = default;
};

// TCP only: a node's whole view, exchanged both ways.
struct PushPull {
  bool join = false;
  std::vector<NodeRecord> nodes;
  std::string user_state;
  bool operator==(const PushPull&) const = default;
};

// What one datagram part, or one TCP stream, carries.
using Message = std::variant<Ping, IndirectPing, Ack, Nack, Suspect, Dead, Alive, User, Error, PushPull>;

}  // namespace aurora::gossipwire
