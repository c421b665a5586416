#define NTM_VARIANT ntm_kernels_portable
#define NTM_VARIANT_NAME "portable"
#include "vectors.inc"
#include "gradients.inc"
#include "optimizers.inc"
#include "kernels.inc"
