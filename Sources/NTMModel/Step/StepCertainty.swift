/// Whether a step is certain to be taken when its heads have been addressed: whether all numbers that
/// are still to come are finite for the sizes of what they are made of alone. Nearly every step is.
struct StepCertainty: Sendable {
  private let kernels: Kernels
  /// Rows, padded.
  private let rows: Int
  private let columns: Int
  private let offset: Double
  private let writers: Int
  private let units: Int
  /// Where the weightings, the reads, and h_t and c_t begin in a state.
  private let weightings: Int
  private let reads: Int
  private let controller: Int
  /// The largest sum of a row of |W|, and the largest |b|, of the output's map.
  private let (outputGain, outputBias): (Double, Double)
  /// An exponential of what is finite may not be.
  private let isOutputBounded: Bool

  /// Far enough below the largest float32 for what rounding adds.
  private static let limit = Double(Float.greatestFiniteMagnitude) / 4
  /// With more columns rounding might take more from their squares' sum than that.
  private static let mostColumns = 1 << 20

  init(
    _ configuration: Configuration, _ weights: borrowing Weights, _ layout: StateLayout,
    _ kernels: Kernels
  ) {
    self.kernels = kernels
    rows = Kernels.padded(configuration.memory.rows)
    columns = configuration.memory.columns
    offset = Double(configuration.dialect.addressing.similarity.offset.magnitude)
    writers = configuration.heads.count { $0.writes }
    units = configuration.controller.units
    weightings = layout.weightings.offset
    reads = layout.reads.offset
    controller = layout.hidden.offset
    outputGain = weights.largest(weights.layout.output.weight) { row in
      row.reduce(0) { $0 + Double($1.magnitude) }
    }
    outputBias = weights.largest(weights.layout.output.bias) { biases in
      Double(biases.map(\.magnitude).max() ?? 0)
    }
    isOutputBounded = configuration.dialect.output.activation != .exp
  }

  /// From the sizes of M_{t−1}, w_t, h_t, c_t and the heads' parameters. In double precision, so that
  /// the bounds themselves do not overflow; those of what is not finite are not either.
  ///
  /// - Parameter parameter: the largest |p| of the heads' parameters
  func isGiven(_ workspace: borrowing Workspace, _ parameter: Float) -> Bool {
    guard isOutputBounded, columns <= Self.mostColumns,
      kernels.areFinite(workspace.next, from: controller)
    else { return false }
    let weight = largest(workspace.next.buffer.base + weightings, reads - weightings)
    // |M(i, j)| ≤ |M(i) + offset| + offset, where each of the squares' sums may have lost half of the
    // least float32.
    let lost = Double(columns) * Double(Float.leastNonzeroMagnitude)
    let before = (largest(workspace.squares, rows) + lost).squareRoot() + offset
    let read = Double(rows) * weight * before
    // |M (1 − w e) + w a|, for one head after another or all at once.
    let change = weight * Double(parameter)
    var memory = before
    for _ in 0..<writers { memory = memory * (1 + change) + change }
    let logit = outputGain * max(largest(workspace.outputInput, units), read) + outputBias
    return weight < Self.limit && read < Self.limit && memory < Self.limit && logit < Self.limit
  }

  private func largest(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    Double(kernels.largest(values, count: count))
  }
}

extension Kernels {
  /// Whether a state's values from an offset of its buffer on are.
  @inline(__always)
  func areFinite(_ state: borrowing State, from offset: Int) -> Bool {
    areFinite(state.buffer.base + offset, count: state.buffer.count - offset)
  }
}
