// The part of zlib that Swift sees.
#pragma once
#include <zlib.h>

// 15 bits of window, the most there is, and 16 for the format of gzip.
enum { ntm_zlib_gzip = 15 + 16 };

// Macros, which Swift does not see.
static inline int ntm_zlib_deflate_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, ntm_zlib_gzip, 8, Z_DEFAULT_STRATEGY);
}

static inline int ntm_zlib_inflate_init(z_stream *stream) {
  return inflateInit2(stream, ntm_zlib_gzip);
}
