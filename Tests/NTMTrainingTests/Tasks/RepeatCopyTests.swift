import Foundation
import Testing

@testable import NTMTraining

/// Sequences of the repeat copy task.
struct RepeatCopyTests {
  @Test func isVectorsADelimiterACountAndTheRepeats() {
    var task = RepeatCopy()
    task.bits = 2
    task.repeats = Sizes(1...3)
    var generator = RandomGenerator(seed: 1)
    let episode = task.episode(length: 2, repeats: 2, using: &generator)
    #expect(task.inputSize == 4 && task.outputSize == 3)
    let (a, b) = (Array(episode.inputs[0].prefix(2)), Array(episode.inputs[1].prefix(2)))
    #expect((a + b).allSatisfy { $0 == 0 || $0 == 1 })
    // Two is the mean of one to three.
    let zeros: [Float] = [0, 0, 0, 0]
    #expect(
      episode.inputs == [a + [0, 0], b + [0, 0], [0, 0, 1, 0], zeros]
        + Array(repeating: zeros, count: 5))
    #expect(
      episode.targets == Array(repeating: [0, 0, 0], count: 4)
        + [a + [0], b + [0], a + [0], b + [0], [0, 0, 1]])
    #expect(episode.mask == [0, 0, 0, 0, 1, 1, 1, 1, 1])
    #expect(episode.size == 2)
  }

  @Test(arguments: [1...10, 1...2, 3...20, 5...5])
  func theCountHasMeanZeroAndVarianceOne(_ range: ClosedRange<Int>) {
    var task = RepeatCopy()
    task.repeats = Sizes(range)
    var generator = RandomGenerator(seed: 1)
    let counts = range.map { repeats in
      let episode = task.episode(length: 1, repeats: repeats, using: &generator)
      // Elsewhere, its channel is silent.
      #expect(episode.inputs.enumerated().allSatisfy { $0 == 2 || $1.last == 0 })
      return Double(episode.inputs[2].last!)
    }
    let mean = counts.reduce(0, +) / Double(counts.count)
    let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(counts.count)
    expectClose(mean, 0, within: 1e-6)
    expectClose(variance, range.count == 1 ? 0 : 1, within: 1e-6)
    #expect(counts == counts.sorted())
  }

  /// The model is not chosen by more repeats than it ever trained on.
  @Test func moreRepeatsAreOnlyReported() {
    let sets = RepeatCopy().beyond
    #expect(sets.map(\.name) == ["length 20, 10 repeats", "length 10, 20 repeats"])
    #expect(sets.map(\.isExpected) == [true, false])
    var generator = RandomGenerator(seed: 1)
    #expect(sets.map { $0.draw(&generator).steps } == [20 * 11 + 3, 10 * 21 + 3])
  }
}
