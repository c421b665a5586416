/// The priority sort task (paper, section 4.5): vectors of random bits, each with a priority; then
/// those of the highest priorities, the highest first.
///
/// Inputs: the bits, the priority's channel, the delimiter's channel. Outputs: the bits.
public struct PrioritySort: TrainingTask {
  public static let name = "priority-sort"
  public static let sizeName = "vectors"

  public var bits = 8
  public var vectors = 20
  public var sorted = 16

  public init() {}

  public func validate() throws(TrainingError) {
    try check("bits", bits)
    try check("vectors", vectors)
    try check("sorted", sorted, 1...vectors)
  }

  public var inputSize: Int { bits + 2 }
  public var outputSize: Int { bits }
  public var longestTraining: Int { vectors + 1 + sorted }

  /// A curriculum draws fewer vectors, of which as large a part is asked for.
  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let drawn =
      difficulty < 1
      ? Sizes(min(2, vectors)...vectors).draw(difficulty, using: &generator) : vectors
    let sorted = max(1, drawn * sorted / vectors)
    return (0..<count).map { _ in episode(vectors: drawn, sorted: sorted, using: &generator) }
  }

  public var beyond: [EvaluationSet] {
    [vectors * 5 / 4, vectors * 3 / 2].map { count in
      let sorted = count * sorted / vectors
      return EvaluationSet(name: "\(sorted) of \(count) vectors", sequences: 200) {
        episode(vectors: count, sorted: sorted, using: &$0)
      }
    }
  }

  func episode(vectors: Int, sorted: Int, using generator: inout RandomGenerator) -> Episode {
    let items = generator.vectors(vectors, bits: bits).map { vector in
      (vector: vector, priority: Float(2 * generator.uniform() - 1))
    }
    var episode = Episode(size: vectors)
    for item in items {
      episode.append(input: item.vector + [item.priority, 0], outputs: outputSize)
    }
    episode.append(input: [Float](repeating: 0, count: bits + 1) + [1], outputs: outputSize)
    for item in items.sorted(by: { $0.priority > $1.priority }).prefix(sorted) {
      episode.append(target: item.vector, inputs: inputSize)
    }
    return episode
  }
}
