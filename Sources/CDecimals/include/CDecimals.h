// Decimals of float32 numbers.

#pragma once

#include <stddef.h>

/// Characters of the longest decimal: a sign, nine digits, a point and an exponent such as e-38.
#define DECIMALS_LONGEST 15

#ifdef __cplusplus
extern "C"
#endif
    /// Writes the shortest decimals that give back the same float32, with commas between them; each
    /// has a point or an exponent. The values must be finite; there must be room for count *
    /// (DECIMALS_LONGEST + 1) characters, of which those behind the text may be changed too.
    ///
    /// Gives the number of characters.
    size_t
    decimals_write(const float *values, size_t count, char *text);
