#include "controlplane/membership/message_size.h"

#include <string_view>

namespace aurora::membership {
namespace {

using namespace gossipwire;  // NOLINT: the message structs, in one small file

constexpr size_t kTypeAndMap = 2;  // the type byte, a fixmap header

constexpr size_t Key(std::string_view name) { return 1 + name.size(); }

size_t Raw(size_t length) { return length + (length < 32 ? 1 : length < 65536 ? 3 : 5); }

size_t Uint(uint32_t v) { return v < 128 ? 1 : v < 256 ? 2 : v < 65536 ? 3 : 5; }

size_t SourceSize(const Address& source, const std::string& node) {
  size_t size = 0;
  if (!source.ip.empty()) {
    size += Key("SourceAddr") + Raw(source.ip.size());
  }
  if (source.port != 0) {
    size += Key("SourcePort") + Uint(source.port);
  }
  if (!node.empty()) {
    size += Key("SourceNode") + Raw(node.size());
  }
  return size;
}

size_t AccusationSize(uint32_t incarnation, const std::string& node, const std::string& from) {
  return kTypeAndMap + Key("Incarnation") + Uint(incarnation) + Key("Node") + Raw(node.size()) + Key("From") +
         Raw(from.size());
}

struct Sizer {
  size_t operator()(const Ping& m) const {
    return kTypeAndMap + Key("SeqNo") + Uint(m.sequence) + Key("Node") + Raw(m.node.size()) +
           SourceSize(m.source, m.source_node);
  }
  size_t operator()(const IndirectPing& m) const {
    return kTypeAndMap + Key("SeqNo") + Uint(m.sequence) + Key("Target") + Raw(m.target.ip.size()) + Key("Port") +
           Uint(m.target.port) + Key("Node") + Raw(m.node.size()) + Key("Nack") + 1 +
           SourceSize(m.source, m.source_node);
  }
  size_t operator()(const Ack& m) const {
    return kTypeAndMap + Key("SeqNo") + Uint(m.sequence) + Key("Payload") + Raw(m.payload.size());
  }
  size_t operator()(const Nack& m) const { return kTypeAndMap + Key("SeqNo") + Uint(m.sequence); }
  size_t operator()(const Suspect& m) const { return AccusationSize(m.incarnation, m.node, m.from); }
  size_t operator()(const Dead& m) const { return AccusationSize(m.incarnation, m.node, m.from); }
  size_t operator()(const Alive& m) const {
    return kTypeAndMap + Key("Incarnation") + Uint(m.incarnation) + Key("Node") + Raw(m.node.size()) + Key("Addr") +
           Raw(m.address.ip.size()) + Key("Port") + Uint(m.address.port) + Key("Meta") + Raw(m.meta.size()) +
           Key("Vsn") + Raw(6);
  }
  size_t operator()(const User& m) const { return 1 + m.payload.size(); }
  size_t operator()(const Error&) const { return 0; }
  size_t operator()(const PushPull&) const { return 0; }
};

}  // namespace

size_t MessageSize(const Message& message) { return std::visit(Sizer{}, message); }

}  // namespace aurora::membership
