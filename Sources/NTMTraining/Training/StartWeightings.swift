import NTMModel

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Learned start weightings w_0 are trained as the logits of a softmax, so that they stay weightings;
/// a model file holds the weightings themselves.
///
/// Where the start memory is the same in every row, something must tell the rows apart, or all heads
/// treat them alike for ever: w_0 does, and begins focused on the first row.
extension ParameterVector {
  /// The weight of the first row before training.
  private static let firstWeight = 0.9

  /// Sets the logits from which training begins.
  func focusStartWeightings(_ configuration: Configuration) {
    let rows = configuration.memory.rows
    guard rows > 1 else { return }
    let others = (1 - Self.firstWeight) / Double(rows - 1)
    for head in configuration.heads.indices {
      values[layout.startWeightings + head * rows] = Float(log(Self.firstWeight / others))
    }
  }

  /// The parameters as a model has them, from those that are trained.
  func realize(_ configuration: Configuration, into model: ParameterVector) {
    model.values.update(from: values, count: layout.count)
    guard configuration.start.weightings == .stored else { return }
    let rows = configuration.memory.rows
    for head in configuration.heads.indices {
      let logits = values + layout.startWeightings + head * rows
      let weights = model.values + layout.startWeightings + head * rows
      var most = logits[0]
      for row in 1..<max(rows, 1) { most = max(most, logits[row]) }
      var total: Float = 0
      for row in 0..<rows {
        weights[row] = exp(logits[row] - most)
        total += weights[row]
      }
      for row in 0..<rows { weights[row] /= total }
    }
  }

  /// Turns the gradient with respect to a model's parameters, this vector, into the one with respect
  /// to those that are trained.
  func unrealize(_ configuration: Configuration, _ model: ParameterVector) {
    guard configuration.start.weightings == .stored else { return }
    let rows = configuration.memory.rows
    for head in configuration.heads.indices {
      let weights = model.values + layout.startWeightings + head * rows
      let gradient = values + layout.startWeightings + head * rows
      var mean: Float = 0
      for row in 0..<rows { mean += weights[row] * gradient[row] }
      for row in 0..<rows { gradient[row] = weights[row] * (gradient[row] - mean) }
    }
  }
}
