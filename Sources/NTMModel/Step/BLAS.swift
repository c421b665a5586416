internal import CBLAS

/// Matrix–vector products by OpenBLAS.
///
/// OpenBLAS is told once to use one thread a call: the server runs one step per core, and the
/// result of a product must not depend on how many threads took part in it.
enum BLAS {
  private static let singleThreaded: Void = openblas_set_num_threads(1)

  /// Call before the first product; a model does when it is made.
  static func prepare() { _ = singleThreaded }

  /// y = A x + b for a row-major A.
  ///
  /// - Parameters:
  ///   - matrix: A, rows × columns
  ///   - bias: b, rows
  ///   - x: columns
  ///   - y: rows; must not overlap x
  @inline(__always)
  static func multiply(
    _ matrix: UnsafePointer<Float>, rows: Int, columns: Int, bias: UnsafePointer<Float>,
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    y.update(from: bias, count: rows)
    cblas_sgemv(
      CblasRowMajor, CblasNoTrans, blasint(rows), blasint(columns), 1, matrix, blasint(columns), x,
      1, 1, y, 1)
  }
}
