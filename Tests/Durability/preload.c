/* Makes writes to some files fail: an LD_PRELOAD library for the tests of faults.
 *
 * NTM_FAULT_PATH is a part of the path of the files that are meant, NTM_FAULT_CONTROL a file that says
 * what fails: nothing where it is missing or empty, else "write ENOSPC", "write EIO" or "fsync EIO".
 * "fsync HANG" blocks such calls until the file says something else.
 *
 * With NTM_FAULT_THREADS no thread can be started, after as many as it says.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether the descriptor is of a file that is meant. */
static int is_meant(int descriptor) {
  char link[64], path[4096];
  const char *part = getenv("NTM_FAULT_PATH");
  if (!part) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, part) != NULL;
}

#define HANG (-1)

/* The error that a call of this kind gets now; 0 for none. */
static int fault(const char *kind, int descriptor) {
  const char *control = getenv("NTM_FAULT_CONTROL");
  char text[64] = "", name[16] = "", error[16] = "";
  if (!control || !is_meant(descriptor)) return 0;
  int file = open(control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = syscall(SYS_read, file, text, sizeof text - 1);
  close(file);
  if (length <= 0 || sscanf(text, "%15s %15s", name, error) != 2 || strcmp(name, kind)) return 0;
  if (!strcmp(error, "HANG")) return HANG;
  return strcmp(error, "ENOSPC") ? EIO : ENOSPC;
}

#define FAIL(kind, descriptor)             \
  do {                                     \
    int code;                              \
    while ((code = fault(kind, descriptor)) == HANG) usleep(10000); \
    if (code) {                            \
      errno = code;                        \
      return -1;                           \
    }                                      \
  } while (0)

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

ssize_t write(int descriptor, const void *bytes, size_t count) {
  FAIL("write", descriptor);
  return NEXT(write)(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  FAIL("write", descriptor);
  return NEXT(pwrite)(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  FAIL("write", descriptor);
  return NEXT(pwrite64)(descriptor, bytes, count, offset);
}

int ftruncate(int descriptor, off_t length) {
  FAIL("write", descriptor);
  return NEXT(ftruncate)(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) {
  FAIL("write", descriptor);
  return NEXT(ftruncate64)(descriptor, length);
}

int fsync(int descriptor) {
  FAIL("fsync", descriptor);
  return NEXT(fsync)(descriptor);
}

int fdatasync(int descriptor) {
  FAIL("fsync", descriptor);
  return NEXT(fdatasync)(descriptor);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
  static atomic_int started;
  const char *limit = getenv("NTM_FAULT_THREADS");
  if (limit && atomic_fetch_add(&started, 1) >= atoi(limit)) return EPERM;
  return NEXT(pthread_create)(thread, attributes, run, argument);
}
