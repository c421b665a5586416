import Testing

@testable import NTMTraining

/// Sequences of the priority sort task.
struct PrioritySortTests {
  @Test(arguments: UInt64(0)..<20)
  func theTargetsAreInTheOrderOfThePriorities(seed: UInt64) throws {
    var task = PrioritySort()
    // So many that no two vectors are alike.
    task.bits = 20
    var generator = RandomGenerator(seed: seed)
    let episode = task.episode(vectors: 7, sorted: 4, using: &generator)
    #expect(task.inputSize == 22 && task.outputSize == 20)
    #expect(episode.steps == 7 + 1 + 4 && episode.size == 7)
    #expect(episode.mask == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    #expect(episode.inputs[7] == [Float](repeating: 0, count: 21) + [1])
    #expect(episode.inputs.suffix(4).joined().allSatisfy { $0 == 0 })
    let given = episode.inputs.prefix(7)
    #expect(given.allSatisfy { $0[21] == 0 && (-1...1).contains($0[20]) })

    let priorities = try episode.targets.suffix(4).map { target in
      try #require(given.first { Array($0.prefix(20)) == target })[20]
    }
    // The highest first, and those that are not asked for are below them all.
    #expect(priorities == priorities.sorted(by: >))
    #expect(priorities == Array(given.map { $0[20] }.sorted(by: >).prefix(4)))
  }

  @Test func aCurriculumBeginsWithFourVectors() {
    let task = PrioritySort()
    var generator = RandomGenerator(seed: 1)
    func counts(_ difficulty: Double) -> [Float] {
      let episode = task.episodes(1, difficulty: difficulty, using: &generator)[0]
      return [Float(episode.size), episode.mask.reduce(0, +)]
    }
    #expect(counts(0) == [4, 3])
    #expect(counts(0.5) == [12, 9])
    #expect(counts(1) == [20, 16])
  }

  @Test func isMeasuredOnMoreVectors() {
    #expect(PrioritySort().beyond.map(\.name) == ["20 of 25 vectors", "24 of 30 vectors"])
  }
}
