// Files that are part of the program: the HTTP interface's contract, and the inspector page.
#pragma once

#include <stddef.h>

struct ntm_resource {
  // As in the address that it is served at: "openapi.yaml", "inspector/main.js".
  const char *name;
  // Text, with a zero behind it.
  const char *text;
};

// All of them, and how many they are.
const struct ntm_resource *ntm_resources(size_t *count);
