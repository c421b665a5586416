#define DECIMALS_TARGET
#define DECIMALS_VARIANT portable
#define DECIMALS_NAME "portable"
#define DECIMALS_LANES 8
#include "vectors.inc"
#include "shortest.inc"
#include "parts.inc"
#include "writer.inc"
