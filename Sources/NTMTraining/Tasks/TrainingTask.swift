/// A source of sequences to train on and to measure on.
public protocol TrainingTask: Codable, Equatable, Sendable {
  /// As in `ntm train <name>` and in a model file.
  static var name: String { get }
  /// What `Episode.size` counts, such as "length".
  static var sizeName: String { get }

  var inputSize: Int { get }
  var outputSize: Int { get }
  /// Within which all targets lie.
  var targetRange: ClosedRange<Float> { get }
  /// Steps of the longest training sequence.
  var longestTraining: Int { get }

  /// - Throws: `TrainingError` that names the first setting out of its range. No other method may be
  ///   called then.
  func validate() throws(TrainingError)

  /// Draws training sequences of one length, so that they make a batch.
  ///
  /// - Parameter difficulty: 0 for the shortest sequences alone up to 1 for all of them; a
  ///   curriculum raises it
  func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode]

  /// What a model is measured on: sequences like those of training.
  var atTrainingLengths: EvaluationSet { get }

  /// What a model is measured on beyond the training lengths.
  var beyond: [EvaluationSet] { get }

  /// What the best predictor that is possible loses on a sequence, in bits, where that is known and
  /// is not zero.
  func optimalBits(_ episode: Episode) -> Double?
}

extension TrainingTask {
  public func validate() throws(TrainingError) {}

  /// Throws where a setting is out of its range.
  func check(
    _ name: String, _ value: Int, _ range: ClosedRange<Int> = Sizes.valid
  ) throws(TrainingError) {
    guard range.contains(value) else {
      throw TrainingError(
        "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  public var targetRange: ClosedRange<Float> { 0...1 }

  public func optimalBits(_ episode: Episode) -> Double? { nil }

  public var atTrainingLengths: EvaluationSet {
    EvaluationSet(name: "training lengths", sequences: 200) { generator in
      episodes(1, difficulty: 1, using: &generator)[0]
    }
  }
}

/// A kind of sequences to measure a model on.
public struct EvaluationSet: Sendable {
  public let name: String
  /// How many to draw.
  public var sequences: Int
  /// Whether a model is chosen by it while it trains; otherwise it is only reported.
  let isExpected: Bool
  private let source: Source

  private enum Source: Sendable {
    case drawn(@Sendable (inout RandomGenerator) -> Episode)
    case given([Episode])
  }

  init(
    name: String, sequences: Int, isExpected: Bool = true,
    draw: @escaping @Sendable (inout RandomGenerator) -> Episode
  ) {
    self.name = name
    self.sequences = sequences
    self.isExpected = isExpected
    source = .drawn(draw)
  }

  /// Sequences that there are, one after another, from the first again where more are wanted.
  init(name: String, episodes: [Episode]) {
    self.name = name
    sequences = episodes.count
    isExpected = true
    source = .given(episodes)
  }

  /// Draws the sequences.
  public func episodes(using generator: inout RandomGenerator) -> [Episode] {
    switch source {
    case .drawn(let draw): (0..<sequences).map { _ in draw(&generator) }
    case .given(let episodes): (0..<sequences).map { episodes[$0 % episodes.count] }
    }
  }
}

/// A range of sizes in a task's settings.
public struct Sizes: Codable, Equatable, Sendable {
  public var least: Int
  public var most: Int

  public init(_ range: ClosedRange<Int>) {
    least = range.lowerBound
    most = range.upperBound
  }

  /// More than any task has, few enough that no product of them overflows.
  static let valid = 1...1 << 16

  /// Throws where these sizes can't be drawn from.
  func check(_ name: String, from least: Int = 1) throws(TrainingError) {
    guard least <= self.least, self.least <= most, most <= Self.valid.upperBound else {
      throw TrainingError(
        "\(name) is \(self.least)-\(most); it must be a range within \(least) and "
          + "\(Self.valid.upperBound)")
    }
  }

  /// One of the sizes up to the part of the range that `difficulty` allows.
  func draw(_ difficulty: Double, using generator: inout RandomGenerator) -> Int {
    let reach = Int((Double(most - least) * difficulty).rounded())
    return generator.integer(in: least...least + reach)
  }
}
