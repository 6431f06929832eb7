// msgpack as memberlist uses it: maps with text keys, one map at a time.
// Source: the msgpack specification; hashicorp/go-msgpack 0.5 and 2.1 for what peers write and accept. Writing goes
// through libmsgpack's packer, restricted to the legacy raw family (no str8, no bin): the only one every peer reads.
// Reading is ours: libmsgpack's parser allocates a stack for each call, throws on one ext header, and knows a length is
// absurd only when the bytes have arrived. This one allocates nothing, is incremental, and refuses a length at its
// header. Thread: stateless. Bounds: MapLimits. Errors: kBad for what is not such a map; kMore when it is one so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "controlplane/gossipwire/limits.h"

namespace aurora::gossipwire {

struct Value {
  enum class Kind : uint8_t {
    kNil,
    kBool,
    kUint,       // any integer family, not negative
    kNegative,   // any integer family, negative
    kBytes,      // raw, str or bin
    kByteArray,  // an array of up to 16 integers, each below 256
    kOther,      // float, ext, map, any other array: skipped
  };
  Kind kind = Kind::kNil;
  bool truth = false;
  uint64_t number = 0;
  std::string_view bytes;  // valid during the callback
};

struct MapLimits {
  size_t bytes = kMaxMapBytes;
  size_t items = kMaxMapItems;
};

enum class Parse : uint8_t { kOk, kMore, kBad };

struct MapResult {
  Parse parse = Parse::kBad;
  size_t size = 0;  // bytes of the map; kOk only
};

// Calls `field` for each pair of the map at the start of `in`, in order; false from it makes the whole kBad. With kMore
// or kBad some fields may have been delivered. Bytes after the map are not looked at.
using FieldSink = absl::FunctionRef<bool(std::string_view key, const Value& value)>;
MapResult ReadMap(std::string_view in, const MapLimits& limits, FieldSink field);

// Values to fields; false: the wrong type or out of range. nil is the zero value.
bool ReadUnsigned(const Value& value, uint64_t limit, uint64_t* out);
bool ReadU32(const Value& value, uint32_t* out);
bool ReadU16(const Value& value, uint16_t* out);
bool ReadBool(const Value& value, bool* out);
bool ReadBytes(const Value& value, size_t limit, std::string* out);

// Appends one map to `out`. The caller writes exactly `fields` pairs, keys in byte order.
class MapWriter {
 public:
  MapWriter(std::string* out, uint32_t fields);

  MapWriter& Number(std::string_view key, uint64_t value);
  MapWriter& Bool(std::string_view key, bool value);
  MapWriter& Bytes(std::string_view key, std::string_view value);
  // Empty as nil, as Go writes a nil byte slice.
  MapWriter& Blob(std::string_view key, std::string_view value);

 private:
  std::string* out_;
};

}  // namespace aurora::gossipwire
