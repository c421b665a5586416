#if defined(__x86_64__)
#define DECIMALS_TARGET __attribute__((target("sse4.1,ssse3")))
#define DECIMALS_VARIANT sse4
#define DECIMALS_NAME "sse4"
#define DECIMALS_LANES 8
#define DECIMALS_SSSE3
#include "vectors.inc"
#include "shortest.inc"
#include "parts.inc"
#include "writer.inc"
#endif
