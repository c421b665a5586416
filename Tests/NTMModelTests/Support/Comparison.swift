import NTMModel
import NTMTestSupport
import Testing

/// The largest difference of `got` from `expected`, relative to the larger of 1 and the expected
/// magnitude. Infinite where a value is missing or not a number.
func distance(_ got: some Sequence<Float>, _ expected: some Sequence<Double>) -> Double {
  let (got, expected) = (Array(got), Array(expected))
  guard got.count == expected.count else { return .infinity }
  return zip(got, expected).reduce(0) { worst, pair in
    let distance = abs(Double(pair.0) - pair.1) / max(1, abs(pair.1))
    return max(worst, distance.isNaN ? .infinity : distance)
  }
}

/// Expects `got` to be within `tolerance` of `expected`, in the sense of `distance`.
func expectClose(
  _ got: some Sequence<Float>, _ expected: some Sequence<Double>, within tolerance: Double,
  _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  let distance = distance(got, expected)
  #expect(
    distance <= tolerance, "\(what) is off by \(distance): \(Array(got)), not \(Array(expected))",
    sourceLocation: sourceLocation)
}

/// Expects two lists of floats to have the same bits.
func expectIdentical(
  _ got: some Sequence<Float>, _ expected: some Sequence<Float>, _ what: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let (got, expected) = (Array(got), Array(expected))
  #expect(
    got.map(\.bitPattern) == expected.map(\.bitPattern), "\(what): \(got), not \(expected)",
    sourceLocation: sourceLocation)
}

/// Expects two states to hold the same bits.
func expectIdentical(
  _ state: borrowing State, _ other: borrowing State, _ comment: Comment? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let same = state.isIdentical(to: other) && other.isIdentical(to: state)
  #expect(same, comment, sourceLocation: sourceLocation)
}

/// Expects two states to differ in some bit.
func expectDifferent(
  _ state: borrowing State, _ other: borrowing State, _ comment: Comment? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let same = state.isIdentical(to: other) || other.isIdentical(to: state)
  #expect(!same, comment, sourceLocation: sourceLocation)
}

/// Expects `body` to throw an error whose text contains every one of `parts`.
func expectError(
  _ parts: [String], _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record(
      "\(what): nothing was thrown; expected: \(parts)", sourceLocation: sourceLocation)
  } catch {
    for part in parts {
      #expect(
        "\(error)".contains(part), "\(what): \"\(error)\" does not name \(part)",
        sourceLocation: sourceLocation)
    }
  }
}

/// How far a model's steps are from an oracle's, by quantity.
struct StepDeviations: CustomStringConvertible {
  private(set) var largest: [String: Double] = [:]
  /// The step that the model refused because of a value that is not finite, if any.
  private(set) var refusedStep: Int?

  var worst: Double { largest.values.max() ?? 0 }

  var description: String {
    largest.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  /// Steps both through `inputs`. A step that the model refuses must not be finite for the oracle
  /// either, and ends the comparison.
  init(_ model: Model, _ oracle: NaiveModel, inputs: [[Float]]) throws {
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    var expected = oracle.makeState()
    compare(state, expected)
    for (index, input) in inputs.enumerated() {
      let result = oracle.step(input.map(Double.init), &expected)
      do {
        try model.step(input.span, state: &state, workspace: &workspace)
      } catch {
        refusedStep = index
        if Self.isFinite(result, expected) { add("refused", .infinity) }
        return
      }
      compare(state, expected)
      add("output", distance(workspace.output, result.output))
      add("logits", distance(workspace.logits, result.logits))
      add("h", distance(workspace.hidden, result.hidden))
      add("raw parameters", distance(workspace.rawHeadParameters, result.rawHeadParameters))
      for (index, head) in result.heads.enumerated() {
        compare(model.head(index, in: workspace), head)
      }
    }
  }

  private mutating func add(_ quantity: String, _ distance: Double) {
    largest[quantity] = max(largest[quantity] ?? 0, distance)
  }

  private mutating func compare(_ state: borrowing NTMModel.State, _ expected: NaiveModel.State) {
    var rest = state.values[...]
    for (name, rows) in [
      ("memory", expected.memory), ("weightings", expected.weightings), ("reads", expected.reads),
      ("hidden", expected.hidden), ("cell", expected.cell),
    ] {
      let count = rows.reduce(0) { $0 + $1.count }
      add(name, distance(rest.prefix(count), rows.flatMap { $0 }))
      rest = rest.dropFirst(count)
    }
    if !rest.isEmpty { add("state's size", .infinity) }
  }

  private mutating func compare(_ head: HeadReading, _ expected: NaiveModel.Parameters) {
    func one(_ value: Float?) -> [Float] { value.map { [$0] } ?? [] }
    func oneExpected(_ value: Double?) -> [Double] { value.map { [$0] } ?? [] }
    func all(_ values: UnsafeBufferPointer<Float>?) -> [Float] { values.map { Array($0) } ?? [] }
    add("key", distance(head.key, expected.key))
    add("strength", distance(one(head.strength), oneExpected(expected.strength)))
    add("gate", distance(one(head.gate), oneExpected(expected.gate)))
    add("shift", distance(all(head.shift), expected.shift ?? []))
    add("sharpening", distance(one(head.sharpening), oneExpected(expected.sharpening)))
    add("erase", distance(all(head.erase), expected.erase ?? []))
    add("add", distance(all(head.add), expected.add ?? []))
  }

  private static func isFinite(_ result: NaiveModel.Result, _ state: NaiveModel.State) -> Bool {
    let parts = [state.memory, state.weightings, state.reads, state.hidden, state.cell]
    let values = parts.flatMap { $0.flatMap { $0 } } + result.output + result.logits
    return values.allSatisfy { abs($0) <= Double(Float.greatestFiniteMagnitude) }
  }
}
