import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// Gradients agree with central differences of the formulas in double precision, over random
/// configurations of every kind.
struct FiniteDifferenceTests {
  private static let steps = 4
  /// Small enough for the quotient, large enough for double precision.
  private static let difference = 1e-6

  @Test(arguments: UInt64(0)..<40)
  func agree(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let configuration = Configuration.random(&random)
    let model = try Model(configuration, random: &random)
    let inputs = (0..<Self.steps).map { _ in random.values(configuration.inputSize, within: 1) }
    let slopes = (0..<Self.steps).map { _ in random.values(configuration.outputSize, within: 1) }
    let oracle = NaiveModel(model)
    // A step that the model refuses has no gradient. About one case in twenty has one.
    guard Self.accepts(model, inputs) else { return }

    let parameters = try ParameterVector(model)
    let tape = try Tape(configuration, steps: Self.steps, batch: 1)
    ForwardPass(tape: tape, parameters: parameters.values).run(inputs.flatMap { $0 })
    let clip = configuration.dialect.output.clip ?? .infinity
    let dLogits = slopes.enumerated().flatMap { step, slopes in
      slopes.enumerated().map { abs(tape.logits(step)[$0]) > clip ? 0 : $1 }
    }
    let gradients = try ParameterVector(zerosFor: configuration)
    try BackwardPass(tape).run(parameters.values, dLogits: dLogits, into: gradients.values)

    let here = loss(oracle, inputs, slopes)
    for tensor in tape.layout.tensors where oracle.tensors[tensor.name] != nil {
      let got = (0..<tensor.count).map { Double(gradients.values[tensor.offset + $0]) }
      let largest = got.map(abs).max() ?? 0
      for index in (0..<tensor.count).shuffled(using: &random).prefix(2) {
        var (above, below) = (oracle, oracle)
        above.tensors[tensor.name]![index] += Self.difference
        below.tensors[tensor.name]![index] -= Self.difference
        let right = (loss(above, inputs, slopes) - here) / Self.difference
        let left = (here - loss(below, inputs, slopes)) / Self.difference
        // Rounding to float32 moves the point by about as much as the difference does: where the
        // loss is strongly curved, or has a kink, the two sides say how far that may lead.
        let tolerance = 2e-4 * max(largest, 0.1) + 3 * abs(right - left)
        let distance = min(abs(got[index] - right), abs(got[index] - left))
        #expect(
          distance <= tolerance,
          "\(tensor.name)[\(index)] is \(got[index]), not \(left) or \(right): \(configuration)")
      }
    }
  }

  private static func accepts(_ model: Model, _ inputs: [[Float]]) -> Bool {
    do {
      var state = try model.makeState()
      var workspace = try model.makeWorkspace()
      for input in inputs {
        try model.step(input.span, state: &state, workspace: &workspace)
      }
      return true
    } catch {
      return false
    }
  }

  /// Σ slopes · logits over all steps.
  private func loss(_ model: NaiveModel, _ inputs: [[Float]], _ slopes: [[Float]]) -> Double {
    var state = model.makeState()
    var loss = 0.0
    for (input, slopes) in zip(inputs, slopes) {
      let logits = model.step(input.map(Double.init), &state).logits
      for (slope, logit) in zip(slopes, logits) { loss += Double(slope) * logit }
    }
    return loss
  }
}
