#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A row-major matrix, for re-ordering weights.
struct Matrix {
  let rows: Int
  let columns: Int
  var values: [Float]

  init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns)
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// Row `order[i]` as row i.
  func selectingRows(_ order: some Sequence<Int>) -> Matrix {
    let order = Array(order)
    return Matrix(
      rows: order.count, columns: columns,
      values: order.flatMap { self[$0] })
  }

  var transposed: Matrix {
    Matrix(
      rows: columns, columns: rows,
      values: (0..<columns).flatMap { column in
        (0..<rows).map { values[$0 * columns + column] }
      })
  }

  /// Column `order[j]` as column j.
  func selectingColumns(_ order: some Sequence<Int>) -> Matrix {
    transposed.selectingRows(order).transposed
  }

  /// [self | other]
  func joined(_ other: Matrix) -> Matrix {
    precondition(rows == other.rows)
    var joined: [Float] = []
    for row in 0..<rows { joined += self[row] + other[row] }
    return Matrix(rows: rows, columns: columns + other.columns, values: joined)
  }

  subscript(row: Int) -> ArraySlice<Float> { values[row * columns..<(row + 1) * columns] }
}

extension SafeTensorsFile {
  /// A tensor of two dimensions.
  func matrix(_ name: String) throws -> Matrix {
    let values = try self.values(name)
    // Without an element a shape may claim any size in its other dimension.
    guard let shape = header[name]?.shape, shape.count == 2, !values.isEmpty else {
      throw ImportError(
        "tensor \"\(name)\" has the shape \(header[name]?.shape ?? []), not two dimensions")
    }
    return Matrix(rows: shape[0], columns: shape[1], values: values)
  }

  /// A tensor of two dimensions that are known.
  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try check(name, shape: [rows, columns])
    return try matrix(name)
  }

  /// Values of a tensor of any shape with so many elements.
  func values(_ name: String, count: Int) throws -> [Float] {
    let values = try self.values(name)
    guard values.count == count else {
      throw ImportError("tensor \"\(name)\" has \(values.count) values; \(count) are expected")
    }
    return values
  }
}

func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
func exponential(_ x: Double) -> Double { exp(x) }
