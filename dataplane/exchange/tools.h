// Tools: the parsers and digests of one loop, built once so that a request allocates none.
// Source: ours. Thread: one loop. simdjson stays behind llm::JsonParser, so including this header is cheap.
#pragma once

#include "dataplane/llm/json_parser.h"
#include "shared/crypto/sha256.h"

namespace aurora::exchange {

struct Tools {
  crypto::Sha256 sha256;
  llm::JsonParser json;
};

}  // namespace aurora::exchange
