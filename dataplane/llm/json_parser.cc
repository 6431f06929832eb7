#include "dataplane/llm/json_parser.h"

#include "dataplane/llm/json_impl.h"
#include "shared/base/check.h"

namespace aurora::llm {
namespace {

constexpr size_t kReadyBytes = 64 * 1024;

}  // namespace

JsonParser::JsonParser() : impl_(std::make_unique<Impl>()) {
  // The capacity covers the common request without growing.
  AURORA_CHECK(impl_->parser.allocate(kReadyBytes) == simdjson::SUCCESS);
}

JsonParser::~JsonParser() = default;

void JsonParser::Trim() {
  if (impl_->parser.capacity() > (1u << 20)) {
    impl_ = std::make_unique<Impl>();
    AURORA_CHECK(impl_->parser.allocate(kReadyBytes) == simdjson::SUCCESS);
  }
}

}  // namespace aurora::llm
