import Testing

@testable import NTMModel

/// A step that is refused leaves the state as it was, bit for bit, and the workspace usable.
struct RefusedStepTests {
  /// A model of one input, h = activation(x), and an input that it must refuse.
  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var input: [Float]
    let error: StepError
    var dialect = Preset.simple.dialect
    var controller = Activation.identity
    /// How h enters the heads' parameters: k, [β], [e], a of the write head, k, [β] of the read head.
    var headWeights: [Float] = [0, 0, 0]
    var outputWeight: Float = 0
    var rows = 3
    /// What is accepted before and after.
    var accepted: Float = 0.5

    func model() throws -> Model {
      try Model.ofBiases(
        dialect: dialect,
        controller: Controller(kind: .feedForward(activation: controller), units: 1),
        heads: [.write, .read], rows: rows, columns: 1,
        parameters: [headWeights.map { _ in 0.5 }],
        start: ["memory": (0..<rows).map { Float($0 + 1) }],
        weights: [
          "controller.0.weight": [1, 0], "heads.weight": headWeights,
          "output.weight": dialect.output.source == .hidden ? [outputWeight] : [outputWeight, 0],
        ])
    }
  }

  static func simple(_ change: (inout Dialect) -> Void) -> Dialect {
    var dialect = Preset.simple.dialect
    change(&dialect)
    return dialect
  }

  static let refusals: [Refusal] = [
    Refusal(
      testDescription: "no input", input: [], error: .wrongInputSize(expected: 1, got: 0)),
    Refusal(
      testDescription: "two inputs", input: [1, 2], error: .wrongInputSize(expected: 1, got: 2)),
    Refusal(testDescription: "NaN", input: [.nan], error: .nonFiniteInput(index: 0)),
    Refusal(testDescription: "infinity", input: [.infinity], error: .nonFiniteInput(index: 0)),
    Refusal(testDescription: "-infinity", input: [-.infinity], error: .nonFiniteInput(index: 0)),
    Refusal(
      testDescription: "strength overflows", input: [100],
      error: .nonFiniteResult(.headParameters),
      dialect: simple { $0.addressing.strength = .exp }, headWeights: [0, 1, 0, 0, 1]),
    Refusal(
      testDescription: "add overflows", input: [100], error: .nonFiniteResult(.headParameters),
      dialect: simple { $0.write.add = .exp }, headWeights: [0, 1, 0]),
    Refusal(
      testDescription: "linear map overflows", input: [3e38],
      error: .nonFiniteResult(.headParameters), headWeights: [0, 3e38, 0]),
    // A clip must not hide that the controller's output is infinite.
    Refusal(
      testDescription: "controller overflows under clips", input: [100],
      error: .nonFiniteResult(.headParameters),
      dialect: simple {
        $0.parameterClip = 20
        $0.output.clip = 20
      }, controller: .exp, headWeights: [1, 1, 1], outputWeight: 1),
    Refusal(
      testDescription: "memory overflows", input: [3e38], error: .nonFiniteResult(.memory),
      headWeights: [0, 1, 0], rows: 1, accepted: 1e38 / 4),
    Refusal(
      testDescription: "memory overflows, heads on live memory", input: [3e38],
      error: .nonFiniteResult(.memory), dialect: simple { $0.memoryOrder = .sequential },
      headWeights: [0, 1, 0], rows: 1, accepted: 1e38 / 4),
    Refusal(
      testDescription: "memory overflows, writes in turn", input: [3e38],
      error: .nonFiniteResult(.memory), dialect: simple { $0.memoryOrder = .parallel },
      headWeights: [0, 1, 0], rows: 1, accepted: 1e38 / 4),
    // h = x = −0.5 makes the read head's key 0, which has no cosine.
    Refusal(
      testDescription: "key of zeros without a guard", input: [-0.5],
      error: .nonFiniteResult(.weightings),
      dialect: simple { $0.addressing.similarity = Cosine() }, headWeights: [0, 0, 1]),
    Refusal(
      testDescription: "output overflows", input: [100], error: .nonFiniteResult(.output),
      dialect: simple { $0.output.activation = .exp }, outputWeight: 1),
    Refusal(
      testDescription: "logits overflow", input: [3e38], error: .nonFiniteResult(.output),
      outputWeight: 3e38),
  ]

  @Test(arguments: refusals)
  func leavesEverythingAsItWas(_ refusal: Refusal) throws {
    let model = try refusal.model()
    let accepted = [refusal.accepted]
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    for _ in 0..<3 { try model.step(accepted.span, state: &state, workspace: &workspace) }

    let before = try state.copy()
    for _ in 0..<2 {
      let error = #expect(throws: StepError.self) {
        try model.step(refusal.input.span, state: &state, workspace: &workspace)
      }
      #expect(error == refusal.error)
      expectIdentical(state, before)
    }

    var other = try before.copy()
    var fresh = try model.makeWorkspace()
    for _ in 0..<3 {
      try model.step(accepted.span, state: &state, workspace: &workspace)
      try model.step(accepted.span, state: &other, workspace: &fresh)
      expectIdentical(state, other, "the refusal left something in the workspace")
      #expect(workspace.output[0] == fresh.output[0])
    }
  }

  /// A cosine without a guard has no value for a zero row either.
  @Test func zeroRowsWithoutAGuardAreRefused() throws {
    var refusal = try #require(Self.refusals.first { $0.error == .nonFiniteResult(.weightings) })
    refusal.input = [0.5]
    let model = try refusal.model()
    var workspace = try model.makeWorkspace()
    var state = try model.makeState()
    var values = state.values
    values[1] = 0
    try state.setValues(values.span)
    let before = try state.copy()
    let error = #expect(throws: StepError.self) {
      try model.step(refusal.input.span, state: &state, workspace: &workspace)
    }
    // The write head's weighting is not a number, which the memory shows first.
    #expect(error == .nonFiniteResult(.memory))
    expectIdentical(state, before)
  }

  @Test(
    "Errors say what was wrong",
    arguments: [
      (.wrongInputSize(expected: 9, got: 8), ["8", "9"]), (.nonFiniteInput(index: 4), ["input[4]"]),
      (.nonFiniteResult(.memory), ["memory"]), (.nonFiniteResult(.output), ["output"]),
      (.nonFiniteResult(.weightings), ["weighting"]),
      (.nonFiniteResult(.headParameters), ["heads' parameters"]),
    ] as [(StepError, [String])])
  func errorsSay(error: StepError, parts: [String]) {
    for part in parts { #expect(error.description.contains(part)) }
  }
}
