// The HTTP interface's contract, as part of the program.
#pragma once

#include <stddef.h>

struct ntm_document {
  const unsigned char *bytes;
  size_t size;
};

// openapi.yaml of the repository.
struct ntm_document ntm_contract_yaml(void);

// The same as JSON.
struct ntm_document ntm_contract_json(void);
