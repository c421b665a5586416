import Foundation
import NTMTestSupport
import Testing

@testable import NTMTraining

/// What all tasks that have a name promise.
struct TaskTests {
  private static let difficulties = [0, 0.3, 1]

  @Test(arguments: TaskKind.allCases)
  func batchesAreOfOneLengthAndFit(_ kind: TaskKind) throws {
    let task = kind.task
    var generator = RandomGenerator(seed: 1)
    for difficulty in Self.difficulties {
      for _ in 0..<20 {
        let episodes = task.episodes(3, difficulty: difficulty, using: &generator)
        #expect(episodes.count == 3)
        for episode in episodes {
          #expect(episode.steps == episodes[0].steps)
          #expect(episode.steps <= task.longestTraining)
          try expectShapes(episode, task)
        }
      }
    }
  }

  private func expectShapes(_ episode: Episode, _ task: any TrainingTask) throws {
    #expect(episode.targets.count == episode.steps && episode.mask.count == episode.steps)
    #expect(episode.inputs.allSatisfy { $0.count == task.inputSize })
    #expect(episode.targets.allSatisfy { $0.count == task.outputSize })
    #expect(episode.mask.allSatisfy { $0 == 0 || $0 == 1 })
    #expect(episode.mask.contains(1))
    #expect(episode.targets.joined().allSatisfy { task.targetRange.contains($0) })
  }

  /// It is reached, so no room is wasted.
  @Test(arguments: TaskKind.allCases)
  func theLongestTrainingSequenceIsAsLongAsSaid(_ kind: TaskKind) {
    let task = kind.task
    var generator = RandomGenerator(seed: 2)
    var longest = 0
    for _ in 0..<2000 where longest < task.longestTraining {
      longest = max(longest, task.episodes(1, difficulty: 1, using: &generator)[0].steps)
    }
    #expect(longest == task.longestTraining)
  }

  @Test(arguments: TaskKind.allCases)
  func aSeedRepeatsItsSequences(_ kind: TaskKind) {
    let task = kind.task
    func draw(_ seed: UInt64) -> [Episode] {
      var generator = RandomGenerator(seed: seed)
      return (0..<5).flatMap { _ in task.episodes(2, difficulty: 1, using: &generator) }
    }
    #expect(draw(7) == draw(7))
    #expect(draw(7) != draw(8))
    // The sequences of a batch are different ones.
    let episodes = draw(7)
    #expect(episodes[0] != episodes[1] || episodes[2] != episodes[3])
  }

  @Test(arguments: TaskKind.allCases)
  func whatIsMeasuredFits(_ kind: TaskKind) throws {
    let task = kind.task
    var generator = RandomGenerator(seed: 3)
    for (index, set) in ([task.atTrainingLengths] + task.beyond).enumerated() {
      var few = set
      few.sequences = 4
      let episodes = few.episodes(using: &generator)
      #expect(episodes.count == 4)
      for episode in episodes {
        try expectShapes(episode, task)
        // Beyond the training lengths means just that.
        #expect((episode.steps > task.longestTraining) == (index > 0), "\(set.name)")
      }
    }
  }

  /// What a checkpoint and a model file hold of a task.
  @Test(arguments: TaskKind.allCases)
  func settingsComeBackFromJSON(_ kind: TaskKind) throws {
    func json(_ task: some TrainingTask, _ keys: JSONEncoder.KeyEncodingStrategy) throws -> String {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = keys
      return String(decoding: try encoder.encode(task), as: UTF8.self)
    }
    func isSame<Task: TrainingTask>(_ task: Task, _ other: any TrainingTask) -> Bool {
      other as? Task == task
    }
    var task = kind.task
    if var copy = task as? Copy {
      copy.length = Sizes(3...4)
      task = copy
    }
    if var recall = task as? AssociativeRecall {
      recall.vectorsPerItem = 2
      task = recall
    }
    let settings = try json(task, .useDefaultKeys)
    #expect(isSame(task, try TaskKind.decode(name: kind.rawValue, settings: settings)))
    let training = "{\"seconds\":1,\"task_settings\":\(try json(task, .convertToSnakeCase))}"
    #expect(isSame(task, try TaskKind.decode(name: kind.rawValue, training: training)))
    // Without settings, those of the paper.
    #expect(isSame(kind.task, try TaskKind.decode(name: kind.rawValue)))
    #expect(isSame(kind.task, try TaskKind.decode(name: kind.rawValue, training: "{}")))
  }

