/// The repeat copy task (paper, section 4.2): vectors of random bits, a delimiter, how often to
/// repeat them; then the repeats and an end marker.
///
/// Inputs: the bits, the delimiter's channel, the channel of the number of repeats, normalised to
/// mean 0 and variance 1 over the training range. Outputs: the bits, then the end marker's channel.
public struct RepeatCopy: TrainingTask {
  public static let name = "repeat-copy"
  public static let sizeName = "length"

  public var bits = 8
  public var length = Sizes(1...10)
  public var repeats = Sizes(1...10)

  public init() {}

  public func validate() throws(TrainingError) {
    try check("bits", bits)
    try length.check("length")
    try repeats.check("repeats")
  }

  public var inputSize: Int { bits + 2 }
  public var outputSize: Int { bits + 1 }
  public var longestTraining: Int { length.most * (repeats.most + 1) + 3 }

  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let length = length.draw(difficulty, using: &generator)
    let repeats = repeats.draw(difficulty, using: &generator)
    return (0..<count).map { _ in episode(length: length, repeats: repeats, using: &generator) }
  }

  /// More repeats than ever trained is more than the paper's own model managed: it copies on and
  /// misses the end.
  public var beyond: [EvaluationSet] {
    [(2, 1), (1, 2)].map { (factor, repeatFactor) in
      let (length, repeats) = (factor * length.most, repeatFactor * repeats.most)
      return EvaluationSet(
        name: "length \(length), \(repeats) repeats", sequences: 50, isExpected: repeatFactor == 1
      ) { episode(length: length, repeats: repeats, using: &$0) }
    }
  }

  func episode(length: Int, repeats: Int, using generator: inout RandomGenerator) -> Episode {
    let vectors = generator.vectors(length, bits: bits)
    let zeros = [Float](repeating: 0, count: bits)
    var episode = Episode(size: length)
    for vector in vectors { episode.append(input: vector + [0, 0], outputs: outputSize) }
    episode.append(input: zeros + [1, 0], outputs: outputSize)
    episode.append(input: zeros + [0, normalised(repeats)], outputs: outputSize)
    for _ in 0..<repeats {
      for vector in vectors { episode.append(target: vector + [0], inputs: inputSize) }
    }
    episode.append(target: zeros + [1], inputs: inputSize)
    return episode
  }

  /// Mean and variance are those of a number uniform over the training range.
  private func normalised(_ count: Int) -> Float {
    let mean = Double(repeats.least + repeats.most) / 2
    let width = Double(repeats.most - repeats.least + 1)
    let deviation = ((width * width - 1) / 12).squareRoot()
    return deviation == 0 ? 0 : Float((Double(count) - mean) / deviation)
  }
}
