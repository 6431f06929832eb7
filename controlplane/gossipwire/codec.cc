#include "controlplane/gossipwire/codec.h"

#include <optional>
#include <utility>

#include "shared/base/status.h"

namespace aurora::gossipwire {
namespace {

constexpr std::string_view kMappedPrefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);

bool ReadIp(const Value& value, std::string* out) {
  if (!ReadBytes(value, 16, out) || (out->size() != 0 && out->size() != 4 && out->size() != 16)) {
    return false;
  }
  if (NormalizeIp(*out).size() != out->size()) {
    out->erase(0, kMappedPrefix.size());
  }
  return true;
}

bool ReadVersions(const Value& value, Versions* out) {
  *out = Versions{0, 0, 0, 0, 0, 0};
  const bool bytes = value.kind == Value::Kind::kBytes || value.kind == Value::Kind::kByteArray;
  if (!bytes) {
    return value.kind == Value::Kind::kNil;
  }
  // Fewer than six say nothing: a peer of ours would treat the rest as zero, too.
  if (value.bytes.size() >= 6) {
    const auto at = [&](size_t i) { return static_cast<uint8_t>(value.bytes[i]); };
    *out = Versions{at(0), at(1), at(2), at(3), at(4), at(5)};
  }
  return true;
}

std::string VersionBytes(const Versions& v) {
  std::string out;
  for (const uint8_t byte :
       {v.protocol_min, v.protocol_max, v.protocol_current, v.delegate_min, v.delegate_max, v.delegate_current}) {
    out.push_back(static_cast<char>(byte));
  }
  return out;
}

void Begin(std::string* out, Type type) {
  out->push_back(static_cast<char>(type));
}

uint32_t SourceFields(const Address& source, const std::string& source_node) {
  return (source.ip.empty() ? 0u : 1u) + (source.port == 0 ? 0u : 1u) + (source_node.empty() ? 0u : 1u);
}

void WriteSource(MapWriter& map, const Address& source, const std::string& source_node) {
  if (!source.ip.empty()) {
    map.Bytes("SourceAddr", NormalizeIp(source.ip));
  }
  if (!source_node.empty()) {
    map.Bytes("SourceNode", source_node);
  }
  if (source.port != 0) {
    map.Number("SourcePort", source.port);
  }
}

struct MessageEncoder {
  std::string* out;
  bool stream;

  void operator()(const Ping& m) const {
    Begin(out, Type::kPing);
    MapWriter map(out, 2 + SourceFields(m.source, m.source_node));
    map.Bytes("Node", m.node).Number("SeqNo", m.sequence);
    WriteSource(map, m.source, m.source_node);
  }
  void operator()(const IndirectPing& m) const {
    Begin(out, Type::kIndirectPing);
    MapWriter map(out, 5 + SourceFields(m.source, m.source_node));
    map.Bool("Nack", m.wants_nack).Bytes("Node", m.node).Number("Port", m.target.port).Number("SeqNo", m.sequence);
    WriteSource(map, m.source, m.source_node);
    map.Blob("Target", NormalizeIp(m.target.ip));
  }
  void operator()(const Ack& m) const {
    Begin(out, Type::kAck);
    MapWriter(out, 2).Blob("Payload", m.payload).Number("SeqNo", m.sequence);
  }
  void operator()(const Nack& m) const {
    Begin(out, Type::kNack);
    MapWriter(out, 1).Number("SeqNo", m.sequence);
  }
  void operator()(const Suspect& m) const { Accuse(Type::kSuspect, m.incarnation, m.node, m.from); }
  void operator()(const Dead& m) const { Accuse(Type::kDead, m.incarnation, m.node, m.from); }
  void operator()(const Alive& m) const {
    Begin(out, Type::kAlive);
    MapWriter(out, 6)
        .Blob("Addr", NormalizeIp(m.address.ip))
        .Number("Incarnation", m.incarnation)
        .Blob("Meta", m.meta)
        .Bytes("Node", m.node)
        .Number("Port", m.address.port)
        .Bytes("Vsn", VersionBytes(m.versions));
  }
  void operator()(const User& m) const {
    Begin(out, Type::kUser);
    if (stream) {
      MapWriter(out, 1).Number("UserMsgLen", m.payload.size());
    }
    out->append(m.payload);
  }
  void operator()(const Error& m) const {
    Begin(out, Type::kError);
    MapWriter(out, 1).Bytes("Error", m.text);
  }
  void operator()(const PushPull& m) const {
    Begin(out, Type::kPushPull);
    MapWriter(out, 3).Bool("Join", m.join).Number("Nodes", m.nodes.size()).Number("UserStateLen", m.user_state.size());
    for (const NodeRecord& node : m.nodes) {
      MapWriter(out, 7)
          .Blob("Addr", NormalizeIp(node.address.ip))
          .Number("Incarnation", node.incarnation)
          .Blob("Meta", node.meta)
          .Bytes("Name", node.name)
          .Number("Port", node.address.port)
          .Number("State", static_cast<uint64_t>(node.state))
          .Bytes("Vsn", VersionBytes(node.versions));
    }
    out->append(m.user_state);
  }

