#include "CDecimals.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace {

/// Beyond it, decimals without an exponent have digits that say nothing.
constexpr float largest_with_exact_digits = 16777216;

char *write(float value, char *text) {
  char *end = text + DECIMALS_LONGEST;
  if (std::fabs(value) > largest_with_exact_digits)
    return std::to_chars(text, end, value, std::chars_format::scientific).ptr;
  char *last = std::to_chars(text, end, value).ptr;
  // Readers that know whole numbers take one for such, and lose the sign of zero.
  if (value == std::trunc(value) && !std::memchr(text, 'e', last - text)) {
    *last++ = '.';
    *last++ = '0';
  }
  return last;
}

}  // namespace

size_t decimals_write(const float *values, size_t count, char *text) {
  char *end = text;
  for (size_t i = 0; i < count; i++) {
    if (i > 0) *end++ = ',';
    end = write(values[i], end);
  }
  return static_cast<size_t>(end - text);
}
