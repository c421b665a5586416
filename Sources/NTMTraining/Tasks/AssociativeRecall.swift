/// The associative recall task (paper, section 4.3): items of three vectors each, then one of them
/// as a query; the answer is the item that came after it.
///
/// Inputs: the bits, the channel of the delimiter before each item, the channel of the delimiter
/// before and after the query. Outputs: the bits.
public struct AssociativeRecall: TrainingTask {
  public static let name = "associative-recall"
  public static let sizeName = "items"

  public var bits = 6
  public var vectorsPerItem = 3
  public var items = Sizes(2...6)

  public init() {}

  public func validate() throws(TrainingError) {
    try check("bits", bits)
    try check("vectors-per-item", vectorsPerItem)
    // The item after the query is asked for.
    try items.check("items", from: 2)
  }

  public var inputSize: Int { bits + 2 }
  public var outputSize: Int { bits }
  public var longestTraining: Int {
    items.most * (vectorsPerItem + 1) + 2 + 2 * vectorsPerItem
  }

  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let items = items.draw(difficulty, using: &generator)
    return (0..<count).map { _ in episode(items: items, using: &generator) }
  }

  public var beyond: [EvaluationSet] {
    [2, 4, 6, 9].map { extra in
      let count = items.most + extra
      return EvaluationSet(name: "\(count) items", sequences: 200) {
        episode(items: count, using: &$0)
      }
    }
  }

  func episode(items count: Int, using generator: inout RandomGenerator) -> Episode {
    let items = (0..<count).map { _ in generator.vectors(vectorsPerItem, bits: bits) }
    let query = generator.integer(in: 0...count - 2)
    let zeros = [Float](repeating: 0, count: bits)
    var episode = Episode(size: count)
    for item in items {
      episode.append(input: zeros + [1, 0], outputs: outputSize)
      for vector in item { episode.append(input: vector + [0, 0], outputs: outputSize) }
    }
    episode.append(input: zeros + [0, 1], outputs: outputSize)
    for vector in items[query] { episode.append(input: vector + [0, 0], outputs: outputSize) }
    episode.append(input: zeros + [0, 1], outputs: outputSize)
    for vector in items[query + 1] { episode.append(target: vector, inputs: inputSize) }
    return episode
  }
}