 private:
  void Accuse(Type type, uint32_t incarnation, const std::string& node, const std::string& from) const {
    Begin(out, type);
    MapWriter(out, 3).Bytes("From", from).Number("Incarnation", incarnation).Bytes("Node", node);
  }
};

// nullopt: not a source field.
std::optional<bool> ReadSource(std::string_view key, const Value& value, Address* source, std::string* source_node) {
  return key == "SourceAddr"   ? std::optional(ReadIp(value, &source->ip))
         : key == "SourcePort" ? std::optional(ReadU16(value, &source->port))
         : key == "SourceNode" ? std::optional(ReadBytes(value, kMaxName, source_node))
                               : std::nullopt;
}

MapResult ReadIndirect(std::string_view map, IndirectPing* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    if (const auto source = ReadSource(key, value, &m->source, &m->source_node)) {
      return *source;
    }
    return key == "SeqNo"    ? ReadU32(value, &m->sequence)
           : key == "Node"   ? ReadBytes(value, kMaxName, &m->node)
           : key == "Target" ? ReadIp(value, &m->target.ip)
           : key == "Port"   ? ReadU16(value, &m->target.port)
           : key == "Nack"   ? ReadBool(value, &m->wants_nack)
                             : true;
  });
}

MapResult ReadNack(std::string_view map, Nack* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    return key == "SeqNo" ? ReadU32(value, &m->sequence) : true;
  });
}

// Suspect and Dead alike.
template <typename Accusation>
MapResult ReadAccusation(std::string_view map, Accusation* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    return key == "Incarnation" ? ReadU32(value, &m->incarnation)
           : key == "Node"      ? ReadBytes(value, kMaxName, &m->node)
           : key == "From"      ? ReadBytes(value, kMaxName, &m->from)
                                : true;
  });
}

MapResult ReadAlive(std::string_view map, Alive* m) {
  m->versions = Versions{0, 0, 0, 0, 0, 0};
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    return key == "Incarnation" ? ReadU32(value, &m->incarnation)
           : key == "Node"      ? ReadBytes(value, kMaxName, &m->node)
           : key == "Addr"      ? ReadIp(value, &m->address.ip)
           : key == "Port"      ? ReadU16(value, &m->address.port)
           : key == "Meta"      ? ReadBytes(value, kMaxMeta, &m->meta)
           : key == "Vsn"       ? ReadVersions(value, &m->versions)
                                : true;
  });
}

bool Complete(const Ping&) {
  return true;
}
bool Complete(const Ack&) {
  return true;
}
bool Complete(const Nack&) {
  return true;
}
bool Complete(const IndirectPing& m) {
  return !m.target.empty();
}
bool Complete(const Suspect& m) {
  return !m.node.empty();
}
bool Complete(const Dead& m) {
  return !m.node.empty();
}
bool Complete(const Alive& m) {
  return !m.node.empty() && !m.address.empty();
}

template <typename M>
absl::StatusOr<Message> Decode(std::string_view map, MapResult (*read)(std::string_view, M*)) {
  M message;
  const MapResult result = read(map, &message);
  if (result.parse == Parse::kMore) {
    return InvalidArgument(std::string(MessageName(Message(message))) + ": cut short");
  }
  if (result.parse == Parse::kBad) {
    return InvalidArgument(std::string(MessageName(Message(message))) + ": malformed");
  }
  if (!Complete(message)) {
    return InvalidArgument(std::string(MessageName(Message(message))) + ": a name or an address is missing");
  }
  return Message(std::move(message));
}

}  // namespace

std::string_view NormalizeIp(std::string_view ip) {
  return ip.size() == 16 && ip.substr(0, kMappedPrefix.size()) == kMappedPrefix ? ip.substr(kMappedPrefix.size()) : ip;
}

std::string EncodeMessage(const Message& message) {
  std::string out;
  std::visit(MessageEncoder{&out, false}, message);
  return out;
}

std::string EncodeStreamMessage(const Message& message) {
  std::string out;
  std::visit(MessageEncoder{&out, true}, message);
  return out;
}

