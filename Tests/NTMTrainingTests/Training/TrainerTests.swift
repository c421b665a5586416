import Foundation
import NTMModel
import Testing

@testable import NTMTraining

/// A training run as a whole.
struct TrainerTests {
  @Test(arguments: OptimizerRule.allCases)
  func learnsToCopy(_ rule: OptimizerRule) throws {
    let setup = TrainingSetup.tiny().with {
      $0.options.sequences = 3200
      $0.options.batch = 16
      $0.options.interval = 320
      $0.options.validation = 32
      $0.options.optimizer = rule
    }
    let trainer = try Trainer(setup, threads: 2)
    try trainer.run()
    let first = try #require(trainer.history.first)
    let last = try #require(trainer.history.last)
    #expect(trainer.history.count == 10)
    #expect(last.validationLoss < first.validationLoss / 2)
    #expect(last.trainingLoss < first.trainingLoss / 2)
    #expect(last.wrong < first.wrong)
    #expect(trainer.skipped == 0)
  }

  /// The loss that a batch is said to have is that of the model as it is served.
  @Test func trainsTheModelThatIsServed() throws {
    let trainer = try Trainer(.tiny(), threads: 1)
    for _ in 0..<10 {
      let model = try trainer.model()
      var generator = RandomGenerator(seed: try trainer.checkpoint().state.progress.generator)
      let episodes = trainer.task.episodes(4, difficulty: 1, using: &generator)
      _ = try trainer.update()
      let served = try Evaluation(model, episodes).total.lossPerSequence
      #expect(abs(trainer.last.loss - served) < 1e-5 * served)
    }
  }

  @Test func anIntervalEndsWithARecord() throws {
    let setup = TrainingSetup.tiny().with {
      $0.options.sequences = 50
      $0.options.decay = 0.5
      $0.options.finalRate = 0
    }
    let trainer = try Trainer(setup, threads: 1)
    var ends: [Int] = []
    var losses: [Double] = []
    var norms: [Double] = []
    while !trainer.isFinished {
      let begun = Double(trainer.sequences) / 50
      let record = try trainer.update()
      losses.append(trainer.last.loss)
      norms.append(trainer.last.norm)
      guard let record else { continue }
      ends.append(trainer.sequences)
      #expect(record == trainer.history.last)
      #expect(record.sequences == trainer.sequences)
      #expect(abs(record.trainingLoss - losses.reduce(0, +) / Double(losses.count)) < 1e-9)
      #expect(abs(record.gradientNorm - norms.reduce(0, +) / Double(norms.count)) < 1e-9)
      // Along a straight line through the second half.
      #expect(abs(record.rate - 1e-2 * min(1, 2 * (1 - begun))) < 1e-9)
      (losses, norms) = ([], [])
    }
    // Batches of 4 pass 20 and 40 exactly, and the end is one too.
    #expect(ends == [20, 40, 52])
  }

  // MARK: The same bits

  @Test func oneSeedGivesOneModel() throws {
    func result(seed: UInt64, threads: Int) throws -> Trainer.Result {
      let setup = TrainingSetup.tiny().with {
        $0.options.seed = seed
        // Three shares, of different sizes.
        $0.options.batch = 20
        $0.options.sequences = 120
        $0.options.interval = 60
        $0.options.validationBeyond = 2
      }
      let trainer = try Trainer(setup, threads: threads)
      try trainer.run()
      return try trainer.result()
    }
    let one = try result(seed: 1, threads: 1)
    for threads in [1, 2, 3] {
      #expect(try result(seed: 1, threads: threads) == one, "\(threads) threads")
    }
    let other = try result(seed: 2, threads: 1)
    #expect(other.model != one.model)
    #expect(other.best != one.best)
  }

  @Test(
    arguments: OptimizerRule.allCases, [1, 5, 8, 13, 20])
  func aResumedRunGivesTheSameBits(_ rule: OptimizerRule, _ interruption: Int) throws {
    let setup = TrainingSetup.tiny().with {
      $0.options.optimizer = rule
      $0.options.curriculum = 0.5
      $0.options.validationBeyond = 2
    }
    let whole = try Trainer(setup, threads: 1)
    try whole.run()

    let folder = try TemporaryFolder()
    let begun = try Trainer(setup, threads: 1)
    try begun.run(updates: interruption)
    try begun.checkpoint().write(to: folder.file("checkpoint"))
    let resumed = try Trainer(Checkpoint(path: folder.file("checkpoint")), threads: 2)
    #expect(try resumed.result() == begun.result())
    #expect(resumed.sequences == 4 * interruption)
    #expect(resumed.seconds == begun.seconds)
    try resumed.run()
    #expect(try resumed.result() == whole.result())
    #expect(resumed.isFinished)
  }

