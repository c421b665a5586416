#include "process.h"

#if defined(__APPLE__)

#include <crt_externs.h>

size_t ntm_argument_count(void) { return (size_t)*_NSGetArgc(); }

const char *ntm_argument(size_t index) { return (*_NSGetArgv())[index]; }

static char **environment(void) { return *_NSGetEnviron(); }

#else

extern char **environ;

static size_t count;
static char **arguments;

static char **environment(void) { return environ; }

#if defined(__GLIBC__)

// glibc calls constructors with the arguments of main.
__attribute__((constructor)) static void keep_arguments(int argc, char **argv) {
  count = argc > 0 ? (size_t)argc : 0;
  arguments = argv;
}

#else

// Other C libraries call constructors without arguments. The environment is not changed yet: it is
// where the kernel placed it, behind the arguments, which have their number before them and a null
// pointer behind them.
__attribute__((constructor)) static void keep_arguments(void) {
  char **end = environ - 1;
  size_t steps = 0;
  while ((size_t)end[-1 - (long)steps] != steps) steps++;
  count = steps;
  arguments = end - steps;
}

#endif

size_t ntm_argument_count(void) { return count; }

const char *ntm_argument(size_t index) { return arguments[index]; }

#endif

const char *ntm_environment_variable(size_t index) { return environment()[index]; }
