// The recorded bytes of real memberlist nodes (Debian's 0.2.2 and upstream 1b4c746) under vectors/.
// Thread: tests. Errors: a missing or unreadable file fails the test. Paths are relative to the repository's root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/gossipwire/keyring.h"

namespace aurora::gossipwire {

std::string Hex(std::string_view text);  // hex to bytes; fails the test on anything else

struct Vector {
  std::string name;
  std::string bytes;
};
// Lines "name   length hex" of a .txt file.
std::vector<Vector> NamedVectors(const std::string& file);
std::string NamedVector(const std::string& file, std::string_view name);

// One line of a cap-*.jsonl: what a node sent or received.
struct Captured {
  enum class Kind { kUdp, kTcpSent, kTcpReceived };
  std::string file;
  Kind kind = Kind::kUdp;
  std::string bytes;
};
std::vector<Captured> CapturedBytes();

inline const std::string kPrimaryKey(32, 'k');
inline Keyring RingOf(const std::vector<std::string>& keys) {
  return Keyring::Make(keys).value();
}

inline constexpr const char* kVectorFiles[] = {"v0.2.2-debian.txt", "head-1b4c746.txt"};

}  // namespace aurora::gossipwire
