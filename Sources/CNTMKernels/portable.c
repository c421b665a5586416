#define NTM_VARIANT ntm_kernels_portable
#define NTM_VARIANT_NAME "portable"
#define NTM_PANELS_OF_ONE 2
#define NTM_PANELS_OF_FOUR 1
// Blocks of the memory in a tile.
#define NTM_BLOCKS 1
#include "vectors.inc"
#include "gradients.inc"
#include "optimizers.inc"
#include "kernels.inc"
