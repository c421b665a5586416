import Foundation
import Testing

@testable import NTMTraining

/// Sequences of the dynamic n-grams task and the best that can be done on them.
struct DynamicNGramsTests {
  private static func small(context: Int, length: Int) -> DynamicNGrams {
    var task = DynamicNGrams()
    task.context = context
    task.length = length
    return task
  }

  @Test func theNextBitIsAskedFor() {
    let task = Self.small(context: 3, length: 40)
    var generator = RandomGenerator(seed: 1)
    let episode = task.episode(using: &generator)
    #expect(episode.steps == 40 && episode.size == 40)
    #expect(episode.inputs[0] == [0])
    #expect(Array(episode.inputs.dropFirst()) == Array(episode.targets.dropLast()))
    #expect(episode.targets.joined().allSatisfy { $0 == 0 || $0 == 1 })
    #expect(Set(episode.targets.joined()) == [0, 1])
    #expect(episode.mask == [0, 0, 0] + Array(repeating: 1, count: 37))
  }

  /// Without a context, a sequence has one probability p, whose distribution Beta(½, ½) has mean ½
  /// and variance ⅛. Of L bits, the part of ones varies by p(1 − p)/L more, which is ⅛/L on average.
  @Test func probabilitiesAreDrawnFromABetaDistribution() {
    let (length, count) = (100, 3000)
    let task = Self.small(context: 0, length: length)
    var generator = RandomGenerator(seed: 3)
    let parts = (0..<count).map { _ in
      task.episode(using: &generator).targets.reduce(0) { $0 + Double($1[0]) } / Double(length)
    }
    let mean = parts.reduce(0, +) / Double(count)
    let variance = parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    let expected = 1.0 / 8 + 1.0 / 8 / Double(length)
    // Five standard errors; the fourth central moment of Beta(½, ½) is 3/128.
    #expect(abs(mean - 0.5) < 5 * sqrt(expected / Double(count)))
    #expect(abs(variance - expected) < 5 * sqrt((3.0 / 128 - 1.0 / 64) / Double(count)))
  }

  /// What follows one context says nothing of what follows another: over sequences, the difference
  /// of both parts of ones has the sum of their variances.
  @Test func everyContextHasAProbabilityOfItsOwn() {
    let task = Self.small(context: 1, length: 200)
    var generator = RandomGenerator(seed: 4)
    var products: [Double] = []
    for _ in 0..<500 {
      let bits = task.episode(using: &generator).targets.map { $0[0] }
      let parts = [Float(0), 1].map { context in
        let followers = zip(bits, bits.dropFirst()).filter { $0.0 == context }.map(\.1)
        return (Double(followers.reduce(0, +)) + 0.5) / (Double(followers.count) + 1)
      }
      products.append((parts[0] - 0.5) * (parts[1] - 0.5))
    }
    let covariance = products.reduce(0, +) / Double(products.count)
    // Were both the same, it would be ⅛.
    #expect(abs(covariance) < 5.0 / 8 / sqrt(500))
  }

  @Test func optimalBitsAgreeWithBayes() {
    for (seed, context) in [(1, 1), (2, 2), (3, 3), (4, 5)] as [(UInt64, Int)] {
      let task = Self.small(context: context, length: 60)
      var generator = RandomGenerator(seed: seed)
      let episode = task.episode(using: &generator)
      expectClose(
        task.optimalBits(episode) ?? .nan, Self.bayesianBits(episode, context), within: 1e-9)
    }
  }

  /// −log₂ of the probability of all bits that count, by the integral over each context's unknown
  /// probability: B(N₁ + ½, N₀ + ½) / B(½, ½), with B(a, b) = Γ(a)Γ(b)/Γ(a + b).
  private static func bayesianBits(_ episode: Episode, _ context: Int) -> Double {
    func logBeta(_ a: Double, _ b: Double) -> Double { lgamma(a) + lgamma(b) - lgamma(a + b) }
    let bits = episode.targets.map { Int($0[0]) }
    var followers: [[Int]: [Int]] = [:]
    for step in context..<bits.count {
      followers[Array(bits[step - context..<step]), default: []].append(bits[step])
    }
    return followers.values.reduce(0) { sum, bits in
      let ones = Double(bits.reduce(0, +))
      let zeros = Double(bits.count) - ones
      return sum - (logBeta(ones + 0.5, zeros + 0.5) - logBeta(0.5, 0.5)) / log(2)
    }
  }

  @Test func isMeasuredAtItsLengthAlone() {
    #expect(DynamicNGrams().beyond.isEmpty)
    #expect(DynamicNGrams().atTrainingLengths.sequences == 1000)
  }
}
