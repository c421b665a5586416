/// The copy task (paper, section 4.1): vectors of random bits, a delimiter, then the same again.
///
/// Inputs: the bits, then the delimiter's channel. Outputs: the bits.
public struct Copy: TrainingTask {
  public static let name = "copy"
  public static let sizeName = "length"

  public var bits = 8
  public var length = Sizes(1...20)

  public init() {}

  public func validate() throws(TrainingError) {
    try check("bits", bits)
    try length.check("length")
  }

  public var inputSize: Int { bits + 1 }
  public var outputSize: Int { bits }
  public var longestTraining: Int { 2 * length.most + 1 }

  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let length = length.draw(difficulty, using: &generator)
    return (0..<count).map { _ in episode(length: length, using: &generator) }
  }

  public var beyond: [EvaluationSet] {
    [2, 4, 6].map { factor in
      let length = factor * length.most
      return EvaluationSet(name: "length \(length)", sequences: 50) {
        episode(length: length, using: &$0)
      }
    }
  }

  func episode(length: Int, using generator: inout RandomGenerator) -> Episode {
    let vectors = generator.vectors(length, bits: bits)
    var episode = Episode(size: length)
    for vector in vectors { episode.append(input: vector + [0], outputs: outputSize) }
    episode.append(input: [Float](repeating: 0, count: bits) + [1], outputs: outputSize)
    for vector in vectors { episode.append(target: vector, inputs: inputSize) }
    return episode
  }
}