  @Test(
    arguments: [
      (name: "copies", settings: nil, message: "no task 'copies'; tasks are copy, repeat-copy"),
      (name: nil, settings: nil, message: "no task without a name"),
      (name: "file", settings: nil, message: "does not say where the sequences of its task are"),
      (name: "copy", settings: "{", message: "the settings of task copy: "),
      (name: "copy", settings: #"{"bits":8}"#, message: "copy: length: missing field"),
      (
        name: "copy", settings: #"{"bits":"8","length":{"least":1,"most":2}}"#,
        message: "copy: bits: is not of type Int"
      ),
      (
        name: "copy", settings: #"{"bits":0,"length":{"least":1,"most":2}}"#,
        message: "bits is 0; it must be from 1 to"
      ),
      (
        name: "copy", settings: #"{"bits":8,"length":{"least":3,"most":2}}"#,
        message: "length is 3-2"
      ),
      (
        name: "copy", settings: #"{"bits":8,"length":{"least":1,"most":9223372036854775807}}"#,
        message: "length is 1-9223372036854775807"
      ),
      (
        name: "repeat-copy",
        settings: #"{"bits":8,"length":{"least":1,"most":2},"repeats":{"least":0,"most":2}}"#,
        message: "repeats is 0-2"
      ),
      (
        name: "associative-recall",
        settings: #"{"bits":6,"vectors_per_item":3,"items":{"least":1,"most":6}}"#,
        message: "items is 1-6; it must be a range within 2 and"
      ),
      (
        name: "associative-recall",
        settings: #"{"bits":6,"vectors_per_item":-3,"items":{"least":2,"most":6}}"#,
        message: "vectors-per-item is -3"
      ),
      (name: "ngrams", settings: #"{"context":70,"length":200}"#, message: "context is 70"),
      (name: "ngrams", settings: #"{"context":5,"length":5}"#, message: "length is 5"),
      (
        name: "priority-sort", settings: #"{"bits":8,"vectors":0,"sorted":0}"#,
        message: "vectors is 0"
      ),
      (
        name: "priority-sort", settings: #"{"bits":8,"vectors":4,"sorted":5}"#,
        message: "sorted is 5; it must be from 1 to 4"
      ),
    ] as [(name: String?, settings: String?, message: String)])
  func badSettingsAreRefused(_ name: String?, _ settings: String?, _ message: String) {
    expectError(TrainingError.self, message) { try TaskKind.decode(name: name, settings: settings) }
  }
}

/// The sizes that a task may draw from.
struct SizesTests {
  @Test(
    arguments: [
      (difficulty: 0, expected: 3...3), (difficulty: 0.5, expected: 3...7),
      (difficulty: 0.45, expected: 3...7), (difficulty: 1, expected: 3...11),
    ] as [(Double, ClosedRange<Int>)])
  func reachAsFarAsTheDifficulty(_ difficulty: Double, _ expected: ClosedRange<Int>) {
    var generator = RandomGenerator(seed: 1)
    let drawn = Set(
      (0..<500).map { _ in Sizes(3...11).draw(difficulty, using: &generator) })
    #expect(drawn == Set(expected))
  }
}

/// SplitMix64 against another transcription of it.
struct RandomGeneratorTests {
  @Test(arguments: [0, 1, .max] as [UInt64])
  func isSplitMix64(_ seed: UInt64) {
    var generator = RandomGenerator(seed: seed)
    var other = SplitMix64(seed: seed)
    for _ in 0..<100 { #expect(generator.next() == other.next()) }
  }

  @Test func isUniform() {
    var generator = RandomGenerator(seed: 1)
    let count = 20_000
    let values = (0..<count).map { _ in generator.uniform() }
    #expect(values.allSatisfy { (0..<1).contains($0) })
    // Five standard errors of a mean of uniform numbers, whose variance is 1/12.
    #expect(abs(values.reduce(0, +) / Double(count) - 0.5) < 5 / sqrt(12 * Double(count)))
    let bits = (0..<count).map { _ in generator.bit() }
    #expect(bits.allSatisfy { $0 == 0 || $0 == 1 })
    #expect(abs(bits.reduce(0, +) / Float(count) - 0.5) < 5 * 0.5 / Float(count).squareRoot())
  }

  @Test func itsStateIsAllThereIs() {
    var generator = RandomGenerator(seed: 5)
    for _ in 0..<3 { _ = generator.next() }
    var other = RandomGenerator(seed: generator.state)
    #expect(generator.next() == other.next())
  }
}
