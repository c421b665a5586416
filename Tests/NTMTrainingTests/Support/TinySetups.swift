import NTMModel

@testable import NTMTraining

extension Copy {
  /// Two bits, once or twice.
  static var tiny: Copy {
    var task = Copy()
    task.bits = 2
    task.length = Sizes(1...2)
    return task
  }
}

extension TrainingSetup {
  /// A model of 8 units with a memory of 8 × 4, which is trained within a second.
  static func tiny(_ task: any TrainingTask = Copy.tiny) -> TrainingSetup {
    var setup = TrainingSetup(task)
    setup.configuration.memory = MemoryShape(rows: 8, columns: 4)
    setup.configuration.controller.units = 8
    setup.options.sequences = 80
    setup.options.batch = 4
    setup.options.interval = 20
    setup.options.validation = 6
    setup.options.rate = 1e-2
    return setup
  }

  func with(_ change: (inout TrainingSetup) -> Void) -> TrainingSetup {
    var setup = self
    change(&setup)
    return setup
  }
}

extension Trainer {
  /// Updates until the run or `count` updates are over.
  func run(updates count: Int = .max) throws {
    var done = 0
    while !isFinished, done < count {
      _ = try update()
      done += 1
    }
  }

  /// What a run computes, apart from how long it took.
  struct Result: Equatable {
    let model: String
    let best: String
    let history: [TrainingRecord]
    let skipped: Int
    let fallbacks: Int
  }

  func result() throws -> Result {
    Result(
      model: try model().digest(), best: try bestModel().digest(),
      history: history.map { record in
        var record = record
        record.seconds = 0
        return record
      }, skipped: skipped, fallbacks: fallbacks)
  }
}

/// A task for tests: one bit, which is said at the only step that counts. How hard it is tells when
/// something goes wrong: with a curriculum over the whole run, difficulty is its progress.
struct OddTask: TrainingTask {
  static let name = "odd"
  static let sizeName = "length"

  enum Oddity: String, Codable {
    /// Inputs that are not numbers, in one batch of three.
    case someInputs
    /// Targets that make the gradient's square overflow, in one batch of three.
    case someTargets
    /// Inputs that are not numbers, in every batch of the second half.
    case inputsOfSecondHalf
    /// Training asks for the opposite in the second half. Validation does not.
    case lessonOfSecondHalf
    case none
  }

  var oddity = Oddity.none
  var targetRange: ClosedRange<Float> { oddity == .someTargets ? -1e30...1e30 : 0...1 }
  var inputSize: Int { 2 }
  var outputSize: Int { 1 }
  var longestTraining: Int { 3 }
  var beyond: [EvaluationSet] { [] }

  func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let isOdd = isOdd(generator, difficulty)
    return (0..<count).map { _ in
      let bit = generator.bit()
      var episode = Episode(size: 1)
      episode.append(input: [bit, 1], outputs: 1)
      episode.append(input: [0, 0], outputs: 1)
      episode.append(target: [bit], inputs: 2)
      guard isOdd else { return episode }
      switch oddity {
      case .someInputs, .inputsOfSecondHalf: episode.inputs[1][0] = .nan
      case .someTargets: episode.targets[2][0] = 1e30
      case .lessonOfSecondHalf: episode.targets[2][0] = 1 - bit
      case .none: break
      }
      return episode
    }
  }

  /// Whether the batch that is drawn next is not as the others.
  func isOdd(_ generator: RandomGenerator, _ difficulty: Double) -> Bool {
    switch oddity {
    case .someInputs, .someTargets: generator.state % 3 == 0
    case .inputsOfSecondHalf, .lessonOfSecondHalf: difficulty >= 0.5
    case .none: false
    }
  }

  var atTrainingLengths: EvaluationSet {
    EvaluationSet(name: "as they should be", sequences: 8) { generator in
      OddTask().episodes(1, difficulty: 1, using: &generator)[0]
    }
  }
}