absl::StatusOr<Message> DecodeMessage(std::string_view bytes) {
  if (bytes.empty()) {
    return InvalidArgument("an empty message");
  }
  const std::string_view map = bytes.substr(1);
  switch (static_cast<Type>(static_cast<uint8_t>(bytes[0]))) {
    case Type::kPing:
      return Decode<Ping>(map, ReadPing);
    case Type::kIndirectPing:
      return Decode<IndirectPing>(map, ReadIndirect);
    case Type::kAck:
      return Decode<Ack>(map, ReadAck);
    case Type::kNack:
      return Decode<Nack>(map, ReadNack);
    case Type::kSuspect:
      return Decode<Suspect>(map, ReadAccusation<Suspect>);
    case Type::kDead:
      return Decode<Dead>(map, ReadAccusation<Dead>);
    case Type::kAlive:
      return Decode<Alive>(map, ReadAlive);
    case Type::kUser:
      return Message(User{std::string(map)});
    case Type::kPushPull:
    case Type::kError:
    case Type::kCompound:
    case Type::kCompress:
    case Type::kEncrypt:
    case Type::kCrc:
    case Type::kLabel:
      break;
  }
  return InvalidArgument("message type " + std::to_string(static_cast<uint8_t>(bytes[0])) + " has no place here");
}

std::string_view MessageName(const Message& message) {
  static constexpr std::string_view kNames[] = {"ping", "indirect_ping", "ack",  "nack",  "suspect",
                                                "dead", "alive",         "user", "error", "push_pull"};
  static_assert(std::variant_size_v<Message> == std::size(kNames));
  return kNames[message.index()];
}

MapResult ReadPing(std::string_view map, Ping* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    if (const auto source = ReadSource(key, value, &m->source, &m->source_node)) {
      return *source;
    }
    return key == "SeqNo" ? ReadU32(value, &m->sequence) : key == "Node" ? ReadBytes(value, kMaxName, &m->node) : true;
  });
}

MapResult ReadAck(std::string_view map, Ack* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    return key == "SeqNo"     ? ReadU32(value, &m->sequence)
           : key == "Payload" ? ReadBytes(value, kMaxDatagram, &m->payload)
                              : true;
  });
}

MapResult ReadError(std::string_view map, Error* m) {
  return ReadMap(map, {}, [m](std::string_view key, const Value& value) {
    if (key != "Error") {
      return true;
    }
    const bool ok = ReadBytes(value, kMaxMapBytes, &m->text);
    if (m->text.size() > kMaxErrorText) {
      m->text.resize(kMaxErrorText);
      m->text.shrink_to_fit();
    }
    return ok;
  });
}

MapResult ReadPushPullHeader(std::string_view map, PushPullHeader* out) {
  return ReadMap(map, {kMaxNodeRecordBytes}, [out](std::string_view key, const Value& value) {
    return key == "Join"           ? ReadBool(value, &out->join)
           : key == "Nodes"        ? ReadUnsigned(value, kMaxStreamNodes, &out->nodes)
           : key == "UserStateLen" ? ReadUnsigned(value, kMaxStreamSealed, &out->user_state_bytes)
                                   : true;
  });
}

MapResult ReadUserHeader(std::string_view map, uint64_t* bytes) {
  return ReadMap(map, {kMaxNodeRecordBytes}, [bytes](std::string_view key, const Value& value) {
    return key == "UserMsgLen" ? ReadUnsigned(value, kMaxStreamSealed, bytes) : true;
  });
}

MapResult ReadNodeRecord(std::string_view map, NodeRecord* m, bool* usable) {
  m->versions = Versions{0, 0, 0, 0, 0, 0};
  bool fits = true;
  const MapResult result = ReadMap(map, {kMaxNodeRecordBytes}, [m, &fits](std::string_view key, const Value& value) {
    uint64_t state = 0;
    bool ok = true;
    if (key == "State") {
      ok = ReadUnsigned(value, 3, &state);
      m->state = static_cast<NodeState>(state);
    } else {
      ok = key == "Incarnation" ? ReadU32(value, &m->incarnation)
           : key == "Name"      ? ReadBytes(value, kMaxName, &m->name)
           : key == "Addr"      ? ReadIp(value, &m->address.ip)
           : key == "Port"      ? ReadU16(value, &m->address.port)
           : key == "Meta"      ? ReadBytes(value, kMaxMeta, &m->meta)
           : key == "Vsn"       ? ReadVersions(value, &m->versions)
                                : true;
    }
    fits = fits && ok;
    return true;
  });
  *usable = fits && !m->name.empty() && !m->address.empty();
  return result;
}

}  // namespace aurora::gossipwire
