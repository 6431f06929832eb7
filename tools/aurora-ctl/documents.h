// Documents: what `apply -f` reads: JSON or YAML, one or many {"kind","name","spec"}.
// Source: YAML 1.2 through yaml-cpp (block and flow, several documents, no aliases kept), JSON
// through shared/protojson. Thread: stateless. Bounds: kMaxDocumentBytes for the file, 32 levels.
// Errors: InvalidArgument naming the document by number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace aurora::ctl {

inline constexpr size_t kMaxDocumentBytes = 4 << 20;

struct Document {
  std::string kind;
  std::string name;
  nlohmann::ordered_json spec;
};

// `default_kind` is for the groups (`models apply`): a document may leave its kind out and may not
// have another.
absl::StatusOr<std::vector<Document>> ParseDocuments(std::string_view text,
                                                     std::string_view default_kind);

}  // namespace aurora::ctl