  /// Also where the run falls back to its best after the interruption, and where updates have been
  /// skipped before it.
  @Test(arguments: [
    (oddity: OddTask.Oddity.lessonOfSecondHalf, interruption: 290),
    (oddity: .inputsOfSecondHalf, interruption: 230), (oddity: .someInputs, interruption: 330),
  ])
  func aResumedRunFallsBackAsTheWholeOne(_ oddity: OddTask.Oddity, _ interruption: Int) throws {
    let setup = TrainingSetup.odd(oddity)
    let whole = try Trainer(setup, threads: 1)
    try whole.run()
    let begun = try Trainer(setup, threads: 1)
    try begun.run(updates: interruption)
    let resumed = try Trainer(begun.checkpoint(), threads: 1)
    try resumed.run()
    #expect(try resumed.result() == whole.result())
    #expect(whole.fallbacks > 0 || whole.skipped > 0)
  }

  @Test func aCheckpointStaysAsItWasTaken() throws {
    let folder = try TemporaryFolder()
    let trainer = try Trainer(.tiny(), threads: 1)
    try trainer.run(updates: 7)
    let digest = try trainer.model().digest()
    let checkpoint = try trainer.checkpoint()
    try checkpoint.write(to: folder.file("a"))
    try trainer.run()
    let first = try Trainer(checkpoint, threads: 1)
    try first.run()
    try checkpoint.write(to: folder.file("b"))
    #expect(try Trainer(checkpoint, threads: 1).model().digest() == digest)
    #expect(try first.result() == trainer.result())
    let files = try ["a", "b"].map { try Data(contentsOf: URL(filePath: folder.file($0))) }
    #expect(files[0] == files[1])
  }

  // MARK: Trouble

  @Test(arguments: OptimizerRule.allCases, [OddTask.Oddity.someInputs, .someTargets])
  func aBatchThatIsNotFiniteIsSkipped(_ rule: OptimizerRule, _ oddity: OddTask.Oddity) throws {
    let setup = TrainingSetup.odd(oddity).with {
      $0.options.optimizer = rule
      $0.options.sequences = 80
      $0.options.interval = 20
    }
    let task = OddTask(oddity: oddity)
    let trainer = try Trainer(setup, threads: 1)
    var skipped = 0
    var losses: [Double] = []
    while !trainer.isFinished {
      let before = try trainer.model().digest()
      let moments = try trainer.checkpoint().moments
      let generator = RandomGenerator(seed: try trainer.checkpoint().state.progress.generator)
      let isOdd = task.isOdd(generator, 1)
      let record = try trainer.update()
      if isOdd { skipped += 1 } else { losses.append(trainer.last.loss) }
      #expect(trainer.skipped == skipped)
      #expect(try (trainer.model().digest() == before) == isOdd)
      #expect(try (trainer.checkpoint().moments == moments) == isOdd)
      guard let record else { continue }
      // Means are over the updates that were made.
      #expect(abs(record.trainingLoss - losses.reduce(0, +) / Double(losses.count)) < 1e-9)
      #expect(record.gradientNorm.isFinite && record.validationLoss.isFinite)
      #expect(record.skipped == skipped)
      losses = []
    }
    #expect(skipped > 5 && skipped < 35)
    #expect(trainer.fallbacks == 0)
  }

