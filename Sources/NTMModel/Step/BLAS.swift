internal import CBLAS

/// Matrix–vector products by OpenBLAS, in double precision.
///
/// A head turns small differences of its parameters into large ones (β and γ multiply them by up to
/// a hundred), and OpenBLAS adds up in another order on each kind of processor. In float32 that
/// shows; in double precision, rounded once at the end, the products are as exact as float32 can
/// say, so the processor and the library's version make no difference. It costs twice the time of
/// float32 products.
enum BLAS {
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// Tells OpenBLAS to use one thread a call, because the caller runs one step per core. Call
  /// before the first product; a model does when it is made.
  static func prepare() { _ = singleThreaded }

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
}
