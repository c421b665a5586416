#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NTM_VARIANT ntm_kernels_avx2
#define NTM_VARIANT_NAME "avx2"
// Panels in a tile of one vector and of four: as many as there are registers for their sums.
#define NTM_PANELS_OF_ONE 4
#define NTM_PANELS_OF_FOUR 1
// Blocks of the memory in a tile.
#define NTM_BLOCKS 2
#include "vectors.inc"
#include "gradients.inc"
#include "optimizers.inc"
#include "kernels.inc"
#pragma clang attribute pop
#endif
