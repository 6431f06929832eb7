/* LD_PRELOAD: a disk for election.db that is slow or full, as the file $AURORA_DISK_SHIM says: "slow MILLISECONDS" before each
 * sync, "full" for each write, anything else: a good disk. Other files are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int ours(int fd) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return strstr(path, "election.db") != NULL;
}

static int state(char* word, long* number) {
  const char* at = getenv("AURORA_DISK_SHIM");
  FILE* f = at ? fopen(at, "re") : NULL;
  if (!f) return 0;
  *number = 0;
  int n = fscanf(f, "%15s %ld", word, number);
  fclose(f);
  return n >= 1;
}

static void maybe_slow(int fd) {
  char word[16];
  long ms;
  if (ours(fd) && state(word, &ms) && strcmp(word, "slow") == 0) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
  }
}

static int is_full(int fd) {
  char word[16];
  long ms;
  return ours(fd) && state(word, &ms) && strcmp(word, "full") == 0;
}

#define REAL(name, type) \
  static type real;      \
  if (!real) real = (type)dlsym(RTLD_NEXT, name)

typedef int (*sync_fn)(int);
typedef ssize_t (*pwrite_fn)(int, const void*, size_t, off64_t);

int fsync(int fd) {
  REAL("fsync", sync_fn);
  maybe_slow(fd);
  return real(fd);
}

int fdatasync(int fd) {
  REAL("fdatasync", sync_fn);
  maybe_slow(fd);
  return real(fd);
}

ssize_t pwrite64(int fd, const void* data, size_t n, off64_t at) {
  REAL("pwrite64", pwrite_fn);
  if (is_full(fd)) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, data, n, at);
}

ssize_t pwrite(int fd, const void* data, size_t n, off_t at) { return pwrite64(fd, data, n, at); }
