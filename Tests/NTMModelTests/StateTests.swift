import NTMTestSupport
import Testing

@testable import NTMModel

/// States as values: what they hold where, and that nothing but a step changes them.
struct StateTests {
  /// Two layers, several heads and sizes that need padding.
  static let configuration = Configuration(
    inputSize: 3, outputSize: 2, memory: MemoryShape(rows: 19, columns: 5),
    controller: Controller(kind: .lstm, layers: 2, units: 7), heads: [.read, .write, .readWrite],
    dialect: Preset.pytorchNTM.dialect)

  static func model(seed: UInt64 = 1) throws -> Model {
    var random = SplitMix64(seed: seed)
    return try Model(configuration, random: &random)
  }

  static func inputs(_ count: Int, seed: UInt64) -> [[Float]] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in random.values(configuration.inputSize, within: 1) }
  }

  // MARK: Values

  /// Row-major, in the order memory, weightings, reads, hidden, cell.
  @Test func valuesAreWhereTheLayoutSays() throws {
    var state = try Self.model().makeState()
    let (n, m, heads, reads, layers, units) = (19, 5, 3, 2, 2, 7)
    let count = n * m + heads * n + reads * m + 2 * layers * units
    #expect(state.layout.valueCount == count)
    let values = (0..<count).map { Float($0) + 0.5 }
    try state.setValues(values.span)
    #expect(state.values == values)

    var rest = values[...]
    func take(_ count: Int) -> [Float] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    state.forEachMemoryRow { row, memoryRow in
      #expect(Array(memoryRow) == take(m), "memory row \(row)")
    }
    for head in 0..<heads { #expect(Array(state.weighting(head)) == take(n), "head \(head)") }
    for read in 0..<reads { #expect(Array(state.read(read)) == take(m), "read \(read)") }
    for layer in 0..<layers { #expect(Array(state.hidden(layer: layer)) == take(units)) }
    for layer in 0..<layers { #expect(Array(state.cell(layer: layer)) == take(units)) }
    #expect(rest.isEmpty)

    let parts = state.layout.parts.map { "\($0.name) \($0.shape)" }
    #expect(
      parts == [
        "memory [19, 5]", "weightings [3, 19]", "reads [2, 5]", "hidden [2, 7]", "cell [2, 7]",
      ])
  }

  /// A state made from the values of another goes on in the same way.
  @Test(arguments: UInt64(0)..<30)
  func restoredStateGoesOnIdentically(seed: UInt64) throws {
    let test = try StepTests.Case(seed: seed)
    var workspace = try test.model.makeWorkspace()
    var state = try test.model.makeState()
    var restored = try test.model.makeState()
    for (index, input) in test.inputs.enumerated() {
      if index == 3 { try restored.setValues(state.values.span) }
      do {
        try test.model.step(input.span, state: &state, workspace: &workspace)
        guard index >= 3 else { continue }
        try test.model.step(input.span, state: &restored, workspace: &workspace)
        expectIdentical(restored, state, "seed \(seed), step \(index)")
      } catch StepError.nonFiniteResult {
        return
      }
    }
  }

  @Test(arguments: [-1, 1, 100, -1000])
  func refusesWrongCounts(surplus: Int) throws {
    var state = try Self.model().makeState()
    let before = try state.copy()
    let expected = state.layout.valueCount
    let count = max(expected + surplus, 0)
    let values = Array(repeating: Float(1), count: count)
    let error = #expect(throws: StateError.self) { try state.setValues(values.span) }
    #expect(error == .wrongCount(expected: expected, got: count))
    expectIdentical(state, before)
    let text = try #require(error).description
    #expect(text.contains("\(expected)") && text.contains("\(count)"))
  }

  @Test(arguments: [.nan, .infinity, -.infinity] as [Float], [0, 100, 189])
  func refusesValuesThatAreNotFinite(value: Float, index: Int) throws {
    var state = try Self.model().makeState()
    let before = try state.copy()
    var values = Array(repeating: Float(1), count: state.layout.valueCount)
    #expect(values.count == 190)
    values[index] = value
    let error = #expect(throws: StateError.self) { try state.setValues(values.span) }
    #expect(error == .nonFinite(index: index))
    expectIdentical(state, before)
  }

  // MARK: Copies

  @Test func copiesAreIndependent() throws {
    let model = try Self.model()
    var workspace = try model.makeWorkspace()
    var original = try model.makeState()
    var copy = try original.copy()
    expectIdentical(copy, original)
    let input: [Float] = [0.5, -1, 0.25]
    try model.step(input.span, state: &copy, workspace: &workspace)
    expectDifferent(copy, original)
    try expectIdentical(original, model.makeState())

    original.assign(copy)
    expectIdentical(original, copy)
    try model.step(input.span, state: &original, workspace: &workspace)
    expectDifferent(original, copy)

    model.reset(&original)
    try expectIdentical(original, model.makeState())
  }

  @Test func identityIsBitForBitInEveryValue() throws {
    let model = try Self.model()
    let state = try model.makeState()
    let values = state.values
    var other = try state.copy()
    for index in values.indices {
      var changed = values
      changed[index] = changed[index].nextUp
      try other.setValues(changed.span)
      expectDifferent(other, state, "value \(index)")
    }
    var zeros = Array(repeating: Float(0), count: values.count)
    var plus = try state.copy()
    var minus = try state.copy()
    try plus.setValues(zeros.span)
    zeros[7] = -0.0
    try minus.setValues(zeros.span)
    expectDifferent(plus, minus, "0 and −0 are not the same bits")
  }

  @Test func forksGoTheirOwnWays() throws {
    let model = try Self.model()
    var workspace = try model.makeWorkspace()
    let (common, left, right) = (
      Self.inputs(5, seed: 1), Self.inputs(5, seed: 2), Self.inputs(5, seed: 3)
    )
    var trunk = try model.makeState()
    for input in common { try model.step(input.span, state: &trunk, workspace: &workspace) }
    var fork = try trunk.copy()
    for (a, b) in zip(left, right) {
      try model.step(a.span, state: &trunk, workspace: &workspace)
      try model.step(b.span, state: &fork, workspace: &workspace)
    }
    expectDifferent(trunk, fork)
    try expectIdentical(trunk, Self.alone(model, common + left))
    try expectIdentical(fork, Self.alone(model, common + right))
  }

  /// What a session computes depends on its inputs alone, not on who else uses the workspace.
  @Test func interleavedSessionsEqualSessionsAlone() throws {
    let model = try Self.model()
    var workspace = try model.makeWorkspace()
    let inputs = (0..<3).map { Self.inputs(20, seed: UInt64(10 + $0)) }
    var a = try model.makeState()
    var b = try model.makeState()
    var c = try model.makeState()
    for step in 0..<20 {
      let (forA, forB, forC) = (inputs[0][step], inputs[1][step], inputs[2][step])
      try model.step(forA.span, state: &a, workspace: &workspace)
      try model.step(forB.span, state: &b, workspace: &workspace)
      if step % 3 == 0 {
        var dropped = try a.copy()
        try model.step(forC.span, state: &dropped, workspace: &workspace)
      }
      try model.step(forC.span, state: &c, workspace: &workspace)
    }
    try expectIdentical(a, Self.alone(model, inputs[0]))
    try expectIdentical(b, Self.alone(model, inputs[1]))
    try expectIdentical(c, Self.alone(model, inputs[2]))
    expectDifferent(a, b)
  }

  /// The state after `inputs`, stepped with a workspace of its own.
  static func alone(_ model: Model, _ inputs: [[Float]]) throws -> State {
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    for input in inputs { try model.step(input.span, state: &state, workspace: &workspace) }
    return state
  }
}
