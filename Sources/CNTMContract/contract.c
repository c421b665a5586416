// In C because of #embed: SwiftPM's own way of putting a file into the program, an array literal in
// Swift, takes the compiler half a minute for a file of this length.
#include "CNTMContract.h"

// clang has #embed in every language mode, and warns in those before C23.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char yaml[] = {
#embed "../../openapi.yaml"
};

static const unsigned char json[] = {
#embed "openapi.json"
};

struct ntm_document ntm_contract_yaml(void) {
  return (struct ntm_document){yaml, sizeof yaml};
}

struct ntm_document ntm_contract_json(void) {
  return (struct ntm_document){json, sizeof json};
}
