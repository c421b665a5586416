import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// The forward pass of training computes what the steps of a served model compute.
struct ForwardPassTests {
  private static let steps = 5
  private static let batch = 3

  @Test(arguments: UInt64(0)..<60)
  func agreesWithSteps(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let configuration = Configuration.random(&random)
    let model = try Model(configuration, random: &random)
    let sequences = (0..<Self.batch).map { _ in
      (0..<Self.steps).map { _ in random.values(configuration.inputSize, within: 1) }
    }
    let tape = try Tape(configuration, steps: Self.steps, batch: Self.batch)
    let parameters = try ParameterVector(model)
    let inputs = (0..<Self.steps).flatMap { step in sequences.flatMap { $0[step] } }
    ForwardPass(tape: tape, parameters: parameters.values).run(inputs)

    for (sequence, inputs) in sequences.enumerated() {
      var state = try model.makeState()
      var workspace = try model.makeWorkspace()
      for (step, input) in inputs.enumerated() {
        do {
          try model.step(input.span, state: &state, workspace: &workspace)
        } catch {
          // The tape says so too, in what it keeps of this step.
          #expect(!isFinite(tape, step, sequence), "\(error) at step \(step): \(configuration)")
          break
        }
        let clip = configuration.dialect.output.clip ?? .infinity
        let logits = (0..<configuration.outputSize).map {
          max(-clip, min(clip, tape.logits(step, sequence)[$0]))
        }
        expectClose(logits, Array(workspace.logits), "logits of step \(step), \(configuration)")
        for head in configuration.heads.indices {
          let weighting = state.weighting(head)
          let first = tape.weightings(step + 1, sequence) + head * tape.rows
          expectClose(
            (0..<weighting.count).map { first[$0] }, Array(weighting),
            "weighting \(head) of step \(step), \(configuration)")
        }
      }
    }
  }

  private func isFinite(_ tape: Tape, _ step: Int, _ sequence: Int) -> Bool {
    let configuration = tape.configuration
    let last = configuration.controller.layers - 1
    let memory = tape.memory(sequence, (step + 1) * tape.versionsPerStep)
    let parts: [(UnsafeMutablePointer<Float>, Int)] = [
      (tape.hidden(last, step + 1) + sequence * tape.units, tape.units),
      (tape.rawParameters(step, sequence), tape.parameterCount),
      (tape.parameters(step, sequence), tape.parameterCount), (memory, tape.memoryCount),
      (tape.weightings(step + 1, sequence), configuration.heads.count * tape.rows),
      (tape.reads(step + 1, sequence), tape.readsCount),
      (tape.logits(step, sequence), configuration.outputSize),
    ]
    return parts.allSatisfy { values, count in (0..<count).allSatisfy { values[$0].isFinite } }
  }

  private func expectClose(
    _ got: [Float], _ expected: [Float], _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let worst = zip(got, expected).map { abs($0 - $1) / max(1, abs($1)) }
      .reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
    #expect(
      got.count == expected.count && worst < 1e-4, "\(what) is off by \(worst)",
      sourceLocation: sourceLocation)
  }
}
