// Messages to bytes and back, without the layers around them (packet.h for datagrams, stream.h for TCP).
// Source: hashicorp/memberlist net.go: one type byte, then a msgpack map with Go's field names; keys are written in
// byte order. Thread: stateless. Bounds: limits.h. Errors: DecodeMessage answers InvalidArgument and says what is
// wrong. Read: any key order, any integer, raw, str or bin family; unknown keys and bytes after the map are ignored; a
// missing key is the zero value (versions: all zero). Refused: an alive, suspect or dead without a node's name, an
// alive or indirect ping without an address, names over 255, meta over 512, negative or too large numbers. IPv4-mapped
// addresses become 4 bytes. Written: empty byte fields as nil, source fields of a ping only when there are any.
// Invariant: DecodeMessage(EncodeMessage(m)) == m for every m that keeps to message.h, except that an Error's text is
// cut.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controlplane/gossipwire/message.h"
#include "controlplane/gossipwire/msgpack.h"

namespace aurora::gossipwire {

enum class Type : uint8_t {
  kPing = 0,
  kIndirectPing = 1,
  kAck = 2,
  kSuspect = 3,
  kAlive = 4,
  kDead = 5,
  kPushPull = 6,  // streams only
  kCompound = 7,  // datagrams only
  kUser = 8,
  kCompress = 9,
  kEncrypt = 10,  // streams only
  kNack = 11,
  kCrc = 12,    // datagrams only
  kError = 13,  // streams only
  kLabel = 244,
};

// The datagram form of every message a datagram carries; the stream form of PushPull and Error.
std::string EncodeMessage(const Message& message);
// The stream form: as above, but a User message says its length.
std::string EncodeStreamMessage(const Message& message);
// The datagram form, all of `bytes`. A PushPull or Error is refused: they come by stream (stream.h).
absl::StatusOr<Message> DecodeMessage(std::string_view bytes);
// A short lower-case name for metrics and logs: "ping", "alive", "push_pull".
std::string_view MessageName(const Message& message);

// ::ffff:a.b.c.d as 4 bytes, everything else as it is.
std::string_view NormalizeIp(std::string_view ip);

// The pieces a stream is read by. `map` begins after the type byte.
struct PushPullHeader {
  bool join = false;
  uint64_t nodes = 0;
  uint64_t user_state_bytes = 0;
};
MapResult ReadPushPullHeader(std::string_view map, PushPullHeader* out);
// kOk with *usable false: well-formed, but without a name or address or over a bound; the next record can be read.
MapResult ReadNodeRecord(std::string_view map, NodeRecord* out, bool* usable);
MapResult ReadUserHeader(std::string_view map, uint64_t* bytes);
MapResult ReadPing(std::string_view map, Ping* out);
MapResult ReadAck(std::string_view map, Ack* out);
MapResult ReadError(std::string_view map, Error* out);

}  // namespace aurora::gossipwire
