// Reference: docs/configuration.md, from the table of settings (registry.h). Source: ours. Thread: stateless.
// Invariant: the same text on every machine; tests compare the committed file with it.
#pragma once

#include <string>

namespace aurora::config {

// Markdown; what `aurora-ctl config reference` prints.
std::string Reference();

}  // namespace aurora::config
