import NTMModel

@testable import NTMServer

/// A step's result as a client reads it. Numbers are compared bit for bit.
struct StepResult: Decodable, Equatable {
  var session: String?
  var step: Int
  var input: [Exact]?
  var output: [Exact]?
  var readWeightings: [[Exact]]?
  var writeWeightings: [[Exact]]?
  var readVectors: [[Exact]]?
  var memory: [[Exact]]?
  var heads: [HeadResult]?

  struct HeadResult: Decodable, Equatable {
    var type: String
    var key: [Exact]
    var strength: Exact?
    var gate: Exact?
    var sharpening: Exact?
    var shift: [Exact]?
    var erase: [Exact]?
    var add: [Exact]?
  }

  struct Fields: OptionSet, CustomStringConvertible, Sendable {
    let rawValue: Int

    static let names = [
      "output", "read_weightings", "write_weightings", "read_vectors", "memory", "heads",
      "input",
    ]
    static let output = Fields(rawValue: 0b1)
    static let standard = Fields(rawValue: 0b111)
    static let all = Fields(rawValue: 0b1111111)

    var names: [String] {
      Self.names.indices.filter { rawValue >> $0 & 1 == 1 }.map { Self.names[$0] }
    }
    var json: String { "[\(names.map { "\"\($0)\"" }.joined(separator: ","))]" }
    var description: String { names.joined(separator: "+") }
  }

  /// The result as it is when no more is asked for.
  func with(_ fields: Fields, session: String?) -> StepResult {
    let names = fields.names
    var result = self
    result.session = session
    if !names.contains("input") { result.input = nil }
    if !names.contains("output") { result.output = nil }
    if !names.contains("read_weightings") { result.readWeightings = nil }
    if !names.contains("write_weightings") { result.writeWeightings = nil }
    if !names.contains("read_vectors") { result.readVectors = nil }
    if !names.contains("memory") { result.memory = nil }
    if !names.contains("heads") { result.heads = nil }
    return result
  }
}

struct StepResults: Decodable, Equatable {
  var steps: [StepResult]
}

/// A float32 that equals only the same bits.
struct Exact: Decodable, Hashable, CustomStringConvertible {
  let value: Float

  init(_ value: Float) { self.value = value }

  init(from decoder: any Decoder) throws {
    value = try decoder.singleValueContainer().decode(Float.self)
  }

  static func == (a: Exact, b: Exact) -> Bool { a.value.bitPattern == b.value.bitPattern }
  func hash(into hasher: inout Hasher) { hasher.combine(value.bitPattern) }
  var description: String { value.description }
}

/// Steps a model without a service: what the service must give.
final class DirectSession {
  private let model: Model
  private(set) var state: State
  private var workspace: Workspace
  private(set) var steps = 0

  init(_ served: ServedModel) throws {
    model = served.model
    state = try served.model.makeState()
    workspace = try served.model.makeWorkspace()
  }

  /// All that a result can say.
  func step(_ input: [Float]) throws -> StepResult {
    try model.step(input.span, state: &state, workspace: &workspace)
    steps += 1
    let heads = model.configuration.heads
    return StepResult(
      session: nil, step: steps, input: input.map(Exact.init), output: exact(workspace.output),
      readWeightings: heads.indices.filter { heads[$0] != .write }.map {
        exact(state.weighting($0))
      },
      writeWeightings: heads.indices.filter { heads[$0] != .read }.map {
        exact(state.weighting($0))
      },
      readVectors: (0..<heads.count { $0 != .write }).map { exact(state.read($0)) },
      memory: memory,
      heads: heads.indices.map { index in
        let head = model.head(index, in: workspace)
        return StepResult.HeadResult(
          type: heads[index].rawValue, key: exact(head.key),
          strength: head.strength.map(Exact.init),
          gate: head.gate.map(Exact.init), sharpening: head.sharpening.map(Exact.init),
          shift: head.shift.map(exact), erase: head.erase.map(exact), add: head.add.map(exact))
      })
  }

  var memory: [[Exact]] {
    let (rows, columns) = (state.layout.memory.rows, state.layout.memory.columns)
    let values = state.values.prefix(rows * columns).map(Exact.init)
    return (0..<rows).map { Array(values[$0 * columns..<($0 + 1) * columns]) }
  }

  private func exact(_ values: UnsafeBufferPointer<Float>) -> [Exact] { values.map(Exact.init) }
}
