#if defined(__x86_64__)
#define DECIMALS_TARGET __attribute__((target("avx2,lzcnt")))
#define DECIMALS_VARIANT avx2
#define DECIMALS_NAME "avx2"
#define DECIMALS_LANES 16
#define DECIMALS_SSSE3
#include "vectors.inc"
#include "shortest.inc"
#include "parts.inc"
#include "writer.inc"
#endif
