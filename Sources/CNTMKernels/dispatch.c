#include "CNTMKernels.h"

extern const struct ntm_kernels ntm_kernels_portable;
#if defined(__x86_64__)
extern const struct ntm_kernels ntm_kernels_avx2;
extern const struct ntm_kernels ntm_kernels_avx512;
#endif

const struct ntm_kernels *ntm_kernels_variant(size_t index) {
  const struct ntm_kernels *usable[3];
  size_t count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    usable[count++] = &ntm_kernels_avx512;
  if (avx2) usable[count++] = &ntm_kernels_avx2;
#endif
  usable[count++] = &ntm_kernels_portable;
  return index < count ? usable[index] : NULL;
}
