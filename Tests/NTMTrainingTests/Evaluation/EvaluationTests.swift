import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// How a model's figures come about.
struct EvaluationTests {
  private static func model(
    _ change: (inout Configuration) -> Void = { _ in }
  ) throws -> Model {
    var random = SplitMix64(seed: 1)
    var configuration = TrainingSetup.tiny().configuration
    change(&configuration)
    return try Model(configuration, random: &random)
  }

  private static func episodes(_ count: Int) -> [Episode] {
    var generator = RandomGenerator(seed: 2)
    var task = Copy.tiny
    task.length = Sizes(1...4)
    return (0..<count).map { _ in task.episodes(1, difficulty: 1, using: &generator)[0] }
  }

  /// By hand, from what the model's steps give.
  private func tally(_ model: Model, _ episode: Episode) throws -> Evaluation.Tally {
    let isSigmoid = model.configuration.dialect.output.activation == .sigmoid
    var tally = Evaluation.Tally()
    tally.sequences = 1
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    for (step, input) in episode.inputs.enumerated() {
      try model.step(input.span, state: &state, workspace: &workspace)
      guard episode.mask[step] > 0 else { continue }
      for (output, target) in zip(workspace.output, episode.targets[step]) {
        let (y, t) = (Double(output), Double(target))
        tally.loss +=
          Double(episode.mask[step])
          * (isSigmoid ? -t * log2(y) - (1 - t) * log2(1 - y) : (y - t) * (y - t))
        tally.values += 1
        if y.rounded() != t { tally.wrong += 1 }
      }
    }
    tally.perfect = tally.wrong == 0 ? 1 : 0
    return tally
  }

  @Test(arguments: [Activation.sigmoid, .identity])
  func isWhatTheStepsGive(_ activation: Activation) throws {
    let model = try Self.model { $0.dialect.output.activation = activation }
    var episodes = Self.episodes(30)
    episodes[3].mask = episodes[3].mask.map { $0 / 4 }
    let evaluation = try Evaluation(model, episodes)
    let expected = try episodes.map { try tally(model, $0) }
    func expectSame(
      _ got: Evaluation.Tally?, _ tallies: [Evaluation.Tally],
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let got = try #require(got, sourceLocation: sourceLocation)
      #expect(got.sequences == tallies.count, sourceLocation: sourceLocation)
      #expect(got.values == tallies.reduce(0) { $0 + $1.values }, sourceLocation: sourceLocation)
      #expect(got.wrong == tallies.reduce(0) { $0 + $1.wrong }, sourceLocation: sourceLocation)
      #expect(got.perfect == tallies.reduce(0) { $0 + $1.perfect }, sourceLocation: sourceLocation)
      expectClose(
        got.loss, tallies.reduce(0) { $0 + $1.loss }, within: 1e-5, sourceLocation: sourceLocation)
      #expect(got.optimalLoss == nil, sourceLocation: sourceLocation)
    }
    try expectSame(evaluation.total, expected)
    #expect(evaluation.bySize.keys.sorted() == [1, 2, 3, 4])
    for size in 1...4 {
      try expectSame(
        evaluation.bySize[size], zip(episodes, expected).filter { $0.0.size == size }.map(\.1))
    }
    // There is something to tell apart.
    #expect(evaluation.total.wrong > 0 && evaluation.total.wrong < evaluation.total.values)
    #expect(evaluation.total.lossPerSequence == evaluation.total.loss / 30)
    #expect(
      evaluation.total.wrongPart
        == Double(evaluation.total.wrong) / Double(evaluation.total.values))
  }

  @Test func sizesAddUpToTheTotal() throws {
    let evaluation = try Evaluation(Self.model(), Self.episodes(40), optimal: { Double($0.size) })
    let tallies = evaluation.bySize.values
    #expect(tallies.reduce(0) { $0 + $1.sequences } == evaluation.total.sequences)
    #expect(tallies.reduce(0) { $0 + $1.values } == evaluation.total.values)
    #expect(tallies.reduce(0) { $0 + $1.wrong } == evaluation.total.wrong)
    #expect(tallies.reduce(0) { $0 + $1.perfect } == evaluation.total.perfect)
    expectClose(tallies.reduce(0) { $0 + $1.loss }, evaluation.total.loss, within: 1e-12)
    let optimal = Double(Self.episodes(40).reduce(0) { $0 + $1.size })
    #expect(evaluation.total.optimalLoss == optimal)
    #expect(evaluation.total.optimalPerSequence == optimal / 40)
    #expect(tallies.reduce(0) { $0 + ($1.optimalLoss ?? 0) } == optimal)
  }

  @Test(arguments: [2, 3, 50])
  func threadsDoNotChangeIt(_ threads: Int) throws {
    let model = try Self.model()
    let episodes = Self.episodes(20)
    #expect(try Evaluation(model, episodes, threads: threads) == Evaluation(model, episodes))
  }

  @Test func ofNothingIsZero() throws {
    let evaluation = try Evaluation(Self.model(), [])
    #expect(evaluation.total == Evaluation.Tally())
    #expect(evaluation.total.lossPerSequence == 0 && evaluation.total.wrongPart == 0)
    #expect(evaluation.bySize.isEmpty)
  }

  /// From the refused step on, nothing that counts is right.
  @Test func aRefusedStepIsAnInfiniteLoss() throws {
    let model = try Self.model()
    var episodes = Self.episodes(12).filter { $0.size == 4 }
    let before = try Evaluation(model, episodes).total
    episodes[0].inputs[6][0] = .nan
    let after = try Evaluation(model, episodes).total
    #expect(before.loss.isFinite && after.loss == .infinity)
    #expect(after.values == before.values)
    // Of steps 5 to 8, which count, steps 6, 7 and 8 are lost.
    var kept = episodes[0]
    kept.inputs[6][0] = 0
    let whole = try tally(model, kept)
    kept.mask[6...] = [0, 0, 0]
    let first = try tally(model, kept)
    #expect(after.wrong == before.wrong - whole.wrong + first.wrong + 6)
  }

  @Test func sequencesOfOtherSizesAreRefused() throws {
    var episodes = Self.episodes(2)
    episodes[1].inputs = episodes[1].inputs.map { $0 + [0] }
    expectError(
      TrainingError.self, "the task has 4 inputs and 2 outputs; the model has 3 and 2"
    ) { try Evaluation(Self.model(), episodes) }
    episodes = Self.episodes(2)
    episodes[0].targets[1] = [1]
    expectError(TrainingError.self, "the model has 3 and 2") {
      try Evaluation(Self.model(), episodes)
    }
  }
}
