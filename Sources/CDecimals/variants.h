// The writer of decimals, once for each instruction set.

#pragma once

#include <cstddef>

namespace decimals {

struct Variant {
  const char *name;
  /// As decimals_write.
  std::size_t (*write)(const float *values, std::size_t count, char *text);
};

/// The variants that the processor can run, the fastest first; null behind the last.
const Variant *variant(std::size_t index);

}  // namespace decimals
