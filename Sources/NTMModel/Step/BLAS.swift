internal import CBLAS

/// Matrix products by OpenBLAS, for training: there, many steps and sequences are multiplied at once.
///
/// Steps do not use it: it adds up in another order on each kind of processor, and for each number of
/// vectors, which shows in the last bits of a float32; a head makes large differences of those (β and
/// γ multiply them by up to a hundred).
package enum BLAS {
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// Tells OpenBLAS to use one thread a call, because the caller uses one for each core.
  /// Call before the first product.
  package static func prepare() { _ = singleThreaded }

  /// C = op(A) op(B) + β C in float32, all row-major.
  ///
  /// - Parameters:
  ///   - a: rows × inner, or inner × rows where `aTransposed`
  ///   - b: inner × columns, or columns × inner where `bTransposed`
  ///   - c: rows × columns
  ///   - beta: 0 to replace C, 1 to add to it
  package static func multiply(
    _ a: UnsafePointer<Float>, aTransposed: Bool = false, _ b: UnsafePointer<Float>,
    bTransposed: Bool = false, rows: Int, inner: Int, columns: Int, beta: Float,
    into c: UnsafeMutablePointer<Float>
  ) {
    cblas_sgemm(
      CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans,
      bTransposed ? CblasTrans : CblasNoTrans,
      blasint(rows), blasint(columns), blasint(inner), 1, a, blasint(aTransposed ? rows : inner), b,
      blasint(bTransposed ? inner : columns), beta, c, blasint(columns))
  }
}
