// Addresses: what parses is written in one form, and that form parses to the same.
#include <cstdint>
#include <string>

#include "controlplane/gossipwire/address.h"
#include "shared/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurora::gossipwire;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto join = ParseJoinAddress(text, 7946); join.ok()) {
    AURORA_CHECK(join->ip.empty() != join->host.empty() && join->port != 0);
    AURORA_CHECK(join->ip.empty() || join->ip.size() == 4 || join->ip.size() == 16);
    AURORA_CHECK(ParseJoinAddress(FormatJoinAddress(*join), 1).value() == *join);
  }
  if (const auto address = ParseAddress(text)) {
    AURORA_CHECK(FormatAddress(*address) == text);
  }
  if (const auto ip = ParseIp(text)) {
    AURORA_CHECK(ParseIp(FormatIp(*ip)) == ip);
  }
  return 0;
}
