#include "controlplane/membership/meta.h"

#include "shared/base/check.h"

namespace aurora::membership {
namespace {

constexpr std::string_view kMagic("\xA7ur\x01", 4);

void PutU16(std::string& out, uint16_t v) {
  out.push_back(static_cast<char>(v >> 8));
  out.push_back(static_cast<char>(v & 0xff));
}

uint16_t GetU16(std::string_view in) {
  return static_cast<uint16_t>((static_cast<uint8_t>(in[0]) << 8) | static_cast<uint8_t>(in[1]));
}

bool TakeText(std::string_view& in, std::string& out) {
  if (in.empty()) {
    return false;
  }
  const size_t length = static_cast<uint8_t>(in[0]);
  if (length > kMaxMetaText || in.size() < 1 + length) {
    return false;
  }
  out = in.substr(1, length);
  in.remove_prefix(1 + length);
  return true;
}

}  // namespace

std::string EncodeMeta(const NodeMeta& meta) {
  AURORA_CHECK(meta.uid.size() <= kMaxMetaText && meta.cluster_id.size() <= kMaxMetaText);
  std::string out(kMagic);
  PutU16(out, meta.sync_port);
  PutU16(out, meta.data_version);
  for (const std::string* text : {&meta.uid, &meta.cluster_id}) {
    out.push_back(static_cast<char>(text->size()));
    out += *text;
  }
  return out;
}

std::optional<NodeMeta> ParseMeta(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 4 || bytes.substr(0, kMagic.size()) != kMagic) {
    return std::nullopt;
  }
  NodeMeta meta;
  bytes.remove_prefix(kMagic.size());
  meta.sync_port = GetU16(bytes);
  meta.data_version = GetU16(bytes.substr(2));
  bytes.remove_prefix(4);
  if (!TakeText(bytes, meta.uid) || !TakeText(bytes, meta.cluster_id)) {
    return std::nullopt;
  }
  return meta;
}

}  // namespace aurora::membership
