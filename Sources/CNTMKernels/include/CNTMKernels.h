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

/// A linear map y = W x + b. W is packed in panels of NTM_LANES outputs, one behind the other: of each
/// panel, the weights of its outputs for the first input, then for the second, and so on. The last
/// panel, and b, are padded with zeros.
struct ntm_linear {
  const float *weights;
  const float *bias;
  size_t inputs, outputs;
};

/// One head's reading: r = sum over i of w(i) M(i).
struct ntm_read {
  const float *weighting;  // w, padded rows
  float *read;             // r, M
};

/// One head's part in a write: M(i) <- M(i) (1 - w(i) e) + w(i) a.
struct ntm_write {
  const float *weighting;  // w, padded rows
  const float *erase;      // e, M
  const float *add;        // a, M
};

struct ntm_gradients;
struct ntm_optimizers;

struct ntm_kernels {
  const char *name;

  /// y[i] = function(x[i]), i < n. x and y may be the same.
  void (*apply)(enum ntm_function function, const float *x, float *y, size_t n);

  /// y[v] = W x[v] + b, v < count, as accurate as float32 can say it but for the last digit. There
  /// must be room for whole vectors in each y[v], which is written up to the padding of b. The
  /// bits of y[v] depend on x[v] alone: neither on how many others there are nor on whether W is
  /// gone through backwards. Who does that every other time begins with what the cache still has
  /// of a W that is more than it holds.
  void (*multiply)(const struct ntm_linear *map, const float *const *x, float *const *y,
                   size_t count, bool backwards);

  /// One LSTM layer from its gates' sums, in the order input, forget, cell, output, n values each:
  /// c = sigmoid(f) c_before + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c).
  void (*lstm)(const float *gates, const float *c_before, float *c, float *h, size_t n);

  /// For `count` heads, with h their index, and every padded row i: dots[h][i] =
  /// (k_h + offset) . (M(i) + offset), squares[i] = |M(i) + offset|^2, and key_squares[h] =
  /// |k_h + offset|^2. It goes from the memory's end to its beginning, a part at a time, and use() the
  /// other way: so each begins with what the cache still has from the other.
  void (*similarity)(const float *memory, size_t blocks, size_t columns, const float *const *keys,
                     size_t count, float offset, float *const *dots, float *squares,
                     float *key_squares);

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

  /// Reads and writes in one sweep. Each read gets its sum over i of w(i) from(i, j), j < columns;
  /// to = from * product over writes of (1 - w e) + sum over writes of w a, which stays as it is
  /// where there are no writes. `to` may be `from`. `sums` is room for NTM_LANES * columns values
  /// for each read. False when a value of `to` is not finite.
  bool (*use)(const float *from, float *to, size_t blocks, size_t columns,
              const struct ntm_read *reads, size_t read_count, const struct ntm_write *writes,
              size_t write_count, float *sums);

  /// The largest |x[i]|, i < n, 0 for none; not finite where one of them is not.
  float (*largest)(const float *x, size_t n);

  const struct ntm_gradients *gradients;
  const struct ntm_optimizers *optimizers;
};

/// Derivatives of the kernels, for back-propagation. d_x is the gradient of the loss with respect to
/// x; "+=" says that a gradient is added to what is there, "=" that it replaces it.
struct ntm_gradients {
  /// d_x = d_y * function'(x), given y = function(x).
  void (*apply)(enum ntm_function function, const float *x, const float *y, const float *d_y,
                float *d_x, size_t n);

  /// Of ntm_kernels.lstm. d_c holds the gradient with respect to c on entry, to c_before on return;
  /// d_gates =.
  void (*lstm)(const float *gates, const float *c_before, const float *c, const float *d_h,
               float *d_c, float *d_gates, size_t n);

  /// Of similarity: d_memory +=, d_key +=.
  void (*similarity)(const float *memory, size_t blocks, size_t columns, const float *key,
                     float offset, const float *d_dots, const float *d_squares,
                     float d_key_square, float *d_memory, float *d_key);

  /// Of content, given similarity()'s results and the weighting that content() made of them.
  /// d_weighting is the gradient on entry; d_dots =, d_squares =, d_strength =; gives the gradient
  /// with respect to the key's square.
  float (*content)(const float *dots, const float *squares, size_t rows, float key_square,
                   enum ntm_cosine_guard guard, float epsilon, float strength,
                   const float *weighting, const float *d_weighting, float *d_dots,
                   float *d_squares, float *d_strength);

  /// Of interpolate, over whole vectors of padded rows. d_weighting: with respect to the result on
  /// entry, to the content weighting on return; d_before +=; gives the gradient of the gate.
  float (*interpolate)(float *d_weighting, const float *content, const float *before, float gate,
                       float *d_before, size_t n);

  /// Sum of x[i] * y[i], i < n.
  float (*dot)(const float *x, const float *y, size_t n);

  /// Of sharpen, given the weighting that it made of `shifted`. d_weighting: with respect to the
  /// result on entry, to `shifted` on return; gives the gradient of the sharpening.
  float (*sharpen)(const float *shifted, const float *weighting, size_t rows, float sharpening,
                   float *d_weighting);

  /// Of read: d_memory +=, d_weighting +=.
  void (*read)(const float *memory, size_t blocks, size_t columns, const float *weighting,
               const float *d_read, float *d_memory, float *d_weighting);

  /// Of write, for one of `count` heads that write at once: d_weighting +=, d_erase +=, d_add +=.
  /// d_memory is the gradient with respect to what was written, and stays.
  void (*write_head)(const float *from, const float *d_memory, size_t blocks, size_t columns,
                     const struct ntm_write *heads, size_t count, size_t head,
                     float *d_weighting, float *d_erase, float *d_add);

  /// Of write: d_memory, with respect to `to` on entry, to `from` on return.
  void (*write_memory)(float *d_memory, size_t blocks, size_t columns,
                       const struct ntm_write *heads, size_t count);
};

/// What stays the same through a run of RMSProp.
struct ntm_rmsprop {
  float decay, momentum, epsilon, clip;
};

/// What stays the same through a run of Adam.
struct ntm_adam {
  float mean_decay, square_decay, epsilon;
};

/// Changes of parameters by their gradient. Everything is n values long, n a multiple of NTM_LANES.
struct ntm_optimizers {
  /// With g the gradient clipped to +-clip: square and mean become the decaying means of g^2 and g;
  /// change = momentum * change - rate * g / sqrt(square - mean^2 + epsilon); parameters += change.
  void (*rmsprop)(float *parameters, const float *gradient, float *square, float *mean,
                  float *change, float rate, const struct ntm_rmsprop *rule, size_t n);

  /// With g = scale * gradient: mean and square become the decaying means of g and g^2;
  /// parameters -= rate * mean / (correction * sqrt(square) + epsilon).
  void (*adam)(float *parameters, const float *gradient, float *mean, float *square, float scale,
               float rate, float correction, const struct ntm_adam *rule, size_t n);
};

/// The variants that this processor runs, fastest first; NULL past the last.
const struct ntm_kernels *ntm_kernels_variant(size_t index);
