import Testing

@testable import NTMTraining

/// Sequences of the copy task.
struct CopyTests {
  @Test func isVectorsADelimiterAndTheSameAgain() {
    var task = Copy()
    task.bits = 3
    var generator = RandomGenerator(seed: 1)
    let episode = task.episode(length: 2, using: &generator)
    #expect(task.inputSize == 4 && task.outputSize == 3)
    let bits = episode.inputs.prefix(2).map { Array($0.prefix(3)) }
    #expect(bits.joined().allSatisfy { $0 == 0 || $0 == 1 })
    #expect(
      episode.inputs == [bits[0] + [0], bits[1] + [0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    #expect(episode.targets == [[0, 0, 0], [0, 0, 0], [0, 0, 0], bits[0], bits[1]])
    #expect(episode.mask == [0, 0, 0, 1, 1])
    #expect(episode.size == 2)
  }

  @Test func aCurriculumBeginsWithTheShortest() {
    var task = Copy()
    task.length = Sizes(2...9)
    var generator = RandomGenerator(seed: 1)
    func sizes(_ difficulty: Double) -> Set<Int> {
      Set(
        (0..<200).map { _ in
          task.episodes(1, difficulty: difficulty, using: &generator)[0].size
        })
    }
    #expect(sizes(0) == [2])
    #expect(sizes(1) == Set(2...9))
  }

  @Test func isMeasuredOnTwoFourAndSixTimesTheLength() {
    var generator = RandomGenerator(seed: 1)
    let sets = Copy().beyond
    #expect(sets.map(\.name) == ["length 40", "length 80", "length 120"])
    #expect(sets.map { $0.draw(&generator).size } == [40, 80, 120])
    #expect(sets.map { $0.draw(&generator).steps } == [81, 161, 241])
  }
}
