#include "dataplane/llm/json_parser.h"

#include "dataplane/llm/json_impl.h"

namespace aurora::llm {

JsonParser::JsonParser() : impl_(std::make_unique<Impl>()) {
  // The depth cap; the capacity covers the common request without growing.
  (void)impl_->parser.allocate(64 * 1024, 256);
}

JsonParser::~JsonParser() = default;

void JsonParser::Trim() {
  if (impl_->parser.capacity() > (1u << 20)) {
    impl_ = std::make_unique<Impl>();
    (void)impl_->parser.allocate(64 * 1024, 256);
  }
}

}  // namespace aurora::llm
