// Request ids: the caller's if it is a sane one, else one of ours: 32 hexadecimal digits.
// Source: product.md section 3 (X-Request-ID). Thread: pure. Bounds: a caller's id has at most 64 letters, digits,
// '-', '_' and '.'.
#pragma once

#include "dataplane/model/usage_record.h"
#include "shared/base/rng.h"
#include "shared/http/message.h"

namespace aurora::exchange {

void ChooseRequestId(const http::Head& head, Rng& rng, model::FixedString<64>& out);

}  // namespace aurora::exchange
