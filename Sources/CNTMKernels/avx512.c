#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define NTM_VARIANT ntm_kernels_avx512
#define NTM_VARIANT_NAME "avx512"
// Panels in a tile of one vector and of four: as many as there are registers for their sums.
#define NTM_PANELS_OF_ONE 8
#define NTM_PANELS_OF_FOUR 2
// Blocks of the memory in a tile.
#define NTM_BLOCKS 4
#include "vectors.inc"
#include "gradients.inc"
#include "optimizers.inc"
#include "kernels.inc"
#pragma clang attribute pop
#endif
