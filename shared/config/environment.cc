// The only getenv in the product: everything else gets the map.
#include <string_view>

#include <unistd.h>

#include "shared/config/config.h"

extern char** environ;  // NOLINT: POSIX gives no header for it

namespace aurora::config {

Environment ProcessEnvironment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return out;
}

}  // namespace aurora::config
