// What an Exchange knows of the client's request.
// Source: ours. Thread: one loop. Memory: one pooled buffer, given back when the answer begins.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "dataplane/exchange/buffer_pool.h"
#include "dataplane/exchange/endpoints.h"
#include "dataplane/llm/json_scan.h"
#include "dataplane/model/snapshot.h"
#include "shared/base/time.h"
#include "shared/http/message.h"

namespace aurora::exchange {

inline constexpr size_t kModelNameMax = 256;

struct RequestState {
  std::shared_ptr<const model::Snapshot> snapshot;  // the one this request began with
  const model::KeySecret* secret = nullptr;         // in snapshot
  const EndpointInfo* endpoint = nullptr;
  BodyBuffer keep;  // [query or passthrough target][forwarded header lines][body][asked model]
  Instant started;
  Instant body_limit;  // however slowly it comes, the body must be here by then
  uint32_t target_size = 0;
  uint32_t lines_size = 0;
  uint32_t body_size = 0;
  uint32_t asked_size = 0;
  llm::ByteRange model_at;  // within the body
  llm::ByteRange usage_at;
  uint32_t swallowed = 0;   // body bytes dropped after an early answer
  llm::UsageEdit usage_edit = llm::UsageEdit::kNone;
  model::Dialect dialect = model::Dialect::kOpenAi;
  http::Method method = http::Method::kPost;
  bool old_client = false;  // HTTP/1.0: no chunked framing
  bool close = false;       // the connection ends with this answer
  bool ended = false;       // RequestEnd was seen
  bool awaits_continue = false;
  bool gzip = false;
  bool has_length = false;
  bool empty_object = false;
  bool stream = false;
  bool release_next = false;  // keep was handed to the driver and is too large to be kept for a retry
  bool anthropic_shape = false;

  void ReleaseKeep() {
    keep.Release();
    target_size = lines_size = body_size = asked_size = 0;
  }
  std::string_view target() const { return keep.view().substr(0, target_size); }
  std::string_view lines() const { return keep.view().substr(target_size, lines_size); }
  size_t body_begin() const { return size_t{target_size} + lines_size; }
  std::string_view body() const { return keep.view().substr(body_begin(), body_size); }
  std::string_view asked() const { return keep.view().substr(body_begin() + body_size, asked_size); }
};

}  // namespace aurora::exchange
