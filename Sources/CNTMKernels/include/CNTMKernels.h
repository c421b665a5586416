// The loops of a Neural Turing Machine's step that need the processor's vector units.
//
// Every function exists once, in kernels.inc, over vectors of NTM_LANES floats, and is compiled
// for several instruction sets; the fastest that the processor has is picked at run time. Each output is one fixed
// chain of correctly rounded operations (fused multiply-adds are explicit, contraction is off, sums
// over lanes have one order), so all variants give the same bits.
//
// Memory of N rows and M columns is laid out in blocks of NTM_LANES rows: element (i, j) is at
// block[i / NTM_LANES][j][i % NTM_LANES]. Rows are padded with zero rows to whole blocks, and so is
// every vector over rows (a weighting); padding is zero on entry and stays zero.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NTM_LANES 16

/// What keeps the cosine similarity finite for zero vectors; the numbers are part of model files.
enum ntm_cosine_guard {
  NTM_GUARD_NONE = 0,            // x.y / (|x||y|)
  NTM_GUARD_NORM_FLOOR = 1,      // x.y / (max(|x|, eps) max(|y|, eps))
  NTM_GUARD_PRODUCT_FLOOR = 2,   // x.y / max(|x||y|, eps)
  NTM_GUARD_PRODUCT_OFFSET = 3,  // x.y / (|x||y| + eps)
};

/// Elementwise functions, all within a few units in the last place of the exact value.
enum ntm_function {
  NTM_IDENTITY = 0,
  NTM_RELU = 1,
  NTM_TANH = 2,
  NTM_SIGMOID = 3,
  NTM_SOFTPLUS = 4,
  NTM_EXP = 5,
};

/// One head's part in a write: M(i) <- M(i) (1 - w(i) e) + w(i) a.
struct ntm_write {
  const float *weighting;  // w, padded rows
  const float *erase;      // e, M
  const float *add;        // a, M
};

struct ntm_kernels {
  const char *name;

  /// y[i] = function(x[i]), i < n. x and y may be the same.
  void (*apply)(enum ntm_function function, const float *x, float *y, size_t n);

  /// One LSTM layer from its gates' sums, in the order input, forget, cell, output, n values each:
  /// c = sigmoid(f) c_before + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c).
  void (*lstm)(const float *gates, const float *c_before, float *c, float *h, size_t n);

  /// dots[i] = (k + offset) . (M(i) + offset) and squares[i] = |M(i) + offset|^2, for every padded
  /// row; gives |k + offset|^2.
  float (*similarity)(const float *memory, size_t blocks, size_t columns, const float *key,
                      float offset, float *dots, float *squares);

  /// softmax over the first `rows` of strength * cosine, from similarity()'s results, into
  /// `weighting` (padding zero). `dots` is overwritten.
  void (*content)(float *dots, const float *squares, size_t rows, float key_square,
                  enum ntm_cosine_guard guard, float epsilon, float strength, float *weighting);

  /// weighting = gate * weighting + (1 - gate) * before, over n values.
  void (*interpolate)(float *weighting, const float *before, float gate, size_t n);

  /// y[i] += scale * x[i], i < n.
  void (*accumulate)(float *y, const float *x, float scale, size_t n);

  /// weighting = weighting^sharpening / (sum(weighting^sharpening) + epsilon), over the first
  /// `rows` values; a negative value gives a NaN.
  void (*sharpen)(float *weighting, size_t rows, float sharpening, float epsilon);

  /// read[j] = sum over i of w(i) M(i, j), j < columns.
  void (*read)(const float *memory, size_t blocks, size_t columns, const float *weighting,
               float *read);

  /// to = from * product over heads of (1 - w e) + sum over heads of w a. `to` may be `from`.
  /// False when a value of `to` is not finite.
  bool (*write)(const float *from, float *to, size_t blocks, size_t columns,
                const struct ntm_write *heads, size_t count);

  /// Whether all n values are finite.
  bool (*all_finite)(const float *x, size_t n);
};

/// The variants that this processor runs, fastest first; NULL past the last.
const struct ntm_kernels *ntm_kernels_variant(size_t index);
