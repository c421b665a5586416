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

  @inline(__always)
  package func lstm(
    gates: UnsafePointer<Float>, cellBefore: UnsafePointer<Float>,
    cell: UnsafeMutablePointer<Float>, hidden: UnsafeMutablePointer<Float>, units: Int
  ) {
    table.pointee.lstm(gates, cellBefore, cell, hidden, units)
  }

  /// - Returns: |k + offset|²
  @inline(__always)
  package func similarity(
    _ memory: UnsafePointer<Float>, _ shape: Shape, key: UnsafePointer<Float>, offset: Float,
    dots: UnsafeMutablePointer<Float>, squares: UnsafeMutablePointer<Float>
  ) -> Float {
    table.pointee.similarity(memory, shape.blocks, shape.columns, key, offset, dots, squares)
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

  @inline(__always)
  package func read(
    _ memory: UnsafePointer<Float>, _ shape: Shape, weighting: UnsafePointer<Float>,
    into read: UnsafeMutablePointer<Float>
  ) {
    table.pointee.read(memory, shape.blocks, shape.columns, weighting, read)
  }

  /// - Returns: whether all that was written is finite
  @inline(__always)
  package func write(
    from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, _ shape: Shape,
    heads: UnsafePointer<HeadWrite>, count: Int
  ) -> Bool {
    table.pointee.write(from, to, shape.blocks, shape.columns, heads, count)
  }

  @inline(__always)
  package func areFinite(_ values: UnsafePointer<Float>, count: Int) -> Bool {
    table.pointee.all_finite(values, count)
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
