package import CNTMKernels

/// The vector kernels of this processor; `CNTMKernels.h` says what each computes, over which
/// layout.
///
/// They are chosen once. All variants give the same bits, so the choice shows in speed alone.
package struct Kernels: Sendable {
  /// A constant table of the C library that lives as long as the process.
  package nonisolated(unsafe) let table: UnsafePointer<ntm_kernels>

  /// The fastest variant that this processor runs.
  package static let best = all[0]

  /// Every variant that this processor runs, fastest first.
  package static let all: [Kernels] = Array(
    sequence(first: 0) { $0 + 1 }.lazy.map { ntm_kernels_variant($0) }.prefix { $0 != nil }
  ).map { Kernels(table: $0!) }

  var name: String { String(cString: table.pointee.name) }

  /// Floats in a vector; memory is laid out in blocks of so many rows.
  package static let lanes = Int(NTM_LANES)

  /// n rounded up to whole vectors.
  @inline(__always)
  package static func padded(_ n: Int) -> Int { (n + lanes - 1) / lanes * lanes }

  /// Where element (row, column) of a matrix lies that is laid out in blocks of `lanes` rows.
  @inline(__always)
  package static func blockedIndex(_ row: Int, _ column: Int, columns: Int) -> Int {
    (row / lanes * columns + column) * lanes + row % lanes
  }

  /// What each call says beside the pointers: the memory's blocks and columns.
  package struct Shape: Sendable {
    package let blocks: Int
    package let columns: Int
    package var paddedRows: Int { blocks * Kernels.lanes }
  }

  @inline(__always)
  package func apply(
    _ activation: Activation, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    table.pointee.apply(activation.function, x, y, count)
  }

  /// y = W x + b for several x at once; y has room for whole vectors.
  ///
  /// - Parameter backwards: whether W is gone through from its end, which changes no bit
  @inline(__always)
  package func multiply(
    _ map: LinearMap, _ x: UnsafePointer<UnsafePointer<Float>?>,
    into y: UnsafePointer<UnsafeMutablePointer<Float>?>, count: Int, backwards: Bool
  ) {
    withUnsafePointer(to: map) { table.pointee.multiply($0, x, y, count, backwards) }
  }

  @inline(__always)
  package func lstm(
    gates: UnsafePointer<Float>, cellBefore: UnsafePointer<Float>,
    cell: UnsafeMutablePointer<Float>, hidden: UnsafeMutablePointer<Float>, units: Int
  ) {
    table.pointee.lstm(gates, cellBefore, cell, hidden, units)
  }

  /// Of several keys.
  @inline(__always)
  package func similarity(
    _ memory: UnsafePointer<Float>, _ shape: Shape, keys: UnsafePointer<UnsafePointer<Float>?>,
    count: Int, offset: Float, dots: UnsafePointer<UnsafeMutablePointer<Float>?>,
    squares: UnsafeMutablePointer<Float>, keySquares: UnsafeMutablePointer<Float>
  ) {
    table.pointee.similarity(
      memory, shape.blocks, shape.columns, keys, count, offset, dots, squares, keySquares)
  }

  /// Of one key.
  ///
  /// - Returns: |k + offset|²
  package func similarity(
    _ memory: UnsafePointer<Float>, _ shape: Shape, key: UnsafePointer<Float>, offset: Float,
    dots: UnsafeMutablePointer<Float>, squares: UnsafeMutablePointer<Float>
  ) -> Float {
    var keySquare: Float = 0
    withUnsafePointer(to: Optional(key)) { keys in
      withUnsafePointer(to: Optional(dots)) { dots in
        similarity(
          memory, shape, keys: keys, count: 1, offset: offset, dots: dots, squares: squares,
          keySquares: &keySquare)
      }
    }
    return keySquare
  }

  @inline(__always)
  package func content(
    dots: UnsafeMutablePointer<Float>, squares: UnsafePointer<Float>, rows: Int, keySquare: Float,
    similarity: Cosine, strength: Float, into weighting: UnsafeMutablePointer<Float>
  ) {
    table.pointee.content(
      dots, squares, rows, keySquare, similarity.guard.kernelGuard, similarity.epsilon, strength,
      weighting)
  }

  @inline(__always)
  package func interpolate(
    _ weighting: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>, gate: Float, count: Int
  ) {
    table.pointee.interpolate(weighting, before, gate, count)
  }

  /// y += scale · x
  @inline(__always)
  package func accumulate(
    _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, scale: Float, count: Int
  ) {
    table.pointee.accumulate(y, x, scale, count)
  }

  @inline(__always)
  package func sharpen(
    _ weighting: UnsafeMutablePointer<Float>, rows: Int, sharpening: Float, epsilon: Float
  ) {
    table.pointee.sharpen(weighting, rows, sharpening, epsilon)
  }

  /// Reads and writes in one sweep.
  ///
  /// - Parameter sums: room for `lanes` · M values for each read
  /// - Returns: whether all that was written is finite
  @inline(__always)
  package func use(
    from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, _ shape: Shape,
    reads: UnsafePointer<HeadRead>, readCount: Int, writes: UnsafePointer<HeadWrite>,
    writeCount: Int, sums: UnsafeMutablePointer<Float>
  ) -> Bool {
    table.pointee.use(
      from, to, shape.blocks, shape.columns, reads, readCount, writes, writeCount, sums)
  }

  /// The largest |x|, 0 for no values; not finite where one of them is not.
  @inline(__always)
  package func largest(_ values: UnsafePointer<Float>, count: Int) -> Float {
    table.pointee.largest(values, count)
  }

  @inline(__always)
  package func areFinite(_ values: UnsafePointer<Float>, count: Int) -> Bool {
    largest(values, count: count).isFinite
  }
}

/// y = W x + b, packed.
package typealias LinearMap = ntm_linear

extension LinearMap {
  package init(
    packed weights: UnsafePointer<Float>, bias: UnsafePointer<Float>, inputs: Int, outputs: Int
  ) {
    self.init(weights: weights, bias: bias, inputs: inputs, outputs: outputs)
  }
}

/// One head's reading: its weighting (padded rows) and where r (M) goes.
package typealias HeadRead = ntm_read

extension HeadRead {
  package init(by weighting: UnsafePointer<Float>, into read: UnsafeMutablePointer<Float>) {
    self.init(weighting: weighting, read: read)
  }
}

/// One head's part in a write: its weighting (padded rows), erase and add vectors (M).
package typealias HeadWrite = ntm_write

extension HeadWrite {
  package init(
    by weighting: UnsafePointer<Float>, erasing erase: UnsafePointer<Float>,
    adding add: UnsafePointer<Float>
  ) {
    self.init(weighting: weighting, erase: erase, add: add)
  }
}

extension Activation {
  package var function: ntm_function {
    switch self {
    case .identity: NTM_IDENTITY
    case .relu: NTM_RELU
    case .tanh: NTM_TANH
    case .sigmoid: NTM_SIGMOID
    case .softplus: NTM_SOFTPLUS
    case .exp: NTM_EXP
    }
  }
}

extension Cosine.Guard {
  package var kernelGuard: ntm_cosine_guard {
    switch self {
    case .none: NTM_GUARD_NONE
    case .normFloor: NTM_GUARD_NORM_FLOOR
    case .productFloor: NTM_GUARD_PRODUCT_FLOOR
    case .productOffset: NTM_GUARD_PRODUCT_OFFSET
    }
  }
}
