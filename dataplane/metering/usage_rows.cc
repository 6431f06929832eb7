#include "dataplane/metering/usage_rows.h"

#include <algorithm>

#include "dataplane/metering/names.h"
#include "shared/base/check.h"

namespace aurora::metering {

bool UsageRows::Next() {
  while (next_ < count_) {
    record_ = &ring_->At(next_++);
    if (next_ % kRowsPerPause == 0 && pause_) {
      pause_();
    }
    if (record_->metered) {
      last_id_ = std::max(last_id_ + 1, record_->started_unix_us + record_->latency_us);
      return true;
    }
  }
  return false;
}

sqlite::Cell UsageRows::Column(int column) const {
  const model::UsageRecord& r = *record_;
  switch (column) {
    case 0: return last_id_;
    case 1: return r.request_id.view();
    case 2: return r.started_unix_us;
    case 3: return r.auth_key_id.view();
    case 4: return r.user_path.view();
    case 5: return Name(r.endpoint);
    case 6: return r.provider.view();
    case 7: return r.model.view();
    case 8: return int64_t{r.status};
    case 9: return Name(r.outcome);
    case 10: return int64_t{r.stream ? 1 : 0};
    case 11: return r.tokens.input;
    case 12: return r.tokens.output;
    case 13: return r.tokens.cached_input;
    case 14: return r.tokens.cache_creation_input;
    case 15: return r.tokens.reasoning;
    case 16: return r.latency_us;
    case 17: return r.time_to_first_token_us;
    case 18: return static_cast<int64_t>(r.term);
    case 19: return int64_t{r.attempts};
    default: break;
  }
  AURORA_CHECK(false);
  return int64_t{0};
}

}  // namespace aurora::metering