  @Test func fiftySkippedUpdatesInARowFallBack() throws {
    let setup = TrainingSetup.odd(.inputsOfSecondHalf)
    let trainer = try Trainer(setup, threads: 1)
    while trainer.sequences < setup.options.sequences / 2 { _ = try trainer.update() }
    #expect(trainer.skipped == 0)
    let best = try trainer.bestModel().digest()
    var previous = trainer.history.last?.rate
    #expect(previous == setup.options.rate)
    while !trainer.isFinished {
      let record = try trainer.update()
      #expect(trainer.fallbacks == trainer.skipped / 50)
      if trainer.skipped == 50 { #expect(try trainer.model().digest() == best) }
      guard let record else { continue }
      previous = record.rate
    }
    #expect(trainer.skipped == 200)
    #expect(trainer.fallbacks == 4)
    // The last update began when three halvings had been made.
    #expect(previous == setup.options.rate / 8)
  }

  @Test func aCollapseFallsBackToTheBest() throws {
    let trainer = try Trainer(.odd(.lessonOfSecondHalf), threads: 1)
    var fallbacks = 0
    var bestLoss = Double.infinity
    var rates: [Double] = []
    while !trainer.isFinished {
      guard let record = try trainer.update() else { continue }
      rates.append(record.rate)
      bestLoss = min(bestLoss, record.validationLoss)
      if record.fallbacks > fallbacks {
        // What the record tells is why.
        let first = trainer.history[0].validationLoss
        #expect(bestLoss < first / 2)
        #expect(record.validationLoss > bestLoss + (first - bestLoss) / 4)
        #expect(try trainer.model().digest() == trainer.bestModel().digest())
        fallbacks = record.fallbacks
      }
      #expect(trainer.fallbacks == fallbacks)
    }
    #expect(fallbacks > 0)
    // The rate of a record is that of its last update, before it fell back.
    let halvings = [0] + trainer.history.dropLast().map(\.fallbacks)
    #expect(rates == halvings.map { 1e-2 / pow(2, Double($0)) })
  }

  /// The rate is so high that parameters fly apart at once, and no validation is ever finite.
  @Test func aRunThatNeverWorksComesToItsEnd() throws {
    let folder = try TemporaryFolder()
    let setup = TrainingSetup.tiny().with { $0.options.rate = 1e37 }
    let trainer = try Trainer(setup, threads: 1)
    while !trainer.isFinished {
      _ = try trainer.update()
      try trainer.checkpoint().write(to: folder.file("checkpoint"))
      let resumed = try Trainer(Checkpoint(path: folder.file("checkpoint")), threads: 1)
      #expect(try resumed.result() == trainer.result())
    }
    #expect(trainer.history.allSatisfy { $0.validationLoss == .infinity })
    #expect(trainer.best == nil)
    #expect(trainer.skipped > 0)
    #expect(!LearningCurve(trainer.history, title: "", unit: "bits").svg.isEmpty)
    #expect(try trainer.bestModel().digest() == trainer.model().digest())
  }

  // MARK: The best

  @Test(arguments: [0, 3])
  func theBestModelIsTheOneThatValidatedBest(_ beyond: Int) throws {
    let setup = TrainingSetup.tiny().with {
      $0.options.sequences = 400
      $0.options.validationBeyond = beyond
      // Unsteady.
      $0.options.rate = 0.1
    }
    let trainer = try Trainer(setup, threads: 1)
    #expect(try trainer.bestModel().digest() == trainer.model().digest())
    var bestScore = Double.infinity
    var best = ""
    var worsened = 0
    while !trainer.isFinished {
      guard let record = try trainer.update() else { continue }
      #expect((record.beyondLoss != nil) == (beyond > 0))
      // The geometric mean, with a hundredth added to each.
      let score =
        record.beyondLoss.map { sqrt((record.validationLoss + 0.01) * ($0 + 0.01)) }
        ?? record.validationLoss
      if score <= bestScore {
        bestScore = score
        best = try trainer.model().digest()
        #expect(trainer.best == record)
      } else {
        worsened += 1
      }
      #expect(try trainer.bestModel().digest() == best)
    }
    #expect(worsened > 0)
  }

  // MARK: What can't be trained

  struct BadOption: Sendable, CustomTestStringConvertible {
    let name: String
    let set: @Sendable (inout TrainingOptions) -> Void
    var testDescription: String { name }

    init(_ name: String, _ set: @escaping @Sendable (inout TrainingOptions) -> Void) {
      self.name = name
      self.set = set
    }
  }

  @Test(arguments: [
    BadOption("sequences") { $0.sequences = 0 },
    BadOption("batch") { $0.batch = 0 },
    BadOption("batch") { $0.batch = .max },
    BadOption("interval") { $0.interval = -1 },
    BadOption("validation") { $0.validation = 0 },
    BadOption("validation-beyond") { $0.validationBeyond = -1 },
    BadOption("rate") { $0.rate = 0 },
    BadOption("rate") { $0.rate = .nan },
    BadOption("rate") { $0.rate = .infinity },
    BadOption("clip") { $0.clip = -1 },
    BadOption("decay") { $0.decay = 1.5 },
    BadOption("decay") { $0.decay = .nan },
    BadOption("final-rate") { $0.finalRate = -0.1 },
    BadOption("curriculum") { $0.curriculum = 2 },
  ])
  func optionsOutOfRangeAreRefused(_ option: BadOption) {
    var setup = TrainingSetup.tiny()
    option.set(&setup.options)
    expectError(TrainingError.self, "\(option.name) is ") { try Trainer(setup, threads: 1) }
  }

  @Test func aTaskOfOtherSizesIsRefused() {
    for (inputs, outputs) in [(4, 2), (3, 1)] {
      var setup = TrainingSetup.tiny()
      setup.configuration.inputSize = inputs
      setup.configuration.outputSize = outputs
      expectError(
        TrainingError.self,
        "the task has 3 inputs and 2 outputs; the model has \(inputs) and \(outputs)"
      ) { try Trainer(setup, threads: 1) }
    }
  }

  @Test func targetsThatAnOutputCanNotReachAreRefused() throws {
    var setup = TrainingSetup.tiny(OddTask(oddity: .someTargets))
    #expect(setup.configuration.dialect.output.activation == .identity)
    setup.configuration.dialect.output.activation = .sigmoid
    expectError(TrainingError.self, "targets reach from -1e+30 to 1e+30") {
      try Trainer(setup, threads: 1)
    }
  }

  @Test func anInvalidConfigurationIsRefused() {
    var setup = TrainingSetup.tiny()
    setup.configuration.memory.rows = 0
    expectError(ConfigurationError.self, "memory.rows") { try Trainer(setup, threads: 1) }
  }
}

extension TrainingSetup {
  /// 400 updates of two sequences of one bit, with a rate that does not decay; its difficulty is the run's progress.
  static func odd(_ oddity: OddTask.Oddity) -> TrainingSetup {
    tiny(OddTask(oddity: oddity)).with {
      $0.options.batch = 2
      $0.options.sequences = 800
      $0.options.interval = 40
      $0.options.curriculum = 1
      $0.options.decay = 0
    }
  }
}
