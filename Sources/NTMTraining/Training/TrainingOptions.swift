/// The settings of a run, apart from the model's and the task's.
public struct TrainingOptions: Codable, Equatable, Sendable {
  /// Sequences to train on.
  public var sequences = 100_000
  /// Sequences of an update, all of one length.
  public var batch = 16
  public var optimizer = OptimizerRule.adam
  /// The size of an update.
  public var rate = 1e-3
  /// The part of the run at whose end the rate falls along a straight line.
  public var decay = 0.3
  /// What the rate falls to, as a part of it.
  public var finalRate = 0.02
  /// The bound on the gradient: on each element for RMSProp, on its norm for Adam.
  public var clip: Double = 10
  /// The part of the run in which sequences grow to their full length.
  public var curriculum = 0.0
  public var seed: UInt64 = 1
  /// Sequences between two validations, each of which makes a record and a checkpoint.
  public var interval = 4_096
  /// Sequences of a validation, those beyond the training lengths not counted.
  public var validation = 128
  /// Sequences of a validation from each set beyond the training lengths.
  public var validationBeyond = 0

  public init() {}

  /// More than anybody trains on at once, few enough that no count of bytes overflows.
  private static let most = 1 << 20

  /// - Throws: `TrainingError` that names the first setting out of its range.
  public func validate() throws(TrainingError) {
    let counts = [
      ("sequences", sequences, 1...Int.max), ("batch", batch, 1...Self.most),
      ("interval", interval, 1...Int.max), ("validation", validation, 1...Self.most),
      ("validation-beyond", validationBeyond, 0...Self.most),
    ]
    for (name, value, range) in counts where !range.contains(value) {
      throw TrainingError(
        "\(name) is \(value); it must be "
          + (range.upperBound == Int.max
            ? "at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"))
    }
    for (name, value) in [("rate", rate), ("clip", clip)] where !(value.isFinite && value > 0) {
      throw TrainingError("\(name) is \(value); it must be a number above 0")
    }
    let parts = [("decay", decay), ("final-rate", finalRate), ("curriculum", curriculum)]
    for (name, value) in parts where !(0...1).contains(value) {
      throw TrainingError("\(name) is \(value); it must be within 0 and 1")
    }
  }

  /// The rate after a part of the run, 0 to 1.
  func rate(after progress: Double) -> Double {
    guard decay > 0, progress > 1 - decay else { return rate }
    return rate * (1 - (1 - finalRate) * min(1, (progress - (1 - decay)) / decay))
  }

  /// The difficulty of sequences after a part of the run, 0 to 1.
  func difficulty(after progress: Double) -> Double {
    curriculum > 0 ? min(1, progress / curriculum) : 1
  }
}

/// Why a model can't be trained or measured as asked.
public struct TrainingError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
