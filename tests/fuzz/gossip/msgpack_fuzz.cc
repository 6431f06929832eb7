// Maps: every beginning of a good map asks for more, and what was read can be written and read again.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/gossipwire/msgpack.h"
#include "shared/base/check.h"

namespace {

using namespace aurora::gossipwire;

struct Field {
  std::string key;
  Value::Kind kind;
  uint64_t number;
  std::string bytes;
  bool operator==(const Field&) const = default;
};

MapResult Read(std::string_view in, std::vector<Field>* fields) {
  return ReadMap(in, {}, [fields](std::string_view key, const Value& value) {
    const bool integer = value.kind == Value::Kind::kUint;
    const bool text = value.kind == Value::Kind::kBytes;
    if (integer || text) {
      fields->push_back(
          {std::string(key), value.kind, integer ? value.number : 0, std::string(text ? value.bytes : "")});
    }
    return true;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  std::vector<Field> fields;
  const MapResult result = Read(in, &fields);
  if (result.parse != Parse::kOk) {
    return 0;
  }
  AURORA_CHECK(result.size > 0 && result.size <= in.size());
  for (size_t n = result.size > 300 ? result.size - 300 : 0; n <= result.size; ++n) {
    std::vector<Field> ignored;
    const MapResult part = Read(in.substr(0, n), &ignored);
    AURORA_CHECK(part.parse == (n < result.size ? Parse::kMore : Parse::kOk));
  }
  std::string out;
  MapWriter writer(&out, static_cast<uint32_t>(fields.size()));
  for (const Field& field : fields) {
    field.kind == Value::Kind::kUint ? writer.Number(field.key, field.number) : writer.Bytes(field.key, field.bytes);
  }
  std::vector<Field> again;
  const MapResult second = Read(out, &again);
  // Longer heads than they came with can only pass the bound when the input was near it.
  AURORA_CHECK(second.parse == Parse::kOk || out.size() > kMaxMapBytes);
  AURORA_CHECK(second.parse != Parse::kOk || (again == fields && second.size == out.size()));
  return 0;
}
