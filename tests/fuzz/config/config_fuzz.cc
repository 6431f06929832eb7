// Any bytes as a configuration file: Load answers, never crashes, and every mistake is one printable line.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/base/check.h"
#include "shared/base/status.h"
#include "shared/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Reading files the input names would make a run depend on the machine.
  if (text.find("_file") != std::string_view::npos || text.find("cert") != std::string_view::npos ||
      text.find("key") != std::string_view::npos || text.find("\\u") != std::string_view::npos) {
    return 0;
  }
  const auto config = aurora::config::LoadText(text, "fuzz.toml", {});
  if (!config.ok()) {
    const std::string_view message = aurora::Std(config.status().message());
    AURORA_CHECK(!message.empty());
    for (const char c : message) {
      AURORA_CHECK(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
    }
    return 0;
  }
  AURORA_CHECK(!aurora::config::PrintConfig(*config).empty());
  return 0;
}
