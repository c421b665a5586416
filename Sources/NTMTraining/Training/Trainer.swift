public import NTMModel

/// Trains a model on a task by stochastic gradient descent.
///
/// A run does not waste its time: an update whose loss or gradient is not finite is skipped, a
/// collapse falls back to the best parameters and halves the rate, and `best` is the model that did
/// best in a validation. What it computes depends on its settings alone, so that a run that is
/// continued from a checkpoint gives the same bits as one that was never interrupted.
public final class Trainer {
  public let setup: TrainingSetup
  private let threads: Int
  private var state: TrainingState
  private var generator: RandomGenerator
  /// `state.parameters` as a model has them.
  private let realized: ParameterVector
  private let gradient: ParameterVector
  private let batch: BatchGradient
  private let optimizer: Optimizer
  private let validation: [Episode]
  private let validationBeyond: [Episode]
  private let clock = ContinuousClock()

  /// Skipped updates in a row after which the run falls back to its best.
  private static let patience = 50
  /// Mixed into the seed of validation sequences, so that they are never the training ones.
  static let validationSeed: UInt64 = 0x5641_4c49_4441_5445

  /// A new run.
  ///
  /// - Parameter threads: at most so many; their number does not change the result
  /// - Throws: `ConfigurationError`, `TrainingError`, `AllocationError`.
  public convenience init(_ setup: TrainingSetup, threads: Int) throws {
    try setup.configuration.validate()
    var generator = RandomGenerator(seed: setup.options.seed)
    let parameters = try ParameterVector(untrained: setup.configuration, using: &generator)
    var state = TrainingState(parameters: parameters)
    state.progress.generator = generator.state
    try self.init(setup, state: state, moments: nil, threads: threads)
  }

  /// A run that goes on.
  ///
  /// - Throws: `TrainingError` where the task does not fit the model, `AllocationError`.
  public convenience init(_ checkpoint: Checkpoint, threads: Int) throws {
    try self.init(
      checkpoint.setup, state: checkpoint.state.copy(), moments: checkpoint.moments,
      threads: threads)
  }

  private init(
    _ setup: TrainingSetup, state: TrainingState, moments: [Float]?, threads: Int
  ) throws {
    let (configuration, task, options) = (setup.configuration, setup.task, setup.options)
    try options.validate()
    try task.validate()
    guard configuration.inputSize == task.inputSize, configuration.outputSize == task.outputSize
    else {
      throw TrainingError(
        "the task has \(task.inputSize) inputs and \(task.outputSize) outputs; the model has "
          + "\(configuration.inputSize) and \(configuration.outputSize)")
    }
    if Loss(configuration.dialect.output) == .crossEntropy, !(0...1).contains(task.targetRange) {
      throw TrainingError(
        "targets reach from \(task.targetRange.lowerBound) to \(task.targetRange.upperBound), which "
          + "sigmoid outputs can't; the output's activation must be another, such as identity")
    }
    self.setup = setup
    self.threads = threads
    self.state = state
    generator = RandomGenerator(seed: state.progress.generator)
    realized = try ParameterVector(zerosFor: configuration)
    gradient = try ParameterVector(zerosFor: configuration)
    batch = try BatchGradient(
      configuration, steps: task.longestTraining, batch: options.batch, threads: threads)
    optimizer = try Optimizer(
      options.optimizer, clip: Float(options.clip),
      learned: state.parameters.learned(configuration), count: gradient.layout.count)
    if let moments { optimizer.restore(moments, updates: state.progress.updates) }

    var drawing = RandomGenerator(seed: Self.validationSeed)
    var atTrainingLengths = task.atTrainingLengths
    atTrainingLengths.sequences = options.validation
    validation = atTrainingLengths.episodes(using: &drawing)
    var beyond: [Episode] = []
    for var set in task.beyond where set.isExpected {
      set.sequences = options.validationBeyond
      beyond += set.episodes(using: &drawing)
    }
    validationBeyond = beyond
  }

  // MARK: State

  public var configuration: Configuration { setup.configuration }
  public var task: any TrainingTask { setup.task }
  public var options: TrainingOptions { setup.options }

  public var sequences: Int { state.progress.sequences }
  public var isFinished: Bool { sequences >= options.sequences }
  public var seconds: Double { state.progress.seconds }
  public var history: [TrainingRecord] { state.progress.history }
  public var best: TrainingRecord? { state.progress.bestRecord }
  public var skipped: Int { state.progress.skipped }
  public var fallbacks: Int { state.progress.fallbacks }

  /// The loss of the last update's batch, per sequence, and the norm of its gradient.
  public private(set) var last: (loss: Double, norm: Double) = (.nan, .nan)

  /// The model as it is after the last update.
  public func model() throws -> Model { try model(state.parameters) }

