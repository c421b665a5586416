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

  @Test func aCurriculumDrawsFewerVectors() {
    let task = PrioritySort()
    var generator = RandomGenerator(seed: 1)
    func sizes(_ difficulty: Double) -> Set<Int> {
      Set(
        (0..<200).map { _ in
          let episode = task.episodes(1, difficulty: difficulty, using: &generator)[0]
          #expect(Int(episode.mask.reduce(0, +)) == max(1, episode.size * 16 / 20))
          return episode.size
        })
    }
    #expect(sizes(0) == [2])
    #expect(sizes(0.5) == Set(2...11))
    #expect(sizes(1) == [20])
  }

  @Test func isMeasuredOnMoreVectors() {
    #expect(PrioritySort().beyond.map(\.name) == ["20 of 25 vectors", "24 of 30 vectors"])
  }
}
