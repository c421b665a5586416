// The arguments and the environment of the process, as it was started with. Swift's `CommandLine`
// reads /proc on Linux and is empty if that is not mounted.
#pragma once

#include <stddef.h>

// The number of arguments, including the program's name; 0 if the system passed none.
size_t ntm_argument_count(void);

// An argument, terminated by a zero byte. `index` must be below the count.
const char *ntm_argument(size_t index);

// A variable of the environment, as NAME=value; NULL behind the last one.
const char *ntm_environment_variable(size_t index);
