#include "tests/controlplane/gossipwire/vectors.h"

#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "shared/crypto/encoding.h"
#include "tests/support/test.h"

namespace aurora::gossipwire {
namespace {

const std::string kFolder = "tests/controlplane/gossipwire/vectors/";

std::ifstream OpenFile(const std::string& file) {
  std::ifstream in(kFolder + file);
  INFO(kFolder + file);
  REQUIRE(in.good());
  return in;
}

}  // namespace

std::string Hex(std::string_view text) {
  const auto bytes = crypto::HexDecode(text);
  INFO(text);
  REQUIRE(bytes.has_value());
  return *bytes;
}

std::vector<Vector> NamedVectors(const std::string& file) {
  std::ifstream in = OpenFile(file);
  std::vector<Vector> out;
  for (std::string line; std::getline(in, line);) {
    const size_t hex_at = line.find_last_of(' ');
    if (hex_at == std::string::npos || line.starts_with("DEC ") || line.starts_with("crc32")) {
      continue;
    }
    const std::string before = line.substr(0, hex_at);
    const size_t length_at = before.find_last_of(' ');
    const std::string name = before.substr(0, before.find_last_not_of(' ', length_at) + 1);
    const std::string bytes = Hex(line.substr(hex_at + 1));
    REQUIRE(std::to_string(bytes.size()) == before.substr(length_at + 1));
    out.push_back({name, bytes});
  }
  REQUIRE(out.size() >= 20);
  return out;
}

std::string NamedVector(const std::string& file, std::string_view name) {
  for (const Vector& vector : NamedVectors(file)) {
    if (vector.name == name) {
      return vector.bytes;
    }
  }
  FAIL("no vector " << name << " in " << file);
  return "";
}

std::vector<Captured> CapturedBytes() {
  std::vector<Captured> out;
  for (const char* mode : {"plain022", "enc", "label", "labelplain", "mixed"}) {
    for (const char* node : {"a", "b", "c"}) {
      const std::string file = std::string("cap-") + mode + "-node-" + node + ".jsonl";
      std::ifstream in = OpenFile(file);
      for (std::string line; std::getline(in, line);) {
        const auto event = nlohmann::json::parse(line);
        const std::string kind = event.at("ev");
        out.push_back({file,
                       kind == "udp_tx"   ? Captured::Kind::kUdp
                       : kind == "tcp_tx" ? Captured::Kind::kTcpSent
                                          : Captured::Kind::kTcpReceived,
                       Hex(event.at("hex").get<std::string>())});
      }
    }
  }
  REQUIRE(out.size() == 695 + 51 + 19);
  return out;
}

}  // namespace aurora::gossipwire
