internal import CBLAS

/// Matrix–vector products by OpenBLAS, in double precision.
///
/// A head turns small differences of its parameters into large ones (β and γ multiply them by up to
/// a hundred), and OpenBLAS adds up in another order on each kind of processor. In float32 that
/// shows; in double precision, rounded once at the end, the products are as exact as float32 can
/// say, so the processor and the library's version make no difference. It costs twice the time of
/// float32 products.
package enum BLAS {
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// Tells OpenBLAS to use one thread a call, because the caller runs one step per core. Call
  /// before the first product; a model does when it is made.
  package static func prepare() { _ = singleThreaded }

  /// y = A x + y for a row-major A.
  ///
  /// - Parameters:
  ///   - matrix: A, rows × columns
  ///   - x: columns
  ///   - y: rows; must not overlap x
  @inline(__always)
  static func multiplyAdd(
    _ matrix: UnsafePointer<Double>, rows: Int, columns: Int, _ x: UnsafePointer<Double>,
    into y: UnsafeMutablePointer<Double>
  ) {
    cblas_dgemv(
      CblasRowMajor, CblasNoTrans, blasint(rows), blasint(columns), 1, matrix, blasint(columns), x,
      1, 1, y, 1)
  }

  /// C = op(A) op(B) + β C in float32, all row-major, for training: there, many steps and sequences
  /// are multiplied at once.
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
