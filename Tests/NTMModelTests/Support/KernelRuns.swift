import Testing

@testable import NTMModel

/// Runs a kernel on every variant that this processor has, and expects the same bits of all.
///
/// - Returns: what the first variant gives
func runEverywhere(
  sourceLocation: SourceLocation = #_sourceLocation, _ run: (Kernels) -> [Float]
) -> [Float] {
  let first = run(Kernels.all[0])
  for kernels in Kernels.all.dropFirst() {
    let other = run(kernels)
    // NaN has many bit patterns; whether it is one is what counts.
    let differs = first.indices.first {
      first[$0].bitPattern != other[$0].bitPattern && !(first[$0].isNaN && other[$0].isNaN)
    }
    if let index = differs {
      Issue.record(
        "\(kernels.name) gives \(other[index]) at \(index), \(Kernels.all[0].name) \(first[index])",
        sourceLocation: sourceLocation)
    }
  }
  return first
}

/// Memory in the layout of the kernels: blocks of `Kernels.lanes` rows, padded with zero rows.
struct BlockedMemory {
  let shape: Kernels.Shape
  let rows: Int
  var values: [Float]

  init(_ memory: [[Float]]) {
    rows = memory.count
    shape = Kernels.Shape(
      blocks: (memory.count + Kernels.lanes - 1) / Kernels.lanes, columns: memory[0].count)
    values = Array(repeating: 0, count: shape.blocks * Kernels.lanes * shape.columns)
    for (i, row) in memory.enumerated() {
      for (j, value) in row.enumerated() { values[Self.index(i, j, shape.columns)] = value }
    }
  }

  private static func index(_ row: Int, _ column: Int, _ columns: Int) -> Int {
    ((row / Kernels.lanes) * columns + column) * Kernels.lanes + row % Kernels.lanes
  }

  /// N × M, without padding.
  var matrix: [[Float]] {
    (0..<rows).map { i in
      (0..<shape.columns).map { values[Self.index(i, $0, shape.columns)] }
    }
  }

  /// The padding rows' values.
  var padding: [Float] {
    (rows..<shape.paddedRows).flatMap { i in
      (0..<shape.columns).map { values[Self.index(i, $0, shape.columns)] }
    }
  }
}

extension Array where Element == Float {
  /// With zeros to a whole number of vectors.
  var padded: [Float] {
    self + Array(repeating: 0, count: (Kernels.lanes - count % Kernels.lanes) % Kernels.lanes)
  }
}
