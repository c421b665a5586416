// The part of GnuTLS that Swift sees.
#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

// A variable that holds a function: Swift takes it for one that changes.
static inline void ntm_gnutls_free(void *memory) { gnutls_free(memory); }
