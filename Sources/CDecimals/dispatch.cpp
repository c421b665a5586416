#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "CDecimals.h"
#include "variants.h"

namespace decimals {

extern const Variant portable;
#if defined(__x86_64__)
extern const Variant sse4, avx2, avx512;

/// What __builtin_cpu_supports("lzcnt") says: that is not in every compiler's run-time library.
static bool has_lzcnt() {
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned extended_features = 0x80000001, lzcnt = 1 << 5;
  return __get_cpuid(extended_features, &eax, &ebx, &ecx, &edx) != 0 && (ecx & lzcnt) != 0;
}
#endif

const Variant *variant(std::size_t index) {
  const Variant *usable[4] = {};
  std::size_t count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool has_avx2 = __builtin_cpu_supports("avx2") && has_lzcnt();
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    usable[count++] = &avx512;
  if (has_avx2) usable[count++] = &avx2;
  // Virtual machines often have no more than this, whatever they run on.
  if (__builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3"))
    usable[count++] = &sse4;
#endif
  usable[count++] = &portable;
  return index < count ? usable[index] : nullptr;
}

}  // namespace decimals

size_t decimals_write(const float *values, size_t count, char *text) {
  // Threads that come here at once all choose the same.
  static std::atomic<const decimals::Variant *> fastest{nullptr};
  const decimals::Variant *variant = fastest.load(std::memory_order_acquire);
  if (!variant) {
    variant = decimals::variant(0);
    fastest.store(variant, std::memory_order_release);
  }
  return variant->write(values, count, text);
}