  /// The model that did best in a validation so far; the present one before the first.
  public func bestModel() throws -> Model {
    guard let best = state.best else { return try model() }
    let parameters = try ParameterVector(zerosFor: configuration)
    parameters.values.update(from: best.parameters, count: best.parameters.count)
    return try model(parameters)
  }

  private func model(_ parameters: ParameterVector) throws -> Model {
    let model = try ParameterVector(zerosFor: configuration)
    parameters.realize(configuration, into: model)
    return try model.model(configuration)
  }

  /// Everything from which the run can go on.
  public func checkpoint() throws(AllocationError) -> Checkpoint {
    var state = try state.copy()
    state.progress.generator = generator.state
    state.progress.updates = optimizer.updates
    return Checkpoint(setup: setup, state: state, moments: Array(optimizer.moments))
  }

  // MARK: Training

  /// One update, and where an interval ends with it, a validation.
  ///
  /// - Returns: the record of the interval that ended
  public func update() throws -> TrainingRecord? {
    let start = clock.now
    defer { state.progress.seconds += (clock.now - start) / .seconds(1) }
    let progress = Double(sequences) / Double(options.sequences)
    let rate = options.rate(after: progress) * state.progress.rateScale
    let episodes = task.episodes(
      options.batch, difficulty: options.difficulty(after: progress), using: &generator)
    state.parameters.realize(configuration, into: realized)
    let loss = batch.run(episodes, realized, into: gradient)
    gradient.unrealize(configuration, realized)
    let norm = optimizer.norm(gradient.values)
    last = (loss, Double(norm))
    state.progress.sequences += options.batch
    if loss.isFinite, norm.isFinite {
      optimizer.update(
        state.parameters.values, gradient: gradient.values, norm: norm, rate: Float(rate))
      if !Kernels.best.areFinite(state.parameters.values, count: gradient.layout.count) {
        try fallBack()
      }
      state.progress.skippedInARow = 0
      state.progress.lossSum += loss
      state.progress.normSum += Double(norm)
      state.progress.intervalUpdates += 1
    } else {
      state.progress.skipped += 1
      state.progress.skippedInARow += 1
      if state.progress.skippedInARow == Self.patience { try fallBack() }
    }
    let interval = options.interval
    guard isFinished || sequences / interval != (sequences - options.batch) / interval else {
      return nil
    }
    return try endInterval(rate: rate)
  }

  private func endInterval(rate: Double) throws -> TrainingRecord {
    let model = try model()
    let here = try Evaluation(model, validation, threads: threads).total
    let beyond =
      validationBeyond.isEmpty
      ? nil : try Evaluation(model, validationBeyond, threads: threads).total
    let updates = Double(max(1, state.progress.intervalUpdates))
    var record = TrainingRecord(
      sequences: sequences, seconds: seconds, trainingLoss: state.progress.lossSum / updates,
      gradientNorm: state.progress.normSum / updates, rate: rate,
      validationLoss: here.lossPerSequence, wrong: here.wrongPart,
      beyondLoss: beyond?.lossPerSequence, skipped: skipped, fallbacks: fallbacks)
    state.progress.lossSum = 0
    state.progress.normSum = 0
    state.progress.intervalUpdates = 0
    if record.score.isFinite, record.score <= best?.score ?? .infinity {
      state.progress.bestRecord = record
      state.progress.bestUpdates = optimizer.updates
      state.best = TrainingState.Snapshot(
        parameters: Array(
          UnsafeBufferPointer(start: state.parameters.values, count: gradient.layout.count)),
        moments: Array(optimizer.moments))
    } else if hasCollapsed(record) {
      try fallBack()
      record.fallbacks = fallbacks
    }
    state.progress.history.append(record)
    return record
  }

  /// Whether what had been learnt is gone: the loss, once under half of that of the first
  /// validation, has come back by a quarter of the way.
  private func hasCollapsed(_ record: TrainingRecord) -> Bool {
    guard let first = history.lazy.map(\.validationLoss).first(where: \.isFinite),
      let best = best?.validationLoss
    else {
      return false
    }
    guard record.validationLoss.isFinite else { return true }
    return best < first / 2 && record.validationLoss > best + (first - best) / 4
  }

  /// Back to the best parameters, with half the rate; to those that the run began with, before
  /// there are better ones.
  private func fallBack() throws {
    state.progress.fallbacks += 1
    state.progress.rateScale /= 2
    state.progress.skippedInARow = 0
    let parameters = state.parameters.values
    if let best = state.best {
      parameters.update(from: best.parameters, count: best.parameters.count)
      optimizer.restore(best.moments, updates: state.progress.bestUpdates)
    } else {
      var generator = RandomGenerator(seed: options.seed)
      let first = try ParameterVector(untrained: configuration, using: &generator)
      parameters.update(from: first.values, count: gradient.layout.count)
      optimizer.restore(
        [Float](repeating: 0, count: optimizer.moments.count), updates: 0)
    }
  }
}
