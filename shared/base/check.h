// AURORA_CHECK: for our own bugs only (never for input). Always on; prints file:line and aborts.
// AURORA_DCHECK: the same in hot loops, compiled out of Release.
#pragma once

#include <cstdio>
#include <cstdlib>

#define AURORA_CHECK(cond)                                                          \
  do {                                                                              \
    if (!(cond)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)

#ifdef NDEBUG
#define AURORA_DCHECK(cond) \
  do {                      \
    (void)sizeof(cond);     \
  } while (false)
#else
#define AURORA_DCHECK(cond) AURORA_CHECK(cond)
#endif
