import Testing

@testable import NTMTraining

/// Sequences of the associative recall task.
struct AssociativeRecallTests {
  @Test(arguments: UInt64(0)..<20)
  func theAnswerIsTheItemAfterTheQuery(seed: UInt64) throws {
    var task = AssociativeRecall()
    // So many that no two items are alike.
    task.bits = 12
    task.vectorsPerItem = 2
    var generator = RandomGenerator(seed: seed)
    let count = 2 + Int(seed % 4)
    let episode = task.episode(items: count, using: &generator)
    #expect(task.inputSize == 14 && task.outputSize == 12)
    #expect(episode.size == count)
    #expect(episode.steps == 3 * count + 4 + 2)

    let delimiter = [Float](repeating: 0, count: 12) + [1, 0]
    let queryDelimiter = [Float](repeating: 0, count: 12) + [0, 1]
    let items = (0..<count).map { item in
      #expect(episode.inputs[3 * item] == delimiter)
      return (1...2).map { episode.inputs[3 * item + $0] }
    }
    let query = Array(episode.inputs[3 * count + 1...3 * count + 2])
    #expect(episode.inputs[3 * count] == queryDelimiter)
    #expect(episode.inputs[3 * count + 3] == queryDelimiter)
    for vector in items.joined() { #expect(vector.suffix(2) == [0, 0]) }

    let asked = try #require(items.firstIndex(of: query))
    #expect(asked < count - 1)
    #expect(episode.targets.suffix(2) == items[asked + 1].map { Array($0.prefix(12)) }[...])
    #expect(episode.inputs.suffix(2).joined().allSatisfy { $0 == 0 })
    #expect(episode.mask == Array(repeating: 0, count: 3 * count + 4) + [1, 1])
    #expect(episode.targets.dropLast(2).joined().allSatisfy { $0 == 0 })
  }

  /// Each but the last may be asked for.
  @Test func everyItemIsAskedFor() {
    var task = AssociativeRecall()
    task.bits = 16
    task.vectorsPerItem = 1
    var generator = RandomGenerator(seed: 1)
    let asked = (0..<200).map { _ in
      let inputs = task.episode(items: 4, using: &generator).inputs
      return inputs.firstIndex(of: inputs[9])! / 2
    }
    #expect(Set(asked) == [0, 1, 2])
  }
}
