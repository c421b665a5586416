import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// RMSProp and Adam against their papers' formulas, transcribed for one parameter in double
/// precision.
struct OptimizerTests {
  /// What one parameter has, and what its updates remember.
  private struct Naive {
    var parameter: Double
    var square = 0.0
    var mean = 0.0
    var change = 0.0

    /// Graves 2013, equations 38 to 45, and its clip.
    mutating func rmsProp(_ gradient: Double, rate: Double, clip: Double) {
      let g = min(max(gradient, -clip), clip)
      square = 0.95 * square + 0.05 * g * g
      mean = 0.95 * mean + 0.05 * g
      change = 0.9 * change - rate * g / sqrt(square - mean * mean + 1e-4)
      parameter += change
    }

    /// Kingma and Ba 2015, algorithm 1.
    mutating func adam(_ gradient: Double, rate: Double, update: Int) {
      mean = 0.9 * mean + 0.1 * gradient
      square = 0.999 * square + 0.001 * gradient * gradient
      let unbiasedMean = mean / (1 - pow(0.9, Double(update)))
      let unbiasedSquare = square / (1 - pow(0.999, Double(update)))
      parameter -= rate * unbiasedMean / (sqrt(unbiasedSquare) + 1e-8)
    }
  }

  private static let count = 96
  /// Two pieces, with what is frozen before, between and after them.
  private static let learned = [16..<32, 48..<80]

  private static func isLearned(_ index: Int) -> Bool { learned.contains { $0.contains(index) } }

  /// The parameters after each of some updates.
  private static func run(
    _ rule: OptimizerRule, clip: Float, updates: Int = 8, kernels: Kernels = .best,
    _ each: (_ update: Int, _ parameters: [Float], _ gradient: [Float], _ rate: Float) -> Void
  ) throws {
    var random = SplitMix64(seed: 1)
    let optimizer = try Optimizer(
      rule, clip: clip, learned: learned, count: count, kernels: kernels)
    var parameters = random.values(count, within: 1)
    each(0, parameters, [], 0)
    for update in 1...updates {
      let gradient = random.values(count, within: 3)
      let rate = Float(0.1) / Float(update)
      optimizer.update(
        &parameters, gradient: gradient, norm: optimizer.norm(gradient), rate: rate)
      #expect(optimizer.updates == update)
      each(update, parameters, gradient, rate)
    }
  }

  /// Gradients are within 3, and their norm is about 12.
  @Test(arguments: [1000, 1, 0.05] as [Float])
  func rmsProp(_ clip: Float) throws {
    var naive: [Naive] = []
    try Self.run(.rmsProp, clip: clip) { update, parameters, gradient, rate in
      guard update > 0 else {
        naive = parameters.map { Naive(parameter: Double($0)) }
        return
      }
      for index in naive.indices where Self.isLearned(index) {
        naive[index].rmsProp(Double(gradient[index]), rate: Double(rate), clip: Double(clip))
      }
      for (got, expected) in zip(parameters, naive) {
        expectClose(Double(got), expected.parameter, within: 2e-4, "update \(update)")
      }
    }
  }

  @Test(arguments: [1000, 12, 1] as [Float])
  func adam(_ clip: Float) throws {
    var naive: [Naive] = []
    var clipped = 0
    try Self.run(.adam, clip: clip) { update, parameters, gradient, rate in
      guard update > 0 else {
        naive = parameters.map { Naive(parameter: Double($0)) }
        return
      }
      let learned = gradient.indices.filter(Self.isLearned)
      let norm = sqrt(learned.reduce(0) { $0 + pow(Double(gradient[$1]), 2) })
      let scale = min(1, Double(clip) / norm)
      if scale < 1 { clipped += 1 }
      for index in learned {
        naive[index].adam(scale * Double(gradient[index]), rate: Double(rate), update: update)
      }
      for (got, expected) in zip(parameters, naive) {
        expectClose(Double(got), expected.parameter, within: 1e-5, "update \(update)")
      }
    }
    #expect(clip == 1000 ? clipped == 0 : clip == 1 ? clipped == 8 : (1...7).contains(clipped))
  }

  @Test(arguments: OptimizerRule.allCases)
  func whatIsFrozenDoesNotChange(_ rule: OptimizerRule) throws {
    var first: [Float] = []
    var last: [Float] = []
    try Self.run(rule, clip: 10) { update, parameters, _, _ in
      if update == 0 { first = parameters }
      last = parameters
    }
    for index in first.indices {
      #expect((first[index].bitPattern == last[index].bitPattern) == !Self.isLearned(index))
    }
  }

  @Test func theNormIsOfWhatIsLearned() throws {
    let optimizer = try Optimizer(.adam, clip: 1, learned: Self.learned, count: Self.count)
    let gradient = (0..<Self.count).map { Self.isLearned($0) ? Float(2) : 1000 }
    expectClose(Double(optimizer.norm(gradient)), sqrt(48 * 4), within: 1e-6)
  }

  @Test(arguments: OptimizerRule.allCases)
  func everyVariantOfTheKernelsGivesTheSameBits(_ rule: OptimizerRule) throws {
    let all = try Kernels.all.map { kernels in
      var bits: [[UInt32]] = []
      try Self.run(rule, clip: 2, kernels: kernels) { _, parameters, _, _ in
        bits.append(parameters.map(\.bitPattern))
      }
      return bits
    }
    for other in all { #expect(other == all[0]) }
  }

  @Test(arguments: OptimizerRule.allCases)
  func goesOnFromRestoredMoments(_ rule: OptimizerRule) throws {
    var random = SplitMix64(seed: 2)
    let gradients = (0..<6).map { _ in random.values(Self.count, within: 1) }
    func make() throws -> Optimizer {
      try Optimizer(rule, clip: 1, learned: Self.learned, count: Self.count)
    }
    var parameters = random.values(Self.count, within: 1)
    var others = parameters
    let optimizer = try make()
    var restored = optimizer
    for (update, gradient) in gradients.enumerated() {
      if update == 3 {
        others = parameters
        restored = try make()
        restored.restore(Array(optimizer.moments), updates: optimizer.updates)
      }
      let norm = optimizer.norm(gradient)
      optimizer.update(&parameters, gradient: gradient, norm: norm, rate: 0.1)
      if update >= 3 { restored.update(&others, gradient: gradient, norm: norm, rate: 0.1) }
    }
    #expect(parameters == others)
    #expect(Array(optimizer.moments) == Array(restored.moments))
    #expect(optimizer.moments.count == Optimizer.momentCount(rule) * Self.count)
  }
}
