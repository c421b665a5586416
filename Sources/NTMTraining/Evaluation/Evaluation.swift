public import NTMModel

/// How well a model does on sequences of a task, run step by step as the service runs them.
public struct Evaluation: Codable, Equatable, Sendable {
  /// Sums over sequences of one kind.
  public struct Tally: Codable, Equatable, Sendable {
    public var sequences = 0
    /// Sum of the sequences' losses; bits where the loss is cross-entropy.
    public var loss = 0.0
    /// The same of the best possible predictor, where it is known.
    public var optimalLoss: Double?
    /// Values whose output counts.
    public var values = 0
    /// Those that round to something else than their target.
    public var wrong = 0
    /// Sequences without a wrong value.
    public var perfect = 0

    public init() {}

    public var lossPerSequence: Double { sequences == 0 ? 0 : loss / Double(sequences) }
    public var optimalPerSequence: Double? {
      optimalLoss.map { sequences == 0 ? 0 : $0 / Double(sequences) }
    }
    public var wrongPart: Double { values == 0 ? 0 : Double(wrong) / Double(values) }

    static func += (sum: inout Tally, other: Tally) {
      sum.sequences += other.sequences
      sum.loss += other.loss
      if let optimal = other.optimalLoss { sum.optimalLoss = (sum.optimalLoss ?? 0) + optimal }
      sum.values += other.values
      sum.wrong += other.wrong
      sum.perfect += other.perfect
    }
  }

  /// Over all sequences.
  public var total = Tally()
  /// For each `Episode.size`.
  public var bySize: [Int: Tally] = [:]

  /// Steps the model through every sequence from its start state.
  ///
  /// - Parameters:
  ///   - threads: at most so many; their number does not change the result
  ///   - optimal: the best possible predictor's loss on a sequence
  /// - Throws: `TrainingError` where a sequence does not fit the model; `AllocationError`.
  public init(
    _ model: Model, _ episodes: [Episode], threads: Int = 1,
    optimal: @Sendable (Episode) -> Double? = { _ in nil }
  ) throws {
    for episode in episodes {
      try Self.check(episode, model.configuration)
    }
    let count = max(1, min(threads, episodes.count))
    let runners = try (0..<count).map { _ in try Runner(model) }
    var tallies = [Tally](repeating: Tally(), count: episodes.count)
    tallies.withUnsafeMutableBufferPointer { tallies in
      // Each iteration writes elements of its own.
      nonisolated(unsafe) let tallies = tallies
      Parallel.perform(count) { thread in
        for index in stride(from: thread, to: episodes.count, by: count) {
          tallies[index] = runners[thread].tally(episodes[index])
          tallies[index].optimalLoss = optimal(episodes[index])
        }
      }
    }
    for (episode, tally) in zip(episodes, tallies) {
      total += tally
      bySize[episode.size, default: Tally()] += tally
    }
  }

  static func check(_ episode: Episode, _ configuration: Configuration) throws {
    guard
      episode.inputs.allSatisfy({ $0.count == configuration.inputSize }),
      episode.targets.allSatisfy({ $0.count == configuration.outputSize })
    else {
      throw TrainingError(
        "the task has \(episode.inputs.first?.count ?? 0) inputs and "
          + "\(episode.targets.first?.count ?? 0) outputs; the model has "
          + "\(configuration.inputSize) and \(configuration.outputSize)")
    }
  }
}

/// Steps one model through sequences.
///
/// `@unchecked Sendable`: one thread has it.
private final class Runner: @unchecked Sendable {
  private let model: Model
  private let loss: Loss
  private var state: State
  private var workspace: Workspace

  init(_ model: Model) throws(AllocationError) {
    self.model = model
    loss = Loss(model.configuration.dialect.output)
    state = try model.makeState()
    workspace = try model.makeWorkspace()
  }

  /// A step that the model refuses makes its sequence's loss infinite and the rest of it wrong.
  func tally(_ episode: Episode) -> Evaluation.Tally {
    var tally = Evaluation.Tally()
    tally.sequences = 1
    model.reset(&state)
    var isRunning = true
    for (step, target) in episode.targets.enumerated() {
      if isRunning {
        let input = episode.inputs[step]
        do {
          try model.step(input.span, state: &state, workspace: &workspace)
        } catch {
          isRunning = false
          tally.loss = .infinity
        }
      }
      let weight = Double(episode.mask[step])
      guard weight != 0 else { continue }
      tally.values += target.count
      guard isRunning else {
        tally.wrong += target.count
        continue
      }
      for (index, target) in target.enumerated() {
        let output = workspace.output[index]
        tally.loss +=
          weight * loss.value(logit: workspace.logits[index], output: output, target: target)
        if abs(output - target) >= 0.5 { tally.wrong += 1 }
      }
    }
    tally.perfect = tally.wrong == 0 && isRunning ? 1 : 0
    return tally
  }
}
