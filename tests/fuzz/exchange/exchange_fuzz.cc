// The exchange under any sequence of verbs: tests/dataplane/exchange/stateful.h says what must hold.
#include "tests/dataplane/exchange/stateful.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aurora::exchange::RunStateful(data, size < 512 ? size : 512);
  return 0;
}
