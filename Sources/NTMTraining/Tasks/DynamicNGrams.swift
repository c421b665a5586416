#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The dynamic n-grams task (paper, section 4.4): bits of which each depends on the five before it,
/// by a table of probabilities that is new for every sequence; the next bit is to be predicted.
///
/// Input: the bit before, 0 at first. Output: the next bit. The first bits, which have no whole
/// context before them, do not count.
public struct DynamicNGrams: TrainingTask {
  public static let name = "ngrams"
  public static let sizeName = "length"

  /// Bits that the next one depends on: n − 1.
  public var context = 5
  public var length = 200

  public init() {}

  public func validate() throws(TrainingError) {
    // The table has 2^context probabilities.
    try check("context", context, 0...16)
    try check("length", length, context + 1...Sizes.valid.upperBound)
  }

  public var inputSize: Int { 1 }
  public var outputSize: Int { 1 }
  public var longestTraining: Int { length }

  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    (0..<count).map { _ in episode(using: &generator) }
  }

  public var atTrainingLengths: EvaluationSet {
    EvaluationSet(name: "length \(length)", sequences: 1000) { episode(using: &$0) }
  }

  public var beyond: [EvaluationSet] { [] }

  func episode(using generator: inout RandomGenerator) -> Episode {
    // Beta(½, ½) is the arcsine distribution, whose quantile is sin²(πu/2).
    let probabilities = (0..<1 << context).map { _ in
      let s = sin(Double.pi / 2 * generator.uniform())
      return s * s
    }
    var episode = Episode(size: length)
    var contextBits = 0
    var last: Float = 0
    for step in 0..<length {
      let probability = step < context ? 0.5 : probabilities[contextBits]
      let bit: Float = generator.uniform() < probability ? 1 : 0
      episode.inputs.append([last])
      episode.targets.append([bit])
      episode.mask.append(step < context ? 0 : 1)
      contextBits = next(contextBits, bit)
      last = bit
    }
    return episode
  }

  /// The Bayesian estimator (N₁ + ½)/(N₀ + N₁ + 1), N₀ and N₁ being how often the context was
  /// followed by a 0 and by a 1 (paper, equation 10; Murphy 2012).
  public func optimalBits(_ episode: Episode) -> Double? {
    var counts = [[Double]](repeating: [0, 0], count: 1 << context)
    var contextBits = 0
    var bits = 0.0
    for (target, weight) in zip(episode.targets, episode.mask) {
      let bit = Int(target[0])
      if weight > 0 {
        let seen = counts[contextBits]
        bits -= log2((seen[bit] + 0.5) / (seen[0] + seen[1] + 1))
        counts[contextBits][bit] += 1
      }
      contextBits = next(contextBits, target[0])
    }
    return bits
  }

  private func next(_ contextBits: Int, _ bit: Float) -> Int {
    (contextBits << 1 | Int(bit)) & ((1 << context) - 1)
  }
}
