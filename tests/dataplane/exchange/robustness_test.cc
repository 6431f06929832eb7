#include <vector>

#include "tests/dataplane/exchange/stateful.h"
#include "tests/support/test.h"

namespace aurora::exchange {

TEST_CASE("no verb in any state breaks the machine, and every exchange is settled exactly once") {
  Rng rng(20240607);
  for (int round = 0; round < 4000; ++round) {
    std::vector<uint8_t> choices(8 + rng.Below(120));
    for (uint8_t& c : choices) {
      c = static_cast<uint8_t>(rng.Next());
    }
    RunStateful(choices.data(), choices.size());
  }
  SUCCEED();
}

}  // namespace aurora::exchange
